import Configuration
import Measures
import TensorCore

/// `train.distill:` a trained network, the teacher, shows the one that is trained how likely it finds each class.
///
///     distill: {teacher: resnet, temperature: 4, weight: 0.9}
///
///     loss = (1 − weight) · task's loss + weight · T² · KL(softmax(t / T) ‖ softmax(z / T))
///
/// with the teacher's logits t of the very images, augmented, that the student gives the logits z of, and the temperature T. T² keeps the gradients of both
/// terms alike for every T. The teacher is evaluated, never trained, and counts in the training alone: losses of validation and test are the task's, and so is
/// the one whose gradients `layer_statistics` measures.
///
/// Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv:1503.02531).
public struct DistillationConfiguration: Configurable {
    /// The trial whose network teaches, which is trained first.
    public var teacher = WeightOrigin()
    /// T, by which logits are divided.
    public var temperature = 4.0
    /// How much of the loss is the teacher's.
    public var weight = 0.9

    /// No teacher yet, which reading refuses.
    public init() {}

    public static let options: [Key<DistillationConfiguration>] = [
        .required("teacher", \.teacher, .map(orAlone: "model", "the name of a model"), missing: "missing; expected the name of a model",
            "The trial whose network teaches, as init_from names one: a model of this definition, or {experiment: NAME, model: NAME}; it is trained first."),
        Key("temperature", \.temperature, .number(in: 0.01...1_000), "By what the logits of both networks are divided before their softmax."),
        Key("weight", \.weight, .number(in: 0...1), "How much of the loss is the teacher's; the rest is the task's."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if teacher.file != nil { fields.report("found file, which says no network; expected model", at: "teacher") }
        if teacher.afterEpoch != nil { fields.report("found after_epoch, which goes with init_from alone", at: "teacher") }
        if !teacher.except.isEmpty { fields.report("found except, which goes with init_from alone", at: "teacher") }
    }

    /// The teacher's term for each sample, float32 `[B]`: T² · KL(softmax(t / T) ‖ softmax(z / T)), in nat.
    ///
    /// - Parameters:
    ///   - student: z, `[B, classes]`.
    ///   - teacher: t, of the same shape.
    public func divergence(of student: Tensor, from teacher: Tensor) -> Tensor {
        let scale = Float(1 / temperature), taught = (teacher * scale).logSoftmax(), said = (student * scale).logSoftmax()
        return (taught.exp() * (taught - said)).sum(axes: [1]) * Float(temperature * temperature)
    }
}

/// A network that teaches another one, with its weights.
public struct TeacherNetwork {
    let model: ModelRecorder
    let weights: any WeightSource

    /// - Parameters:
    ///   - model: as a training takes it; it gives the logits of the student's task.
    ///   - weights: its trained ones.
    public init(_ model: @escaping ModelRecorder, weights: any WeightSource) {
        self.model = model
        self.weights = weights
    }
}

/// What a teacher gives for the batches of a training, computed in evaluation mode by a plan of its own, shard by shard: the same bits on any number of threads.
final class Teacher {
    private let plan: Plan
    private let store: ParameterStore

    /// - Parameter fields: those of a batch, the image first.
    /// - Throws: `RecordingError` when it does not fit the images, `UserError` when the weights are another network's.
    init(_ network: TeacherNetwork, _ task: some TrainingTask, image: Shape, configuration: TrainConfiguration, pool: WorkerPool) throws {
        let graph = Graph(mode: .evaluation, shardCount: configuration.shards, seed: 0, precision: configuration.precision)
        let count = configuration.batchSize / configuration.shards, images = graph.input("image", Shape([count] + image.dimensions))
        let output = network.model(graph.root, images).outputs(head: task.head).required(task.head, in: graph.root)
        if output.isValid, output.shape != Shape([count] + task.outputShape.dimensions) {
            graph.root.fail("the teacher gives \(output.shape) for \(count) images of \(task.outputDescription)")
        }
        try graph.validate()
        store = try ParameterStore(graph, from: network.weights)
        plan = try Plan(graph, outputs: [output.cast(to: .float32)], store: store, pool: pool, updatesBuffers: false)
    }

    var byteCount: Int { plan.byteCount + store.byteCount }

    /// The logits of a batch's images `[B, classes]`, valid until the next call.
    func logits(of images: UnsafeRawPointer) throws -> UnsafeRawPointer {
        try plan.run(feeding: [images])
        return plan.outputPointer(0)
    }
}

extension RecordedTask {
    /// The losses with the teacher's among them.
    mutating func add(_ distillation: DistillationConfiguration, _ divergence: Tensor) {
        let share = distillation.weight
        losses = losses.map { Loss($0.name, unit: $0.unit, weight: (1 - share) * $0.weight, $0.values, counts: $0.counts) }
        losses.insert(Loss("distillation", unit: "nat", weight: share, divergence), at: 1)
    }
}
