import TensorCore

/// Divides each value by a power of the squares of its neighbours among the channels.
///
///     y_c = x_c / (k + α/n · Σ x²)^β,   over the n channels from c − ⌊n/2⌋ on
///
/// The paper has α for the α/n of PyTorch's `LocalResponseNorm`, which is followed here.
///
/// Shapes: x and y `[B, H, W, C]`. No parameters.
///
/// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, section 3.3.
public struct LocalResponseNorm: Layer {
    private let size: Int
    private let alpha: Float
    private let beta: Float
    private let k: Float
    private let scope: Scope

    /// `scope` is the path of its ops.
    public init(size: Int = 5, alpha: Float = 1e-4, beta: Float = 0.75, k: Float = 1, in scope: Scope) {
        precondition(size > 0, "local response norm sums over at least one channel")
        (self.size, self.alpha, self.beta, self.k, self.scope) = (size, alpha, beta, k, scope)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record {
            let channels = x.shape[3], before = size / 2
            let squares = x.square().padded(before: [0, 0, 0, before], after: [0, 0, 0, size - 1 - before])
            let sum = (1..<size).reduce(squares.sliced(axis: 3, 0..<channels)) { $0 + squares.sliced(axis: 3, $1..<$1 + channels) }
            return x * (sum * (alpha / Float(size)) + k).power(-beta)
        }
    }
}
