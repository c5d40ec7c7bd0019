import Layers
import TensorCore

/// LeViT's attention over all cells of a map: wide values, a bias for each distance, and, with a stride, queries of every second row and column only.
///
///     [q, k, v] = N(W x);   y = P(f(softmax(q kᵀ / √d + bias) v))      N batch norm, f hard swish, P a normalized linear layer
///     bias[h, i, j] = attention_biases[h, |row_i − row_j| · columns + |column_i − column_j|]
///
/// Shapes (`d` channels of a key, `e` of a value, `H` heads): `[B, rows, columns, in]` → `[B, ⌈rows / stride⌉, ⌈columns / stride⌉, out]`. Parameters as in timm:
/// `attention_biases [H, rows · columns]`, which begin at 0 and are not decayed; `qkv.linear [H (2d + e), in]`, query, key and value of one head after the
/// other, with a stride `kv.linear [H (d + e), in]` and `q.ln.linear [H d, in]`; `proj.ln.linear [out, H e]`; each with `bn`.
///
/// Graham et al., "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", ICCV 2021, section 4.2.
struct LeViTAttention: Layer {
    /// Of queries, keys and values, or of keys and values.
    private let packed: NormalizedLinear
    /// Of the queries where these are fewer.
    private let query: NormalizedLinear?
    private let projection: NormalizedLinear
    private let biases: Tensor
    private let distances: Tensor
    private let heads, keyWidth, valueWidth: Int
    private let stride: Int
    private let scope: Scope

    /// Declares the parameters in `scope`.
    ///
    /// - Parameters:
    ///   - map: height and width of the input.
    ///   - initialScale: of the last norm.
    init(
        _ inputs: Int, _ outputs: Int, heads: Int, keyWidth: Int, valueWidth: Int, map: Size2D, stride: Int = 1, initialScale: Double = 1,
        _ initialization: Initialization, in scope: Scope
    ) {
        (self.heads, self.keyWidth, self.valueWidth, self.stride, self.scope) = (heads, keyWidth, valueWidth, stride, scope)
        biases = scope.parameter("attention_biases", [heads, map.height * map.width], Initialization.zeros, role: .positionEmbedding)
        let packedWidth = heads * (valueWidth + (stride == 1 ? 2 : 1) * keyWidth)
        packed = NormalizedLinear(inputs, packedWidth, initialization, in: scope[stride == 1 ? "qkv" : "kv"])
        query = stride == 1 ? nil : NormalizedLinear(inputs, heads * keyWidth, initialization, in: scope["q"]["ln"])
        projection = NormalizedLinear(heads * valueWidth, outputs, initialScale: initialScale, initialization, in: scope["proj"]["ln"])

        let columns = map.width
        distances = CellPairs.indices(rows: map.height, columns: columns, step: stride, in: scope) { abs($0) * columns + abs($1) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let projected = packed(x)
        guard projected.isValid, biases.isValid, distances.isValid else { return projected }
        let (batch, rows, columns) = (projected.shape[0], projected.shape[1], projected.shape[2])
        var parts = scope.record {
            let grouped = projected.reshaped([batch, rows * columns, heads, projected.shape[3] / heads])
            let widths = (query == nil ? [keyWidth] : []) + [keyWidth, valueWidth], starts = widths.indices.map { widths[..<$0].reduce(0, +) }
            return zip(starts, widths).map { grouped.sliced(axis: 3, $0..<$0 + $1) }
        }
        let (queryRows, queryColumns) = ((rows - 1) / stride + 1, (columns - 1) / stride + 1), queries = queryRows * queryColumns
        if let query {
            let q = query(scope["q"]["down"].record { x.sliced(axis: 1, 0..<rows, step: stride).sliced(axis: 2, 0..<columns, step: stride) })
            parts.insert(scope.record { q.reshaped([batch, queries, heads, keyWidth]) }, at: 0)
        }
        let attended = scope.record {
            let bias = biases.transposed([1, 0]).gathered(distances).transposed([2, 0, 1]).reshaped([1, heads, queries, rows * columns])
            return Tensor.attention(query: parts[0], key: parts[1], value: parts[2], bias: bias)
                .reshaped([batch, queryRows, queryColumns, heads * valueWidth]).activated(.hardSwish)
        }
        return projection(attended)
    }
}

/// A linear layer without bias and a batch norm.
struct NormalizedLinear: Layer {
    private let linear: Linear
    private let norm: BatchNorm

    init(_ inputs: Int, _ outputs: Int, activation: Activation = .identity, initialScale: Double = 1, _ initialization: Initialization, in scope: Scope) {
        linear = Linear(inputs, outputs, hasBias: false, initialization: initialization, in: scope["linear"])
        norm = BatchNorm(outputs, activation: activation, initialScale: initialScale, in: scope["bn"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { norm(linear(x)) }
}
