import Configuration
import RunStore
import TensorCore
import Training

/// Writes what happens in a training to its run folder: every step, every epoch, the weights, checkpoints, the evaluation.
///
/// The log is on the disk before the weights and checkpoints that go with it. So whenever the process ends, the log reaches at least as
/// far as every checkpoint, and has the checksums of every weights file.
final class RunRecorder: TrainingListener {
    private let writer: RunWriter
    private let run: LiveRun
    private var timings: [EpochTiming] = []

    /// Begins the run, or goes on with it: from here on its folder holds a readable file.
    ///
    /// - Parameter loop: already at the checkpoint of `resumption`.
    init(_ description: RunDescription, _ resumption: Resumption?, in writer: RunWriter, _ loop: TrainingLoop) throws {
        self.writer = writer
        run = try writer.start(resumption?.contents ?? RunContents(description: description))
        // A checkpoint of an epoch's end holds what the weights files do, which may have been about to be written.
        let progress = loop.progress
        if let resumption, resumption.checkpoint.isAtEpochEnd { try saveWeights(loop, isBest: progress.bestEpoch == progress.epoch - 1) }
    }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
        switch event {
        case .digested(let digest):
            try run.append(DigestRecord(step: digest.step, checksums: digest.checksums))
        case .layersMeasured(let statistics):
            try run.append(LayerRecord(statistics))
        case .stepFinished(let step):
            try run.append(StepRecord(step))
            if let interval = loop.configuration.checkpointEverySteps, loop.progress.step.isMultiple(of: interval) {
                try run.synchronize()
                try saveCheckpoint(loop)
            }
        case .epochFinished(let epoch, let timing):
            if timing.stepCount > 0 { timings.append(timing) }
            try run.append(EpochRecord(epoch))
            try saveWeights(loop, isBest: epoch.isBest)
            try saveCheckpoint(loop)
        case .tested(let result):
            try run.append(TestEvaluation(result))
        case .interrupted:
            try run.synchronize()
            try saveCheckpoint(loop)
            try run.finish(.interrupted)
        case .diverged:
            try run.finish(.diverged)
            try writer.removeCheckpoints()
        case .progress, .stoppedEarly:
            break
        }
    }

    /// Ends a run that was trained and tested; `machine.json` comes before, so that a run that says it is finished lacks nothing.
    func finish(_ machine: MachineRecord) throws {
        try writer.save(machine)
        try run.finish(.finished)
        try writer.removeCheckpoints()
    }

    private func saveWeights(_ loop: TrainingLoop, isBest: Bool) throws {
        let weights = WeightsFile(loop.checkpoint())
        try writer.save(weights, as: .last)
        if isBest { try writer.save(weights, as: .best) }
    }

    private func saveCheckpoint(_ loop: TrainingLoop) throws {
        try writer.save(checkpoint: WeightsFile(loop.checkpoint()), step: loop.progress.step)
    }

    /// Mean seconds of an epoch, validation included; 0 before the first one has ended. An epoch of which only a part was timed counts by its steps.
    func secondsPerEpoch(_ loop: TrainingLoop) -> Double {
        mean(timings.map { $0.trainSeconds * Double(loop.stepsPerEpoch) / Double($0.stepCount) + $0.validationSeconds })
    }

    var imagesPerSecond: Double { mean(timings.map(\.imagesPerSecond)) }

    /// Of an epoch, like `EpochTiming`'s.
    var waitingSeconds: Double { mean(timings.map(\.waitingSeconds)) }
    var betweenStepsSeconds: Double { mean(timings.map(\.betweenStepsSeconds)) }

    private func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
}
