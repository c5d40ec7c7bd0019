import Configuration
import RunStore
import TensorCore
import Training

/// Writes what happens in a training to its run folder: every step, every epoch, the weights, the evaluation.
final class RunRecorder: TrainingListener {
    private let writer: RunWriter
    private let run: LiveRun
    private var timings: [EpochTiming] = []

    /// Begins the run: from here on its folder holds a readable file.
    init(_ description: RunDescription, in writer: RunWriter) throws {
        self.writer = writer
        run = try writer.start(RunContents(description: description))
    }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
        switch event {
        case .stepFinished(let step):
            try run.append(StepRecord(step))
        case .epochFinished(let epoch, let timing):
            timings.append(timing)
            let weights = WeightsFile(loop.checkpoint())
            // The weights first: an epoch in the log has its weights on disk.
            try writer.save(weights, as: .last)
            if epoch.isBest { try writer.save(weights, as: .best) }
            try run.append(EpochRecord(epoch))
        case .tested(let result):
            try run.append(TestEvaluation(result))
        case .interrupted:
            try writer.save(WeightsFile(loop.checkpoint()), as: .last)
            try run.finish(.interrupted)
        case .diverged:
            try run.finish(.diverged)
        case .progress, .stoppedEarly:
            break
        }
    }

    /// Ends a run that was trained and tested.
    func finish() throws { try run.finish(.finished) }

    /// Mean seconds of an epoch, validation included; 0 before the first one has ended.
    var secondsPerEpoch: Double { mean(timings.map { $0.trainSeconds + $0.validationSeconds }) }

    var imagesPerSecond: Double { mean(timings.map(\.imagesPerSecond)) }

    /// Of an epoch, like `EpochTiming`'s.
    var waitingSeconds: Double { mean(timings.map(\.waitingSeconds)) }
    var betweenStepsSeconds: Double { mean(timings.map(\.betweenStepsSeconds)) }

    private func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
}

// MARK: Training's values as the run store's. Training counts steps and epochs from 0, a run file from 1.

extension StepRecord {
    init(_ metrics: StepMetrics) {
        self.init(
            step: metrics.step + 1, epoch: metrics.epoch + 1, loss: metrics.loss, accuracy: metrics.accuracy,
            learningRate: metrics.learningRate, gradientNorm: metrics.gradientNorm)
    }
}

extension EpochRecord {
    init(_ metrics: EpochMetrics) {
        self.init(
            epoch: metrics.epoch + 1, trainLoss: metrics.trainLoss, trainAccuracy: metrics.trainAccuracy,
            valLoss: metrics.validationLoss, valAccuracy: metrics.validationAccuracy)
    }
}

extension TestEvaluation {
    init(_ result: EvaluationResult) {
        let classes = result.classCount
        self.init(
            loss: result.loss, accuracy: result.accuracy,
            confusion: (0..<classes).map { Array(result.confusion[$0 * classes..<($0 + 1) * classes]) },
            predictions: result.predictions.map(Int.init), labels: result.labels.map(Int.init))
    }
}

extension WeightsFile {
    init(_ checkpoint: Checkpoint) {
        func arrays(_ tensors: [NamedTensor]) -> [NamedArray] {
            tensors.map { NamedArray(name: $0.name, shape: $0.tensor.shape.dimensions, values: $0.tensor.floats) }
        }
        let progress = checkpoint.progress
        var scalars: [String: WeightsScalar] = [
            "step": .integer(progress.step), "epoch": .integer(progress.epoch),
            "epochs_without_improvement": .integer(progress.epochsWithoutImprovement),
        ]
        if let epoch = progress.bestEpoch { scalars["best_epoch"] = .integer(epoch + 1) }
        if let accuracy = progress.bestAccuracy { scalars["best_val_accuracy"] = .real(accuracy) }
        if let value = progress.bestMonitored { scalars["best_monitored"] = .real(value) }
        self.init(
            parameters: arrays(checkpoint.parameters), buffers: arrays(checkpoint.buffers),
            optimizer: Dictionary(uniqueKeysWithValues: checkpoint.optimizer.map { ($0.name, arrays($0.tensors)) }),
            progress: scalars)
    }
}
