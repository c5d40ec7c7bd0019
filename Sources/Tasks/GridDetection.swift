import Measures
import TensorCore
import Training
import VisionData

/// YOLO's answer: S×S cells over the image, each with B boxes and one class.
///
/// A vector of S · S · (5 B + C) numbers, cell after cell in row-major order: for each box x, y (of its centre in the cell, 0 to 1), √w, √h (of its sides as
/// shares of the image's), and a confidence; then a number for each class. The cell in which the centre of an object lies is responsible for it, the first
/// of a sample's objects where several share a cell, and in the cell the box that overlaps most with the object; where none overlaps, the nearest by the
/// squares of the differences of x, y, w and h.
///
///     center               λ_coord Σ (x − x̂)² + (y − ŷ)²                responsible boxes
///     size                 λ_coord Σ (√w − √ŵ)² + (√h − √ĥ)²            responsible boxes
///     object_confidence    Σ (c − IoU)²                                 responsible boxes; the IoU has no gradient
///     no_object_confidence λ_noobj Σ c²                                 all other boxes
///     class_error          Σ Σ_k (p_k − p̂_k)²                           cells with an object
///
/// Each is the sum of an image. In an evaluation a box's score for a class is c · p_k. As in the authors' program, and other than in the paper, numbers stand for √w and
/// √h themselves, so that all of them are allowed.
///
/// Redmon, Divvala, Girshick and Farhadi, "You Only Look Once: Unified, Real-Time Object Detection", CVPR 2016, equation 3.
struct GridDetection: DetectionMethod {
    private let grid: GridBoxes
    private let coordinateWeight: Double
    private let backgroundWeight: Double

    init(_ options: DetectionOptions, shape: ImageShape, classCount: Int, maximum: Int) {
        grid = GridBoxes(
            side: options.grid, boxes: options.boxes, classes: classCount, width: Double(shape.width), height: Double(shape.height), maximum: maximum)
        (coordinateWeight, backgroundWeight) = (options.coordinateWeight, options.backgroundWeight)
    }

    var outputShape: Shape { [grid.cells * grid.length] }
    var outputDescription: String { "\(grid.side)×\(grid.side) cells of \(grid.boxes) boxes and \(grid.classes) classes" }

    func losses(_ output: Tensor, boxes: Tensor) -> [Loss] {
        guard output.isValid else { return [Loss("center", unit: "1", output)] }
        let targets = grid(output, boxes), goals = targets[0], isResponsible = targets[1], classes = targets[2], hasObject = targets[3]
        let cells = output.reshaped([output.shape[0], grid.cells, grid.length])
        let found = cells.sliced(axis: 2, 0..<5 * grid.boxes).reshaped([output.shape[0], grid.cells, grid.boxes, 5])
        func error(_ range: Range<Int>) -> Tensor {
            ((found.sliced(axis: 3, range) - goals.sliced(axis: 3, range)).square() * isResponsible).sum(axes: [1, 2, 3])
        }
        let background = (found.sliced(axis: 3, 4..<5).square() * (1 - isResponsible)).sum(axes: [1, 2, 3])
        let wrong = ((cells.sliced(axis: 2, 5 * grid.boxes..<grid.length) - classes).square() * hasObject).sum(axes: [1, 2])
        return [
            Loss("center", unit: "1", weight: coordinateWeight, error(0..<2)), Loss("size", unit: "1", weight: coordinateWeight, error(2..<4)),
            Loss("object_confidence", unit: "1", error(4..<5)), Loss("no_object_confidence", unit: "1", weight: backgroundWeight, background),
            Loss("class_error", unit: "1", wrong),
        ]
    }

    func detections(_ answer: UnsafePointer<Float>, threshold: Double) -> [Measures.Detection] {
        let image = Box(x0: 0, y0: 0, x1: grid.width, y1: grid.height)
        return (0..<grid.cells).flatMap { cell in
            let numbers = answer + cell * grid.length, classes = numbers + 5 * grid.boxes
            return (0..<grid.boxes).flatMap { number -> [Measures.Detection] in
                let confidence = Double(numbers[5 * number + 4]), share = grid.box(numbers + 5 * number, cell: cell)
                let box = Box(x0: share.x0 * grid.width, y0: share.y0 * grid.height, x1: share.x1 * grid.width, y1: share.y1 * grid.height).clipped(to: image)
                guard box.area > 0 else { return [] }
                return (0..<grid.classes).compactMap { label in
                    let score = confidence * Double(classes[label])
                    return confidence > 0 && score >= threshold ? Measures.Detection(label: label, score: score, box: box) : nil
                }
            }
        }
    }
}

/// Which boxes of an answer are responsible for which objects: the answer `[S·S·(5B + C)]` and the objects `[maximum, 5]` → what the responsible boxes should
/// be `[S·S, B, 5]`, 0 for others; 1 for those that are `[S·S, B, 1]`; the classes that cells should have `[S·S, C]`; 1 for cells with an object `[S·S, 1]`.
struct GridBoxes: SampleFunction {
    /// Cells along each side.
    let side: Int
    /// Boxes of a cell.
    let boxes: Int
    let classes: Int
    /// Of the image, in pixels.
    let width, height: Double
    /// How many objects an image has at most.
    let maximum: Int

    var name: String { "responsible boxes" }
    var outputCount: Int { 4 }
    var cells: Int { side * side }
    /// How many numbers a cell has.
    var length: Int { 5 * boxes + classes }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [cells * length], inputs[1] == [maximum, 5] else {
            throw ShapeError("of \(inputs[0]) and \(inputs[1]): expected [\(cells * length)] and [\(maximum), 5]")
        }
        return [[cells, boxes, 5], [cells, boxes, 1], [cells, classes], [cells, 1]]
    }

    /// Of five numbers of a cell, in shares of the image.
    func box(_ numbers: UnsafePointer<Float>, cell: Int) -> Box {
        let (x, y, root, heightRoot) = (Double(numbers[0]), Double(numbers[1]), Double(numbers[2]), Double(numbers[3]))
        return Box(
            x: (Double(cell % side) + x) / Double(side), y: (Double(cell / side) + y) / Double(side), width: root * root, height: heightRoot * heightRoot)
    }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let answer = inputs[0], (goals, isResponsible, kinds, hasObject) = (outputs[0], outputs[1], outputs[2], outputs[3])
        goals.update(repeating: 0, count: cells * boxes * 5)
        isResponsible.update(repeating: 0, count: cells * boxes)
        kinds.update(repeating: 0, count: cells * classes)
        hasObject.update(repeating: 0, count: cells)
        for object in TrueBox.all(inputs[1], count: maximum) {
            let goal = Box(x0: object.box.x0 / width, y0: object.box.y0 / height, x1: object.box.x1 / width, y1: object.box.y1 / height)
            let x = (goal.x0 + goal.x1) / 2 * Double(side), y = (goal.y0 + goal.y1) / 2 * Double(side)
            let column = min(Int(x), side - 1), row = min(Int(y), side - 1), cell = row * side + column
            guard hasObject[cell] == 0 else { continue }
            hasObject[cell] = 1
            kinds[cell * classes + object.label] = 1
            let (number, overlap) = nearest(answer + cell * length, to: goal, cell: cell), place = cell * boxes + number
            isResponsible[place] = 1
            let numbers = [x - Double(column), y - Double(row), (goal.x1 - goal.x0).squareRoot(), (goal.y1 - goal.y0).squareRoot(), overlap]
            for (index, value) in numbers.enumerated() { goals[place * 5 + index] = Float(value) }
        }
    }

    /// The box of a cell that is responsible for an object, and how much it overlaps with it.
    private func nearest(_ numbers: UnsafePointer<Float>, to goal: Box, cell: Int) -> (number: Int, overlap: Double) {
        let found = (0..<boxes).map { box(numbers + 5 * $0, cell: cell) }, overlaps = found.map { $0.overlap(with: goal) }
        func distance(_ box: Box) -> Double {
            func square(_ value: Double) -> Double { value * value }
            return square((box.x0 + box.x1 - goal.x0 - goal.x1) / 2) + square((box.y0 + box.y1 - goal.y0 - goal.y1) / 2)
                + square(box.x1 - box.x0 - goal.x1 + goal.x0) + square(box.y1 - box.y0 - goal.y1 + goal.y0)
        }
        var best = 0
        for number in found.indices.dropFirst() {
            let isNearer = overlaps[number] == 0 && overlaps[best] == 0 && distance(found[number]) < distance(found[best])
            if overlaps[number] > overlaps[best] || isNearer { best = number }
        }
        return (best, overlaps[best])
    }
}
