import TensorCore

/// A transformer block.
///
///     pre        x ← x + DropPath(γ₁ ∘ Attention(Norm(x)));  x ← x + DropPath(γ₂ ∘ MLP(Norm(x)))
///     post       x ← Norm(x + DropPath(γ₁ ∘ Attention(x)));  x ← Norm(x + DropPath(γ₂ ∘ MLP(x)))
///     residual   x ← x + DropPath(γ₁ ∘ Norm(Attention(x)));  x ← x + DropPath(γ₂ ∘ Norm(MLP(x)))
///     compact    x ← Norm(x + DropPath(γ₁ ∘ Attention(Norm(x))));  x ← x + DropPath(γ₂ ∘ MLP(x))
///     parallel   x ← x + DropPath(γ₁ ∘ Attention(Norm(x)) + γ₂ ∘ MLP(Norm(x)))
///
/// A block is a segment of the graph: training may keep its input only and compute the rest again in the backward pass.
///
/// Shapes: x and the result `[B, N, D]`. Parameters as in timm: `norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2`, of parallel blocks without
/// `norm2`; with factors γ also `ls1.gamma` and `ls2.gamma`.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, equations 2 and 3; post: Vaswani et
/// al., NeurIPS 2017; residual: Liu et al., "Swin Transformer V2", CVPR 2022; parallel: Dehghani et al., "Scaling Vision Transformers to 22
/// Billion Parameters", ICML 2023.
public struct TransformerBlock {
    /// Where the norms stand.
    public enum Form: String, CaseIterable, Sendable {
        /// Before each branch.
        case pre
        /// Behind each sum.
        case post
        /// Behind each branch.
        case residual
        /// Before the first branch, and on the stream itself before the second, as compact transformers were published (Hassani et al., 2021).
        case compact
        /// Before two branches that stand beside one another.
        case parallel
    }

    /// What differs from the paper's block.
    public struct Options: Sendable, Equatable {
        /// Where the norms stand.
        public var form = Form.pre
        /// What normalizes.
        public var norm = TokenNormKind.layer
        /// The ε of all norms.
        public var epsilon: Float = 1e-6
        /// What attention differs in.
        public var attention = MultiHeadAttention.Options()
        /// What is between the perceptron's layers.
        public var mlp = MLPBlock.Kind.gelu
        /// Where the factors of the branches begin (`LayerScale`); nil: there are none.
        public var layerScale: Double?

        /// The paper's block.
        public init() {}
    }

    private let form: Form
    private let attentionNorm: TokenNorm
    private let attention: MultiHeadAttention
    private let attentionScale: LayerScale?
    private let attentionDropPath: DropPath
    private let mlpNorm: TokenNorm?
    private let mlp: MLPBlock
    private let mlpScale: LayerScale?
    private let mlpDropPath: DropPath
    private let scope: Scope

    /// Declares the parameters in `scope`; `hidden` is the width of the perceptron's inner layer.
    public init(
        width: Int, heads: Int, hidden: Int, options: Options = Options(), dropout: Double = 0, dropPath: Double = 0,
        initialization: Initialization = .transformer, in scope: Scope
    ) {
        self.scope = scope
        form = options.form
        attentionNorm = TokenNorm(options.norm, width, epsilon: options.epsilon, in: scope["norm1"])
        attention = MultiHeadAttention(
            width: width, heads: heads, options: options.attention, dropout: dropout, initialization: initialization, in: scope["attn"])
        attentionScale = options.layerScale.map { LayerScale(width, initial: $0, in: scope["ls1"]) }
        attentionDropPath = DropPath(rate: dropPath, in: scope["drop_path1"])
        mlpNorm = form == .parallel ? nil : TokenNorm(options.norm, width, epsilon: options.epsilon, in: scope["norm2"])
        mlp = MLPBlock(width: width, hidden: hidden, kind: options.mlp, dropout: dropout, initialization: initialization, in: scope["mlp"])
        mlpScale = options.layerScale.map { LayerScale(width, initial: $0, in: scope["ls2"]) }
        mlpDropPath = DropPath(rate: dropPath, in: scope["drop_path2"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, bias: nil, positions: nil) }

    /// Records one call, `[B, N, D]` → `[B, N, D]`; the bias and the positions go to the attention.
    public func callAsFunction(_ x: Tensor, bias: Tensor?, positions: RotaryPositions?) -> Tensor {
        func attended(_ x: Tensor) -> Tensor { attention(x, bias: bias, positions: positions) }
        func scaled(_ x: Tensor, _ scale: LayerScale?) -> Tensor { scale?(x) ?? x }
        return scope.graph.recordSegment {
            switch form {
            case .pre:
                let branch = attentionDropPath(scaled(attended(attentionNorm(x)), attentionScale))
                let middle = scope.record { x + branch }
                let transformed = mlpDropPath(scaled(mlp(mlpNorm!(middle)), mlpScale))
                return scope.record { middle + transformed }
            case .post:
                let branch = attentionDropPath(scaled(attended(x), attentionScale))
                let middle = attentionNorm(scope.record { x + branch })
                let transformed = mlpDropPath(scaled(mlp(middle), mlpScale))
                return mlpNorm!(scope.record { middle + transformed })
            case .residual:
                let branch = attentionDropPath(scaled(attentionNorm(attended(x)), attentionScale))
                let middle = scope.record { x + branch }
                let transformed = mlpDropPath(scaled(mlpNorm!(mlp(middle)), mlpScale))
                return scope.record { middle + transformed }
            case .compact:
                let branch = attentionDropPath(scaled(attended(attentionNorm(x)), attentionScale))
                let middle = mlpNorm!(scope.record { x + branch })
                let transformed = mlpDropPath(scaled(mlp(middle), mlpScale))
                return scope.record { middle + transformed }
            case .parallel:
                let normalized = attentionNorm(x), first = scaled(attended(normalized), attentionScale), second = scaled(mlp(normalized), mlpScale)
                let branch = attentionDropPath(scope.record { first + second })
                return scope.record { x + branch }
            }
        }
    }
}
