import TensorCore

/// A learned token in front of a sequence, whose final state stands for the whole image.
///
/// Shapes: x `[B, N, D]`, `cls_token [1, 1, D]`, result `[B, 1 + N, D]`. It starts normal with σ = 10⁻⁶, as in timm.
public struct ClassToken {
    private let token: Tensor
    private let scope: Scope

    /// Declares `cls_token` in `scope` itself.
    public init(width: Int, in scope: Scope) { self.init("cls_token", .normal(deviation: 1e-6), width: width, in: scope) }

    /// A token of another name and start, such as DeiT's for distillation.
    public init(_ name: String, _ initialization: Initialization, width: Int, in scope: Scope) {
        self.scope = scope
        token = scope.parameter(name, [1, 1, width], initialization, role: .token)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record {
            Tensor.concatenated([token.broadcast(to: [x.shape[0], 1, token.shape[-1]]), x], axis: 1)
        }
    }
}
