import Measures
import TensorCore
import Training
import VisionData

/// One class for each image: the model gives a logit for each class, the loss is the cross-entropy of their softmax with the sample's label, or another
/// (`ClassificationLoss`).
///
///     loss     −Σ q log softmax(logits), q one-hot; in training smoothed (Szegedy et al. 2016), and with class weights Σ w loss / Σ w over a batch,
///              w the weight of a sample's class: PyTorch's cross_entropy(weight=…, label_smoothing=…)
///     accuracy the share of images whose largest logit, of equal ones the first, is that of their class
///     rank_error with the loss `ordinal`, |predicted class − class|
public struct Classification: TrainingTask {
    /// How many classes there are.
    public let classCount: Int
    /// What is made small.
    public let loss: ClassificationLoss
    /// In training only, of the cross-entropy.
    public let labelSmoothing: Double
    /// How much a sample of each class counts, in training only, so that losses of validation and test compare with others'; nil: all alike.
    public let classWeights: [Double]?

    /// Whether the logits of the validation and of the test are kept in the run file.
    public let storesLogits: Bool
    /// Whether places of a batch may hold no sample, as the field `present` says.
    public let hasFreePlaces: Bool

    /// A class for each image; the smoothing is a share of a label's weight, from 0, below 1.
    public init(
        classCount: Int, loss: ClassificationLoss = .crossEntropy, labelSmoothing: Double = 0, classWeights: [Double]? = nil, storesLogits: Bool = true,
        hasFreePlaces: Bool = false
    ) {
        precondition(classWeights.map { $0.count == classCount } ?? true, "each class has a weight")
        self.classCount = classCount
        self.loss = loss
        self.classWeights = classWeights
        self.storesLogits = storesLogits
        self.hasFreePlaces = hasFreePlaces
        self.labelSmoothing = labelSmoothing
    }

    public var name: String { "classification" }
    public var targets: [String] { hasFreePlaces ? ["label", Field.present.name] : ["label"] }
    public var outputShape: Shape { [classCount] }
    public var outputDescription: String { "\(classCount) classes" }
    public var monitored: String { "accuracy" }
    public var givesClassLogits: Bool { !loss.isOfMargins }

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let labels = targets[0], predictions = output.indexOfLargest(), present = hasFreePlaces ? targets[1] : nil
        let isRight = predictions.isEqual(to: labels)
        var measures = [
            RecordedMeasure(Measure("accuracy", unit: "1", better: .larger, bounds: 0...1), present.map { isRight * $0 } ?? isRight, counts: present),
        ]
        if loss == .ordinal, output.isValid {
            let ranks = output.graph.constant(HostTensor([classCount, 1], (0..<classCount).map { Float($0) }))
            let errors = (ranks.gathered(predictions) - ranks.gathered(labels)).abs().reshaped(labels.shape)
            measures.append(RecordedMeasure(Measure("rank_error", unit: "class", better: .smaller), present.map { errors * $0 } ?? errors, counts: present))
        }
        return RecordedTask(
            losses: [loss(output, labels, present)],
            measures: measures,
            outputs: [predictions] + (storesLogits ? [output] : []))
    }

    private func loss(_ output: Tensor, _ labels: Tensor, _ present: Tensor?) -> Loss {
        if loss != .crossEntropy { return otherLoss(output, labels, present) }
        let isTraining = output.graph.mode == .training, smoothing = Float(isTraining ? labelSmoothing : 0)
        guard isTraining, let classWeights else {
            let losses = output.softmaxCrossEntropy(labels: labels, smoothing: smoothing)
            guard let present else { return Loss("cross_entropy", unit: "nat", losses) }
            return Loss("cross_entropy", unit: "nat", losses * present, counts: isTraining ? present : nil)
        }
        let (losses, counts) = output.softmaxCrossEntropy(labels: labels, weights: classWeights.map { Float($0) }, smoothing: smoothing)
        return Loss("cross_entropy", unit: "nat", present.map { losses * $0 } ?? losses, counts: present.map { counts * $0 } ?? counts)
    }

    /// One without smoothing.
    private func otherLoss(_ output: Tensor, _ labels: Tensor, _ present: Tensor?) -> Loss {
        let isTraining = output.graph.mode == .training, losses = loss.values(of: output, labels: labels)
        let weights = isTraining ? classWeights.map { output.graph.constant(HostTensor([classCount, 1], $0.map { Float($0) })).gathered(labels).reshaped(labels.shape) } : nil
        let counts = [weights, present].compactMap(\.self)
        let weighted = counts.reduce(losses) { $0 * $1 }
        return Loss(loss.name, unit: loss.unit, weighted, counts: isTraining && !counts.isEmpty ? counts.dropFirst().reduce(counts[0], *) : nil)
    }

    public func layout(of split: Split) -> EvaluationLayout {
        let labels = EvaluationColumn("labels", title: "class", unit: "class")
        let logits = storesLogits
            ? [EvaluationColumn("logits", title: "logit of each class", unit: "1", kind: .real, rowShape: [classCount])] : []
        guard split == .test else { return EvaluationLayout(columns: storesLogits ? [labels] + logits : []) }
        return EvaluationLayout(
            columns: [
                EvaluationColumn(
                    "confusion", title: "images by class (rows) and predicted class (columns)", unit: "image", rowShape: [classCount]),
                EvaluationColumn("predictions", title: "predicted class", unit: "class"), labels,
            ] + logits,
            axes: [
                EvaluationAxis("class", title: "class", unit: "class", count: classCount),
                EvaluationAxis("predicted_class", title: "predicted class", unit: "class", count: classCount),
            ],
            // Viewers draw an image's first row at the bottom and have no attribute to turn it over, so the title says where to look.
            plot: EvaluationPlot(of: "confusion", title: "test images by class (upwards from 0) and predicted class (to the right)"))
    }

    public func makeTables(of split: Split) -> any EvaluationTables { ClassificationTables(self, layout(of: split)) }
}

private final class ClassificationTables: EvaluationTables {
    private let classCount: Int
    private let hasFreePlaces: Bool
    private let names: [String]
    private var confusion: [Int64]
    private var predictions: [Int64] = [], labels: [Int64] = []
    private var logits: [Float] = []

    init(_ task: Classification, _ layout: EvaluationLayout) {
        (classCount, hasFreePlaces) = (task.classCount, task.hasFreePlaces)
        names = layout.columns.map(\.name)
        confusion = [Int64](repeating: 0, count: task.classCount * task.classCount)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        let predicted = outputs[0].assumingMemoryBound(to: Int32.self), actual = targets[0].assumingMemoryBound(to: Int32.self)
        let present = hasFreePlaces ? targets[1].assumingMemoryBound(to: Float.self) : nil
        for sample in 0..<count where present?[sample] != 0 {
            confusion[Int(actual[sample]) * classCount + Int(predicted[sample])] += 1
            predictions.append(Int64(predicted[sample]))
            labels.append(Int64(actual[sample]))
        }
        guard outputs.count > 1 else { return }
        let all = outputs[1].assumingMemoryBound(to: Float.self)
        guard let present else { return logits += UnsafeBufferPointer(start: all, count: count * classCount) }
        for sample in 0..<count where present[sample] != 0 { logits += UnsafeBufferPointer(start: all + sample * classCount, count: classCount) }
    }

    func finish() -> [String: TableValues] {
        let all: [String: TableValues] = [
            "confusion": .integers(confusion), "predictions": .integers(predictions), "labels": .integers(labels), "logits": .reals(logits),
        ]
        return all.filter { names.contains($0.key) }
    }
}
