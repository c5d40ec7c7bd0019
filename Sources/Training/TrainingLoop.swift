import Configuration
import Measures
import TensorCore
import VisionData

/// Trains one model for one task on one source of samples, and tests it once. Knows nothing but events: logs, weight files and progress are listeners.
///
/// Everything it computes depends on the arguments alone, except for the pool, the listeners and the times in progress reports; so the number of
/// threads changes no bit. Confined to one thread.
public final class TrainingLoop {
    /// How the model is trained.
    public let configuration: TrainConfiguration
    /// What the model is trained for.
    public let task: any TrainingTask
    /// The samples.
    public let source: any SampleSource
    /// What a batch holds: the image, then the task's targets.
    let fields: [Field]
    /// What is measured, each on its occasions: the loss first.
    public let measures: [Measure]
    /// By which the best weights are found.
    public let monitor: Monitor
    /// What early stopping watches; nil: it is not asked for.
    private let stoppingMonitor: Monitor?
    /// What does not fill a batch is left out.
    public let stepsPerEpoch: Int
    /// How far the training has come.
    public private(set) var progress = TrainingProgress()
    /// Checksums of the weights are taken at the beginning, after every so many steps, and at the end of every epoch: reading the weights
    /// once in 50 steps costs next to nothing (those of ResNet-18, 11 million, take 2.4 ms on one core).
    public static let digestInterval = 50

    private let hasValidationTables: Bool
    private var pipeline: BatchPipeline
    /// Batches of samples from a place on, to the end of the training or of an epoch.
    private let makePipeline: (_ source: any SampleSource, _ fields: [Field], _ start: (epoch: Int, batch: Int), _ isOneEpoch: Bool) throws -> BatchPipeline
    private var epochMeans = RunningMeans()
    private let digester: WeightDigester
    private let schedule: LearningRateSchedule
    let trainingStep: TrainingStep
    let evaluator: Evaluator
    let layerProbe: LayerProbe?
    let averages: WeightAverages
    let teacher: Teacher?
    private let fitting: Fitting?
    /// Whether samples are held out, by which the best epoch is found.
    public let hasValidation: Bool

    /// Gives weights that no step trains, such as a codebook, their values from the training samples.
    public typealias Fitting = (_ weights: ParameterStore, _ source: any SampleSource) throws -> Void

    /// Prepares the plans and initializes the weights.
    ///
    /// - Parameters:
    ///   - model: recorded in training and in evaluation mode, and again in the epochs from which on other parameters are frozen.
    ///   - layers: into which layers its parameters fall, for `train.layer_decay`.
    ///   - task: what it is trained for.
    ///   - seed: of the initial weights, the order of the images, augmentation and dropout, each with streams of its own.
    ///   - weights: where the parameters and buffers have their first values from; nil: from their initializers.
    ///   - teacher: whose logits `train.distill` takes; nil: it is trained as without that key.
    ///   - fitting: called before the first step of a training that begins, and never when it is resumed: checkpoints have what it gave.
    /// - Throws: `RecordingError` when the model does not fit the images or the memory, `UserError` when the data are too few for the
    ///   configuration, or the task does not measure what it asks for.
    public init(
        _ model: @escaping ModelRecorder, layers: LayerOrder = LayerOrder(), task: any TrainingTask, configuration: TrainConfiguration, source: any SampleSource,
        augmentations: [Augmentation], seed: UInt64, startingFrom weights: (any WeightSource)? = nil, taughtBy teacher: TeacherNetwork? = nil,
        fitting: Fitting? = nil, pool: WorkerPool
    ) throws {
        hasValidation = !source.indices(of: .validation).isEmpty
        if configuration.earlyStopping != nil, !hasValidation {
            throw UserError(at: "train.early_stopping", "needs images for validation, but data.validation holds out none of \(source.name)")
        }
        if let packing = source.packing, packing.places != configuration.batchSize / configuration.shards {
            throw UserError(at: "train.batch_size", """
                images that share sequences are in batches of one size: found \(configuration.batchSize) in \(configuration.shards) shards, expected \
                \(packing.places) images a shard
                """)
        }
        self.configuration = configuration
        self.task = task
        self.source = source
        self.fitting = fitting
        hasValidationTables = !task.layout(of: .validation).columns.isEmpty
        let fields = try task.fields(of: source)
        self.fields = fields
        makePipeline = { source, fields, start, isOneEpoch in
            try BatchPipeline(
                training: source, fields: fields, batchSize: configuration.batchSize, seed: seed, augmentations: augmentations,
                epochs: 0..<(isOneEpoch ? start.epoch + 1 : configuration.epochs), startingAt: start)
        }
        pipeline = try makePipeline(source, fields, (0, 0), false)
        stepsPerEpoch = pipeline.batchesPerEpoch
        schedule = LearningRateSchedule(
            configuration.schedule, peak: configuration.optimizer.learningRate, stepsPerEpoch: stepsPerEpoch, epochs: configuration.epochs,
            after: configuration.initialWeights?.afterEpoch ?? 0, averaging: configuration.swa)
        // A quarter of the memory for the features of both splits; all of it where they have to be kept.
        self.teacher = try teacher.map { try Teacher($0, task, image: fields[0].shape, configuration: configuration, pool: pool) }
        let isCaching = try teacher == nil && configuration.mayCacheFeatures(of: source, augmentations: augmentations), isRequired = configuration.featureCache == .always
        let budget = isRequired ? Int.max : MachineLimits.memory() / 4
        let step = try TrainingStep(
            model, task, fields: fields, configuration: configuration, layers: layers, stepsPerEpoch: stepsPerEpoch, seed: seed, weights: weights,
            teacher: self.teacher, caching: isCaching ? { recordings, store in
                try CachedFeatures(recordings, of: source, fields: fields, split: .train, configuration: configuration, budget: budget, store: store, pool: pool)
            } : nil, pool: pool)
        trainingStep = step
        if isRequired, step.features == nil { throw configuration.noFeatures }
        func makeEvaluator(_ store: ParameterStore, caching: ((RecordedModel) throws -> CachedFeatures?)? = nil) throws -> Evaluator {
            try Evaluator(
                model, task, source: source, fields: fields, configuration: configuration, seed: seed, trained: step.measures, store: store, caching: caching,
                pool: pool)
        }
        evaluator = try makeEvaluator(step.store, caching: step.features.map { features in
            { recorded in
                try CachedFeatures(
                    [recorded], of: source, fields: fields, split: .validation, configuration: configuration, budget: budget - features.byteCount,
                    store: step.store, pool: pool)
            }
        })
        averages = try WeightAverages(configuration, of: step.store, stepsPerEpoch: stepsPerEpoch, pool: pool, { try makeEvaluator($0) }) { store in
            try BatchStatisticsPass(model, task, fields: fields, configuration: configuration, seed: seed, store: store, pool: pool)
        }
        let evaluated = evaluator.measures
        var measures = trainingStep.measures
        for place in measures.indices where !evaluated.contains(where: { $0.name == measures[place].name }) { measures[place].occasion = .training }
        measures = configuration.measures(measures + evaluated.filter { $0.occasion == .evaluation })
        self.measures = measures
        guard let monitored = measures.first(where: { $0.name == task.monitored }) else {
            preconditionFailure("the task \(task.name) finds the best weights by \(task.monitored), which it does not measure")
        }
        monitor = Monitor(monitored)
        stoppingMonitor = try configuration.earlyStopping.map { stopping in
            try Monitor(named: stopping.metric, among: measures, of: task.name, at: "train.early_stopping.metric")
        }
        digester = WeightDigester(trainingStep.store, averages: averages.stores, pool: pool)
        layerProbe = configuration.layerStatistics
            ? try LayerProbe(model, task, source: source, fields: fields, configuration: configuration, seed: seed, store: trainingStep.store, pool: pool)
            : nil
        try requireMemory(byteCount, held: byteCount)
    }

    /// Trains to the end and evaluates the best weights on the test split, the only time that it is touched. Afterwards the parameters are the best.
    ///
    /// - Parameters:
    ///   - bestWeights: where the best weights are kept until then.
    ///   - epochLimit: the training is interrupted after this epoch when it is not the last.
    ///   - shouldStop: asked after every step and between the batches of an evaluation; true ends the training cleanly.
    /// - Throws: what a listener throws.
    public func run(
        _ listeners: [any TrainingListener], keeping bestWeights: any BestWeights = BestWeightsInMemory(), epochLimit: Int? = nil,
        shouldStop: () -> Bool = { false }
    ) throws -> TrainingOutcome {
        func emit(_ event: TrainingEvent) throws {
            for listener in listeners { try listener.receive(event, from: self) }
        }
        do {
            precondition(progress.epoch >= configuration.initialWeights?.afterEpoch ?? 0, "a training that continues another one resumes at its end first")
            var clock = TrainingClock()
            if progress.epoch > 0, state.isAtEpochEnd, isBestEpochLast { try bestWeights.keep(self) }
            if progress.step == 0 {
                try fitting?(trainingStep.store, source)
                try emit(.digested(digester.digest(step: 0)))
                try layerStatistics().map { try emit(.layersMeasured($0)) }
            }
            while progress.epoch < configuration.epochs, !progress.isPatienceOver(configuration.earlyStopping) {
                if let epochLimit, progress.epoch >= epochLimit { throw Ending.interrupted }
                try fillFeatures(shouldStop)
                try trainEpoch(&clock, bestWeights, emit, shouldStop)
            }
            if !isBestEpochLast { try bestWeights.restore(to: self) }
            if hasValidation, hasValidationTables { try emit(.validated(evaluate(.validation, makesTables: true, shouldStop))) }
            let result = try evaluate(.test, makesTables: true, shouldStop)
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

    /// The arrays from which the training continues, where they lie.
    public var arrays: TrainingArrays { TrainingArrays(trainingStep.store, trainingStep.optimizer, averages.stores) }

    /// The model's parameters and buffers as they are; others get copies of them (`WeightSource`).
    public var weights: ParameterStore { trainingStep.store }

    /// How many threads train.
    public var threadCount: Int { evaluator.plan.summary.workerCount }

    /// Of how many training samples features are computed once; nil where the steps take images.
    public var cachedFeatureCount: Int? { trainingStep.features?.sampleCount }

    /// Multiply-adds of one sample's forward pass.
    public var multiplyAdds: Int { evaluator.multiplyAdds }

    /// What it continues from besides its arrays, at this moment.
    public var state: TrainingState { TrainingState(progress: progress, epochMeans: epochMeans) }

    /// Whether the weights of the last finished epoch are the best.
    private var isBestEpochLast: Bool { progress.bestEpoch == progress.epoch - 1 }

    /// The names of the parameters, then of the buffers, in the order of a digest's checksums; then those of the averages
    /// (`WeightAverage.tensorName`), which have no buffers where these are only recomputed at the ends of epochs.
    public var tensorNames: [String] { digester.names }

    /// The layers that are measured, in the order of `LayerStatistics`; none where the configuration does not ask for it.
    public var layerNames: [String] { layerProbe?.names ?? [] }

    /// Measures the layers with the weights as they are, and changes nothing; nil where the configuration does not ask for it.
    ///
    /// - Throws: what compiling throws, where other parameters are frozen than at the last time.
    public func layerStatistics() throws -> LayerStatistics? { try layerProbe?.measure(epoch: progress.epoch) }

    /// Resumes where an earlier training of the same kind was; what follows is what would have followed there.
    ///
    /// - Parameters:
    ///   - state: what `state` was then.
    ///   - fill: gives the arrays the numbers that they had then.
    /// - Throws: `UserError(.data)` when the state is not one of such a training, and what `fill` throws.
    public func resume(_ state: TrainingState, filling fill: (TrainingArrays) throws -> Void) throws {
        let progress = state.progress
        guard progress.step == progress.epoch * stepsPerEpoch + state.epochMeans.stepCount,
            (0...configuration.epochs).contains(progress.epoch), (0...stepsPerEpoch).contains(state.epochMeans.stepCount)
        else { throw UserError(.data, "the checkpoint is of a training with epochs of another length") }
        try fill(arrays)
        self.progress = progress
        epochMeans = state.epochMeans
        for features in [trainingStep.features, evaluator.features] { features?.forget() }
        pipeline = try makePipeline(source, fields, (progress.epoch, epochMeans.stepCount), false)
    }

    // MARK: The parts of a training

    /// Why a training ends before its time.
    private enum Ending: Error {
        case interrupted
        case diverged(Divergence)
    }

    /// What a batch is made of, with features in the place of images where these are known.
    var samples: (source: any SampleSource, fields: [Field]) {
        guard let features = trainingStep.features, features.isFilled else { return (source, fields) }
        return (features.source, features.batchFields(fields.dropFirst()))
    }

    /// Computes the features of the training samples, where there are features and they are not known yet.
    private func fillFeatures(_ shouldStop: () -> Bool) throws {
        guard let features = trainingStep.features, !features.isFilled else { return }
        guard try features.fill(shouldStop: shouldStop) else { throw Ending.interrupted }
        pipeline = try makePipeline(samples.source, samples.fields, (progress.epoch, epochMeans.stepCount), false)
    }

    /// Trains an epoch, or what is left of it, and validates it.
    private func trainEpoch(
        _ clock: inout TrainingClock, _ bestWeights: any BestWeights, _ emit: (TrainingEvent) throws -> Void, _ shouldStop: () -> Bool
    ) throws {
        let epoch = progress.epoch
        clock.startEpoch()
        let secondsBefore = (waited: pipeline.secondsWaited, run: trainingStep.secondsRun)
        while epochMeans.stepCount < stepsPerEpoch, let batch = try pipeline.next() {
            let step = progress.step
            let learningRate = schedule.learningRate(at: step)
            let result = try trainingStep.run(batch.fields, step: step, learningRate: learningRate)
            guard result.isFinite else { throw divergence(loss: result.loss, gradientNorm: result.gradientNorm) }

            progress.step += 1
            averages.update(after: progress.step)
            clock.finishStep()
            epochMeans.add(trainingStep.sums, of: trainingStep.measures)
            let isLast = epochMeans.stepCount == stepsPerEpoch
            if isLast || progress.step.isMultiple(of: Self.digestInterval) { try emit(.digested(digester.digest(step: progress.step))) }
            try emit(.stepFinished(StepMetrics(
                step: step, epoch: epoch, values: stepValues, learningRate: learningRate,
                gradientNorm: result.gradientNorm)))
            if clock.isReportDue || isLast { try emit(.progress(report(&clock))) }
            if shouldStop() { throw Ending.interrupted }
        }

        let trainSeconds = clock.secondsInEpoch, stepCount = clock.stepsInEpoch
        let waitingSeconds = pipeline.secondsWaited - secondsBefore.waited, stepSeconds = trainingStep.secondsRun - secondsBefore.run
        try recomputeStatistics(of: epoch, shouldStop)
        try emit(.epochTrained)
        let validation = hasValidation ? try evaluate(.validation, makesTables: false, shouldStop).values : nil
        let training = epochMeans.values(of: measures)
        epochMeans = RunningMeans()
        progress.epoch += 1
        let isBest = progress.isBest(validation?[monitor.measure.name], by: monitor, epoch: epoch)
        // An average of the weights has no value before it begins.
        if let stopping = configuration.earlyStopping, let stoppingMonitor, let value = validation?[stoppingMonitor.measure.name], !value.isNaN {
            progress.add(value, of: stoppingMonitor, for: stopping)
        }
        let metrics = EpochMetrics(
            epoch: epoch, stepCount: progress.step, training: training, validation: validation, isBest: isBest)
        let timing = EpochTiming(
            stepCount: stepCount, trainSeconds: trainSeconds, waitingSeconds: waitingSeconds,
            betweenStepsSeconds: trainSeconds - waitingSeconds - stepSeconds, validationSeconds: clock.secondsInEpoch - trainSeconds,
            imagesPerSecond: stepCount == 0 ? 0 : Double(stepCount * configuration.batchSize) / trainSeconds)
        try layerStatistics().map { try emit(.layersMeasured($0)) }
        try emit(.epochFinished(metrics, timing))
        if isBest { try bestWeights.keep(self) }
        if progress.isPatienceOver(configuration.earlyStopping) { try emit(.stoppedEarly(epoch: epoch)) }
    }

    /// What the last step measured.
    private var stepValues: MeasureValues {
        let means = trainingStep.sums.map(\.mean)
        return MeasureValues(measures, measures.indices.map { $0 < means.count ? means[$0] : .nan })
    }

    private func report(_ clock: inout TrainingClock) -> ProgressReport {
        clock.startReport()
        let means = epochMeans
        return ProgressReport(
            epoch: progress.epoch, epochCount: configuration.epochs, step: means.stepCount, stepsPerEpoch: stepsPerEpoch,
            values: means.values(of: measures),
            imagesPerSecond: Double(clock.stepsInEpoch * configuration.batchSize) / clock.secondsInEpoch,
            secondsLeft: clock.secondsPerStep * Double(stepsPerEpoch * configuration.epochs - progress.step))
    }

    private func evaluate(_ split: Split, makesTables: Bool, _ shouldStop: () -> Bool) throws -> EvaluationResult {
        guard let result = try evaluator.evaluate(split, makesTables: makesTables, shouldStop: shouldStop) else { throw Ending.interrupted }
        let loss = result.values.values[0]
        guard loss.isFinite else { throw divergence(loss: loss, gradientNorm: 0) }
        guard let averaged = try averages.evaluate(split, after: progress.step, shouldStop: shouldStop) else { throw Ending.interrupted }
        return EvaluationResult(
            split: split, values: MeasureValues(measures, measures.map { result.values[$0.name] ?? averaged[$0.name] ?? .nan }), tables: result.tables)
    }

    /// Gives the averages of the weights their running statistics, where somebody looks at them: without validation at the end of the training alone.
    private func recomputeStatistics(of epoch: Int, _ shouldStop: () -> Bool) throws {
        guard hasValidation || epoch == configuration.epochs - 1 else { return }
        let isDone = try averages.recomputeStatistics(epoch: epoch, after: progress.step, { try makePipeline(source, fields, (epoch, 0), true) }, shouldStop: shouldStop)
        if !isDone { throw Ending.interrupted }
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
    /// The steps that were taken since the epoch began, or was gone on with.
    private(set) var stepsInEpoch = 0

    mutating func startEpoch() {
        epochStart = clock.now
        stepsInEpoch = 0
    }
    mutating func startReport() { lastReport = lastStep }

    mutating func finishStep() {
        lastStep = clock.now
        stepCount += 1
        stepsInEpoch += 1
    }

    var isReportDue: Bool { lastStep - lastReport > .milliseconds(500) }
    var secondsInEpoch: Double { (clock.now - epochStart) / .seconds(1) }
    /// Since the beginning, all that was between the steps included.
    var secondsPerStep: Double { (lastStep - start) / .seconds(1) / Double(max(stepCount, 1)) }
}
