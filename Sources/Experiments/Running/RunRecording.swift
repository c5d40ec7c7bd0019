import Checksums
import Configuration
import Foundation
import Measures
import RunStore
import TensorCore
import Training
import VisionData

/// The record of a training that has no definition: a run folder that `inspect`, `compare` and `RunReader` read like any other.
///
///     let recording = try RunRecording(of: loop, experiment: "letters", model: "small", seed: 0, settings: .map([("width", .scalar(16))]), in: "Results")
///     let outcome = try recording.run()
///
/// A run of the same names, settings and configuration that was interrupted is resumed. `verify` needs a definition, from which it can train again.
public struct RunRecording {
    /// Where the run is written: `<results>/<experiment>/<model>-s<seed>-<hash>`.
    public let folder: RunFolder
    private let loop: TrainingLoop
    private let description: RunDescription

    /// Describes a training that is about to begin; nothing is written yet.
    ///
    /// - Parameters:
    ///   - experiment: a name, or several with `/` between them, of letters, digits, `_`, `-` and `+`.
    ///   - model: a name of the same kind.
    ///   - seed: the training's.
    ///   - settings: what else the result depends on, under the model's name in the run's `/config`.
    ///   - results: the folder of all experiments.
    /// - Throws: `.usage` for what is no name.
    public init(
        of loop: TrainingLoop, experiment: String, model: String, seed: Int, settings: ConfigurationNode = .map([]), in results: String
    ) throws {
        for name in experiment.split(separator: "/", omittingEmptySubsequences: false).map(String.init) + [model] where !Definition.isName(name) {
            throw UserError(.usage, "'\(name.shortened())': expected a name of letters, digits, '_', '-' and '+'")
        }
        let configuration: ConfigurationNode = .map([
            ("data", .map([("name", .text(loop.source.name))])), ("models", .map([(model, settings)])),
            ("precision", .text(loop.configuration.precision.rawValue)), ("task", .text(loop.task.name)), ("train", loop.configuration.node),
        ])
        let dataset = loop.source as? ImageDataset, dataDigest = dataset?.images.digest, digest = SHA256()
        digest.update("\(YAML.line(configuration))\nseed \(seed)\ndata \(dataDigest ?? "")")
        let identity = digest.finish()
        folder = RunFolder(results: results, experiment: experiment, model: model, seed: seed, hash: identity)
        self.loop = loop
        description = RunDescription(
            experiment: experiment, model: model, seed: seed, configuration: YAML.text(configuration, .json),
            parameters: loop.arrays.parameters.reduce(0) { $0 + $1.values.count }, multiplyAdds: loop.multiplyAdds, classes: dataset?.classCount,
            measures: loop.measures, monitored: loop.task.monitored, layouts: loop.task.layouts, trialDigest: identity,
            identityVersion: Trial.identityVersion, dataDigest: dataDigest, tensors: loop.tensorNames,
            layers: loop.layerNames.isEmpty ? nil : LayerDescription(names: loop.layerNames), data: dataset.map { DataDescription($0) },
            arithmetic: [ArithmeticSpan(version: arithmeticVersion)])
    }

    /// Trains to the end, or resumes, and writes the log, the weights and what the machine took. The loop's weights are the best then.
    ///
    /// - Parameters:
    ///   - listeners: hear of everything after it was recorded.
    ///   - shouldStop: asked after every step; true ends the training with a checkpoint.
    /// - Throws: `.io` when the folder has a finished run or cannot be written, `.data` when what it has cannot be resumed.
    public func run(_ listeners: [any TrainingListener] = [], shouldStop: () -> Bool = { false }) throws -> TrainingOutcome {
        let start = ContinuousClock.now, writer = try RunWriter(folder)
        let resumption = try resumption()
        if let resumption { try loop.resume(resumption.state, filling: resumption.fill) }
        let recorder = try RunRecorder(description, resumption, in: writer, loop)
        var machine = MachineRecord.here(threads: loop.threadCount, command: CommandLine.arguments)
        machine.dataFile = (loop.source as? ImageDataset)?.location
        try writer.save(machine)
        let outcome = try loop.run([recorder] + listeners, keeping: recorder, shouldStop: shouldStop)
        recorder.add(to: &machine, loop, since: start)
        if case .completed = outcome { try recorder.finish(machine) } else { try writer.save(machine) }
        return outcome
    }

    private func resumption() throws -> Resumption? {
        guard folder.hasRun else { return nil }
        let status = try RunReader(folder).status
        if status == .finished || status == .diverged {
            throw UserError(.io, "\(folder.path): has a run that is \(status.name); remove it, or record under another name")
        }
        return try Resumption.search(folder, for: description, registry: .standard).resumption
    }
}
