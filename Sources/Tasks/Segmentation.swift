import Measures
import TensorCore
import Training
import VisionData

/// A class for each pixel: the model gives a logit for each class at each pixel, and the sample's mask says the class, or 255 for pixels that do not count.
///
///     cross_entropy   −Σ q log softmax(logits) of each pixel; in training Σ w loss / Σ w over the pixels of a batch that count, w the weight of a pixel's
///                     class: PyTorch's cross_entropy(weight=…, ignore_index=255, label_smoothing=…). In an evaluation the mean over an image's pixels,
///                     and over the images
///     dice            1 − (1/C) Σ_c (2 Σ p t + 1) / (Σ p + Σ t + 1) of each image, sums over its pixels that count, p the softmax, t one-hot
///                     (Milletari, Navab and Ahmadi, 3DV 2016, without squares)
///     pixel_accuracy  the share of the pixels that count whose largest logit is that of their class
///     mean_iou        the mean of the classes' IoU = |P ∩ T| / |P ∪ T|, counted over all pixels of the split, of the classes that are in its masks or
///                     predictions
public struct Segmentation: TrainingTask {
    /// The height and width of images and masks.
    private let size: (height: Int, width: Int)
    /// How many classes there are.
    public let classCount: Int
    private let loss: SegmentationOptions.LossKind
    private let labelSmoothing: Double
    private let classWeights: [Double]?

    init(
        size: (height: Int, width: Int), classCount: Int, loss: SegmentationOptions.LossKind = .crossEntropy, labelSmoothing: Double = 0,
        classWeights: [Double]? = nil
    ) {
        precondition(classWeights.map { $0.count == classCount } ?? true, "each class has a weight")
        precondition(classCount <= Self.rowCount - 1, "masks have a byte for a pixel, and one of its values for pixels that do not count")
        (self.size, self.classCount, self.loss) = (size, classCount, loss)
        (self.labelSmoothing, self.classWeights) = (labelSmoothing, classWeights)
    }

    /// The cross-entropy of all pixels alike, of images of one size.
    public init(size: ImageShape, classCount: Int) { self.init(size: (size.height, size.width), classCount: classCount) }

    public var name: String { "segmentation" }
    public var targets: [String] { ["mask"] }
    public var outputShape: Shape { [size.height, size.width, classCount] }
    public var outputDescription: String { "\(size.height)×\(size.width) pixels of \(classCount) classes" }
    public var monitored: String { Self.accuracy }
    public var splitMeasures: [Measure] { [Measure(Self.meanIoU, unit: "1", better: .larger, bounds: 0...1)] }

    private static let accuracy = "pixel_accuracy"
    static let meanIoU = "mean_iou"

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        let mask = targets[0], isTraining = output.graph.mode == .training, predictions = output.indexOfLargest()
        let counted = table(on: output.graph, columns: 1) { _ in [1] }.gathered(mask), countedPixels = counted.sum(axes: [1, 2, 3])
        var losses: [Loss] = []
        if loss != .dice { losses.append(crossEntropy(output, mask, countedPixels, isTraining: isTraining)) }
        if loss != .crossEntropy { losses.append(dice(output, mask, counted)) }
        let accuracy = Measure(Self.accuracy, unit: "1", better: .larger, bounds: 0...1)
        return RecordedTask(
            losses: losses, measures: [RecordedMeasure(accuracy, predictions.isEqual(to: mask).sum(axes: [1, 2]), counts: countedPixels)],
            outputs: [predictions])
    }

    private func crossEntropy(_ output: Tensor, _ mask: Tensor, _ countedPixels: Tensor, isTraining: Bool) -> Loss {
        let smoothing = Float(isTraining ? labelSmoothing : 0), weights = isTraining ? classWeights?.map { Float($0) } : nil
        let targets = table(on: output.graph, columns: classCount) { label in
            (0..<classCount).map { other in
                let share = smoothing / Float(classCount) * (weights?[other] ?? 1)
                return other == label ? (1 - smoothing) * (weights?[label] ?? 1) + share : share
            }
        }.gathered(mask)
        let losses = -(output.logSoftmax() * targets).sum(axes: [1, 2, 3])
        guard isTraining else { return Loss("cross_entropy", unit: "nat", losses / countedPixels) }
        let counts = weights.map { weights in table(on: output.graph, columns: 1) { [weights[$0]] }.gathered(mask).sum(axes: [1, 2, 3]) } ?? countedPixels
        return Loss("cross_entropy", unit: "nat", losses, counts: counts)
    }

    private func dice(_ output: Tensor, _ mask: Tensor, _ counted: Tensor) -> Loss {
        let targets = table(on: output.graph, columns: classCount) { label in (0..<classCount).map { $0 == label ? 1 : 0 } }.gathered(mask)
        let probabilities = output.softmax() * counted
        let shared = (probabilities * targets).sum(axes: [1, 2]), all = probabilities.sum(axes: [1, 2]) + targets.sum(axes: [1, 2])
        return Loss("dice", unit: "1", 1 - ((shared * 2 + 1) / (all + 1)).mean(axes: [1]))
    }

    /// One row for each value that a pixel of a mask may have.
    private static let rowCount = Int(LabeledImages.ignored) + 1

    /// A row for each class, and rows of 0 for what is none.
    private func table(on graph: Graph, columns: Int, _ row: (Int) -> [Float]) -> Tensor {
        let rows = (0..<classCount).flatMap(row)
        return graph.constant(HostTensor([Self.rowCount, columns], rows + [Float](repeating: 0, count: Self.rowCount * columns - rows.count)))
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        return EvaluationLayout(
            columns: [
                EvaluationColumn(
                    "confusion", title: "pixels by class (rows) and predicted class (columns)", unit: "pixel", rowShape: [classCount]),
                EvaluationColumn("iou", title: "intersection over union of each class", unit: "1", kind: .real),
            ],
            axes: [
                EvaluationAxis("class", title: "class", unit: "class", count: classCount),
                EvaluationAxis("predicted_class", title: "predicted class", unit: "class", count: classCount),
            ],
            plot: EvaluationPlot(of: "confusion", title: "test pixels by class (upwards from 0) and predicted class (to the right)"))
    }

    public func makeTables(of split: Split) -> any EvaluationTables {
        SegmentationTables(pixels: size.height * size.width, classCount: classCount, hasTables: split == .test)
    }
}

private final class SegmentationTables: EvaluationTables {
    private let pixels: Int
    private let classCount: Int
    private let hasTables: Bool
    private var confusion: [Int64]

    init(pixels: Int, classCount: Int, hasTables: Bool) {
        (self.pixels, self.classCount, self.hasTables) = (pixels, classCount, hasTables)
        confusion = [Int64](repeating: 0, count: classCount * classCount)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        let predicted = outputs[0].assumingMemoryBound(to: Int32.self), actual = targets[0].assumingMemoryBound(to: Int32.self)
        confusion.withUnsafeMutableBufferPointer { confusion in
            for pixel in 0..<count * pixels where actual[pixel] != Int32(LabeledImages.ignored) {
                confusion[Int(actual[pixel]) * classCount + Int(predicted[pixel])] += 1
            }
        }
    }

    /// Of each class, exact over all pixels; NaN for one that is neither in masks nor in predictions.
    private var intersectionsOverUnions: [Double] {
        (0..<classCount).map { label in
            let shared = confusion[label * classCount + label], row = confusion[label * classCount..<(label + 1) * classCount].reduce(0, +)
            let column = (0..<classCount).reduce(0) { $0 + confusion[$1 * classCount + label] }, union = row + column - shared
            return union == 0 ? .nan : Double(shared) / Double(union)
        }
    }

    func splitValues() -> [String: Double] {
        let values = intersectionsOverUnions.filter { !$0.isNaN }
        return [Segmentation.meanIoU: values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)]
    }

    func finish() -> [String: TableValues] {
        hasTables ? ["confusion": .integers(confusion), "iou": .reals(intersectionsOverUnions.map { Float($0) })] : [:]
    }
}
