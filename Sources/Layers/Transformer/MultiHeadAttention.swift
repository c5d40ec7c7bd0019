import TensorCore

/// Multi-head self-attention.
///
///     Q, K, V = x·W_Q, x·W_K, x·W_V     cut into H heads of d = D / H columns
///     head_h  = softmax(s · Q_h · K_hᵀ [+ bias_h]) · V_h       s = 1/√d, or 1 without scale
///     y       = concat(head_1, …, head_H) · W_O + b_O
///
/// Shapes (`B` batch, `N` tokens, `D` width, `H` heads): x and y `[B, N, D]`; W_Q, W_K and W_V lie one below the other in `qkv.weight
/// [3D, D]`, `qkv.bias [3D]`; W_O is `proj.weight [D, D]`, b_O `proj.bias [D]`.
/// Errors: heads that do not divide the width.
///
/// Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
public struct MultiHeadAttention {
    private let queryKeyValue: Linear
    private let projection: Linear
    private let dropout: Dropout
    private let heads: Int
    private let isScaled: Bool
    private let width: Int
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(
        width: Int, heads: Int, isScaled: Bool = true, dropout: Double = 0, initialization: Initialization = .transformer, in scope: Scope
    ) {
        self.heads = heads
        self.isScaled = isScaled
        self.width = width
        self.scope = scope
        queryKeyValue = Linear(width, 3 * width, initialization: initialization, in: scope["qkv"])
        projection = Linear(width, width, initialization: initialization, in: scope["proj"])
        self.dropout = Dropout(rate: dropout, in: scope["proj_drop"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, bias: nil) }

    /// Records one call in which a bias `[1, H, N, N]` is added to the scores: `[B, N, D]` → `[B, N, D]`.
    public func callAsFunction(_ x: Tensor, bias: Tensor?) -> Tensor {
        guard heads > 0, width % heads == 0 else {
            return scope.fail("\(heads) heads do not divide the width \(width)")
        }
        let packed = queryKeyValue(x)
        let attended = scope.record {
            guard let bias else { return packed.selfAttention(heads: heads, scale: isScaled ? nil : 1) }
            return packed.selfAttention(heads: heads, scale: isScaled ? nil : 1, bias: bias)
        }
        return dropout(projection(attended))
    }
}
