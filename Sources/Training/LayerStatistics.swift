import TensorCore
import VisionData

/// How large the outputs of a model's linear layers and convolutions are, before any norm or activation, and the gradients of the loss with
/// respect to them: over all elements of a batch, in double precision.
///
/// The batch is always the same: the first `batch_size` samples of the training split in the order of their indices, not augmented, in as many
/// shards as in training. Layers behave as in training, with batch statistics and with the dropout of the first step; the loss is the training's,
/// the mean over the batch. The number of threads changes no bit.
public struct LayerStatistics: Sendable, Equatable {
    /// Finished epochs; 0 stands for the initial weights.
    public let epoch: Int
    /// The mean square of the batch's pixels, as the model gets them.
    public let inputSecondMoment: Double
    /// One for each of `TrainingLoop.layerNames`, here and below.
    public let activationMeans: [Double]
    /// One for each layer, over units and samples.
    public let activationVariances: [Double]
    /// One for each layer, over units and samples.
    public let gradientVariances: [Double]
}

/// Looks at a model's layers with the weights of a store, by a plan of its own that writes neither weights nor running statistics.
final class LayerProbe {
    let names: [String]
    private let plan: StagedPlan
    /// How many numbers each layer gives for the batch.
    private let counts: [Int]
    private let batch: OwnedBatch
    private let inputSecondMoment: Double

    /// - Throws: `RecordingError` when the model does not fit the images or the memory.
    init(
        _ model: @escaping ModelRecorder, _ task: any TrainingTask, source: any SampleSource, fields: [Field], configuration: TrainConfiguration, seed: UInt64,
        store: ParameterStore, pool: WorkerPool
    ) throws {
        var names: [String] = [], counts: [Int] = []
        plan = try StagedPlan(configuration.parameters) { epoch in
            let recorded = RecordedModel(
                model, task, fields: fields, mode: .training, batchSize: configuration.batchSize, shardCount: configuration.shards, seed: seed,
                precision: configuration.precision, freezing: configuration.parameters.freezing(in: epoch))
            let graph = recorded.graph
            // What is made of parameters alone, such as the queries of attention pooling, is the same for all images.
            let layers = graph.weightedLayerPaths.compactMap { path in graph.tap(path).map { (path, $0) } }.filter { $0.1.placement == .sharded }
            precondition(!layers.isEmpty, "a model has at least one layer with a weight")
            let outputs = layers.map(\.1)
            let slopes = gradients(of: recorded.task.total(), withRespectTo: outputs)
            precondition(slopes.allSatisfy { $0.placement == .sharded }, "the loss depends on every layer")
            names = layers.map(\.0)
            counts = outputs.map { $0.shape.elementCount * configuration.shards }
            return try Plan(graph, outputs: (outputs + slopes).map { $0.cast(to: .float32) }, store: store, pool: pool, updatesBuffers: false)
        }
        (self.names, self.counts) = (names, counts)

        let pipeline = BatchPipeline(evaluating: source, fields: fields, split: .train, batchSize: configuration.batchSize)
        guard let batch = try pipeline.next() else { preconditionFailure("the training split has at least one batch") }
        self.batch = OwnedBatch(fields.map { configuration.batchSize * $0.byteCount }) { place, memory in
            memory.copyMemory(from: UnsafeRawBufferPointer(start: batch.fields[place], count: memory.count))
        }
        let pixels = UnsafeBufferPointer(
            start: self.batch.fields[0].assumingMemoryBound(to: Float.self), count: configuration.batchSize * fields[0].shape.elementCount)
        inputSecondMoment = pixels.reduce(0) { $0 + Double($1) * Double($1) } / Double(pixels.count)
        withExtendedLifetime(pipeline) {}
    }

    /// The plan with its outputs, and the batch.
    var byteCount: Int { plan.byteCount + 2 * counts.reduce(0, +) * MemoryLayout<Float>.stride + batch.byteCount }

    /// Measures after so many epochs, with what was frozen in the last of them.
    func measure(epoch: Int) throws -> LayerStatistics {
        try self.plan.enter(epoch: max(0, epoch - 1))
        let plan = self.plan.plan
        try plan.run(feeding: batch.fields)
        let activations = names.indices.map { moments(plan, ofOutput: $0, count: counts[$0]) }
        return LayerStatistics(
            epoch: epoch, inputSecondMoment: inputSecondMoment, activationMeans: activations.map(\.mean),
            activationVariances: activations.map(\.variance),
            gradientVariances: names.indices.map { moments(plan, ofOutput: names.count + $0, count: counts[$0]).variance })
    }

    private func moments(_ plan: Plan, ofOutput index: Int, count: Int) -> (mean: Double, variance: Double) {
        let values = UnsafeBufferPointer(start: plan.outputPointer(index).assumingMemoryBound(to: Float.self), count: count)
        let mean = values.reduce(0) { $0 + Double($1) } / Double(count)
        let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
        return (mean, variance)
    }
}
