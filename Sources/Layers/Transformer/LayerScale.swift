import TensorCore

/// A trained factor for each channel of a residual branch, small at the start, so that deep networks begin near the identity.
///
///     y = γ · x
///
/// Shapes: x and y `[…, D]`, `gamma [D]`.
///
/// Touvron, Cord, Sablayrolles, Synnaeve and Jégou, "Going Deeper with Image Transformers", ICCV 2021, equation 2.
public struct LayerScale {
    private let factors: Tensor
    private let scope: Scope

    /// Declares `gamma` in `scope`.
    public init(_ width: Int, initial: Double, in scope: Scope) {
        self.scope = scope
        factors = scope.parameter("gamma", [width], Initialization.constant(value: initial), role: .normalization)
    }

    /// Records one call: `[…, D]` → `[…, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record { x * factors.cast(to: x.dtype) }
    }
}
