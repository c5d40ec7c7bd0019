import TensorCore

/// Weighs each channel of an image by how strong it is beside the others, so that channels compete.
///
///     y = x + scale · x · g / (mean_c g + ε) + offset,   g_c the Euclidean norm of channel c over all positions
///
/// Shapes: x and y `[B, H, W, C]`; `weight` and `bias` `[C]`, both of which start at 0, so that the layer begins as the identity.
///
/// Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders", CVPR 2023.
public struct GlobalResponseNorm: Layer {
    private let scale: Tensor
    private let offset: Tensor
    private let epsilon: Float
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(_ channels: Int, epsilon: Float = 1e-6, in scope: Scope) {
        self.epsilon = epsilon
        self.scope = scope
        scale = scope.parameter("weight", [channels], Initialization.zeros, role: .normalization)
        offset = scope.parameter("bias", [channels], Initialization.zeros, role: .normalization)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record { x.globalResponseNorm(scale: scale, offset: offset, epsilon: epsilon) }
    }
}
