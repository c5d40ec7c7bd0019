import Measures
import TensorCore
import Training
import VisionData

/// The objects of an image: a class, a score and a box for each.
///
/// What a model's answer means, how far it is from the truth and which boxes it holds is the method's (`GridDetection`, `AnchorDetection`). Found are the
/// boxes of at least `score_threshold`, of those the 1,000 surest, without duplicates (`withoutDuplicates`), at most 100 an image.
///
///     map_50   mean average precision at an IoU of 0.5
///     map      COCO's, the mean of those at 0.5, 0.55 … 0.95 (`AveragePrecision`)
///
/// The test has a table of what was found: the place of the image in the split, class, score, and box in pixels; and each class's COCO average precision.
public struct ObjectDetection: TrainingTask {
    private let method: any DetectionMethod
    private let maximum: Int
    private let classCount: Int
    private let finding: FindingOptions

    init(_ method: any DetectionMethod, maximum: Int, classCount: Int, _ finding: FindingOptions) {
        (self.method, self.maximum, self.classCount, self.finding) = (method, maximum, classCount, finding)
    }

    public var name: String { "detection" }
    public var targets: [String] { ["boxes"] }
    public var outputShape: Shape { method.outputShape }
    public var outputDescription: String { method.outputDescription }
    public var anchors: (strides: [Int], count: Int)? { method.anchors }
    public var monitored: String { Self.at50 }
    public var splitMeasures: [Measure] { [Self.at50, Self.overall].map { Measure($0, unit: "1", better: .larger, bounds: 0...1) } }

    static let at50 = "map_50", overall = "map"

    public func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
        RecordedTask(losses: method.losses(output, boxes: targets[0]), outputs: [output])
    }

    public func layout(of split: Split) -> EvaluationLayout {
        guard split == .test else { return EvaluationLayout() }
        return EvaluationLayout(columns: [
            EvaluationColumn("found_image", title: "the place in the test of the image in which an object was found", unit: "1"),
            EvaluationColumn("found_class", title: "class of a found object", unit: "class"),
            EvaluationColumn("found_score", title: "score of a found object", unit: "1", kind: .real),
            EvaluationColumn("found_box", title: "left, upper, right and lower edge of a found object", unit: "pixel", kind: .real, rowShape: [4]),
            EvaluationColumn("class_average_precision", title: "COCO average precision of each class", unit: "1", kind: .real),
        ])
    }

    public func makeTables(of split: Split) -> any EvaluationTables {
        DetectionTables(method, maximum: maximum, classCount: classCount, finding, hasTables: split == .test)
    }
}

/// How a model's answer is read as boxes and classes.
protocol DetectionMethod: Sendable {
    /// Of one image.
    var outputShape: Shape { get }
    /// `outputShape` in words.
    var outputDescription: String { get }

    /// The pixels between the cells of each level of anchors, and how many a cell has; nil where there are none.
    var anchors: (strides: [Int], count: Int)? { get }

    /// Records the losses of answers `[B] + outputShape`; boxes `[B, maximum, 5]` as samples have them.
    func losses(_ output: Tensor, boxes: Tensor) -> [Loss]

    /// The boxes of one image's answer whose score is at least `threshold`, within the image, in the order of the answer.
    func detections(_ answer: UnsafePointer<Float>, threshold: Double) -> [Measures.Detection]
}

extension DetectionMethod {
    var anchors: (strides: [Int], count: Int)? { nil }
}

/// Which boxes of an answer are found.
struct FindingOptions: Sendable {
    let scoreThreshold: Double
    /// The IoU above which two boxes of a class are of one object.
    let suppression: Double
    /// How many boxes are looked at, and how many are found.
    static let candidates = 1_000, most = 100

    func found(_ answer: UnsafePointer<Float>, by method: some DetectionMethod) -> [Measures.Detection] {
        let candidates = method.detections(answer, threshold: scoreThreshold).byScore.prefix(Self.candidates)
        return Array(candidates).withoutDuplicates(overlapping: suppression, atMost: Self.most)
    }
}

/// A row of a sample's boxes.
struct TrueBox {
    let label: Int
    let box: Box

    /// The objects of one image; rows that hold none are left out.
    static func all(_ rows: UnsafePointer<Float>, count: Int) -> [TrueBox] {
        (0..<count).compactMap { row in
            let numbers = (0..<5).map { Double(rows[row * 5 + $0]) }
            return numbers[0] < 0 ? nil : TrueBox(label: Int(numbers[0]), box: Box(x0: numbers[1], y0: numbers[2], x1: numbers[3], y1: numbers[4]))
        }
    }
}

private final class DetectionTables: EvaluationTables {
    private let method: any DetectionMethod
    private let maximum: Int
    private let finding: FindingOptions
    private let hasTables: Bool
    private var precision: AveragePrecision
    private var imageCount = 0
    private var found: [(image: Int, detection: Measures.Detection)] = []

    init(_ method: any DetectionMethod, maximum: Int, classCount: Int, _ finding: FindingOptions, hasTables: Bool) {
        (self.method, self.maximum, self.finding, self.hasTables) = (method, maximum, finding, hasTables)
        precision = AveragePrecision(classCount: classCount)
    }

    func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
        let answers = outputs[0].assumingMemoryBound(to: Float.self), boxes = targets[0].assumingMemoryBound(to: Float.self)
        for image in 0..<count {
            let detections = finding.found(answers + image * method.outputShape.elementCount, by: method)
            precision.add(detections, objects: TrueBox.all(boxes + image * maximum * 5, count: maximum).map { ($0.label, $0.box) })
            if hasTables { found += detections.map { (imageCount + image, $0) } }
        }
        imageCount += count
    }

    func splitValues() -> [String: Double] {
        let values = precision.values
        return [ObjectDetection.at50: values.at50, ObjectDetection.overall: values.overall]
    }

    func finish() -> [String: TableValues] {
        guard hasTables else { return [:] }
        return [
            "found_image": .integers(found.map { Int64($0.image) }), "found_class": .integers(found.map { Int64($0.detection.label) }),
            "found_score": .reals(found.map { Float($0.detection.score) }),
            "found_box": .reals(found.flatMap { [$0.detection.box.x0, $0.detection.box.y0, $0.detection.box.x1, $0.detection.box.y1].map { Float($0) } }),
            "class_average_precision": .reals(precision.classValues.map { Float($0) }),
        ]
    }
}
