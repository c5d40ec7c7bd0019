import TensorCore

/// A trained number for each head and each distance between two cells of a grid, which is added to attention's scores.
///
///     bias[h, i, j] = table[(row_i − row_j + rows − 1) · (2 · columns − 1) + column_i − column_j + columns − 1, h]
///
/// Parameters: `relative_position_bias_table [(2 · rows − 1) · (2 · columns − 1), heads]`, truncated normal with σ = 0.02 at the start; name, order and
/// start as in Swin.
///
/// Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, equation 4.
public struct RelativePositionBias {
    private let table: Tensor
    private let rows: Int
    private let columns: Int
    private let heads: Int
    private let scope: Scope

    /// Declares the table in `scope`.
    public init(rows: Int, columns: Int, heads: Int, in scope: Scope) {
        (self.rows, self.columns, self.heads, self.scope) = (rows, columns, heads, scope)
        table = scope.parameter(
            "relative_position_bias_table", [(2 * rows - 1) * (2 * columns - 1), heads], Initialization.transformer, role: .positionEmbedding)
    }

    /// Records one call: `[1, heads, cells, cells]`.
    public func callAsFunction() -> Tensor {
        guard table.isValid else { return table }
        let (rows, columns) = (rows, columns)
        let pairs = CellPairs.indices(rows: rows, columns: columns, in: scope) { ($0 + rows - 1) * (2 * columns - 1) + $1 + columns - 1 }
        guard pairs.isValid else { return pairs }
        return scope.record { table.gathered(pairs).transposed([2, 0, 1]).reshaped([1, heads, rows * columns, rows * columns]) }
    }
}
