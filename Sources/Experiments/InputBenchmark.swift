import Configuration
import Foundation
import Training
import VisionData

/// What an experiment's input costs a model: how much longer a step is in a real run than on its own.
public struct InputBenchmark: Codable, Sendable {
    /// The model's name in its definition.
    public let model: String
    /// Preparing one batch, with nothing else going on.
    public let batchMilliseconds: Double
    /// A step on a batch that is there, while the pipeline rests.
    public let stepMilliseconds: Double
    /// A step of a run: waiting for its batch, the preparation of others beside it, the log and the progress line included.
    public let trainingMilliseconds: Double
    /// By how much the latter is longer than the former, as a part of it; the median over pairs of neighbouring blocks of steps.
    public let overhead: Double

    enum CodingKeys: String, CodingKey {
        case model
        case batchMilliseconds = "batch_ms"
        case stepMilliseconds = "step_ms"
        case trainingMilliseconds = "training_ms"
        case overhead
    }

    init(model: String, batchMilliseconds: Double, training: [Double], alone: [Double]) {
        self.model = model
        self.batchMilliseconds = batchMilliseconds
        stepMilliseconds = median(alone)
        trainingMilliseconds = median(training)
        overhead = median(zip(training, alone).map { $0 / $1 - 1 })
    }

    /// Trains each model of `definition` for some hundred steps, with a run folder that is thrown away.
    ///
    /// - Throws: `UserError(.usage)` when the training is too short to measure.
    public static func measure(_ definition: Definition, dataDirectory: String?, threads: Int) throws -> [InputBenchmark] {
        let results = FileManager.default.temporaryDirectory.appending(path: "harness-input-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: results) }
        return try definition.models.map { model in
            var definition = definition.part(of: model)
            definition.seeds = Array(definition.seeds.prefix(1))
            let experiment = try Experiment(definition, dataDirectory: dataDirectory)
            let batchMilliseconds = try batchMilliseconds(experiment)
            let probe = InputProbe(blocks: 10, steps: 20)
            let options = Runner.Options(threads: threads, results: results, startsOver: false, command: [])
            _ = try Runner(experiment, options: options, terminal: .silent, watchedBy: [probe]).run(shouldStop: { probe.isDone })
            guard probe.isDone else {
                throw UserError(.usage, "\(definition.name): the training of \(model.name) is too short to measure its input; expected epochs of at least 30 steps and 250 steps in all")
            }
            return InputBenchmark(model: model.name, batchMilliseconds: batchMilliseconds, training: probe.training, alone: probe.alone)
        }
    }

    private static func batchMilliseconds(_ experiment: Experiment) throws -> Double {
        let pipeline = try BatchPipeline(
            training: experiment.source, batchSize: experiment.definition.train.batchSize, seed: 0,
            augmentations: experiment.definition.data.augmentations, epochs: 0..<1)
        let count = min(pipeline.batchesPerEpoch, 200), start = ContinuousClock.now
        for _ in 0..<count { _ = try pipeline.next() }
        return (.now - start) / .milliseconds(1) / Double(count)
    }
}
