import Foundation
import TensorCore

/// Where each pixel of a changed image comes from: `source = [a b; c d] · pixel + (x, y)`, in pixels from the image's centre, x to the right, y down.
struct AffineMap: Equatable {
    var a = 1.0, b = 0.0, c = 0.0, d = 1.0
    var x = 0.0, y = 0.0

    static let identity = AffineMap()

    /// The content moves by whole pixels.
    static func shift(x: Int, y: Int) -> AffineMap { AffineMap(x: Double(-x), y: Double(-y)) }

    static let horizontalFlip = AffineMap(a: -1)

    /// The content turns counter-clockwise as seen on a screen.
    static func rotation(degrees: Double) -> AffineMap {
        let angle = degrees * .pi / 180
        return AffineMap(a: cos(angle), b: -sin(angle), c: sin(angle), d: cos(angle))
    }

    /// The content of the row `y` below the centre moves to the right by `y · tan(degrees)`.
    static func shear(degrees: Double) -> AffineMap { AffineMap(b: -tan(degrees * .pi / 180)) }

    /// The content grows by `factor`.
    static func zoom(factor: Double) -> AffineMap { AffineMap(a: 1 / factor, d: 1 / factor) }

    /// What the geometric ones among some augmentations do together, each drawn in its turn.
    static func drawn(by augmentations: [Augmentation], from draws: inout PhiloxDraws) -> AffineMap {
        augmentations.reduce(into: .identity) { map, augmentation in
            if let drawn = augmentation.drawMap(from: &draws) { map = map.followed(by: drawn) }
        }
    }

    /// The map of an image changed by `self` and then by `later`.
    func followed(by later: AffineMap) -> AffineMap {
        AffineMap(
            a: a * later.a + b * later.c, b: a * later.b + b * later.d,
            c: c * later.a + d * later.c, d: c * later.b + d * later.d,
            x: a * later.x + b * later.y + x, y: c * later.x + d * later.y + y)
    }

    /// The flip and the whole-pixel offsets, if there is nothing else in the map.
    var exactMove: (isFlipped: Bool, x: Int, y: Int)? {
        guard abs(a) == 1, b == 0, c == 0, d == 1, let x = Int(exactly: x), let y = Int(exactly: y) else { return nil }
        return (a == -1, x, y)
    }
}

extension Augmentation {
    /// Draws this augmentation's map; random erasing and what a program adds have none and draw nothing here.
    func drawMap(from draws: inout PhiloxDraws) -> AffineMap? {
        func symmetric(_ bound: Double) -> Double { bound * Double(draws.uniform(-1, 1)) }
        switch self {
        case .shift(let pixels):
            let x = draws.integer(below: 2 * pixels + 1) - pixels
            let y = draws.integer(below: 2 * pixels + 1) - pixels
            return .shift(x: x, y: y)
        case .horizontalFlip(let probability):
            return draws.bernoulli(Float(probability)) ? .horizontalFlip : .identity
        case .rotation(let degrees):
            return .rotation(degrees: symmetric(degrees))
        case .shear(let degrees):
            return .shear(degrees: symmetric(degrees))
        case .zoom(let fraction):
            return .zoom(factor: 1 + symmetric(fraction))
        case .randomErasing, .colorJitter, .grayscale, .blur, .randomResizedCrop, .added:
            return nil
        }
    }
}

extension RandomErasing {
    /// Draws the rectangle, or nil when the image stays whole.
    func drawRectangle(in shape: ImageShape, from draws: inout PhiloxDraws) -> (rows: Range<Int>, columns: Range<Int>)? {
        guard draws.bernoulli(Float(probability)) else { return nil }
        for _ in 0..<100 {
            let area = Double(draws.uniform(Float(area[0]), Float(area[1]))) * Double(shape.height * shape.width)
            let ratio = Double(draws.uniform(Float(aspectRatio[0]), Float(aspectRatio[1])))
            let height = Int((area * ratio).squareRoot().rounded()), width = Int((area / ratio).squareRoot().rounded())
            guard (1...shape.height).contains(height), (1...shape.width).contains(width) else { continue }
            let row = draws.integer(below: shape.height - height + 1), column = draws.integer(below: shape.width - width + 1)
            return (row..<row + height, column..<column + width)
        }
        return nil
    }
}
