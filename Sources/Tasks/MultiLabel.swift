import Configuration
import Measures
import TensorCore
import Training
import VisionData

/// Any number of classes for each image: the model gives a logit for each class, and a class is predicted where it is above 0.
///
///     binary_cross_entropy    −w t log σ(z) − (1 − t) log(1 − σ(z)), the mean over the classes; the weight w of a class is 1 but in a training that says otherwise
///     micro_f1                2 TP / (2 TP + FP + FN), counted over all classes of all images
///     exact_match             the share of images all of whose classes, and no others, are predicted
///     mean_average_precision  the mean of the classes' average precisions over a split (`rankedPrecision`), of the classes that are in it
///
/// Which classes an image has are its label set; without these the classes of its boxes; without these of its mask.
public struct MultiLabel: TrainingTask {
    /// What says which classes an image has.
    enum Truth: Sendable, Equatable {
        case labelSets
        /// - Parameter maximum: how many an image has at most.
        case boxes(maximum: Int)
        case masks
    }

    /// How many classes there are.
    public let classCount: Int
    private let truth: Truth
    /// How much having each class counts in training; nil: as not having it.
    private let positiveWeights: [Double]?
    private let storesScores: Bool

    init(classCount: Int, truth: Truth = .labelSets, positiveWeights: [Double]? = nil, storesScores: Bool = true) {
        (self.classCount, self.truth, self.positiveWeights, self.storesScores) = (classCount, truth, positiveWeights, storesScores)
    }

    public var name: String { "multi_label" }
    public var targets: [String] {
        switch truth {
        case .labelSets: ["label_set"]
        case .boxes: ["boxes"]
        case .masks: ["mask"]
        }
    }
    public var outputShape: Shape { [classCount] }
    public var outputDescription: String { "\(classCount) classes" }
    public var monitored: String { Self.precision }
    public var splitMeasures: [Measure] { [Measure(Self.precision, unit: "1", better: .larger, bounds: 0...1)] }

    private static let precision = "mean_average_precision"

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let loss = "binary_cross_entropy"
        guard output.isValid else { return RecordedTask(losses: [Loss(loss, unit: "nat", output)]) }
        let truth = classes(targets[0])
        let predicted = PositiveNumbers(count: classCount)(output)[0], shared = (predicted * truth).sum(axes: [1]), all = (predicted + truth).sum(axes: [1])
        let isExact = (1 - (predicted - truth).abs().max(axes: [1]))
        return RecordedTask(
            losses: [Loss(loss, unit: "nat", crossEntropy(output, truth))],
            measures: [
                RecordedMeasure(Measure("micro_f1", unit: "1", better: .larger, bounds: 0...1), shared * 2, counts: all),
                RecordedMeasure(Measure("exact_match", unit: "1", better: .larger, bounds: 0...1), isExact),
            ],
            outputs: [output, truth])
    }

    private func crossEntropy(_ output: Tensor, _ truth: Tensor) -> Tensor {
        guard output.graph.mode == .training, let positiveWeights else { return output.binaryCrossEntropyWithLogits(truth) }
        let logits = output.cast(to: .float32), softplus = logits.softplus(), graph = output.graph
        let weighted = truth * graph.constant(HostTensor([1, classCount], positiveWeights.map { Float($0) }))
        // −log σ(z) = log(1 + e^z) − z.
        return (weighted * (softplus - logits) + (1 - truth) * softplus).mean(axes: [1])
    }

    /// 1 for each class that an image has, `[B, classes]`.
    private func classes(_ target: Tensor) -> Tensor {
        switch truth {
        case .labelSets: return target
        case .boxes(let maximum): return ClassesOfBoxes(classes: classCount, maximum: maximum)(target)[0]
        case .masks:
            // Pixels that do not count have no class.
            let rows = Int(LabeledImages.ignored) + 1, table = (0..<rows * classCount).map { $0 / classCount == $0 % classCount ? Float(1) : 0 }
            return target.graph.constant(HostTensor([rows, classCount], table)).gathered(target).max(axes: [1, 2])
        }
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        let scores = [
            EvaluationColumn("scores", title: "logit of each class", unit: "1", kind: .real, rowShape: [classCount]),
            EvaluationColumn("label_sets", title: "1 for each class of an image", unit: "1", rowShape: [classCount]),
        ]
        return EvaluationLayout(
            columns: [EvaluationColumn("class_average_precision", title: "average precision of each class", unit: "1", kind: .real)] + (storesScores ? scores : []))
    }

    public func makeTables(of split: Split) -> any EvaluationTables { MultiLabelTables(classCount, layout(of: split).columns.map(\.name)) }
}

private final class MultiLabelTables: EvaluationTables {
    private let classCount: Int
    private let names: [String]
    private var scores: [Float] = [], truth: [Float] = []

    init(_ classCount: Int, _ names: [String]) { (self.classCount, self.names) = (classCount, names) }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        func numbers(_ place: Int) -> UnsafeBufferPointer<Float> {
            UnsafeBufferPointer(start: outputs[place].assumingMemoryBound(to: Float.self), count: count * classCount)
        }
        scores += numbers(0)
        truth += numbers(1)
    }

    /// Of each class; NaN for one that no image has. Asked for when all is added.
    private lazy var precisions: [Double] = (0..<classCount).map { label in
        let places = stride(from: label, to: scores.count, by: classCount)
        return rankedPrecision(scores: places.map { scores[$0] }, isPositive: places.map { truth[$0] > 0 })
    }

    func splitValues() -> [String: Double] {
        let known = precisions.filter { !$0.isNaN }
        return ["mean_average_precision": known.isEmpty ? .nan : known.reduce(0, +) / Double(known.count)]
    }

    func finish() -> [String: TableValues] {
        let all: [String: TableValues] = [
            "class_average_precision": .reals(precisions.map { Float($0) }), "scores": .reals(scores), "label_sets": .integers(truth.map { Int64($0) }),
        ]
        return all.filter { names.contains($0.key) }
    }
}

/// 1 for each of so many numbers that is above 0, else 0.
private struct PositiveNumbers: SampleFunction {
    let count: Int

    var name: String { "numbers above 0" }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [count] else { throw ShapeError("of \(inputs[0]): expected [\(count)]") }
        return inputs
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        for place in 0..<count { outputs[0][place] = inputs[0][place] > 0 ? 1 : 0 }
    }
}

/// The objects `[maximum, 5]` of an image → 1 for each of their classes `[C]`.
private struct ClassesOfBoxes: SampleFunction {
    let classes: Int
    let maximum: Int

    var name: String { "classes of boxes" }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [maximum, 5] else { throw ShapeError("of \(inputs[0]): expected [\(maximum), 5]") }
        return [[classes]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        outputs[0].update(repeating: 0, count: classes)
        for object in TrueBox.all(inputs[0], count: maximum) { outputs[0][object.label] = 1 }
    }
}

/// `task: {multi_label: {positive_weights: balanced}}`
struct MultiLabelOptions: Configurable {
    /// How much having each class counts in the loss; nil: as not having it.
    var positiveWeights: ClassWeights?

    static let options: [Key<MultiLabelOptions>] = [
        Key("positive_weights", \.positiveWeights, .classWeights,
            "How much an image that has a class counts for it in the training's loss, one that has it not counting 1, as in PyTorch's pos_weight: one number a class, or balanced, images without the class / images with it, where there are both. The losses of validation and test are not weighted. Absent: 1."),
    ]
}

extension MultiLabel {
    /// The task of a definition, on samples that say more than one class.
    ///
    /// - Throws: `UserError(.usage)` when they do not, or the data or the training ask for what sets of classes do not have.
    init(_ options: MultiLabelOptions, of dataset: ImageDataset, _ training: TrainConfiguration) throws {
        let images = dataset.images
        let truth: Truth? = images.labelSets != nil ? .labelSets : images.boxes.map { .boxes(maximum: $0.maximum) } ?? (images.masks != nil ? .masks : nil)
        guard let truth else {
            throw UserError(
                at: "data", "\(dataset.name) says one class for each image, and multi_label needs sets of them; expected label_sets, boxes or masks, as fashion-scenes has")
        }
        if dataset.classNumbers != nil { throw UserError(at: "data.classes", "sets have all classes; leave this key out for multi_label") }
        if !dataset.relabeledImages.isEmpty { throw UserError(at: "data.label_noise", "changes the labels of images, which multi_label does not see; leave this key out") }
        if dataset.choosesByClass || dataset.sampling == .balanced {
            let key = dataset.choosesByClass ? "data.images_per_class" : "data.sampling"
            throw UserError(at: key, "counts images by one class of each, and sets have several; leave \(dataset.choosesByClass ? "this key and data.imbalance" : "this key") out for multi_label")
        }
        if training.labelSmoothing > 0 { throw UserError(at: "train.label_smoothing", "goes with a cross-entropy, which multi_label has not; leave this key out") }
        let weights = try options.positiveWeights.map { try $0.positiveValues(for: dataset, counts: dataset.imagesWithClasses(by: truth)) }
        self.init(classCount: dataset.classCount, truth: truth, positiveWeights: weights, storesScores: training.storesOutputs)
    }
}

extension ClassWeights {
    /// What having each class counts; 1 for a class that is to be balanced and that all images have, or none.
    ///
    /// - Parameter counts: how many training images have each class.
    /// - Throws: `UserError(.usage)` when there are more or fewer classes.
    fileprivate func positiveValues(for dataset: ImageDataset, counts: @autoclosure () -> [Int]) throws -> [Double] {
        let key = "task.multi_label.positive_weights"
        guard self == .balanced else { return try values(for: dataset, counts: [], of: "training images", at: key) }
        let total = dataset.indices(of: .train).count
        return counts().map { $0 == 0 || $0 == total ? 1 : Double(total - $0) / Double($0) }
    }
}

extension ImageDataset {
    /// How many training images have each class.
    fileprivate func imagesWithClasses(by truth: MultiLabel.Truth) -> [Int] {
        var counts = [Int](repeating: 0, count: classCount)
        let size = images.shape.height * images.shape.width
        for index in indices(of: .train).map({ Int($0) }) {
            let found: Set<Int> = switch truth {
            case .labelSets: Set((0..<classCount).filter { images.labelSets?.has($0, image: index) ?? false })
            case .boxes: Set((images.boxes?.boxes[index] ?? []).map { Int($0.label) })
            case .masks: Set((images.masks?[index * size..<(index + 1) * size] ?? []).map { Int($0) })
            }
            for label in found where label < classCount { counts[label] += 1 }
        }
        return counts
    }
}
