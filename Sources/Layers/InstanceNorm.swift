import TensorCore

/// Normalization of each channel of each image over its positions: group norm with a group for each channel.
///
///     y = (x − μ) / √(σ² + ε) [· scale + offset]
///
/// Shapes: x and y `[B, …, C]`; with `isAffine` `weight` and `bias` `[C]`. Without, as PyTorch's `InstanceNorm2d` is unless it is told, there are no
/// parameters.
///
/// Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016 (arXiv:1607.08022).
public struct InstanceNorm: Layer {
    private let norm: GroupNorm

    /// Declares the parameters, if there are any, in `scope`.
    public init(_ channels: Int, isAffine: Bool = false, epsilon: Float = 1e-5, in scope: Scope) {
        norm = GroupNorm(channels, groups: channels, isAffine: isAffine, epsilon: epsilon, in: scope)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { norm(x) }
}
