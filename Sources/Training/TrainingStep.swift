import TensorCore
import VisionData

/// Records a model: images `[B, height, width, channels]` to logits `[B, classes]`.
public typealias ModelRecorder = (_ scope: Scope, _ images: Tensor) -> Tensor

/// A recorded classifier with its inputs, for one shard.
struct RecordedClassifier {
    let graph: Graph
    let labels: Tensor
    let logits: Tensor

    /// Logits are float32 in either precision.
    init(
        _ model: ModelRecorder, mode: Graph.Mode, shape: ImageShape, classCount: Int, batchSize: Int, shardCount: Int, seed: UInt64,
        precision: Precision, rules: [ParameterRule] = []
    ) {
        precondition(batchSize.isMultiple(of: shardCount), "a batch of \(batchSize) cannot be cut into \(shardCount) equal shards")
        let count = batchSize / shardCount
        graph = Graph(mode: mode, shardCount: shardCount, seed: seed, precision: precision) { rules.treatment(of: $0).isFrozen }
        let images = graph.input("images", [count, shape.height, shape.width, shape.channels])
        labels = graph.input("labels", [count], .int32)
        let output = model(graph.root, images)
        if output.isValid, output.shape != [count, classCount] {
            logits = graph.root.fail("the model gives \(output.shape) for \(count) images of \(classCount) classes")
        } else {
            logits = output.cast(to: .float32)
        }
    }
}

/// Forward and backward pass over a batch, gradient norm, and update, on memory allocated once.
final class TrainingStep {
    /// What a step computed before its update.
    struct Result {
        let loss: Double
        let gradientNorm: Double
        let correctCount: Int

        var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
    }

    let store: ParameterStore
    let optimizer: Optimizer
    let batchSize: Int
    private let classCount: Int
    private let clipGradientNorm: Double
    let plan: Plan
    /// How long all steps so far took.
    private(set) var secondsRun = 0.0
    private var feeds: [UnsafeRawPointer] = []

    /// - Throws: `RecordingError` when the model does not fit the images or the memory, `UserError` when the rules do not fit its parameters.
    init(
        _ model: ModelRecorder, configuration: TrainConfiguration, shape: ImageShape, classCount: Int, seed: UInt64, pool: WorkerPool
    ) throws {
        let recorded = RecordedClassifier(
            model, mode: .training, shape: shape, classCount: classCount, batchSize: configuration.batchSize,
            shardCount: configuration.shards, seed: seed, precision: configuration.precision, rules: configuration.parameters)
        let loss = recorded.logits
            .softmaxCrossEntropy(labels: recorded.labels, smoothing: Float(configuration.labelSmoothing))
            .batchMean()
        try recorded.graph.validate()
        let treatments = try configuration.parameters.treatments(of: recorded.graph.parameters.map(\.name))
        // Values, and of what is trained gradients and the optimizer's arrays.
        let trainedCount = recorded.graph.trainedParameterTensors.reduce(0) { $0 + $1.shape.elementCount }
        let arrayCount = 1 + configuration.optimizer.slotNames.count
        try requireMemory((recorded.graph.parameterCount + arrayCount * trainedCount) * MemoryLayout<Float>.stride)
        store = ParameterStore(recorded.graph, seed: seed)
        plan = try Plan(
            recorded.graph, outputs: [loss, recorded.logits],
            gradients: gradients(
                of: loss, withRespectTo: recorded.graph.trainedParameterTensors, recomputesSegments: configuration.recompute == .blocks),
            store: store, pool: pool)
        optimizer = Optimizer(
            configuration.optimizer, decayAll: configuration.decayAll, l1: configuration.l1, treatments: treatments.filter { !$0.isFrozen },
            store: store, pool: pool)
        batchSize = configuration.batchSize
        clipGradientNorm = configuration.clipGradientNorm ?? .infinity
        self.classCount = classCount
        feeds.reserveCapacity(2)
    }

    /// Runs step number `step`, counted from 0. Leaves the parameters as they are when the loss or a gradient is not finite.
    func run(images: UnsafePointer<Float>, labels: UnsafePointer<Int32>, step: Int, learningRate: Double) -> Result {
        let start = ContinuousClock.now
        defer { secondsRun += (.now - start) / .seconds(1) }
        feeds.removeAll(keepingCapacity: true)
        feeds.append(images)
        feeds.append(labels)
        plan.run(feeding: feeds, step: UInt64(step))
        let loss = plan.outputPointer(0).loadUnaligned(as: Float.self)
        let logits = plan.outputPointer(1).assumingMemoryBound(to: Float.self)
        var correctCount = 0
        for sample in 0..<batchSize where indexOfLargest(logits + sample * classCount, count: classCount) == Int(labels[sample]) {
            correctCount += 1
        }

        let result = Result(loss: Double(loss), gradientNorm: optimizer.finishGradients(), correctCount: correctCount)
        if result.isFinite {
            optimizer.update(
                step: step, learningRate: learningRate, gradientScale: clippingScale(norm: result.gradientNorm, maximum: clipGradientNorm))
        }
        return result
    }
}
