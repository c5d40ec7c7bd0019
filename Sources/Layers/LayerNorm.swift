import TensorCore

/// Normalization of each sample, or each token, over its last axis.
///
///     y = (x − μ) / √(σ² + ε) · scale + offset
///
/// Shapes: x and y `[…, D]`, `weight` and `bias` `[D]`; μ and σ² are over D. The scale starts at 1, the offset at 0.
///
/// Ba, Kiros and Hinton, "Layer Normalization", 2016 (arXiv:1607.06450).
public struct LayerNorm {
    private let scale: Tensor
    private let offset: Tensor
    private let epsilon: Float
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(_ width: Int, epsilon: Float = 1e-6, in scope: Scope) {
        self.epsilon = epsilon
        self.scope = scope
        scale = scope.parameter("weight", [width], Initialization.constant(value: 1), role: .normalization)
        offset = scope.parameter("bias", [width], Initialization.zeros, role: .normalization)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record { x.layerNorm(scale: scale, offset: offset, epsilon: epsilon) }
    }
}
