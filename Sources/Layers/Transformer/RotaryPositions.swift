import Foundation
import TensorCore

/// Positions by rotation: pairs of a query's and a key's channels are turned by angles that grow with row and column, so that their product depends on
/// the distance between two tokens alone.
///
///     ω_i = 10000^(−i / (d/4)),   i = 0 … d/4 − 1
///     the first d/2 channels turn by row · ω, the others by column · ω, two neighbours by each angle
///
/// Prefix tokens stay. Shapes: x and y `[B, P + N, H, d]`; d is a multiple of 4. No parameters.
///
/// Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021 (arXiv:2104.09864), in two dimensions as in Fang et al., "EVA-02",
/// 2023 (arXiv:2303.11331).
public struct RotaryPositions {
    private var cosines: Tensor
    private var sines: Tensor
    /// Takes (a, b) of each pair to (−b, a).
    private let turn: Tensor
    private let scope: Scope

    /// Records the angles' constants under `scope`.
    public init(rows: Int, columns: Int, prefixTokens: Int, headWidth: Int, in scope: Scope) {
        self.scope = scope
        let quarter = headWidth / 4
        let frequencies = (0..<quarter).map { pow(10_000, -Double($0) / Double(quarter)) }
        var cosines = [Float](repeating: 1, count: prefixTokens * headWidth), sines = [Float](repeating: 0, count: prefixTokens * headWidth)
        for row in 0..<rows {
            for column in 0..<columns {
                for angle in [row, column].flatMap({ place in frequencies.map { Double(place) * $0 } }) {
                    cosines += [Float](repeating: Float(cos(angle)), count: 2)
                    sines += [Float](repeating: Float(sin(angle)), count: 2)
                }
            }
        }
        var turn = [Float](repeating: 0, count: headWidth * headWidth)
        for pair in stride(from: 0, to: headWidth - 1, by: 2) {
            turn[(pair + 1) * headWidth + pair] = -1
            turn[pair * headWidth + pair + 1] = 1
        }
        let tokens = prefixTokens + rows * columns
        func constant(_ shape: Shape, _ values: [Float]) -> Tensor { scope.record { scope.graph.constant(HostTensor(shape, values)) } }
        self.cosines = constant([1, tokens, 1, headWidth], cosines)
        self.sines = constant([1, tokens, 1, headWidth], sines)
        self.turn = constant([headWidth, headWidth], turn)
    }

    /// The angles of the tokens that stay, `K` of each sample: for `[B, K, H, d]`.
    public func taken(of kept: TokenSubset) -> RotaryPositions {
        func taken(_ x: Tensor) -> Tensor {
            guard x.isValid, kept.places.isValid else { return x }
            return scope.record {
                x.reshaped([x.shape[1], x.shape[3]]).gathered(kept.places).reshaped([kept.places.shape[0], kept.places.shape[1], 1, x.shape[3]])
            }
        }
        var result = self
        (result.cosines, result.sines) = (taken(cosines), taken(sines))
        return result
    }

    /// Records one call: `[B, P + N, H, d]` → `[B, P + N, H, d]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        return scope.record {
            let wide = x.cast(to: .float32), turned = wide.matmul(turn, dtype: .float32)
            return (wide * cosines + turned * sines).cast(to: x.dtype)
        }
    }
}
