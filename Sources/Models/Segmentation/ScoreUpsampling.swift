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
    private let convolution: TransposedConvolution2D?
    private let scope: Scope

    init(_ kind: MapUpsampling, channels: Int, from: Size2D, to size: Size2D, in scope: Scope) {
        (self.size, self.scope) = (size, scope)
        guard kind == .transposed, from != size else {
            convolution = nil
            return
        }
        func step(_ from: Int, _ to: Int) -> (factor: Int, more: Int) {
            let factor = max(1, (2 * to + from) / (2 * from)), more = to - factor * from
            // So many rows that no output padding can add them: one factor more, and a cut.
            return more >= factor ? (factor + 1, 0) : (factor, max(0, more))
        }
        let rows = step(from.height, size.height), columns = step(from.width, size.width)
        convolution = TransposedConvolution2D(
            channels, channels, kernel: Size2D(2 * rows.factor - rows.factor % 2, 2 * columns.factor - columns.factor % 2),
            stride: Size2D(rows.factor, columns.factor), padding: Size2D(rows.factor / 2, columns.factor / 2),
            outputPadding: Size2D(rows.more, columns.more), hasBias: false, initialization: BilinearInitializer(), in: scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        guard let convolution else { return scope.record { x.resized(to: size, .bilinear) } }
        let y = convolution(x)
        return scope.record { y.beginning(of: size) }
    }
}

extension Tensor {
    /// The first rows and columns of a map `[B, h, w, C]`; the map itself where it has no more.
    func beginning(of size: Size2D) -> Tensor {
        guard isValid, Size2D(shape[1], shape[2]) != size else { return self }
        return sliced(axis: 1, 0..<size.height).sliced(axis: 2, 0..<size.width)
    }
}
