import Measures
import TensorCore
import Training
import VisionData

/// The class and the box of the largest object of an image: the model's answer is a logit for each class and the box's x, y, w and h, centre and sides as shares
/// of the image's.
///
///     cross_entropy   −log softmax(logits) of the object's class
///     box             ((x − x̂)² + (y − ŷ)² + (w − ŵ)² + (h − ĥ)²) / 4, weighted by `box_weight`
///     accuracy        the share of images whose class has the largest logit
///     box_iou         the mean IoU of the predicted box and the object's
///
/// The largest is the object of the largest box, of equal ones the first. An image without an object has the class of its label and no box: `box` is 0, and it counts for nothing
/// in `box_iou`.
public struct Localization: TrainingTask {
    private let classCount: Int
    private let maximum: Int
    private let shape: ImageShape
    private let boxWeight: Double
    private let labelSmoothing: Double

    init(classCount: Int, maximum: Int, shape: ImageShape, boxWeight: Double = 1, labelSmoothing: Double = 0) {
        (self.classCount, self.maximum, self.shape, self.boxWeight, self.labelSmoothing) = (classCount, maximum, shape, boxWeight, labelSmoothing)
    }

    public var name: String { "localization" }
    public var targets: [String] { ["label", "boxes"] }
    public var outputShape: Shape { [classCount + 4] }
    public var outputDescription: String { "\(classCount) classes and 4 numbers of a box" }
    public var monitored: String { Measure.lossName }

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        guard output.isValid else { return RecordedTask(losses: [Loss("cross_entropy", unit: "nat", output)]) }
        let graph = output.graph, logits = output.sliced(axis: 1, 0..<classCount), box = output.sliced(axis: 1, classCount..<classCount + 4)
        let largest = LargestBox(classes: classCount, maximum: maximum, shape: shape)(targets[1])
        let hasObject = largest[2].reshaped([output.shape[0]])
        let identity = HostTensor([classCount, classCount], (0..<classCount * classCount).map { $0 % (classCount + 1) == 0 ? Float(1) : 0 })
        let classes = largest[0] + graph.constant(identity).gathered(targets[0]) * (1 - largest[2])
        let smoothing = Float(graph.mode == .training ? labelSmoothing : 0), predictions = logits.indexOfLargest()
        let entropy = -(logits.logSoftmax() * (classes * (1 - smoothing) + smoothing / Float(classCount))).sum(axes: [1])
        return RecordedTask(
            losses: [
                Loss("cross_entropy", unit: "nat", entropy), Loss("box", unit: "1", weight: boxWeight, (box - largest[1]).square().mean(axes: [1]) * hasObject),
            ],
            measures: [
                RecordedMeasure(Measure("accuracy", unit: "1", better: .larger, bounds: 0...1), predictions.isEqual(to: classes.indexOfLargest())),
                RecordedMeasure(Measure("box_iou", unit: "1", better: .larger, bounds: 0...1), BoxOverlap()(box, largest[1])[0] * hasObject, counts: hasObject),
            ],
            outputs: [predictions, box])
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        return EvaluationLayout(columns: [
            EvaluationColumn("found_class", title: "predicted class of each image", unit: "class"),
            EvaluationColumn("found_box", title: "left, upper, right and lower edge of the predicted box", unit: "pixel", kind: .real, rowShape: [4]),
        ])
    }

    public func makeTables(of split: Split) -> any EvaluationTables { LocalizationTables(shape, hasTables: split == .test) }
}

/// The largest object of an image: the objects `[maximum, 5]` in pixels → its class one-hot `[C]`, x, y, w and h as shares `[4]`, and 1 `[1]`; zeros where there is none.
private struct LargestBox: SampleFunction {
    let classes: Int
    let maximum: Int
    let shape: ImageShape

    var name: String { "largest box" }
    var outputCount: Int { 3 }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [maximum, 5] else { throw ShapeError("of \(inputs[0]): expected [\(maximum), 5]") }
        return [[classes], [4], [1]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let objects = TrueBox.all(inputs[0], count: maximum), width = Double(shape.width), height = Double(shape.height)
        for (output, count) in zip(outputs, [classes, 4, 1]) { output.update(repeating: 0, count: count) }
        guard let largest = objects.indices.max(by: { (objects[$0].box.area, $1) < (objects[$1].box.area, $0) }) else { return }
        let box = objects[largest].box
        outputs[0][objects[largest].label] = 1
        let numbers = [(box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height, (box.x1 - box.x0) / width, (box.y1 - box.y0) / height]
        for (place, number) in numbers.enumerated() { outputs[1][place] = Float(number) }
        outputs[2][0] = 1
    }
}

/// The IoU of two boxes given by x, y, w and h `[4]`: a number `[]`.
private struct BoxOverlap: SampleFunction {
    var name: String { "box overlap" }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [4], inputs[1] == [4] else { throw ShapeError("of \(inputs[0]) and \(inputs[1]): expected [4] twice") }
        return [[]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        func box(_ numbers: UnsafePointer<Float>) -> Box {
            Box(x: Double(numbers[0]), y: Double(numbers[1]), width: Double(numbers[2]), height: Double(numbers[3]))
        }
        outputs[0][0] = Float(box(inputs[0]).overlap(with: box(inputs[1])))
    }
}

private final class LocalizationTables: EvaluationTables {
    private let shape: ImageShape
    private let hasTables: Bool
    private var classes: [Int64] = []
    private var boxes: [Float] = []

    init(_ shape: ImageShape, hasTables: Bool) { (self.shape, self.hasTables) = (shape, hasTables) }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        guard hasTables else { return }
        let predicted = outputs[0].assumingMemoryBound(to: Int32.self), numbers = outputs[1].assumingMemoryBound(to: Float.self)
        for image in 0..<count {
            classes.append(Int64(predicted[image]))
            let box = numbers + 4 * image, width = Float(shape.width), height = Float(shape.height)
            boxes += [
                (box[0] - box[2] / 2) * width, (box[1] - box[3] / 2) * height, (box[0] + box[2] / 2) * width, (box[1] + box[3] / 2) * height,
            ]
        }
    }

    func finish() -> [String: TableValues] { hasTables ? ["found_class": .integers(classes), "found_box": .reals(boxes)] : [:] }
}
