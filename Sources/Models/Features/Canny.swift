import Foundation
import TensorCore

/// Canny's edges of an image `[H, W, C]`, of the mean of its channels: 1 on an edge, else 0, `[H, W, 1]`.
///
///     blur         by a Gaussian cut at 4 σ, divided by the blur of an image of ones, so that the border loses nothing
///     gradient     Sobel's
///     thinning     a pixel stays where its magnitude is at least that of both neighbours along the gradient, interpolated between pixels
///     hysteresis   of the pixels with at least `low`, those that touch one with at least `high`, over any number of others, corners included
///
/// Equal to scikit-image's `canny`. Canny, "A Computational Approach to Edge Detection", PAMI 8, 1986.
struct CannyEdges: SampleFunction {
    let image: ImageShape
    let sigma: Double
    let low: Double
    let high: Double
    private let kernel: [Double]
    /// The blur of an image of ones.
    private let ones: [Double]

    init(image: ImageShape, sigma: Double, low: Double, high: Double) {
        (self.image, self.sigma, self.low, self.high) = (image, sigma, low, high)
        kernel = Self.gaussian(sigma)
        ones = Self.blur([Double](repeating: 1, count: image.height * image.width), kernel, width: image.width)
    }

    var name: String { "Canny" }
    private var height: Int { image.height }
    private var width: Int { image.width }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [height, width, image.channels] else { throw ShapeError("of \(inputs[0]): expected [\(height), \(width), \(image.channels)]") }
        return [[height, width, 1]]
    }

    func multiplyAdds(_ inputs: [Shape]) -> Int { height * width * (4 * (2 * Int(4 * sigma + 0.5) + 1) + 12) }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        var blurred = Self.blur(GrayImage(inputs[0], image).values, kernel, width: width)
        for place in blurred.indices { blurred[place] /= ones[place] + .ulpOfOne }
        let along = (rows: sobel(blurred, alongRows: true), columns: sobel(blurred, alongRows: false))
        let magnitudes = zip(along.rows, along.columns).map { ($0 * $0 + $1 * $1).squareRoot() }
        let thin = thinned(magnitudes, along.rows, along.columns)
        // From every strong pixel on to its weak neighbours.
        var isEdge = [Bool](repeating: false, count: thin.count), waiting = thin.indices.filter { thin[$0] > 0 && thin[$0] >= high }
        for place in waiting { isEdge[place] = true }
        while let place = waiting.popLast() {
            let row = place / width, column = place % width
            for other in max(row - 1, 0)...min(row + 1, height - 1) {
                for next in max(column - 1, 0)...min(column + 1, width - 1) where thin[other * width + next] > 0 && !isEdge[other * width + next] {
                    isEdge[other * width + next] = true
                    waiting.append(other * width + next)
                }
            }
        }
        for place in isEdge.indices { outputs[0][place] = isEdge[place] ? 1 : 0 }
    }

    private static func gaussian(_ sigma: Double) -> [Double] {
        let reach = Int(4 * sigma + 0.5), weights = (-reach...reach).map { exp(-0.5 * Double($0 * $0) / (sigma * sigma)) }, sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    /// Both axes one after the other, with zeros around the image.
    private static func blur(_ values: [Double], _ kernel: [Double], width: Int) -> [Double] {
        let reach = kernel.count / 2, height = values.count / width
        func pass(_ values: [Double], _ count: Int, step: Int, _ index: (Int) -> Int) -> [Double] {
            values.indices.map { place in
                let here = index(place)
                var sum = 0.0
                for offset in -reach...reach where here + offset >= 0 && here + offset < count { sum += kernel[offset + reach] * values[place + offset * step] }
                return sum
            }
        }
        let columns = pass(values, height, step: width) { $0 / width }
        return pass(columns, width, step: 1) { $0 % width }
    }

    /// The difference along one axis, smoothed along the other; beyond the border lies the border's own pixel again.
    private func sobel(_ values: [Double], alongRows: Bool) -> [Double] {
        func value(_ row: Int, _ column: Int) -> Double { values[min(max(row, 0), height - 1) * width + min(max(column, 0), width - 1)] }
        return (0..<height * width).map { place in
            let row = place / width, column = place % width
            return zip([-1, 0, 1], [1.0, 2, 1]).reduce(0) { sum, part in
                let (offset, weight) = part
                return sum + weight * (alongRows
                    ? value(row + 1, column + offset) - value(row - 1, column + offset) : value(row + offset, column + 1) - value(row + offset, column - 1))
            }
        }
    }

    /// The magnitudes of pixels that are the largest across their edge, 0 elsewhere and at the border.
    private func thinned(_ magnitudes: [Double], _ rows: [Double], _ columns: [Double]) -> [Double] {
        var thin = [Double](repeating: 0, count: magnitudes.count)
        guard height > 2, width > 2 else { return thin }
        for row in 1..<height - 1 {
            for column in 1..<width - 1 {
                let place = row * width + column, magnitude = magnitudes[place], y = rows[place], x = columns[place]
                guard magnitude >= low, magnitude > 0 else { continue }
                // The neighbour along the axis that the gradient is nearer to, and the one at the corner between the two axes.
                let isSteep = abs(y) > abs(x), share = isSteep ? abs(x) / abs(y) : abs(y) / abs(x)
                let down = y >= 0 ? width : -width, right = x >= 0 ? 1 : -1, straight = isSteep ? down : right, corner = down + right
                func isLargest(_ sign: Int) -> Bool {
                    magnitudes[place + sign * corner] * share + magnitudes[place + sign * straight] * (1 - share) <= magnitude
                }
                if isLargest(1), isLargest(-1) { thin[place] = magnitude }
            }
        }
        return thin
    }
}
