import Configuration
import Foundation
import Measures
import TensorCore
import VisionData

/// How boxes are read from the answers of a model that was trained to find objects, in images of which nobody knows the objects.
public struct BoxReader: Sendable {
    /// The task's name.
    public let task: String
    /// A model's answer for one image.
    public let outputShape: Shape
    /// Whether every image has one box, whose score is the probability of its class; others have those of at least a threshold.
    public let findsOne: Bool
    private let read: @Sendable (UnsafePointer<Float>) -> [Measures.Detection]

    /// For what models are made (`ModelDefinition.record`).
    public var outputCount: Int { outputShape.rank > 1 ? outputShape[-1] : outputShape.elementCount }

    /// The objects of one image from the model's answer, the surest first, in pixels of the image that the model sees.
    public func found(_ answer: UnsafePointer<Float>) -> [Measures.Detection] { read(answer) }

    /// What `ObjectDetection` finds in its test.
    fileprivate init(_ options: DetectionOptions, shape: ImageShape, classCount: Int, threshold: Double?) {
        // How many objects an image has at most is said for the losses alone.
        let method = options.makeMethod(shape: shape, classCount: classCount, maximum: 1)
        let finding = FindingOptions(scoreThreshold: threshold ?? options.scoreThreshold, suppression: options.suppression)
        (task, outputShape, findsOne) = ("detection", method.outputShape, false)
        read = { finding.found($0, by: method) }
    }

    /// The class and the box of `Localization`, with the softmax of the classes as score.
    fileprivate init(localizationIn shape: ImageShape, classCount: Int) {
        (task, outputShape, findsOne) = ("localization", [classCount + 4], true)
        read = { answer in
            let logits = UnsafeBufferPointer(start: answer, count: classCount), largest = logits.max() ?? 0
            let label = logits.firstIndex(of: largest) ?? 0, sum = logits.reduce(0) { $0 + exp(Double($1) - Double(largest)) }
            let numbers = (0..<4).map { Double(answer[classCount + $0]) }, width = Double(shape.width), height = Double(shape.height)
            let box = Box(x: numbers[0] * width, y: numbers[1] * height, width: numbers[2] * width, height: numbers[3] * height)
            return [Measures.Detection(label: label, score: 1 / sum, box: box)]
        }
    }
}

extension TaskRegistry {
    /// How boxes are read from the answers of a model that was trained for a definition's task; nil where its answers are no boxes.
    ///
    /// - Parameters:
    ///   - shape: of the images that the model sees.
    ///   - threshold: which score a box has at least; nil: what the definition says.
    /// - Throws: `.usage` for options that cannot be read, and for a threshold where every image has one box.
    public func boxReader(_ node: ConfigurationNode?, shape: ImageShape, classCount: Int, threshold: Double? = nil) throws -> BoxReader? {
        let errors = ConfigurationErrors()
        guard let (name, given) = choice(node, errors) else { return nil }
        var fields = given
        switch name {
        case "detection":
            let options = DetectionOptions(from: &fields)
            try errors.throwIfAny()
            return BoxReader(options, shape: shape, classCount: classCount, threshold: threshold)
        case "localization":
            if threshold != nil { throw UserError(.usage, "--threshold: goes with the task detection; a localization gives every image one box") }
            return BoxReader(localizationIn: shape, classCount: classCount)
        default: return nil
        }
    }
}
