import TensorCore

/// How a sequence of tokens becomes one vector for the head.
public enum TokenPooling: String, CaseIterable, Sendable {
    /// The state of the class token, which comes first.
    case `class`
    /// The mean over the patches; there is no class token then.
    case mean
    /// A trained query attends to all tokens, and a perceptron follows (`AttentionPooling`); there is no class token.
    case attention
    /// The mean over the patches, weighed by a trained map of them (`SequencePooling`); there is no class token.
    case sequence
}

/// A pooling with its parameters, `[B, N, D]` → `[B, D]`.
public struct TokenPool {
    private enum Pool {
        case first, mean
        case attention(AttentionPooling)
        case sequence(SequencePooling)
    }

    private let pool: Pool
    private let prefixTokens: Int
    private let scope: Scope

    /// Declares what parameters there are in `scope`.
    ///
    /// - Parameter prefixTokens: how many tokens before the patches stand for no place; the mean is over the others.
    public init(_ kind: TokenPooling, width: Int, heads: Int, hidden: Int, prefixTokens: Int, initialization: Initialization = .transformer, in scope: Scope) {
        (self.prefixTokens, self.scope) = (prefixTokens, scope)
        pool =
            switch kind {
            case .class: .first
            case .mean: .mean
            case .attention:
                .attention(AttentionPooling(width: width, heads: heads, hidden: hidden, initialization: initialization, in: scope["attn_pool"]))
            case .sequence: .sequence(SequencePooling(width: width, initialization: initialization, in: scope["attention_pool"]))
            }
    }

    /// Records one call: `[B, P + N, D]` → `[B, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        switch pool {
        case .first: return scope["pool"].record { x.sliced(axis: 1, 0..<1).reshaped([x.shape[0], x.shape[-1]]) }
        case .mean: return scope["pool"].record { patches(x).mean(axes: [1]) }
        case .attention(let pooling): return pooling(x)
        case .sequence(let pooling): return pooling(scope.record { patches(x) })
        }
    }

    private func patches(_ x: Tensor) -> Tensor { prefixTokens == 0 ? x : x.sliced(axis: 1, prefixTokens..<x.shape[1]) }
}

/// One trained query that attends to all tokens, and a perceptron behind it.
///
///     z = MultiHeadAttention(query; x);  y = z + MLP(LN(z))
///
/// Shapes: x `[B, N, D]` → y `[B, D]`; `latent [1, 1, D]`, `q`, `kv`, `proj`, `norm`, `mlp.fc1`, `mlp.fc2` as in timm.
///
/// Zhai, Kolesnikov, Houlsby and Beyer, "Scaling Vision Transformers", CVPR 2022, section 3.2.
public struct AttentionPooling {
    private let latent: Tensor
    private let query, keyValue, projection: Linear
    private let norm: LayerNorm
    private let mlp: MLPBlock
    private let width, heads: Int
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(width: Int, heads: Int, hidden: Int, initialization: Initialization = .transformer, in scope: Scope) {
        (self.width, self.heads, self.scope) = (width, heads, scope)
        latent = scope.parameter("latent", [1, 1, width], Initialization.truncatedNormal(deviation: 1 / Double(width).squareRoot(), bound: 2), role: .token)
        query = Linear(width, width, initialization: initialization, in: scope["q"])
        keyValue = Linear(width, 2 * width, initialization: initialization, in: scope["kv"])
        projection = Linear(width, width, initialization: initialization, in: scope["proj"])
        norm = LayerNorm(width, epsilon: 1e-6, in: scope["norm"])
        mlp = MLPBlock(width: width, hidden: hidden, initialization: initialization, in: scope["mlp"])
    }

    /// Records one call: `[B, N, D]` → `[B, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor { x.isValid ? pooled(x, queries: 1, bias: nil) : x }

    /// Records one call for several images in one sequence: `[1, L, D]` → `[images, D]`.
    ///
    /// - Parameter bias: `[1, 1, images, L]`, added to the scores: so low that a probability is 0 where a token is not the image's.
    public func callAsFunction(_ x: Tensor, images: Int, bias: Tensor) -> Tensor { x.isValid ? pooled(x, queries: images, bias: bias) : x }

    private func pooled(_ x: Tensor, queries: Int, bias: Tensor?) -> Tensor {
        guard heads > 0, width % heads == 0 else { return scope.fail("\(heads) heads do not divide the width \(width)") }
        let (batch, tokens, headWidth) = (x.shape[0], x.shape[1], width / heads)
        let q = query(scope.record { latent.broadcast(to: [batch, queries, width]) }), packed = keyValue(x)
        let attended = scope.record { () -> Tensor in
            let parts = (0..<2).map { packed.sliced(axis: 2, $0 * width..<($0 + 1) * width).reshaped([batch, tokens, heads, headWidth]) }
            let split = q.reshaped([batch, queries, heads, headWidth])
            let result = bias == nil
                ? Tensor.scaledDotProductAttention(query: split, key: parts[0], value: parts[1]) : .attention(query: split, key: parts[0], value: parts[1], bias: bias)
            return result.reshaped([batch, queries, width])
        }
        let z = projection(attended), transformed = mlp(norm(z))
        return scope.record { (z + transformed).reshaped([batch * queries, width]) }
    }
}

/// The mean over tokens, each with a weight that a linear map of it gives.
///
///     y = softmax(x · w + b)ᵀ · x
///
/// Shapes: x `[B, N, D]` → y `[B, D]`; `weight [1, D]`, `bias [1]`.
///
/// Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", 2021 (arXiv:2104.05704), section 3.2.
public struct SequencePooling {
    private let map: Linear
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(width: Int, initialization: Initialization = .transformer, in scope: Scope) {
        self.scope = scope
        map = Linear(width, 1, initialization: initialization, in: scope)
    }

    /// Records one call: `[B, N, D]` → `[B, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let scores = map(x)
        return scope.record {
            let weights = scores.cast(to: .float32).softmax(axis: 1).cast(to: x.dtype)
            return weights.matmul(x, transposeA: true).reshaped([x.shape[0], x.shape[2]])
        }
    }
}
