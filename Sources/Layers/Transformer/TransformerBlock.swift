import TensorCore

/// A pre-norm transformer block.
///
///     x ← x + DropPath(Attention(LayerNorm(x)))
///     x ← x + DropPath(MLP(LayerNorm(x)))
///
/// A block is a segment of the graph: training may keep its input only and compute the rest again in the backward pass.
///
/// Shapes: x and the result `[B, N, D]`. Parameters as in timm: `norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2`.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, equations 2 and 3.
public struct TransformerBlock {
    private let attentionNorm: LayerNorm
    private let attention: MultiHeadAttention
    private let attentionDropPath: DropPath
    private let mlpNorm: LayerNorm
    private let mlp: MLPBlock
    private let mlpDropPath: DropPath
    private let scope: Scope

    /// Declares the parameters in `scope`; `hidden` is the width of the perceptron's inner layer, `epsilon` that of both norms.
    public init(
        width: Int, heads: Int, hidden: Int, scalesAttention: Bool = true, dropout: Double = 0, dropPath: Double = 0, epsilon: Float = 1e-6,
        initialization: Initialization = .transformer, in scope: Scope
    ) {
        self.scope = scope
        attentionNorm = LayerNorm(width, epsilon: epsilon, in: scope["norm1"])
        attention = MultiHeadAttention(
            width: width, heads: heads, isScaled: scalesAttention, dropout: dropout, initialization: initialization, in: scope["attn"])
        attentionDropPath = DropPath(rate: dropPath, in: scope["drop_path1"])
        mlpNorm = LayerNorm(width, epsilon: epsilon, in: scope["norm2"])
        mlp = MLPBlock(width: width, hidden: hidden, dropout: dropout, initialization: initialization, in: scope["mlp"])
        mlpDropPath = DropPath(rate: dropPath, in: scope["drop_path2"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.graph.recordSegment {
            let attended = attentionDropPath(attention(attentionNorm(x)))
            let middle = scope.record { x + attended }
            let transformed = mlpDropPath(mlp(mlpNorm(middle)))
            return scope.record { middle + transformed }
        }
    }
}
