import TensorCore

/// What normalizes tokens, as a definition names it.
public enum TokenNormKind: String, CaseIterable, Sendable {
    /// Mean 0 and variance 1, with a scale and an offset (`LayerNorm`).
    case layer
    /// Mean square 1, with a scale (Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019).
    case rms
}

/// Normalization of each token over its last axis, of either kind.
///
/// Shapes: x and y `[…, D]`; `weight [D]`, of layer norm also `bias [D]`.
public struct TokenNorm {
    private enum Norm {
        case layer(LayerNorm)
        case rms(scale: Tensor)
    }

    private let norm: Norm
    private let epsilon: Float
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(_ kind: TokenNormKind, _ width: Int, epsilon: Float, in scope: Scope) {
        (self.epsilon, self.scope) = (epsilon, scope)
        norm =
            switch kind {
            case .layer: .layer(LayerNorm(width, epsilon: epsilon, in: scope))
            case .rms: .rms(scale: scope.parameter("weight", [width], Initialization.constant(value: 1), role: .normalization))
            }
    }

    /// Records one call: `[…, D]` → `[…, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch norm {
        case .layer(let norm): norm(x)
        case .rms(let scale): scope.record { x.rootMeanSquareNorm(scale: scale, epsilon: epsilon) }
        }
    }
}
