import TensorCore
import VisionData

/// How large the outputs of a model's linear layers and convolutions are, before any norm or activation, and the gradients of the loss with
/// respect to them: over all elements of a batch, in double precision.
///
/// The batch is always the same: the first `batch_size` images of the training split in the order of their indices, not augmented, in as many
/// shards as in training. Layers behave as in training, with batch statistics and with the dropout of the first step; the loss is the training's,
/// the mean over the batch. The number of threads changes no bit.
public struct LayerStatistics: Sendable, Equatable {
    /// Finished epochs; 0 stands for the initial weights.
    public let epoch: Int
    /// The mean square of the batch's pixels, as the model gets them.
    public let inputSecondMoment: Double
    /// One for each of `TrainingLoop.layerNames`, here and below.
    public let activationMeans: [Double]
    public let activationVariances: [Double]
    public let gradientVariances: [Double]
}

/// Looks at a model's layers with the weights of a store, by a plan of its own that writes neither weights nor running statistics.
final class LayerProbe {
    let names: [String]
    private let plan: Plan
    /// How many numbers each layer gives for the batch.
    private let counts: [Int]
    private let images: [Float]
    private let labels: [Int32]
    private let inputSecondMoment: Double

    /// - Throws: `RecordingError` when the model does not fit the images or the memory.
    init(
        _ model: ModelRecorder, dataset: ImageDataset, configuration: TrainConfiguration, seed: UInt64, store: ParameterStore, pool: WorkerPool
    ) throws {
        let recorded = RecordedClassifier(
            model, mode: .training, shape: dataset.shape, classCount: dataset.classCount, batchSize: configuration.batchSize,
            shardCount: configuration.shards, seed: seed, precision: configuration.precision, rules: configuration.parameters)
        let graph = recorded.graph
        let layers = graph.weightedLayerPaths.compactMap { path in graph.tap(path).map { (path, $0) } }
        precondition(!layers.isEmpty, "a classifier has at least one layer with a weight")
        let outputs = layers.map(\.1)
        let loss = recorded.logits.softmaxCrossEntropy(labels: recorded.labels, smoothing: Float(configuration.labelSmoothing)).batchMean()
        let slopes = gradients(of: loss, withRespectTo: outputs)
        precondition(slopes.allSatisfy { $0.placement == .sharded }, "the loss depends on every layer")
        plan = try Plan(graph, outputs: (outputs + slopes).map { $0.cast(to: .float32) }, store: store, pool: pool, updatesBuffers: false)
        names = layers.map(\.0)
        counts = outputs.map { $0.shape.elementCount * configuration.shards }

        let pipeline = BatchPipeline(evaluating: dataset, split: .train, batchSize: configuration.batchSize)
        guard let batch = pipeline.next() else { preconditionFailure("the training split has at least one batch") }
        images = Array(UnsafeBufferPointer(start: batch.images, count: configuration.batchSize * dataset.shape.count))
        labels = Array(UnsafeBufferPointer(start: batch.labels, count: configuration.batchSize))
        inputSecondMoment = images.reduce(0) { $0 + Double($1) * Double($1) } / Double(images.count)
        withExtendedLifetime(pipeline) {}
    }

    /// The plan with its outputs, and the batch.
    var byteCount: Int { plan.byteCount + (2 * counts.reduce(0, +) + images.count) * MemoryLayout<Float>.stride }

    func measure(epoch: Int) -> LayerStatistics {
        images.withUnsafeBytes { images in
            labels.withUnsafeBytes { labels in plan.run(feeding: [images.baseAddress!, labels.baseAddress!]) }
        }
        let activations = names.indices.map { moments(ofOutput: $0, count: counts[$0]) }
        return LayerStatistics(
            epoch: epoch, inputSecondMoment: inputSecondMoment, activationMeans: activations.map(\.mean),
            activationVariances: activations.map(\.variance),
            gradientVariances: names.indices.map { moments(ofOutput: names.count + $0, count: counts[$0]).variance })
    }

    private func moments(ofOutput index: Int, count: Int) -> (mean: Double, variance: Double) {
        let values = UnsafeBufferPointer(start: plan.outputPointer(index).assumingMemoryBound(to: Float.self), count: count)
        let mean = values.reduce(0) { $0 + Double($1) } / Double(count)
        let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
        return (mean, variance)
    }
}
