import Measures
import TensorCore
import VisionData

/// Forward and backward pass over a batch, gradient norm, and update, on memory allocated once.
final class TrainingStep {
    /// What a step computed before its update.
    struct Result {
        let loss: Double
        let gradientNorm: Double

        var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
    }

    let store: ParameterStore
    let optimizer: Optimizer
    let batchSize: Int
    /// The loss first.
    let measures: [Measure]
    /// What the last step measured before its update, in the order of `measures`: the mean over the batch, counted once, or the sum and the
    /// count of a measure that has counts of its own. So their sums over steps are exact, and all steps without such counts weigh the same.
    private(set) var sums: [MeasureSum]
    private let clipGradientNorm: Double
    let stagedPlan: StagedPlan
    /// In the place of the images, where there are features.
    let features: CachedFeatures?
    /// Whose logits the steps take beside what the samples have.
    private let teacher: Teacher?
    /// That of the epoch at hand.
    var plan: Plan { stagedPlan.plan }
    private let stepsPerEpoch: Int
    private let lossCount: Int
    private let reader: MeasureReader
    /// How long all steps so far took.
    private(set) var secondsRun = 0.0

    /// - Parameters:
    ///   - fields: what is fed, the image first.
    ///   - layers: into which layers the model's parameters fall.
    ///   - stepsPerEpoch: by which the epochs of `train.parameters` are steps.
    ///   - weights: give the parameters and buffers their first values; nil: their initializers.
    ///   - teacher: who teaches, where the configuration says how.
    ///   - caching: makes the features that the steps take in the place of images, from the recordings of all stages; nil: they take images.
    /// - Throws: `RecordingError` when the model does not fit the images or the memory, `UserError` when the rules or the weights do not fit its parameters.
    init(
        _ model: @escaping ModelRecorder, _ task: some TrainingTask, fields: [Field], configuration: TrainConfiguration, layers: LayerOrder = LayerOrder(),
        stepsPerEpoch: Int = 1, seed: UInt64, weights: (any WeightSource)? = nil, teacher: Teacher? = nil,
        caching: ((_ recordings: [RecordedModel], _ store: ParameterStore) throws -> CachedFeatures?)? = nil, pool: WorkerPool
    ) throws {
        func record(freezing: @escaping (_ name: String) -> Bool) -> RecordedModel {
            RecordedModel(
                model, task, fields: fields, mode: .training, batchSize: configuration.batchSize, shardCount: configuration.shards, seed: seed,
                precision: configuration.precision, distillation: teacher == nil ? nil : configuration.distillation, freezing: freezing)
        }
        self.teacher = teacher
        // What is trained at any time has gradients and state.
        let recorded = record(freezing: configuration.parameters.freezes)
        try recorded.graph.validate()
        let treatments = try configuration.treatments(of: recorded.graph.parameters, layers: layers)
        // Values, and of what is trained gradients and the optimizer's arrays.
        let trainedCount = recorded.graph.trainedParameterTensors.reduce(0) { $0 + $1.shape.elementCount }
        let slotCount = configuration.optimizer.slotNames.count
        try requireMemory((recorded.graph.parameterCount + (1 + slotCount) * trainedCount) * MemoryLayout<Float>.stride)
        store = try ParameterStore(recorded.graph, from: weights ?? Initializers(seed: seed))
        lossCount = recorded.task.losses.count > 1 ? 1 + recorded.task.losses.count : 1
        reader = MeasureReader(recorded.task, at: lossCount)
        let features = try caching?(configuration.parameters.stages.map { record(freezing: configuration.parameters.freezing(in: $0)) }, store)
        self.features = features
        stagedPlan = try StagedPlan(configuration.parameters) { [store, lossCount] epoch in
            let recorded = record(freezing: configuration.parameters.freezing(in: epoch))
            features?.feed(recorded)
            let loss = recorded.task.total()
            let parts = lossCount > 1 ? recorded.task.losses.map { $0.batchMean() } : []
            return try Plan(
                recorded.graph, outputs: [loss] + parts + MeasureReader(recorded.task, at: lossCount).tensors,
                gradients: gradients(
                    of: loss, withRespectTo: recorded.graph.trainedParameterTensors, recomputesSegments: configuration.recompute == .blocks),
                store: store, pool: pool)
        }
        self.stepsPerEpoch = stepsPerEpoch
        // Asked again, because the plan has come to the rest since.
        let held = stagedPlan.byteCount + store.byteCount
        try requireMemory(held + slotCount * trainedCount * MemoryLayout<Float>.stride, held: held)
        optimizer = Optimizer(
            configuration.optimizer, decayAll: configuration.decayAll, l1: configuration.l1, treatments: treatments.filter { !$0.isFrozen },
            stepsPerEpoch: stepsPerEpoch, store: store, pool: pool)
        batchSize = configuration.batchSize
        clipGradientNorm = configuration.clipGradientNorm ?? .infinity
        measures = recorded.task.allMeasures()
        sums = measures.map { _ in MeasureSum() }
    }

    /// Runs step number `step`, counted from 0. Leaves the parameters as they are when the loss or a gradient is not finite.
    ///
    /// - Parameter fields: the memory of a batch, in the order of the fields, or of `CachedFeatures.batchFields`.
    /// - Throws: what compiling throws, where other parameters are frozen from this step on.
    func run(_ fields: [UnsafeRawPointer], step: Int, learningRate: Double) throws -> Result {
        let start = ContinuousClock.now
        defer { secondsRun += (.now - start) / .seconds(1) }
        try stagedPlan.enter(epoch: step / stepsPerEpoch)
        let plan = plan
        // A step without a teacher allocates nothing.
        if let teacher { try plan.run(feeding: fields + [teacher.logits(of: fields[0])], step: UInt64(step)) } else { try plan.run(feeding: fields, step: UInt64(step)) }
        for index in sums.indices { sums[index] = MeasureSum() }
        for index in 0..<lossCount { sums[index] = MeasureSum(sum: Double(plan.outputPointer(index).loadUnaligned(as: Float.self)), count: 1) }
        reader.add(plan, count: batchSize, to: &sums, from: lossCount)
        for index in lossCount..<sums.count where !reader.hasOwnCounts(index - lossCount) {
            sums[index] = MeasureSum(sum: sums[index].mean, count: 1)
        }

        let result = Result(loss: sums[0].sum, gradientNorm: optimizer.finishGradients(step: step))
        if result.isFinite {
            optimizer.update(
                step: step, learningRate: learningRate, gradientScale: clippingScale(norm: result.gradientNorm, maximum: clipGradientNorm))
        }
        return result
    }
}
