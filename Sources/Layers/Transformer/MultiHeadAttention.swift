import TensorCore

/// Multi-head self-attention.
///
///     Q, K, V = x·W_Q, x·W_K, x·W_V     cut into H heads of d = D / H columns
///     head_h  = softmax(s · Q_h · K_hᵀ [+ bias_h]) · V_h       s = 1/√d, or 1 without scale
///     y       = concat(head_1, …, head_H) · W_O + b_O
///
/// Shapes (`B` batch, `N` tokens, `D` width, `H` heads): x and y `[B, N, D]`; W_Q, W_K and W_V lie one below the other in `qkv.weight
/// [3D, D]`, `qkv.bias [3D]`; W_O is `proj.weight [D, D]`, b_O `proj.bias [D]`. With normalized queries and keys also `q_norm` and `k_norm`, each over the d
/// channels of a head.
/// Errors: heads that do not divide the width.
///
/// Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
public struct MultiHeadAttention {
    /// What differs from the paper's attention.
    public struct Options: Sendable, Equatable {
        /// Whether scores are divided by √d.
        public var isScaled = true
        /// Whether queries, keys and values have biases.
        public var hasBias = true
        /// What normalizes each head's queries and keys; nil: nothing. Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", ICML 2023.
        public var queryKeyNorm: TokenNormKind?
        /// The ε of these norms.
        public var epsilon: Float = 1e-6
        /// The share of probabilities that are dropped in training.
        public var probabilityDropout = 0.0
        /// Whether tokens do not attend to themselves and the scale is trained, from 1/√d. Lee, Lee and Song, "Vision Transformer for Small-Size
        /// Datasets", 2021 (arXiv:2112.13492), section 3.2.
        public var isLocal = false

        /// The paper's attention.
        public init() {}
    }

    private let queryKeyValue: Linear
    private let projection: Linear
    private let dropout: Dropout
    private let heads: Int
    private let width: Int
    private let options: Options
    private let norms: (query: TokenNorm, key: TokenNorm)?
    /// Of local attention, the trained scale.
    private let temperature: Tensor?
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(
        width: Int, heads: Int, options: Options = Options(), dropout: Double = 0, initialization: Initialization = .transformer, in scope: Scope
    ) {
        self.heads = heads
        self.width = width
        self.options = options
        self.scope = scope
        queryKeyValue = Linear(width, 3 * width, hasBias: options.hasBias, initialization: initialization, in: scope["qkv"])
        let headWidth = max(1, width / max(heads, 1))
        norms = options.queryKeyNorm.map { kind in
            (TokenNorm(kind, headWidth, epsilon: options.epsilon, in: scope["q_norm"]), TokenNorm(kind, headWidth, epsilon: options.epsilon, in: scope["k_norm"]))
        }
        temperature = options.isLocal
            ? scope.parameter("temperature", [1], Initialization.constant(value: 1 / Double(headWidth).squareRoot()), role: .normalization) : nil
        projection = Linear(width, width, initialization: initialization, in: scope["proj"])
        self.dropout = Dropout(rate: dropout, in: scope["proj_drop"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, bias: nil) }

    /// Records one call, `[B, N, D]` → `[B, N, D]`.
    ///
    /// - Parameters:
    ///   - bias: `[1, H, N, N]`, added to the scores.
    ///   - positions: turn queries and keys.
    public func callAsFunction(_ x: Tensor, bias: Tensor?, positions: RotaryPositions? = nil) -> Tensor {
        guard heads > 0, width % heads == 0 else {
            return scope.fail("\(heads) heads do not divide the width \(width)")
        }
        let packed = queryKeyValue(x)
        guard norms != nil || positions != nil || dropsProbabilities || options.isLocal else {
            let attended = scope.record {
                guard let bias else { return packed.selfAttention(heads: heads, scale: options.isScaled ? nil : 1) }
                return packed.selfAttention(heads: heads, scale: options.isScaled ? nil : 1, bias: bias)
            }
            return dropout(projection(attended))
        }
        return dropout(projection(attended(packed, bias: bias, positions)))
    }

    /// Whether some of the probabilities are left out: in training alone.
    private var dropsProbabilities: Bool { options.probabilityDropout > 0 && scope.graph.mode == .training }

    /// With queries and keys that are normalized or turned before they meet.
    private func attended(_ packed: Tensor, bias: Tensor?, _ positions: RotaryPositions?) -> Tensor {
        guard packed.isValid else { return packed }
        let (batch, tokens, headWidth) = (packed.shape[0], packed.shape[1], width / heads)
        let parts = scope.record {
            (0..<3).map { packed.sliced(axis: 2, $0 * width..<($0 + 1) * width).reshaped([batch, tokens, heads, headWidth]) }
        }
        var (query, key) = (parts[0], parts[1])
        if let norms { (query, key) = (norms.query(query), norms.key(key)) }
        if let positions { (query, key) = (positions(query), positions(key)) }
        return scope.record {
            let attended: Tensor
            if bias == nil, !dropsProbabilities, !options.isLocal {
                attended = .scaledDotProductAttention(query: query, key: key, value: parts[2], scale: options.isScaled ? nil : 1)
            } else {
                let scale = temperature ?? (options.isScaled ? nil : scope.graph.constant(HostTensor([1], [Float(1)])))
                attended = .attention(
                    query: query, key: key, value: parts[2], scale: scale, bias: options.isLocal ? diagonal(tokens, beside: bias) : bias,
                    dropout: dropsProbabilities ? (Float(options.probabilityDropout), scope["attn_drop"].nextStream()) : nil)
            }
            return attended.reshaped([batch, tokens, width])
        }
    }

    /// What keeps a token from itself: scores so small that their probabilities are 0.
    private func diagonal(_ tokens: Int, beside bias: Tensor?) -> Tensor {
        let values = (0..<tokens * tokens).map { $0 % (tokens + 1) == 0 ? Float(-1e9) : 0 }
        let mask = scope.graph.constant(HostTensor([1, 1, tokens, tokens], values))
        return bias.map { $0 + mask } ?? mask
    }
}
