import Foundation
import Measures
import TensorCore
import Training
import VisionData

/// RetinaNet's answer: for each of many anchors (`Anchors`) a logit for every class and four numbers of a box, `[A, C + 4]`.
///
///     focal    Σ −α_t (1 − p_t)^γ log p_t / n   over the classes of all anchors that count (`AnchorMatching`), p the sigmoid of the logit, p_t that of what is true
///     box      Σ |d| / n                        over the four numbers of the anchors with objects: their difference from the object's (l1), or
///              Σ (d² / 2β below β, |d| − β/2 above) / n, β = 1/9 (smooth_l1), or Σ (1 − IoU + ρ² / c² + α v) / n of the boxes (ciou)
///
/// Both are of an image; n is its number of anchors with objects, at least 1. In an evaluation a box's score for a class is p.
///
/// Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection", ICCV 2017. β as in the authors' program.
struct AnchorDetection: DetectionMethod {
    private let matching: AnchorMatching
    private let boxLoss: DetectionOptions.BoxLoss
    private let alpha: Float
    private let gamma: Float
    private let image: Box
    let anchors: (strides: [Int], count: Int)?
    private static let beta: Float = 1.0 / 9

    init(_ options: DetectionOptions, shape: ImageShape, classCount: Int, maximum: Int) {
        matching = AnchorMatching(anchors: Anchors(options, shape: shape), classes: classCount, maximum: maximum)
        anchors = (options.strides, options.scales * options.ratios.count)
        (boxLoss, alpha, gamma) = (options.boxLoss, Float(options.alpha), Float(options.gamma))
        image = Box(x0: 0, y0: 0, x1: Double(shape.width), y1: Double(shape.height))
    }

    var outputShape: Shape { [matching.anchors.boxes.count, matching.classes + 4] }
    var outputDescription: String { "\(outputShape[0]) anchors of \(matching.classes) classes and 4 numbers of a box" }

    func losses(_ output: Tensor, boxes: Tensor) -> [Loss] {
        guard output.isValid else { return [Loss("focal", unit: "nat", output)] }
        let targets = matching(boxes), classes = targets[0], counts = targets[1], hasObject = targets[2], share = targets[5].reshaped([output.shape[0]])
        let focal = focalLoss(output.sliced(axis: 2, 0..<matching.classes), classes)
        let numbers = output.sliced(axis: 2, matching.classes..<output.shape[2])
        let distances = boxLoss == .ciou ? matching.anchors.decoded(numbers).completeOverlapLoss(targets[4]) : distances(numbers - targets[3])
        return [
            Loss("focal", unit: "nat", (focal * counts).sum(axes: [1, 2]) * share), Loss("box", unit: "1", (distances * hasObject).sum(axes: [1, 2]) * share),
        ]
    }

    /// Of each class of each anchor.
    private func focalLoss(_ logits: Tensor, _ classes: Tensor) -> Tensor {
        let p = logits.sigmoid(), entropy = logits.softplus() - logits * classes, wrong = p + classes - p * classes * 2
        return entropy * (gamma == 2 ? wrong.square() : wrong.power(gamma)) * (classes * (2 * alpha - 1) + (1 - alpha))
    }

    private func distances(_ differences: Tensor) -> Tensor {
        let size = differences.abs()
        guard boxLoss == .smoothL1 else { return size }
        let near = size.minimum(size.graph.constant(Self.beta))
        return near * (size - near * 0.5) * (1 / Self.beta)
    }

    func detections(_ answer: UnsafePointer<Float>, threshold: Double) -> [Measures.Detection] {
        let classes = matching.classes
        // As a logit: most classes of most anchors are below it.
        let least = threshold == 0 ? -Float.infinity : Float(log(threshold / (1 - threshold)))
        return matching.anchors.boxes.indices.flatMap { anchor -> [Measures.Detection] in
            let logits = answer + anchor * (classes + 4), labels = (0..<classes).filter { logits[$0] >= least }
            if labels.isEmpty { return [] }
            let box = matching.anchors.decoded(logits + classes, by: anchor).clipped(to: image)
            guard box.area > 0 else { return [] }
            return labels.map { Measures.Detection(label: $0, score: 1 / (1 + exp(-Double(logits[$0]))), box: box) }
        }
    }
}

extension Tensor {
    /// The complete IoU loss of boxes `[B, A, 4]`, left, upper, right and lower edges, and others: `[B, A, 1]`.
    ///
    ///     1 − IoU + ρ² / c² + α v,   v = 4/π² (atan(ŵ/ĥ) − atan(w/h))²,   α = v / (1 − IoU + v)
    ///
    /// ρ is the distance of the centres, c the diagonal of the smallest box around both; α has no gradient, and the others have none.
    ///
    /// Zheng, Wang, Liu, Li, Ye and Ren, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", AAAI 2020.
    func completeOverlapLoss(_ others: Tensor) -> Tensor {
        guard isValid, others.isValid else { return self }
        func edges(_ boxes: Tensor) -> (low: Tensor, high: Tensor) { (boxes.sliced(axis: 2, 0..<2), boxes.sliced(axis: 2, 2..<4)) }
        func product(_ sides: Tensor) -> Tensor { sides.sliced(axis: 2, 0..<1) * sides.sliced(axis: 2, 1..<2) }
        let (low, high) = edges(self), (otherLow, otherHigh) = edges(others), sides = high - low
        let shared = product((high.minimum(otherHigh) - low.maximum(otherLow)).relu())
        let overlap = shared / (product(sides) + product(otherHigh - otherLow) - shared + AspectTerm.epsilon)
        let around = (high.maximum(otherHigh) - low.minimum(otherLow)).square().sum(axes: [2], keepsAxes: true) + AspectTerm.epsilon
        let apart = ((low + high - otherLow - otherHigh) * 0.5).square().sum(axes: [2], keepsAxes: true)
        let aspect = AspectTerm(count: shape[1])(sides, otherHigh - otherLow, overlap)
        // The term's value, and its slope times a difference that is 0.
        let term = aspect[0] + ((sides - aspect[2]) * aspect[1]).sum(axes: [2], keepsAxes: true)
        return 1 - overlap + apart / around + term
    }
}

/// α v of the complete IoU loss: sides of boxes `[A, 2]` and of others `[A, 2]`, their IoU `[A, 1]` → the term `[A, 1]`, its derivative by the sides `[A, 2]`, α held
/// fixed, and the sides without a gradient `[A, 2]`.
private struct AspectTerm: SampleFunction {
    /// A.
    let count: Int
    static let epsilon: Float = 1e-7
    var name: String { "aspect term" }
    var outputCount: Int { 3 }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [count, 2], inputs[1] == [count, 2], inputs[2] == [count, 1] else {
            throw ShapeError("of \(inputs[0]), \(inputs[1]) and \(inputs[2]): expected [\(count), 2] twice and [\(count), 1]")
        }
        return [inputs[2], inputs[0], inputs[0]]
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        for box in 0..<count {
            let width = Double(inputs[0][2 * box]), height = Double(inputs[0][2 * box + 1])
            let difference = atan(Double(inputs[1][2 * box]) / Double(inputs[1][2 * box + 1])) - atan(width / height)
            let v = 4 / (Double.pi * Double.pi) * difference * difference, alpha = v / (1 - Double(inputs[2][box]) + v + Double(Self.epsilon))
            let slope = alpha * 8 / (Double.pi * Double.pi) * difference / (width * width + height * height)
            outputs[0][box] = Float(alpha * v)
            (outputs[1][2 * box], outputs[1][2 * box + 1]) = (Float(-slope * height), Float(slope * width))
            (outputs[2][2 * box], outputs[2][2 * box + 1]) = (inputs[0][2 * box], inputs[0][2 * box + 1])
        }
    }
}
