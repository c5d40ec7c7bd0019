import Configuration
import Foundation
import Measures
import RunStore

/// What reports need of a run.
struct RunSummary: Sendable {
    enum State: String, Codable, Sendable {
        case finished, running, interrupted, diverged
        /// Its process ended without a word.
        case cutOff = "cut off"
        /// Ended by a sweep, because others did better.
        case stopped
    }

    let folder: RunFolder
    let description: RunDescription
    /// Whether it is another experiment's run, of which the folder is a link.
    let isLink: Bool
    let state: State
    /// nil in a run that did not diverge, where nobody asked for its rows.
    let stepCount: Int?
    let epochCount: Int
    /// The epoch after which its sweep ended it; nil where it did not.
    let stopEpoch: Int?
    /// None where nobody asked for them.
    let epochs: [EpochRecord]
    /// None in runs that do not measure their layers.
    let layers: [LayerRecord]
    /// In the order of the description's measures; nil before the test.
    let testValues: [Double?]?
    /// What was asked for and is computed from the logits that the run keeps; NaN where it is not defined, absent where there are none.
    let scores: [Metric: Double]
    /// How well each group of test images is classified; nil where the run keeps no groups.
    let subgroups: SubgroupReport?
    let machine: MachineRecord?
    /// What is wrong with `machine.json`, of which nothing but times is read here.
    let machineDamage: String?

    /// - Parameters:
    ///   - readsEpochs: whether somebody asks for the rows: what was measured in each epoch, and how many steps there are.
    ///   - metrics: those of them that are computed from logits are computed.
    init(_ folder: RunFolder, readsEpochs: Bool = true, scoring metrics: [Metric] = []) throws {
        self.folder = folder
        let status: RunStatus
        var description: RunDescription
        let logits: [EvaluatedSplit: ClassScores]
        (status, description, layers, epochCount, stepCount, epochs, testValues, logits, subgroups) = try RunReader.read(folder) { run in
            let layers = try run.layers()
            return (
                run.status,
                // Only who measured layers is asked for their names.
                layers.isEmpty ? run.description : try run.wholeDescription(), layers, try run.epochCount(),
                readsEpochs || run.status == .diverged ? try run.stepCount() : nil, readsEpochs ? try run.epochs() : [], try run.testValues(),
                try Self.logits(of: run, for: metrics), try run.subgroups().flatMap { SubgroupReport($0, try run.evaluation()) }
            )
        }
        scores = Self.scores(logits, metrics, description.measures)
        // A run that experiments share lies in one of them; in the others there is a link to it.
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder.path)
        isLink = target != nil
        if let target {
            // It goes up to the folder of results: as far as the experiment's name has parts.
            let count = max(1, target.split(separator: "/").prefix { $0 == ".." }.count)
            description.experiment = URL(filePath: folder.path).standardizedFileURL.pathComponents.dropLast().suffix(count).joined(separator: "/")
        }
        self.description = description
        stopEpoch = SweepFile.epochOfStop(of: folder)
        state =
            switch status {
            // A run that another experiment finished can be stopped in the plan of this one, whose table is that of a sweep alone.
            case .finished: stopEpoch != nil ? .stopped : .finished
            case .interrupted where stopEpoch != nil: .stopped
            case .interrupted: .interrupted
            case .diverged: .diverged
            case .running: folder.isBeingWritten ? .running : .cutOff
            }
        do {
            (machine, machineDamage) = (try MachineRecord(folder), nil)
        } catch let error as UserError {
            (machine, machineDamage) = (nil, "\(error)")
        }
    }

    /// The logits of the splits that metrics are about.
    private static func logits(of run: RunReader, for metrics: [Metric]) throws -> [EvaluatedSplit: ClassScores] {
        var logits: [EvaluatedSplit: ClassScores] = [:]
        let scores = metrics.compactMap { $0.score(run.description.measures) }
        for split in Set(scores.map { $0.split } + (scores.contains { $0.measure.isFittedToValidation } ? [.validation] : [])) {
            logits[split] = try run.evaluation(of: split)?.scores(of: run.description)
        }
        return logits
    }

    private static func scores(_ logits: [EvaluatedSplit: ClassScores], _ metrics: [Metric], _ measures: [Measure]) -> [Metric: Double] {
        var values: [Metric: Double] = [:]
        for metric in metrics {
            guard let (split, measure) = metric.score(measures), let scores = logits[split] else { continue }
            if measure.isFittedToValidation && logits[.validation] == nil || measure.isOfProbabilities && scores.areMargins { continue }
            // Among no more than k classes every image is right.
            if case .topAccuracy(let k) = measure, k > scores.classCount { values[metric] = .nan } else { values[metric] = measure.value(of: scores, validation: logits[.validation]) }
        }
        return values
    }

    /// Why the run, though finished, has no value of a metric: what follows "has no test_ece"; empty where there is nothing to say.
    func reason(forLacking metric: Metric) -> String {
        if leavesUndefined(metric) {
            // These measures are not defined where no test image has an object.
            return ["map_50", "map", "box_iou"].contains(metric.measureName ?? "")
                ? ": none of its test images has an object, by which it is measured" : ": it is not defined for its test images"
        }
        guard let (split, measure) = metric.score(description.measures) else { return "" }
        if measure.isOfProbabilities, description.measures.areOfMargins { return ": its logits are the margins of a hinge loss, which are no probabilities" }
        if scores[metric] == nil {
            let isSilent = description.definition?["train"]?["store_outputs"].map { if case .scalar("false", _) = $0.value { true } else { false } } ?? false
            let split = measure.isFittedToValidation ? EvaluatedSplit.validation : split
            return ": its file keeps no logits of the \(split.rawValue) images\(isSilent ? " (train.store_outputs: false)" : "")"
        }
        if case .topAccuracy(let k) = measure, let classes = description.classes, k > classes { return ": it has \(grouped(classes)) classes" }
        return ": it is not defined for its \(split.rawValue) images"
    }

    /// Whether the run is finished and measures a metric of the test, which is not a number there.
    func leavesUndefined(_ metric: Metric) -> Bool {
        guard case .test = metric, shortcoming == nil, let testValues else { return false }
        return description.measures.firstIndex { $0.name == metric.measureName }.map { testValues[$0]?.isFinite != true } ?? false
    }

    var name: String { String(folder.path.split(separator: "/").last ?? "") }

    /// Why the run has no result, or nil when it has one.
    var shortcoming: String? {
        switch state {
        case .finished: nil
        case .running: "is still running, in epoch \(epochCount + 1)"
        case .interrupted, .cutOff: "was cut off in epoch \(epochCount + 1)"
        case .stopped: "was stopped after epoch \(stopEpoch ?? epochCount), because others did better"
        case .diverged: "diverged at step \(grouped((stepCount ?? 0) + 1))"
        }
    }
}
