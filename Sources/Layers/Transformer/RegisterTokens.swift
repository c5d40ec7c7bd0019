import TensorCore

/// Learned tokens between the class token and the patches, which blocks can write to and nobody reads.
///
/// Shapes: `reg_token [1, n, D]`, result `[B, n, D]`. They start normal with σ = 10⁻⁶, as in timm.
///
/// Darcet, Oquab, Mairal and Bojanowski, "Vision Transformers Need Registers", ICLR 2024.
public struct RegisterTokens {
    private let tokens: Tensor
    private let scope: Scope

    /// Declares `reg_token` in `scope` itself.
    public init(count: Int, width: Int, in scope: Scope) {
        self.scope = scope
        tokens = scope.parameter("reg_token", [1, count, width], Initialization.normal(deviation: 1e-6), role: .token)
    }

    /// Records one call: the tokens for `batch` samples.
    public func callAsFunction(batch: Int) -> Tensor {
        scope.record { tokens.broadcast(to: [batch, tokens.shape[1], tokens.shape[2]]) }
    }
}
