import Foundation
import TensorCore

/// What tells tokens where they are.
///
/// Shapes: x and the result `[B, P + N, D]` with P prefix tokens (the class token) in front of N = rows · columns patches.
public struct PositionEmbedding {
    /// Where the positions' vectors come from.
    public enum Kind: String, CaseIterable, Sendable {
        /// One trained vector a token, prefix included: `pos_embed [1, P + N, D]`, truncated normal with σ = 0.02 at the start.
        case learned
        /// Fixed sines and cosines of row and column; zero for prefix tokens. The width must be a multiple of 4 and at least 8.
        case sinCos = "sincos"
        case none
    }

    private let embedding: Tensor?
    private let scope: Scope

    /// Declares `pos_embed` in `scope` itself when it is learned.
    public init(_ kind: Kind, rows: Int, columns: Int, prefixTokens: Int, width: Int, in scope: Scope) {
        self.scope = scope
        let grid = TokenGrid(prefixTokens: prefixTokens, rows: rows, columns: columns)
        embedding =
            switch kind {
            case .learned:
                scope.parameter("pos_embed", [1, grid.tokenCount, width], Initialization.transformer, role: .positionEmbedding, grid: grid)
            case .sinCos where width % 4 != 0 || width < 8:
                scope.fail("2-D sine-cosine positions need a width that is a multiple of 4 and at least 8, found \(width)")
            case .sinCos:
                scope.record {
                    scope.graph.constant(
                        HostTensor(
                            [1, prefixTokens + rows * columns, width],
                            [Float](repeating: 0, count: prefixTokens * width) + Self.sinCos2D(rows: rows, columns: columns, width: width)))
                }
            case .none: nil
            }
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard let embedding else { return x }
        return scope.record { x + embedding }
    }

    /// The 2-D sine-cosine embedding of big_vision, `[rows · columns, width]`, row by row.
    ///
    ///     ω_i = 10000^(−i / (D/4 − 1)),  i = 0 … D/4 − 1
    ///     [sin x·ω, cos x·ω, sin y·ω, cos y·ω]
    ///
    /// with x the column and y the row. timm and MAE differ: ω_i = 10000^(−i / (D/4)), rows first.
    static func sinCos2D(rows: Int, columns: Int, width: Int) -> [Float] {
        let quarter = width / 4
        let frequencies = (0..<quarter).map { pow(10_000, -Double($0) / Double(quarter - 1)) }
        var values: [Float] = []
        values.reserveCapacity(rows * columns * width)
        for row in 0..<rows {
            for column in 0..<columns {
                for (place, function) in [(column, sin), (column, cos), (row, sin), (row, cos)] as [(Int, (Double) -> Double)] {
                    for frequency in frequencies { values.append(Float(function(Double(place) * frequency))) }
                }
            }
        }
        return values
    }
}
