import Foundation
import TensorCore

/// What tells tokens where they are.
///
/// Shapes: x and the result `[B, P + N, D]` with P prefix tokens (the class token) in front of N = rows · columns patches. The vectors `[1, P + N, D]` are
/// found in the graph under `pos_embed` (`Graph.fixedValue`), whatever kind they are.
public struct PositionEmbedding {
    /// Where the positions' vectors come from.
    public enum Kind: String, CaseIterable, Sendable {
        /// One trained vector a token, prefix included: `pos_embed [1, P + N, D]`, truncated normal with σ = 0.02 at the start.
        case learned
        /// Fixed sines and cosines of row and column; zero for prefix tokens. The width must be a multiple of 4 and at least 8. Beyer, Zhai and Kolesnikov,
        /// "Better Plain ViT Baselines for ImageNet-1k", 2022 (arXiv:2205.01580).
        case sinCos = "sincos"
        /// The same with MAE's frequencies, which never reach 1/10000; the width must be a multiple of 4. timm has the same numbers in another order. He et
        /// al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
        case sinCosMAE = "sincos_mae"
        /// One trained vector for each row and one for each column, which are added: `pos_embed_rows [rows, D]`, `pos_embed_columns [columns, D]`. Dehghani
        /// et al., "Patch n' Pack: NaViT", NeurIPS 2023, section 2.1.
        case factorized
        /// A perceptron of the patch's centre (x, y), from −1 to 1: `pos_embed.fc1`, GELU, `pos_embed.fc2`.
        case coordinates
        /// Queries and keys are turned by angles of row and column (`RotaryPositions`); a head's width must be a multiple of 4.
        case rotary
        /// A trained number for each head and distance is added to the scores of every block (`RelativePositionBias`); none for prefix tokens.
        case relative
        case none
    }

    private let embedding: Tensor?
    private let scope: Scope

    /// Declares `pos_embed` in `scope` itself when it is learned.
    ///
    /// - Parameters:
    ///   - axes: along how many axes the grid extends.
    ///   - depth: into how many planes of a volume the rows are divided.
    ///   - deviation: of learned vectors at the start.
    public init(
        _ kind: Kind, rows: Int, columns: Int, axes: Int = 2, depth: Int = 1, prefixTokens: Int, width: Int, deviation: Double = 0.02, in scope: Scope
    ) {
        self.scope = scope
        let grid = TokenGrid(prefixTokens: prefixTokens, axes: axes, depth: depth, rows: rows / depth, columns: columns)
        embedding =
            switch kind {
            case .learned:
                scope.parameter(
                    "pos_embed", [1, grid.tokenCount, width], Initialization.truncatedNormal(deviation: deviation, bound: 2), role: .positionEmbedding, grid: grid)
            case .sinCos where width % 4 != 0 || width < 8:
                scope.fail("2-D sine-cosine positions need a width that is a multiple of 4 and at least 8, found \(width)")
            case .sinCos:
                scope["pos_embed"].record {
                    scope.graph.constant(
                        HostTensor(
                            [1, prefixTokens + rows * columns, width],
                            [Float](repeating: 0, count: prefixTokens * width) + Self.sinCos2D(rows: rows, columns: columns, width: width)))
                }
            case .sinCosMAE where width % 4 != 0:
                scope.fail("2-D sine-cosine positions need a width that is a multiple of 4, found \(width)")
            case .sinCosMAE:
                scope["pos_embed"].record {
                    scope.graph.constant(HostTensor(
                        [1, grid.tokenCount, width],
                        [Float](repeating: 0, count: prefixTokens * width) + Self.sinCosMAE(rows: rows, columns: columns, width: width)))
                }
            case .factorized: Self.factorized(rows, columns, prefixTokens, width, scope)
            case .coordinates: Self.coordinates(rows, columns, prefixTokens, width, scope)
            case .rotary, .relative, .none: nil
            }
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard let embedding else { return x }
        return scope.record { x + embedding }
    }

    /// `[1, P + rows · columns, D]`, zero for the prefix.
    private static func behindPrefix(_ patches: Tensor, _ prefixTokens: Int) -> Tensor {
        prefixTokens == 0 ? patches : patches.padded(before: [0, prefixTokens, 0], after: [0, 0, 0])
    }

    private static func factorized(_ rows: Int, _ columns: Int, _ prefixTokens: Int, _ width: Int, _ scope: Scope) -> Tensor {
        let parts = [("rows", rows), ("columns", columns)].map {
            scope.parameter("pos_embed_\($0.0)", [$0.1, width], Initialization.transformer, role: .positionEmbedding)
        }
        guard parts.allSatisfy(\.isValid) else { return parts[0] }
        return scope["pos_embed"].record {
            let sum = parts[0].reshaped([rows, 1, width]).broadcast(to: [rows, columns, width]) + parts[1].reshaped([1, columns, width])
            return behindPrefix(sum.reshaped([1, rows * columns, width]), prefixTokens)
        }
    }

    private static func coordinates(_ rows: Int, _ columns: Int, _ prefixTokens: Int, _ width: Int, _ scope: Scope) -> Tensor {
        let first = Linear(2, width, initialization: .transformer, in: scope["pos_embed"]["fc1"])
        let second = Linear(width, width, initialization: .transformer, in: scope["pos_embed"]["fc2"])
        func centre(_ place: Int, of count: Int) -> Float { Float(2 * place + 1) / Float(count) - 1 }
        let values = (0..<rows).flatMap { row in (0..<columns).flatMap { [centre($0, of: columns), centre(row, of: rows)] } }
        let places = scope.record { scope.graph.constant(HostTensor([1, rows * columns, 2], values)) }
        let hidden = first(places)
        let vectors = second(scope.record { hidden.activated(.gelu) })
        return scope["pos_embed"].record { behindPrefix(vectors, prefixTokens) }
    }

    /// The 2-D sine-cosine embedding of MAE, `[rows · columns, width]`, row by row.
    ///
    ///     ω_i = 10000^(−i / (D/4)),  i = 0 … D/4 − 1
    ///     [sin x·ω, cos x·ω, sin y·ω, cos y·ω]
    ///
    /// with x the column and y the row; timm's order is sin y·ω, sin x·ω, cos y·ω, cos x·ω.
    static func sinCosMAE(rows: Int, columns: Int, width: Int) -> [Float] {
        let quarter = width / 4
        return waves(rows, columns, (0..<quarter).map { pow(10_000, -Double($0) / Double(quarter)) })
    }

    /// The 2-D sine-cosine embedding of big_vision, `[rows · columns, width]`, row by row.
    ///
    ///     ω_i = 10000^(−i / (D/4 − 1)),  i = 0 … D/4 − 1
    ///     [sin x·ω, cos x·ω, sin y·ω, cos y·ω]
    ///
    /// with x the column and y the row.
    static func sinCos2D(rows: Int, columns: Int, width: Int) -> [Float] {
        let quarter = width / 4
        return waves(rows, columns, (0..<quarter).map { pow(10_000, -Double($0) / Double(quarter - 1)) })
    }

    private static func waves(_ rows: Int, _ columns: Int, _ frequencies: [Double]) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(rows * columns * 4 * frequencies.count)
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
