import Configuration
import Foundation
import Layers
import TensorCore

/// Histograms of oriented gradients with a linear map on them.
///
///     model: {hog: {orientations: 9, pixels_per_cell: 8, cells_per_block: 2}}
///
///     gradient    of each pixel: the next less the previous row and column, 0 at the border; of several channels the one with the largest magnitude
///     histogram   of each cell: the magnitudes of its pixels by their orientation in [0°, 180°), divided by the pixels of a cell
///     block       b×b cells, a block at each cell where it fits: h / √(Σ h² + ε²), cut at 0.2, and again (L2-Hys, ε = 1e-5)
///
/// Equal to scikit-image's `hog` with the same options. Features: `[B, blocks · b² · orientations]`, blocks row after row. Parameters: `fc.weight`, `fc.bias`.
///
/// Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
public struct HOGConfiguration: FixedFeatureConfiguration {
    public static let family = "hog"

    /// Into how many bins orientations from 0° to 180° fall.
    public var orientations = 9
    /// The side of a cell.
    public var pixelsPerCell = 8
    /// The side of a block, in cells.
    public var cellsPerBlock = 2

    /// Nine orientations, cells of 8×8 pixels, blocks of 2×2 cells.
    public init() {}

    public static let documentation = "Histograms of oriented gradients, with a linear map on them."
    public static let paper: String? = "Dalal and Triggs, \"Histograms of Oriented Gradients for Human Detection\", CVPR 2005"
    public static let options: [Key<HOGConfiguration>] = [
        Key("orientations", \.orientations, .integer(in: 1...180), "Into how many bins the orientations of gradients fall, from 0° to 180°."),
        Key("pixels_per_cell", \.pixelsPerCell, .integer(in: 1...1_024), "The side of the square whose gradients make a histogram, in pixels."),
        Key("cells_per_block", \.cellsPerBlock, .integer(in: 1...64), "The side of the square of cells that are normalized together."),
    ]

    public func validate(input: ImageShape, at fields: FieldReader) {
        let side = pixelsPerCell * cellsPerBlock
        if side > min(input.height, input.width) {
            fields.report("a block of \(cellsPerBlock)×\(cellsPerBlock) cells of \(pixelsPerCell) pixels is larger than the image of \(input)", at: "pixels_per_cell")
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let histograms = OrientedGradients(orientations: orientations, cell: pixelsPerCell, block: cellsPerBlock, image: input)
        return FixedFeatures(name: "hog", width: histograms.length, scope: scope) { histograms($0)[0] }
    }
}

/// An image `[H, W, C]` → its histograms of oriented gradients, normalized block by block, in one vector.
struct OrientedGradients: SampleFunction {
    let orientations: Int
    let cell: Int
    let block: Int
    let image: ImageShape

    private static let epsilon = 1e-5, limit = 0.2

    var name: String { "oriented gradients" }
    private var cells: (rows: Int, columns: Int) { (image.height / cell, image.width / cell) }
    private var blocks: (rows: Int, columns: Int) { (max(cells.rows - block + 1, 0), max(cells.columns - block + 1, 0)) }
    /// How many numbers an image has.
    var length: Int { blocks.rows * blocks.columns * block * block * orientations }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [image.height, image.width, image.channels], length > 0 else { throw ShapeError("of \(inputs[0]): expected at least a block of cells") }
        return [[length]]
    }

    func multiplyAdds(_ inputs: [Shape]) -> Int { 2 * image.count + length }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        let (rows, columns) = cells
        var histograms = [Double](repeating: 0, count: rows * columns * orientations)
        for row in 0..<rows * cell {
            for column in 0..<columns * cell {
                let gradient = gradient(inputs[0], row, column)
                guard let bin = bin(gradient.x, gradient.y) else { continue }
                histograms[(row / cell * columns + column / cell) * orientations + bin] += (gradient.x * gradient.x + gradient.y * gradient.y).squareRoot()
            }
        }
        for place in histograms.indices { histograms[place] /= Double(cell * cell) }
        var output = outputs[0]
        for row in 0..<blocks.rows {
            for column in 0..<blocks.columns {
                var values: [Double] = []
                for inner in 0..<block {
                    let start = ((row + inner) * columns + column) * orientations
                    values += histograms[start..<start + block * orientations]
                }
                values = Self.normalized(Self.normalized(values).map { min($0, Self.limit) })
                for value in values {
                    output.pointee = Float(value)
                    output += 1
                }
            }
        }
    }

    private static func normalized(_ values: [Double]) -> [Double] {
        let norm = (values.reduce(0) { $0 + $1 * $1 } + epsilon * epsilon).squareRoot()
        return values.map { $0 / norm }
    }

    /// Of the channel with the largest magnitude, of equal ones the first.
    private func gradient(_ pixels: UnsafePointer<Float>, _ row: Int, _ column: Int) -> (x: Double, y: Double) {
        var best = (x: 0.0, y: 0.0), largest = -1.0
        for channel in 0..<image.channels {
            func pixel(_ row: Int, _ column: Int) -> Double { Double(pixels[(row * image.width + column) * image.channels + channel]) }
            let x = column > 0 && column < image.width - 1 ? pixel(row, column + 1) - pixel(row, column - 1) : 0
            let y = row > 0 && row < image.height - 1 ? pixel(row + 1, column) - pixel(row - 1, column) : 0
            let magnitude = x * x + y * y
            if magnitude > largest { (best, largest) = ((x, y), magnitude) }
        }
        return best
    }

    /// The bin of a gradient's orientation; nil for one that rounding puts at 180°.
    private func bin(_ x: Double, _ y: Double) -> Int? {
        var degrees = (atan2(y, x) * 180 / .pi).truncatingRemainder(dividingBy: 180)
        if degrees < 0 { degrees += 180 }
        let width = 180 / Double(orientations)
        var bin = min(Int(degrees / width), orientations - 1)
        // The quotient is rounded; what counts is the edge.
        while bin > 0, degrees < width * Double(bin) { bin -= 1 }
        while bin < orientations, degrees >= width * Double(bin + 1) { bin += 1 }
        return bin < orientations ? bin : nil
    }
}
