import Measures
import RunStore
import Training

/// Writes what happens in a training to its run folder: every step, every epoch, the weights, checkpoints, the evaluation.
///
/// The log is on the disk before the checkpoints that go with it, and a checkpoint before the weights files that hold what it does. So whenever the
/// process ends, the log reaches at least as far as every checkpoint, and what a weights file lacks can be made from the newest one.
final class RunRecorder: TrainingListener {
    private let writer: RunWriter
    private let run: LiveRun
    private let data: DataDescription?
    private var timings: [EpochTiming] = []
    /// A checkpoint whose arrays are being written while the training validates.
    private var begun: BegunCheckpoint?
    /// Which group each test image is of.
    private let subgroups: Subgroups?
    /// What the newest checkpoint holds.
    private var saved: TrainingState?

    /// Begins the run, or resumes it: from here on its folder holds a readable file.
    ///
    /// - Parameter loop: already at the checkpoint of `resumption`.
    init(_ description: RunDescription, _ resumption: Resumption?, in writer: RunWriter, _ loop: TrainingLoop, subgroups: Subgroups? = nil) throws {
        (self.writer, self.subgroups) = (writer, subgroups)
        data = description.data
        run = try writer.start(resumption?.contents ?? RunContents(description: description))
        guard let resumption else { return }
        if let source = resumption.source {
            // From here on the run needs the one that it continues no more.
            if resumption.hasOtherBestWeights { try writer.copyBestWeights(from: source) }
            try saveCheckpoint(loop)
        }
        saved = resumption.state
        // The process may have ended before the checkpoint got its second name.
        if resumption.state.isAtEpochEnd { try writer.nameLast(checkpoint: resumption.state.progress.step) }
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
        case .epochTrained:
            begun = try BegunCheckpoint(of: loop, in: writer)
        case .epochFinished(let epoch, let timing):
            if timing.stepCount > 0 { timings.append(timing) }
            try run.append(EpochRecord(epoch))
            try saveCheckpoint(loop)
            try writer.nameLast(checkpoint: loop.progress.step)
        case .validated(let result):
            try run.append(EvaluationRecord(result), of: .validation)
        case .tested(let result):
            try saveAverages(of: loop, test: result)
            run.keep(try ErrorPictures(result, of: loop.source), subgroups)
            try run.append(EvaluationRecord(result))
        case .interrupted:
            try run.synchronize()
            // Interrupted in the test, the loop has the best weights, and the checkpoint of the end is there.
            if loop.state != saved { try saveCheckpoint(loop) }
            try run.finish(.interrupted)
        case .diverged:
            begun = nil
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

    /// Writes the checkpoint of this moment, or the rest of one that was begun since the last step.
    private func saveCheckpoint(_ loop: TrainingLoop) throws {
        let checkpoint = try begun ?? BegunCheckpoint(of: loop, in: writer)
        begun = nil
        try writer.keepRunFile(step: loop.progress.step)
        try checkpoint.finish(WeightsNotes(loop.state, monitor: loop.monitor, data: data, logDigest: run.logDigest))
        saved = loop.state
        try writer.removeOldCheckpoints()
    }

    /// Writes the weights of those averages that have been evaluated.
    private func saveAverages(of loop: TrainingLoop, test: EvaluationResult) throws {
        for average in loop.arrays.averages where test.values[average.name.name(Measure.lossName)]?.isNaN == false {
            let file = try writer.makeWeights(RunFolder.Weights(average.name))
            try file.write(average.parameters, under: "/parameters")
            try file.write(average.buffers, under: "/buffers")
            try file.finish(WeightsNotes(loop.state, monitor: loop.monitor, data: data))
        }
    }

    /// Adds what the training took since `start`.
    ///
    /// An epoch's seconds are a mean, validation included; 0 before the first one has ended. An epoch of which only a part was timed counts by its steps.
    func add(to machine: inout MachineRecord, _ loop: TrainingLoop, since start: ContinuousClock.Instant) {
        machine.wallClockSeconds = (.now - start) / .seconds(1)
        machine.secondsPerEpoch = mean(timings.map { $0.trainSeconds * Double(loop.stepsPerEpoch) / Double($0.stepCount) + $0.validationSeconds })
        machine.imagesPerSecond = mean(timings.map(\.imagesPerSecond))
        machine.waitingSecondsPerEpoch = mean(timings.map(\.waitingSeconds))
        machine.betweenStepsSecondsPerEpoch = mean(timings.map(\.betweenStepsSeconds))
    }

    private func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
}

/// The best weights are kept in `weights/best.h5`.
extension RunRecorder: BestWeights {
    func keep(_ loop: TrainingLoop) throws {
        let file = try writer.makeWeights(.best)
        try file.write(loop.arrays, includingOptimizer: false)
        try file.finish(WeightsNotes(loop.state, monitor: loop.monitor, data: data))
    }

    func restore(to loop: TrainingLoop) throws {
        try WeightsReader(writer.folder.weightsFile(.best)).fill(loop.arrays, includingOptimizer: false)
    }
}

/// A checkpoint whose arrays are being written on another thread, while the training does nothing that changes them.
private final class BegunCheckpoint {
    private let file: WeightsWriter
    private let work: BackgroundWork

    init(of loop: TrainingLoop, in writer: RunWriter) throws {
        let file = try writer.makeCheckpoint(step: loop.progress.step), arrays = loop.arrays
        self.file = file
        // The arrays are the loop's, which keeps its listeners' promise (`TrainingEvent.epochTrained`); the file is nobody else's until `wait`.
        work = BackgroundWork { try file.write(arrays, includingOptimizer: true) }
    }

    deinit { try? work.wait() }

    func finish(_ notes: WeightsNotes) throws {
        try work.wait()
        try file.finish(notes)
    }
}
