import TensorCore

/// Multi-head self-attention over all cells of a feature map, beside which the map itself goes on.
///
///     y = x + MHSA(LN(x)) [scores with a relative position bias]
///
/// Shapes: x and y `[B, H, W, C]`; the cells are the tokens, `C` is their width. Parameters: `norm`, `attn.qkv`, `attn.proj`, with the bias
/// `attn.relative_position_bias_table`.
///
/// Errors: heads that do not divide the channels.
///
/// After Bello, Zoph, Vaswani, Shlens and Le, "Attention Augmented Convolutional Networks", ICCV 2019, and Srinivas et al., "Bottleneck Transformers
/// for Visual Recognition", CVPR 2021, which put attention into the last stages of a ResNet.
public struct FeatureMapAttention: Layer {
    private let norm: LayerNorm
    private let attention: MultiHeadAttention
    private let bias: RelativePositionBias?
    private let scope: Scope

    /// Declares the parameters in `scope`.
    ///
    /// - Parameter map: height and width of the feature map, where scores get a bias by distance; nil: they get none.
    public init(channels: Int, heads: Int, biasFor map: Size2D?, in scope: Scope) {
        self.scope = scope
        norm = LayerNorm(channels, epsilon: 1e-6, in: scope["norm"])
        attention = MultiHeadAttention(width: channels, heads: heads, in: scope["attn"])
        bias = map.map { RelativePositionBias(rows: $0.height, columns: $0.width, heads: heads, in: scope["attn"]) }
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let tokens = scope.record { x.reshaped([batch, height * width, channels]) }
        let y = attention(norm(tokens), bias: bias.map { $0() })
        return scope.record { (tokens + y).reshaped([batch, height, width, channels]) }
    }
}
