import Measures
import TensorCore
import Training
import VisionData

/// One class for each image: the model gives a logit for each class, the loss is the cross-entropy of their softmax with the sample's label.
///
///     loss     −Σ q log softmax(logits), q one-hot; in training smoothed (Szegedy et al. 2016)
///     accuracy the share of images whose largest logit, of equal ones the first, is that of their class
public struct Classification: TrainingTask {
    /// How many classes there are.
    public let classCount: Int
    /// In training only.
    public let labelSmoothing: Double

    /// Whether the logits of the validation and of the test are kept in the run file.
    public let storesLogits: Bool

    /// A class for each image; the smoothing is a share of a label's weight, from 0, below 1.
    public init(classCount: Int, labelSmoothing: Double = 0, storesLogits: Bool = true) {
        self.classCount = classCount
        self.storesLogits = storesLogits
        self.labelSmoothing = labelSmoothing
    }

    public var name: String { "classification" }
    public var targets: [String] { ["label"] }
    public var outputShape: Shape { [classCount] }
    public var outputDescription: String { "\(classCount) classes" }
    public var monitored: String { "accuracy" }

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let labels = targets[0], smoothing = output.graph.mode == .training ? labelSmoothing : 0, predictions = output.indexOfLargest()
        return RecordedTask(
            losses: [Loss("cross_entropy", unit: "nat", output.softmaxCrossEntropy(labels: labels, smoothing: Float(smoothing)))],
            measures: [RecordedMeasure(Measure("accuracy", unit: "1", better: .larger, bounds: 0...1), predictions.isEqual(to: labels))],
            outputs: [predictions] + (storesLogits ? [output] : []))
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
    private let names: [String]
    private var confusion: [Int64]
    private var predictions: [Int64] = [], labels: [Int64] = []
    private var logits: [Float] = []

    init(_ task: Classification, _ layout: EvaluationLayout) {
        classCount = task.classCount
        names = layout.columns.map(\.name)
        confusion = [Int64](repeating: 0, count: task.classCount * task.classCount)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        let predicted = outputs[0].assumingMemoryBound(to: Int32.self), actual = targets[0].assumingMemoryBound(to: Int32.self)
        for sample in 0..<count {
            confusion[Int(actual[sample]) * classCount + Int(predicted[sample])] += 1
            predictions.append(Int64(predicted[sample]))
            labels.append(Int64(actual[sample]))
        }
        guard outputs.count > 1 else { return }
        logits += UnsafeBufferPointer(start: outputs[1].assumingMemoryBound(to: Float.self), count: count * classCount)
    }

    func finish() -> [String: TableValues] {
        let all: [String: TableValues] = [
            "confusion": .integers(confusion), "predictions": .integers(predictions), "labels": .integers(labels), "logits": .reals(logits),
        ]
        return all.filter { names.contains($0.key) }
    }
}
