import Configuration
import Foundation
import Measures
import Models
import RunStore
import Tasks
import TensorCore
import Training
import VisionData

/// Repeats a run from its stored definition and compares it, step by step and bit by bit, with what was recorded: `harness verify`.
public struct Verification {
    /// How far the two agree.
    public enum Verdict: Sendable, Equatable {
        /// Up to this step; `isWhole` when the run is finished and its evaluation on the test split agrees too.
        case identical(steps: Int, digests: Int, isWhole: Bool)
        case different(Difference)
        /// Someone asked to stop.
        case interrupted(steps: Int)
    }

    /// The first thing that came out differently when the run was replayed.
    public struct Difference: Error, Sendable, Equatable {
        /// Finished steps; 0 stands for the initial weights.
        public let step: Int
        /// What is not the same, such as `loss: 2.5 recorded, 2.25 now`.
        public let values: [String]
        /// The parameters and buffers whose bits are not the same after the step.
        public let tensors: [String]
        /// The last step after which all weights were seen to agree.
        public let lastAgreement: Int?
    }

    /// The run that was replayed.
    public let folder: RunFolder
    /// What the replay showed.
    public let verdict: Verdict
    /// What the run was trained with, and here: only what is not the same.
    public let machineDifferences: [String]
    /// Into how many shards a batch was cut.
    public let shards: Int
    /// A sentence about the run's version of the arithmetic when it is not this program's alone.
    public let arithmeticNote: String?

    /// Trains again.
    ///
    /// - Parameters:
    ///   - steps: end after so many; nil: as far as the record goes.
    ///   - dataFile: the HDF5 file with the data; nil: where the run found it, or where the definition says.
    ///   - weightsFile: the file of weights that the training started from; nil: where the run found it, or where the definition says.
    ///   - shouldStop: asked after every step.
    /// - Throws: `.data` when the run cannot be repeated: its file is damaged, its definition is not the one it was made with, or the images are others; also when it
    ///   differs because it was trained with another version of the arithmetic.
    public init(
        _ folder: RunFolder, threads: Int, steps: Int?, dataDirectory: String?, dataFile: String? = nil, weightsFile: String? = nil, registry: Registry = .standard,
        command: [String], terminal: Terminal = .standardError, shouldStop: @escaping () -> Bool
    ) throws {
        let recorded = try RecordedExperiment(
            of: folder, dataDirectory: dataDirectory, dataFile: dataFile, weightsFile: weightsFile, hasPlaceOptions: true, registry: registry)
        let run = recorded.run, experiment = recorded.experiment, trial = recorded.trial
        let description = run.description
        guard let last = run.steps.last?.step, last == run.steps.count else {
            throw UserError(.data, "\(folder.runFile): has no whole list of steps to compare with")
        }
        let pool = WorkerPool(threads: threads, shards: trial.train.shards)
        let source = try SourceRun(of: trial, .start, in: experiment, beside: folder, threads: threads, terminal: terminal, command: command, shouldStop: shouldStop)
        defer { source.remove() }
        let teacher = try SourceRun(of: trial, .teacher, in: experiment, beside: folder, threads: threads, terminal: terminal, command: command, shouldStop: shouldStop)
        defer { teacher.remove() }
        guard !source.isInterrupted, !teacher.isInterrupted else {
            (self.folder, verdict, machineDifferences, shards, arithmeticNote) = (folder, .interrupted(steps: 0), [], trial.train.shards, nil)
            return
        }
        let loop = try experiment.training(of: trial, startingFrom: experiment.weights(of: trial, from: source.folder),
            taughtBy: experiment.weights(of: trial, .teacher, from: teacher.folder), pool: pool)
        guard description.tensors.isEmpty || description.tensors == loop.tensorNames else {
            throw UserError(.data, "\(folder.runFile): has checksums of other tensors than \(description.model) has")
        }
        let end = min(steps ?? last, last)
        let isWhole = run.status == .finished && end == last
        let replay = Replay(run, path: folder.path)
        let progress = ProgressLine(label: "verify", terminal: terminal)
        do {
            let bestWeights = BestWeightsInMemory()
            if trial.train.initialWeights?.afterEpoch != nil, let origin = source.folder, let other = trial.source?.trials.first {
                let start = try Resumption(continuing: origin, as: trial, stopping: other.train.earlyStopping, description)
                try replay.compare(history: start.contents, through: end)
                if start.hasOtherBestWeights {
                    try WeightsReader(origin.weightsFile(.best)).fill(loop.arrays, includingOptimizer: false)
                    bestWeights.keep(loop)
                }
                try loop.resume(start.state, filling: start.fill)
            }
            let isTrainedAgain = loop.progress.step < end || isWhole
            let outcome = isTrainedAgain
                ? try loop.run([replay, progress], keeping: bestWeights) { shouldStop() || !isWhole && loop.progress.step >= end } : .interrupted
            switch outcome {
            case .completed:
                verdict = .identical(steps: replay.stepCount, digests: replay.digestCount, isWhole: true)
            case .interrupted where replay.stepCount < end || isWhole:
                verdict = .interrupted(steps: replay.stepCount)
            case .interrupted:
                verdict = .identical(steps: replay.stepCount, digests: replay.digestCount, isWhole: false)
            case .diverged(let divergence):
                let isRecorded = run.status == .diverged && divergence.step == last
                verdict = isRecorded
                    ? .identical(steps: replay.stepCount, digests: replay.digestCount, isWhole: false)
                    : .different(Difference(step: divergence.step + 1, values: ["\(divergence)"], tensors: [], lastAgreement: replay.lastAgreement))
            }
        } catch let difference as Difference {
            verdict = .different(difference)
        }
        let earlier = try? MachineRecord(folder), here = MachineRecord.here(threads: pool.threadCount, command: command)
        if case .different(let difference) = verdict, description.arithmetic.version(through: difference.step) != arithmeticVersion {
            let kind = earlier.flatMap { here.kindDifferences(from: $0).first }.map { ", and on this machine (\($0))" } ?? ""
            throw UserError(
                .data, """
                    \(folder.runFile): was trained with \(description.arithmetic.text) of the arithmetic, and this program has version \
                    \(arithmeticVersion): bits differ between them on purpose (here from \(Self.place(difference.step)) on), so it cannot be verified \
                    with this program\(kind)
                    """)
        }
        arithmeticNote = description.arithmetic.version(through: end) == arithmeticVersion ? nil
            : "the run was trained with \(description.arithmetic.text) of the arithmetic, this program has version \(arithmeticVersion): here they agree"
        self.folder = folder
        shards = trial.train.shards
        machineDifferences = earlier.map { earlier in
            let threadNote = earlier.threads == here.threads ? [] : ["threads \(earlier.threads) → \(here.threads)"]
            return here.differences(from: earlier) + threadNote
        } ?? ["the run has no machine.json to compare with"]
    }

}

/// Compares what happens with what was recorded, and ends the training at the first difference.
private final class Replay: TrainingListener {
    private let run: RunContents
    private let path: String
    private let digests: [Int: DigestRecord]
    private var differingTensors: [String] = []
    private(set) var stepCount = 0
    private(set) var digestCount = 0
    private(set) var lastAgreement: Int?

    init(_ run: RunContents, path: String) {
        self.run = run
        self.path = path
        digests = Dictionary(run.digests.map { ($0.step, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Compares what the run has from the one that it continues, up to a step.
    func compare(history: RunContents, through end: Int) throws {
        let measures = run.description.measures
        for (recorded, now) in zip(run.steps, history.steps) where now.step <= end {
            try check(step: now.step, pairs(recorded.values, MeasureValues(measures, now.values)) { $0.title } + [
                ("learning rate", recorded.learningRate, now.learningRate), ("gradient norm", recorded.gradientNorm, now.gradientNorm),
            ])
            stepCount = now.step
        }
        for digest in history.digests where digest.step <= end {
            guard let recorded = digests[digest.step] else { continue }
            let names = run.description.tensors
            differingTensors = names.indices.filter { recorded.checksums[$0] != digest.checksums[$0] }.map { names[$0] }
            try check(step: digest.step, [])
            digestCount += 1
            lastAgreement = digest.step
        }
    }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
        switch event {
        case .digested(let digest):
            guard let recorded = digests[digest.step] else { return }
            let names = loop.tensorNames
            differingTensors = names.indices.filter { recorded.checksums[$0] != digest.checksums[$0] }.map { names[$0] }
            // After a step its loss is looked at first: it was there before the update.
            if digest.step == 0 { try check(step: 0, []) }
            if differingTensors.isEmpty {
                digestCount += 1
                lastAgreement = digest.step
            }
        case .stepFinished(let metrics):
            let recorded = run.steps[metrics.step], now = StepRecord(metrics)
            try check(step: now.step, pairs(recorded.values, metrics.values) { $0.title } + [
                ("learning rate", recorded.learningRate, now.learningRate), ("gradient norm", recorded.gradientNorm, now.gradientNorm),
            ])
            stepCount = now.step
        case .epochFinished(let metrics, _):
            guard run.epochs.indices.contains(metrics.epoch) else { return }
            let recorded = run.epochs[metrics.epoch], nothing = recorded.validation.compactMap(\.self).isEmpty
            try check(
                step: metrics.stepCount, pairs(recorded.training, metrics.training) { "mean \($0.title) of the epoch" }
                    + (metrics.validation.map { pairs(recorded.validation, $0) { "validation \($0.title)" } } ?? []),
                nothing == (metrics.validation == nil) ? [] : ["whether there is a validation"])
        case .validated(let result): try compare(result, with: .validation)
        case .tested(let result): try compare(result, with: .test)
        case .layersMeasured, .progress, .epochTrained, .stoppedEarly, .interrupted, .diverged:
            break
        }
    }

    /// Compares an evaluation with what was recorded of that split; a file may lack tables that are made today.
    private func compare(_ result: EvaluationResult, with split: EvaluatedSplit) throws {
        guard let recorded = run.evaluations[split] else { return }
        let others = recorded.tables.keys.sorted().filter { result.tables[$0] != nil && recorded.tables[$0] != result.tables[$0] }
        try check(
            step: stepCount, pairs(recorded.values, result.values) { "\(split.rawValue) \($0.title)" },
            others.map { "\($0) on the \(split.rawValue) images" })
    }

    /// What was recorded of each measure beside what it is now; not of those that the run does not have.
    private func pairs(
        _ recorded: [Double?], _ now: MeasureValues, _ name: (Measure) -> String
    ) -> [(name: String, recorded: Double?, now: Double?)] {
        zip(run.description.measures, recorded).compactMap { measure, value in
            now[measure.name].map { (name(measure), value, $0) }
        }
    }

    private func check(step: Int, _ pairs: [(name: String, recorded: Double?, now: Double?)], _ others: [String] = []) throws {
        func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "nothing" }
        // What is not measured is NaN here and nothing there.
        func bits(_ value: Double?) -> UInt64? { value.flatMap { $0.isNaN ? nil : $0.bitPattern } }
        let values = pairs.filter { bits($0.recorded) != bits($0.now) }
            .map { "\($0.name): \(text($0.recorded)) recorded, \(text($0.now)) now" }
        guard values.isEmpty, others.isEmpty, differingTensors.isEmpty else {
            throw Verification.Difference(step: step, values: values + others, tensors: differingTensors, lastAgreement: lastAgreement)
        }
    }
}
