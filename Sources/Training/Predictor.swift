import Configuration
import TensorCore
import VisionData

/// What a model gives for samples, with weights from anywhere: named outputs, batch by batch.
///
///     let predictor = try Predictor(network, image: [28, 28, 1], weights: loop.weights, pool: pool)
///     let logits = predictor.outputs(for: dataset.indices(of: .test), of: dataset)["logits"]
///
/// Results depend neither on the number of threads nor on which samples share a batch, but for models that draw at random whenever they are called, as masked
/// autoencoders do: their draws are those of the place in the batch. Confined to one thread.
public final class Predictor {
    /// One of the model's outputs.
    public struct Output: Sendable, Equatable {
        /// As the model calls it.
        public let name: String
        /// For one sample.
        public let shape: Shape
    }

    /// The outputs of a batch; its memory is valid until the call that gave it returns.
    public struct Batch {
        /// Which samples of the source these are.
        public let sampleIndices: UnsafeBufferPointer<Int32>
        fileprivate let values: [String: UnsafeBufferPointer<Float>]

        /// The numbers of an output, sample after sample; nil when it is not computed.
        public subscript(name: String) -> UnsafeBufferPointer<Float>? { values[name] }

        /// Calls `body` with a copy that lacks the places of sequences that stay free.
        fileprivate func withoutFreePlaces(_ body: (Batch) throws -> Void) throws {
            let kept = sampleIndices.indices.filter { sampleIndices[$0] >= 0 }
            guard !kept.isEmpty else { return }
            let samples = UnsafeMutableBufferPointer<Int32>.allocate(capacity: kept.count)
            _ = samples.initialize(from: kept.map { sampleIndices[$0] })
            let copies = values.mapValues { numbers in
                let length = numbers.count / sampleIndices.count, copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: kept.count * length)
                _ = copy.initialize(from: kept.flatMap { numbers[$0 * length..<($0 + 1) * length] })
                return copy
            }
            defer {
                samples.deallocate()
                copies.values.forEach { $0.deallocate() }
            }
            try body(Batch(sampleIndices: UnsafeBufferPointer(samples), values: copies.mapValues { UnsafeBufferPointer($0) }))
        }
    }

    /// What is computed, in the order in which the model records it.
    public let outputs: [Output]
    private let plan: Plan
    /// How many samples are computed together.
    public let batchSize: Int
    private let image: Shape

    /// Records a model for evaluation and gives it its weights.
    ///
    /// - Parameters:
    ///   - model: as a training takes it.
    ///   - head: what a single output is called.
    ///   - names: which of its outputs are computed; nil: all.
    ///   - image: the shape of one image, `[height, width, channels]`.
    ///   - weights: for every parameter and buffer that the model declares: `TrainingLoop.weights`, a file's, initializers.
    ///   - batchSize: how many samples are computed together: a multiple of the 8 shards that workers share.
    ///   - seed: of what models draw at random; a training's gives the draws of its test.
    /// - Throws: `RecordingError` when the model does not fit the images, `UserError` when it has no such output, when the weights are those of another
    ///   model, or when this machine lacks the precision.
    public init(
        _ model: ModelRecorder, head: String = "logits", outputs names: [String]? = nil, image: Shape, weights: any WeightSource, batchSize: Int = 64,
        precision: Precision = .fp32, seed: UInt64 = 0, pool: WorkerPool
    ) throws {
        let shards = 8
        precondition(batchSize > 0 && batchSize.isMultiple(of: shards), "a batch of \(batchSize) cannot be cut into \(shards) equal shards")
        try precision.requireUnits()
        let graph = Graph(mode: .evaluation, shardCount: shards, seed: seed, precision: precision)
        let count = batchSize / shards
        let recorded = model(graph.root, graph.input("image", Shape([count] + image.dimensions))).outputs(head: head)
        try graph.validate()
        if let missing = names?.first(where: { recorded[$0] == nil }) {
            throw UserError(.usage, "the model has no output '\(missing)'\(suggestion(for: missing, among: recorded.names))")
        }
        let wanted = recorded.entries.filter { names?.contains($0.name) ?? true }
        outputs = wanted.map { Output(name: $0.name, shape: Shape($0.tensor.shape.dimensions.dropFirst().map { $0 })) }
        self.batchSize = batchSize
        self.image = image
        plan = try Plan(
            graph, outputs: wanted.map { $0.tensor.cast(to: .float32) }, store: ParameterStore(graph, from: weights), pool: pool, updatesBuffers: false)
    }

    /// Computes the outputs of samples in their order, one batch after another.
    ///
    /// - Parameters:
    ///   - indices: global ones of the source.
    ///   - source: whose samples have a field `image` of the model's shape.
    /// - Throws: `UserError(.usage)` when the source has other samples, and what `body` throws.
    public func forEachBatch(of indices: [Int32], from source: some SampleSource, _ body: (Batch) throws -> Void) throws {
        guard let field = source.field(named: "image"), field.shape == image, field.dtype == .float32 else {
            let found = source.fields.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
            throw UserError(.usage, "the samples of \(source.name) have \(found); expected image \(image), as the model takes")
        }
        let pipeline = BatchPipeline(evaluating: source, fields: [field], indices: indices, batchSize: batchSize)
        while let batch = try pipeline.next() {
            try plan.run(feeding: batch.fields)
            let values = outputs.enumerated().map { index, output in
                let count = batch.count * output.shape.elementCount
                return (output.name, UnsafeBufferPointer(start: plan.outputPointer(index).assumingMemoryBound(to: Float.self), count: count))
            }
            let all = Batch(sampleIndices: batch.sampleIndices, values: Dictionary(uniqueKeysWithValues: values))
            if batch.sampleIndices.contains(-1) { try all.withoutFreePlaces(body) } else { try body(all) }
        }
    }

    /// The outputs of samples, each `[samples, …]`.
    ///
    /// - Parameter indices: global ones of the source.
    public func outputs(for indices: [Int32], of source: some SampleSource) throws -> [String: HostTensor] {
        var values: [String: [Float]] = [:]
        try forEachBatch(of: indices, from: source) { batch in
            for output in outputs { values[output.name, default: []] += batch[output.name]! }
        }
        return Dictionary(uniqueKeysWithValues: outputs.map { output in
            (output.name, HostTensor(Shape([indices.count] + output.shape.dimensions), values[output.name] ?? []))
        })
    }
}
