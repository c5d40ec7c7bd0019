import Measures
import TensorCore
import VisionData

/// What a model is trained for: which fields of a sample it is trained by, what is differentiated, and what is measured.
///
/// The training loop, the run store, reports and sweeps know this and nothing of any task.
public protocol TrainingTask: Sendable {
    /// As definitions and messages call it.
    var name: String { get }
    /// The fields of a sample that losses and measures are made from, besides the model's own.
    var targets: [String] { get }
    /// Which of the model's named outputs it takes: `logits` unless the task says another.
    var head: String { get }
    /// The shape of the model's output for one sample.
    var outputShape: Shape { get }
    /// `outputShape` in words, such as `10 classes`.
    var outputDescription: String { get }
    /// The measure by which the best weights are found: the loss, or one of those that are recorded.
    var monitored: String { get }
    /// What is measured of a whole split and is no mean over its samples, such as an average precision: what `makeTables` makes has the values,
    /// which are computed for the validation after every epoch, and for the test.
    var splitMeasures: [Measure] { get }

    /// Whether its answers are logits of classes, whose softmax says how likely each class is, so that a teacher's can be learned.
    var givesClassLogits: Bool { get }

    /// Of a task that asks about anchors, the pixels between the cells of each level, and how many anchors a cell has; nil for others.
    var anchors: (strides: [Int], count: Int)? { get }

    /// Records losses and measures of a model's output in a graph, whose mode says whether it is for training.
    ///
    /// Called for the head, and in training for each auxiliary head of the model, of which the losses count alone.
    ///
    /// - Parameters:
    ///   - output: float32 `[B] + outputShape`.
    ///   - targets: the fields of `targets`, each `[B, …]`.
    func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask

    /// The same where the task looks at more than its head: at the images themselves, or at other outputs of the model.
    func record(_ output: Tensor, _ targets: [Tensor], input: ModelInput, outputs: NamedOutputs) -> RecordedTask

    /// Records what the model gets in the place of images `[B, height, width, channels]`: those, unless the task changes them.
    func input(_ images: Tensor, in scope: Scope) -> ModelInput

    /// The task for a model whose outputs look like these, of which it may note the sizes.
    ///
    /// - Throws: `UserError(.usage)` when the model lacks an output that the task's options ask for.
    func fitted(to outputs: NamedOutputs) throws -> Self

    /// What there is to warn of in the values of a split; nil: nothing.
    func warning(about values: MeasureValues) -> String?

    /// Why a measure has no value in a split; nil where it has one.
    func absence(of measure: String, in split: Split) -> String?

    /// The tables that the task adds to the evaluation of a split once the training is over.
    func layout(of split: Split) -> EvaluationLayout

    /// Makes those tables.
    func makeTables(of split: Split) -> any EvaluationTables
}

extension TrainingTask {
    public var head: String { "logits" }

    /// Whether each pixel of an image has an answer of its own, `[height, width, numbers]`, which only some models give.
    public var answersPixels: Bool { outputShape.rank == 3 }
    /// Whether each of many anchors has an answer of its own, `[anchors, numbers]`, which only some models give.
    public var answersAnchors: Bool { outputShape.rank == 2 }
    /// How many numbers an answer has: of a pixel or of an anchor where each has one of its own.
    public var outputCount: Int { outputShape.rank > 1 ? outputShape[-1] : outputShape.elementCount }
    public var anchors: (strides: [Int], count: Int)? { nil }
    public var splitMeasures: [Measure] { [] }
    public var givesClassLogits: Bool { false }
    public func record(_ output: Tensor, _ targets: [Tensor], input: ModelInput, outputs: NamedOutputs) -> RecordedTask { record(output, targets) }
    public func input(_ images: Tensor, in scope: Scope) -> ModelInput { ModelInput(images) }
    public func fitted(to outputs: NamedOutputs) throws -> Self { self }
    public func warning(about values: MeasureValues) -> String? { nil }
    public func absence(of measure: String, in split: Split) -> String? { nil }
    public func layout(of split: Split) -> EvaluationLayout { EvaluationLayout() }
    public func makeTables(of split: Split) -> any EvaluationTables { NoTables() }
}

/// What a model gets, and what its task had.
public struct ModelInput {
    /// The samples' images, `[B, height, width, channels]`.
    public let originals: Tensor
    /// What the model gets, of the same shape.
    public let images: Tensor
    /// 1 for each pixel that was taken from the model, else 0, `[B, height, width, 1]`; nil where none was.
    public let hidden: Tensor?

    /// The images as they are, unless others are given.
    public init(_ originals: Tensor, seenAs images: Tensor? = nil, hidden: Tensor? = nil) {
        (self.originals, self.images, self.hidden) = (originals, images ?? originals, hidden)
    }
}

/// Losses and measures of a graph.
public struct RecordedTask {
    /// Summed, weighted, into what is differentiated; the first one says the unit of the sum.
    public var losses: [Loss]
    /// Beside the losses.
    public var measures: [RecordedMeasure]
    /// What the task's tables are made from, each `[B, …]`.
    public var outputs: [Tensor]

    /// Losses, at least one, and what is measured beside them.
    public init(losses: [Loss], measures: [RecordedMeasure] = [], outputs: [Tensor] = []) {
        self.losses = losses
        self.measures = measures
        self.outputs = outputs
    }

    /// What is differentiated: Σ weight · mean over the batch (`Loss.batchMean`), a shared scalar.
    func total() -> Tensor {
        precondition(!losses.isEmpty, "a task has at least one loss")
        let terms = losses.map { $0.weight == 1 ? $0.batchMean() : $0.batchMean() * Float($0.weight) }
        return terms.dropFirst().reduce(terms[0], +)
    }

    /// The loss first; where it is a sum each of its parts under its own name; then the measures.
    ///
    /// - Parameter namesParts: whether the parts have names although there is only one.
    func allMeasures(namingParts namesParts: Bool = false) -> [Measure] {
        let parts = losses.count > 1 || namesParts ? losses.map { Measure($0.name, unit: $0.unit, better: .smaller) } : []
        return [Measure(Measure.lossName, unit: losses[0].unit, better: .smaller)] + parts + measures.map(\.measure)
    }
}

/// A loss: its mean over the batch is made small.
public struct Loss {
    /// As a measure, where there are several.
    public let name: String
    /// For the run file, such as `nat`.
    public let unit: String
    /// By which it counts in the sum of the losses.
    public let weight: Double
    /// The loss of each sample, float32 `[B]`.
    public let values: Tensor
    /// How much each sample counts in the mean, float32 `[B]`; nil: 1, as in an evaluation always.
    public let counts: Tensor?

    /// A loss of weight 1 unless given, whose mean is over samples unless they count otherwise.
    public init(_ name: String, unit: String, weight: Double = 1, _ values: Tensor, counts: Tensor? = nil) {
        self.name = name
        self.unit = unit
        self.weight = weight
        self.values = values
        self.counts = counts
    }

    /// Σ values / Σ counts over the whole batch, a shared scalar.
    func batchMean() -> Tensor {
        guard let counts else { return values.batchMean() }
        func sum(_ values: Tensor) -> Tensor { values.sum(axes: Array(values.shape.indices)).shardSum() }
        return sum(values) / sum(counts)
    }
}

/// A measure in a graph: for each sample what it adds to the measure's sum and to its count.
public struct RecordedMeasure {
    /// What is measured.
    public let measure: Measure
    /// float32 `[B]`.
    public let values: Tensor
    /// float32 `[B]`; nil: 1 for each sample.
    public let counts: Tensor?

    /// A measure with its values, and its counts where it does not count samples.
    public init(_ measure: Measure, _ values: Tensor, counts: Tensor? = nil) {
        self.measure = measure
        self.values = values
        self.counts = counts
    }
}

/// A task's tables of a split in their making.
public protocol EvaluationTables: AnyObject {
    /// Takes note of a batch.
    ///
    /// - Parameters:
    ///   - outputs: the memory of `RecordedTask.outputs`, sample after sample; valid during the call.
    ///   - targets: that of the task's targets.
    ///   - count: how many places hold samples.
    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int)

    /// The tables by the names of the split's layout, all of them.
    func finish() -> [String: TableValues]

    /// The values of the task's `splitMeasures` over all that was added, by their names; NaN where there is none.
    func splitValues() -> [String: Double]
}

extension EvaluationTables {
    public func splitValues() -> [String: Double] { [:] }
}

private final class NoTables: EvaluationTables {
    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {}
    func finish() -> [String: TableValues] { [:] }
}
