import TensorCore

/// The two-layer perceptron of a transformer block, applied to each token.
///
///     y = GELU(x · W₁ + b₁) · W₂ + b₂
///
/// Shapes: x and y `[B, N, D]`, `fc1.weight [hidden, D]`, `fc2.weight [D, hidden]`. Dropout follows both layers.
public struct MLPBlock {
    private let first: Linear
    private let second: Linear
    private let firstDropout: Dropout
    private let secondDropout: Dropout
    private let scope: Scope

    /// Declares the parameters in `scope`; `hidden` is the width of the inner layer.
    public init(width: Int, hidden: Int, dropout: Double = 0, initialization: Initialization = .transformer, in scope: Scope) {
        self.scope = scope
        first = Linear(width, hidden, initialization: initialization, in: scope["fc1"])
        second = Linear(hidden, width, initialization: initialization, in: scope["fc2"])
        firstDropout = Dropout(rate: dropout, in: scope["drop1"])
        secondDropout = Dropout(rate: dropout, in: scope["drop2"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let hidden = first(x)
        let activated = scope.record { hidden.activated(.gelu) }
        return secondDropout(second(firstDropout(activated)))
    }
}
