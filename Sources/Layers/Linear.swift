import TensorCore

/// An affine map of the last axis.
///
///     y = x · Wᵀ + b
///
/// Shapes: x `[…, in]`, W `weight [out, in]`, b `bias [out]`, y `[…, out]`. The bias starts at zero.
public struct Linear {
    /// `[out, in]`.
    public let weight: Tensor
    /// `[out]`, or nil.
    public let bias: Tensor?
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(
        _ inputs: Int, _ outputs: Int, hasBias: Bool = true, initialization: Initialization = .torchLinear, in scope: Scope
    ) {
        self.scope = scope
        weight = scope.parameter("weight", [outputs, inputs], initialization)
        bias = hasBias ? scope.parameter("bias", [outputs], Initialization.zeros, role: .bias) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record { x.linear(weight: weight, bias: bias) }
    }
}
