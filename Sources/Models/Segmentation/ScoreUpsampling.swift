import Configuration
import Layers
import TensorCore

/// How scores or features of a coarse map come to a finer one.
public enum MapUpsampling: String, CaseIterable, Sendable {
    /// Bilinear interpolation, in which nothing is trained.
    case bilinear
    /// A transposed convolution that starts as bilinear interpolation.
    case transposed
}

/// Enlarges a map to a given size.
///
/// Shapes: `[B, h, w, C]` → `[B, H, W, C]`. Of `transposed` the factors are f = H / h and W / w rounded, `weight [C, C, 2f − f mod 2, …]` without a bias; what it
/// gives too much, at the bottom and the right, is cut off.
struct ScoreUpsampling: Layer {
    private let size: Size2D
    /// nil where scores are interpolated, or have their size already.
    private let transposed: (weight: Tensor, stride: Size2D, padding: Size2D, outputPadding: Size2D)?
    private let scope: Scope

    init(_ kind: MapUpsampling, channels: Int, from: Size2D, to size: Size2D, in scope: Scope) {
        (self.size, self.scope) = (size, scope)
        guard kind == .transposed, from != size else {
            transposed = nil
            return
        }
        func step(_ from: Int, _ to: Int) -> (factor: Int, more: Int) {
            let factor = max(1, (2 * to + from) / (2 * from)), more = to - factor * from
            // So many rows that no output padding can add them: one factor more, and a cut.
            return more >= factor ? (factor + 1, 0) : (factor, max(0, more))
        }
        let rows = step(from.height, size.height), columns = step(from.width, size.width)
        func kernel(_ factor: Int) -> Int { 2 * factor - factor % 2 }
        let weight = scope.parameter("weight", [channels, channels, kernel(rows.factor), kernel(columns.factor)], BilinearInitializer())
        transposed = (weight, Size2D(rows.factor, columns.factor), Size2D(rows.factor / 2, columns.factor / 2), Size2D(rows.more, columns.more))
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record {
            guard let transposed else { return x.resized(to: size, .bilinear) }
            return x.transposedConvolution2D(
                weight: transposed.weight, stride: transposed.stride, padding: transposed.padding, outputPadding: transposed.outputPadding).beginning(of: size)
        }
    }
}

/// A transposed convolution's start as bilinear interpolation of each channel by itself:
///
///     W[c, c, u, v] = (1 − |u − m| / f) · (1 − |v − m| / f),   kernel 2f − f mod 2, m its middle; 0 between different channels
///
/// With the stride f and the padding ⌈(f − 1) / 2⌉ it enlarges maps f times, away from their borders as `resized(to:_:)` does.
///
/// Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 3.3.
struct BilinearInitializer: Initializer {
    /// The weight is `[in, out, kernel height, kernel width]`.
    func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        let (outputs, height, width) = (shape[1], shape[2], shape[3])
        func share(_ place: Int, of kernel: Int) -> Float {
            let factor = Float((kernel + 1) / 2), middle = Float(kernel - 1) / 2
            return 1 - abs(Float(place) - middle) / factor
        }
        values.update(repeating: 0)
        for channel in 0..<min(shape[0], outputs) {
            for row in 0..<height {
                for column in 0..<width {
                    values[((channel * outputs + channel) * height + row) * width + column] = share(row, of: height) * share(column, of: width)
                }
            }
        }
    }
}

extension Tensor {
    /// The first rows and columns of a map `[B, h, w, C]`; the map itself where it has no more.
    func beginning(of size: Size2D) -> Tensor {
        guard isValid, Size2D(shape[1], shape[2]) != size else { return self }
        return sliced(axis: 1, 0..<size.height).sliced(axis: 2, 0..<size.width)
    }
}
