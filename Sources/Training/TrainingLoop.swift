import Configuration
import TensorCore
import VisionData

/// Trains one model on one data set and tests it once. Knows nothing but events: logs, weight files and progress are listeners.
///
/// Everything it computes depends on the arguments alone, except for the pool, the listeners and the times in progress reports; so the number of
/// threads changes no bit. Confined to one thread.
public final class TrainingLoop {
    public let configuration: TrainConfiguration
    public let dataset: ImageDataset
    public let stepsPerEpoch: Int
    /// How far the training has come.
    public private(set) var progress = TrainingProgress()

    private let pipeline: BatchPipeline
    private let schedule: LearningRateSchedule
    let trainingStep: TrainingStep
    let evaluator: Evaluator
    let hasValidation: Bool
    private var best: Weights?

    /// Prepares the plans and initializes the weights.
    ///
    /// - Parameters:
    ///   - model: recorded twice, in training and in evaluation mode.
    ///   - seed: of the initial weights, the order of the images, augmentation and dropout, each with streams of its own.
    /// - Throws: `RecordingError` when the model does not fit the images or the memory, `UserError` when the data are too few for the configuration.
    public init(
        _ model: ModelRecorder, configuration: TrainConfiguration, dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64,
        pool: WorkerPool
    ) throws {
        hasValidation = !dataset.indices(of: .validation).isEmpty
        if configuration.earlyStopping != nil, !hasValidation {
            throw UserError(at: "train.early_stopping", "needs images for validation, but data.validation holds out none of \(dataset.name)")
        }
        self.configuration = configuration
        self.dataset = dataset
        pipeline = try BatchPipeline(
            training: dataset, batchSize: configuration.batchSize, seed: seed, augmentations: augmentations, epochs: 0..<configuration.epochs)
        stepsPerEpoch = pipeline.batchesPerEpoch
        schedule = LearningRateSchedule(
            configuration.schedule, peak: configuration.optimizer.learningRate, stepsPerEpoch: stepsPerEpoch, epochs: configuration.epochs)
        trainingStep = try TrainingStep(
            model, configuration: configuration, shape: dataset.shape, classCount: dataset.classCount, seed: seed, pool: pool)
        evaluator = try Evaluator(
            model, dataset: dataset, configuration: configuration, seed: seed, store: trainingStep.store, pool: pool)
        try requireMemory(byteCount)
    }

    /// Trains to the end and evaluates the best weights on the test split, the only time that it is touched.
    ///
    /// - Parameter shouldStop: asked after every step and between the batches of an evaluation; true ends the training cleanly.
    /// - Throws: what a listener throws.
    public func run(_ listeners: [any TrainingListener], shouldStop: () -> Bool = { false }) throws -> TrainingOutcome {
        func emit(_ event: TrainingEvent) throws {
            for listener in listeners { try listener.receive(event, from: self) }
        }
        do {
            var clock = TrainingClock()
            while progress.epoch < configuration.epochs {
                if try trainEpoch(&clock, emit, shouldStop) == .patienceEnded { break }
            }
            let result = try test(shouldStop)
            try emit(.tested(result))
            return .completed(test: result)
        } catch Ending.interrupted {
            try emit(.interrupted(stepCount: progress.step))
            return .interrupted
        } catch Ending.diverged(let divergence) {
            try emit(.diverged(divergence))
            return .diverged(divergence)
        }
    }

    /// The state at this moment, copied.
    public func checkpoint() -> Checkpoint {
        let store = trainingStep.store
        return Checkpoint(
            parameters: store.namedTensors(store.entries, store.values),
            buffers: store.namedTensors(store.bufferEntries, store.bufferValues),
            optimizer: trainingStep.optimizer.slots.map { Checkpoint.Slot(name: $0.name, tensors: store.namedTensors(store.entries, $0.values)) },
            progress: progress)
    }

    // MARK: The parts of a training

    /// Why a training ends before its time.
    private enum Ending: Error {
        case interrupted
        case diverged(Divergence)
    }

    private enum EpochEnding { case goOn, patienceEnded }

    private func trainEpoch(_ clock: inout TrainingClock, _ emit: (TrainingEvent) throws -> Void, _ shouldStop: () -> Bool) throws -> EpochEnding {
        let epoch = progress.epoch
        var means = RunningMeans()
        clock.startEpoch()
        let secondsBefore = (waited: pipeline.secondsWaited, run: trainingStep.secondsRun)
        while means.stepCount < stepsPerEpoch, let batch = pipeline.next() {
            let step = progress.step
            let learningRate = schedule.learningRate(at: step)
            let result = trainingStep.run(images: batch.images, labels: batch.labels, step: step, learningRate: learningRate)
            guard result.isFinite else { throw divergence(loss: result.loss, gradientNorm: result.gradientNorm) }

            progress.step += 1
            clock.finishStep()
            let accuracy = Double(result.correctCount) / Double(configuration.batchSize)
            means.add(loss: result.loss, accuracy: accuracy)
            try emit(.stepFinished(StepMetrics(
                step: step, epoch: epoch, loss: result.loss, accuracy: accuracy, learningRate: learningRate,
                gradientNorm: result.gradientNorm)))
            if clock.isReportDue || means.stepCount == stepsPerEpoch { try emit(.progress(report(means, &clock))) }
            if shouldStop() { throw Ending.interrupted }
        }

        let trainSeconds = clock.secondsInEpoch
        let waitingSeconds = pipeline.secondsWaited - secondsBefore.waited, stepSeconds = trainingStep.secondsRun - secondsBefore.run
        let validation = hasValidation ? try evaluate(.validation, shouldStop) : nil
        progress.epoch += 1
        let isBest = progress.isBest(validation?.accuracy, epoch: epoch)
        // Without validation the weights of the end are the best, and they are in the store.
        if isBest, hasValidation { best = Weights(of: trainingStep.store) }
        var isPatienceOver = false
        if let stopping = configuration.earlyStopping, let validation {
            isPatienceOver = progress.shouldStop(stopping, loss: validation.loss, accuracy: validation.accuracy)
        }
        let metrics = EpochMetrics(
            epoch: epoch, stepCount: progress.step, trainLoss: means.loss, trainAccuracy: means.accuracy,
            validationLoss: validation?.loss, validationAccuracy: validation?.accuracy, isBest: isBest)
        try emit(.epochFinished(metrics, EpochTiming(
            trainSeconds: trainSeconds, waitingSeconds: waitingSeconds,
            betweenStepsSeconds: trainSeconds - waitingSeconds - stepSeconds, validationSeconds: clock.secondsInEpoch - trainSeconds,
            imagesPerSecond: Double(stepsPerEpoch * configuration.batchSize) / trainSeconds)))
        guard isPatienceOver else { return .goOn }
        try emit(.stoppedEarly(epoch: epoch))
        return .patienceEnded
    }

    private func report(_ means: RunningMeans, _ clock: inout TrainingClock) -> ProgressReport {
        clock.startReport()
        return ProgressReport(
            epoch: progress.epoch, epochCount: configuration.epochs, step: means.stepCount, stepsPerEpoch: stepsPerEpoch,
            loss: means.loss, accuracy: means.accuracy,
            imagesPerSecond: Double(means.stepCount * configuration.batchSize) / clock.secondsInEpoch,
            secondsLeft: clock.secondsPerStep * Double(stepsPerEpoch * configuration.epochs - progress.step))
    }

    private func evaluate(_ split: Split, _ shouldStop: () -> Bool) throws -> EvaluationResult {
        guard let result = evaluator.evaluate(split, shouldStop: shouldStop) else { throw Ending.interrupted }
        guard result.loss.isFinite else { throw divergence(loss: result.loss, gradientNorm: 0) }
        return result
    }

    /// Evaluates the best weights, and gives the store back as it was.
    private func test(_ shouldStop: () -> Bool) throws -> EvaluationResult {
        let last = Weights(of: trainingStep.store)
        best?.restore(to: trainingStep.store)
        defer { last.restore(to: trainingStep.store) }
        return try evaluate(.test, shouldStop)
    }

    private func divergence(loss: Double, gradientNorm: Double) -> Ending {
        .diverged(Divergence(
            step: progress.step, epoch: progress.epoch, loss: loss, gradientNorm: gradientNorm, in: trainingStep.store))
    }
}

/// The times of a training in progress.
private struct TrainingClock {
    private let clock = ContinuousClock()
    private let start = ContinuousClock.now
    private var epochStart = ContinuousClock.now
    private var lastStep = ContinuousClock.now
    private var lastReport = ContinuousClock.now
    private var stepCount = 0

    mutating func startEpoch() { epochStart = clock.now }
    mutating func startReport() { lastReport = lastStep }

    mutating func finishStep() {
        lastStep = clock.now
        stepCount += 1
    }

    var isReportDue: Bool { lastStep - lastReport > .milliseconds(500) }
    var secondsInEpoch: Double { (clock.now - epochStart) / .seconds(1) }
    /// Since the beginning, all that was between the steps included.
    var secondsPerStep: Double { (lastStep - start) / .seconds(1) / Double(max(stepCount, 1)) }
}
