import TensorCore

/// The two-layer perceptron of a transformer block, applied to each token.
///
///     y = GELU(x · W₁ + b₁) · W₂ + b₂
///     y = (SiLU(a) ∘ b) · W₂ + b₂,   [a, b] = x · W₁ + b₁          gated (SwiGLU)
///
/// Shapes: x and y `[B, N, D]`, `fc1.weight [hidden, D]`, `fc2.weight [D, hidden]`, gated `[D, hidden / 2]`. Dropout follows both layers.
///
/// Shazeer, "GLU Variants Improve Transformer", 2020 (arXiv:2002.05202), the names and halves as in timm.
public struct MLPBlock {
    /// What is between the layers.
    public enum Kind: String, CaseIterable, Sendable {
        /// The activation of Vaswani's perceptron in vision transformers.
        case gelu
        /// One half of the hidden values, activated, gates the other; the hidden width is even.
        case swiglu
    }

    private let first: Linear
    private let second: Linear
    private let firstDropout: Dropout
    private let secondDropout: Dropout
    private let kind: Kind
    private let hidden: Int
    private let scope: Scope

    /// Declares the parameters in `scope`; `hidden` is the width of the inner layer.
    public init(
        width: Int, hidden: Int, kind: Kind = .gelu, dropout: Double = 0, initialization: Initialization = .transformer, in scope: Scope
    ) {
        (self.kind, self.hidden, self.scope) = (kind, hidden, scope)
        first = Linear(width, hidden, initialization: initialization, in: scope["fc1"])
        second = Linear(kind == .swiglu ? hidden / 2 : hidden, width, initialization: initialization, in: scope["fc2"])
        firstDropout = Dropout(rate: dropout, in: scope["drop1"])
        secondDropout = Dropout(rate: dropout, in: scope["drop2"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let hidden = first(x)
        let activated = scope.record { between(hidden) }
        return secondDropout(second(firstDropout(activated)))
    }

    private func between(_ values: Tensor) -> Tensor {
        guard kind == .swiglu else { return values.activated(.gelu) }
        guard values.isValid else { return values }
        let half = hidden / 2
        return values.sliced(axis: 2, 0..<half).silu() * values.sliced(axis: 2, half..<2 * half)
    }
}
