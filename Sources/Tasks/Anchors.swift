import Foundation
import Measures
import TensorCore
import VisionData

/// The boxes of fixed places and sizes by which a model's answers are read, level after level, cell after cell in row-major order.
///
/// At the cells of a level of stride s, which lie at (s · column, s · row), there are boxes of the side k · s · 2^(i / scales), i = 0, 1 …, k the scale,
/// cut to whole pixels; for each ratio r of √(1/r) times the width and √r times the height, edges rounded to whole pixels, halves to even, at least half a pixel
/// from the centre; ratio after ratio. A level has ⌈height / s⌉ × ⌈width / s⌉ cells. All of it as torchvision has it, which knows no least size.
///
/// An anchor's numbers are dx, dy, dw, dh: the box has the centre (x + dx · w, y + dy · h) and the sides w · e^dw and h · e^dh.
struct Anchors: Sendable, Equatable {
    let boxes: [Box]

    init(_ options: DetectionOptions, shape: ImageShape) {
        boxes = options.strides.flatMap { stride -> [Box] in
            let sizes = (0..<options.scales).map { Double(Int(options.anchorScale * Double(stride) * pow(2, Double($0) / Double(options.scales)))) }
            let base = options.ratios.flatMap { ratio in
                sizes.map { size in
                    let width = size / ratio.squareRoot(), height = size * ratio.squareRoot()
                    func edge(_ value: Double) -> Double { max(0.5, value.rounded(.toNearestOrEven)) }
                    return (x: edge(width / 2), y: edge(height / 2))
                }
            }
            let rows = (shape.height + stride - 1) / stride, columns = (shape.width + stride - 1) / stride
            return (0..<rows).flatMap { row in
                (0..<columns).flatMap { column in
                    let x = Double(column * stride), y = Double(row * stride)
                    return base.map { Box(x0: x - $0.x, y0: y - $0.y, x1: x + $0.x, y1: y + $0.y) }
                }
            }
        }
    }

    /// The largest dw and dh that count, as in Detectron: 62.5 times as large.
    static let largestScale = log(1_000.0 / 16)

    /// The numbers of a box.
    func encoded(_ box: Box, by anchor: Int) -> [Double] {
        let own = boxes[anchor], width = own.x1 - own.x0, height = own.y1 - own.y0
        return [
            ((box.x0 + box.x1) - (own.x0 + own.x1)) / 2 / width, ((box.y0 + box.y1) - (own.y0 + own.y1)) / 2 / height, log((box.x1 - box.x0) / width),
            log((box.y1 - box.y0) / height),
        ]
    }

    /// The box of four numbers.
    func decoded(_ numbers: UnsafePointer<Float>, by anchor: Int) -> Box {
        let own = boxes[anchor], width = own.x1 - own.x0, height = own.y1 - own.y0
        func scale(_ number: Float) -> Double { exp(min(Double(number), Self.largestScale)) }
        return Box(
            x: (own.x0 + own.x1) / 2 + Double(numbers[0]) * width, y: (own.y0 + own.y1) / 2 + Double(numbers[1]) * height, width: width * scale(numbers[2]),
            height: height * scale(numbers[3]))
    }

    /// Records the edges `[…, A, 4]` of the boxes of numbers `[…, A, 4]`.
    func decoded(_ numbers: Tensor) -> Tensor {
        func constant(_ value: (Box) -> [Double]) -> Tensor { numbers.graph.constant(HostTensor([boxes.count, 2], boxes.flatMap { value($0).map { Float($0) } })) }
        let sides = constant { [$0.x1 - $0.x0, $0.y1 - $0.y0] }, centers = constant { [($0.x0 + $0.x1) / 2, ($0.y0 + $0.y1) / 2] }, axis = numbers.rank - 1
        let center = numbers.sliced(axis: axis, 0..<2) * sides + centers
        let half = numbers.sliced(axis: axis, 2..<4).minimum(numbers.graph.constant(Float(Self.largestScale))).exp() * sides * 0.5
        return .concatenated([center - half, center + half], axis: axis)
    }
}

/// Which anchors are for which objects: the objects `[maximum, 5]` → for each anchor its class one-hot `[A, C]`, 1 where that counts `[A, 1]`, 1 where it has an
/// object `[A, 1]`, the numbers `[A, 4]` and the edges `[A, 4]` of that object's box, of its own where it has none; and 1 over the number of anchors with
/// objects, at most 1, `[1]`.
///
/// An anchor has the object with which it overlaps most if that is by an IoU of at least 0.5, and none if it is below 0.4; between the two it counts for
/// nothing. Of each object the anchors that overlap most with it have an object too, that with which they themselves overlap most. As torchvision's RetinaNet has it.
struct AnchorMatching: SampleFunction {
    let anchors: Anchors
    let classes: Int
    let maximum: Int
    private static let foreground = 0.5, background = 0.4

    var name: String { "anchors of objects" }
    var outputCount: Int { 6 }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [maximum, 5] else { throw ShapeError("of \(inputs[0]): expected [\(maximum), 5]") }
        let count = anchors.boxes.count
        return [[count, classes], [count, 1], [count, 1], [count, 4], [count, 4], [1]]
    }

    /// The object of each anchor; −1 for none, −2 where it does not count.
    func matches(_ objects: [TrueBox]) -> [Int] {
        var best = anchors.boxes.map { _ in (object: -1, overlap: -1.0) }, largest = objects.map { _ in -1.0 }
        for (anchor, box) in anchors.boxes.enumerated() {
            for (number, object) in objects.enumerated() {
                let overlap = box.overlap(with: object.box)
                if overlap > best[anchor].overlap { best[anchor] = (number, overlap) }
                largest[number] = max(largest[number], overlap)
            }
        }
        return anchors.boxes.indices.map { anchor in
            let (object, overlap) = best[anchor]
            if overlap >= Self.foreground || objects.indices.contains(where: { anchors.boxes[anchor].overlap(with: objects[$0].box) == largest[$0] }) { return object }
            return overlap < Self.background ? -1 : -2
        }
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let objects = TrueBox.all(inputs[0], count: maximum), matches = matches(objects), count = matches.count
        for (output, length) in zip(outputs, [count * classes, count, count, count * 4, count * 4]) { output.update(repeating: 0, count: length) }
        for (anchor, match) in matches.enumerated() {
            let box = match < 0 ? anchors.boxes[anchor] : objects[match].box
            for (place, edge) in [box.x0, box.y0, box.x1, box.y1].enumerated() { outputs[4][anchor * 4 + place] = Float(edge) }
            outputs[1][anchor] = match == -2 ? 0 : 1
            guard match >= 0 else { continue }
            outputs[0][anchor * classes + objects[match].label] = 1
            outputs[2][anchor] = 1
            for (place, number) in anchors.encoded(box, by: anchor).enumerated() { outputs[3][anchor * 4 + place] = Float(number) }
        }
        outputs[5][0] = 1 / Float(max(1, matches.count { $0 >= 0 }))
    }
}
