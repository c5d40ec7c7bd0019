import Measures
import TensorCore
import Training
import VisionData

/// One class for each image: the model gives a logit for each class, the loss is the cross-entropy of their softmax with the sample's label.
///
///     loss     −Σ q log softmax(logits), q one-hot; in training smoothed (Szegedy et al. 2016)
///     accuracy the share of images whose largest logit, of equal ones the first, is that of their class
public struct Classification: TrainingTask {
    private let classes: Int
    /// In training only.
    public let labelSmoothing: Double

    public init(classCount: Int, labelSmoothing: Double = 0) {
        classes = classCount
        self.labelSmoothing = labelSmoothing
    }

    public var name: String { "classification" }
    public var targets: [String] { ["label"] }
    public var classCount: Int? { classes }
    public var outputShape: Shape { [classes] }
    public var outputDescription: String { "\(classes) classes" }
    public var monitored: String { "accuracy" }

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let labels = targets[0], smoothing = output.graph.mode == .training ? labelSmoothing : 0, predictions = output.indexOfLargest()
        return RecordedTask(
            losses: [Loss("cross_entropy", unit: "nat", output.softmaxCrossEntropy(labels: labels, smoothing: Float(smoothing)))],
            measures: [RecordedMeasure(Measure("accuracy", unit: "1", better: .larger, bounds: 0...1), predictions.isEqual(to: labels))],
            outputs: [predictions])
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        return EvaluationLayout(
            columns: [
                EvaluationColumn(
                    "confusion", title: "images by class (rows) and predicted class (columns)", unit: "image", rowShape: [classes]),
                EvaluationColumn("predictions", title: "predicted class", unit: "class"),
                EvaluationColumn("labels", title: "class", unit: "class"),
            ],
            axes: [
                EvaluationAxis("class", title: "class", unit: "class", count: classes),
                EvaluationAxis("predicted_class", title: "predicted class", unit: "class", count: classes),
            ],
            // Viewers draw an image's first row at the bottom and have no attribute to turn it over, so the title says where to look.
            plot: EvaluationPlot(of: "confusion", title: "test images by class (upwards from 0) and predicted class (to the right)"))
    }

    public func makeTables(of split: Split) -> any EvaluationTables { ClassificationTables(classes) }
}

private final class ClassificationTables: EvaluationTables {
    private let classCount: Int
    private var confusion: [Int64]
    private var predictions: [Int64] = [], labels: [Int64] = []

    init(_ classCount: Int) {
        self.classCount = classCount
        confusion = [Int64](repeating: 0, count: classCount * classCount)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        let predicted = outputs[0].assumingMemoryBound(to: Int32.self), actual = targets[0].assumingMemoryBound(to: Int32.self)
        for sample in 0..<count {
            confusion[Int(actual[sample]) * classCount + Int(predicted[sample])] += 1
            predictions.append(Int64(predicted[sample]))
            labels.append(Int64(actual[sample]))
        }
    }

    func finish() -> [String: TableValues] {
        ["confusion": .integers(confusion), "predictions": .integers(predictions), "labels": .integers(labels)]
    }
}
