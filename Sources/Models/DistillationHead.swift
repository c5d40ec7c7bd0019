import Layers
import TensorCore

/// The mean of two heads, the first on the class token and the second on the distillation token, which stand side by side in one vector.
///
/// Shapes: x `[B, 2 · D]` → `[B, classes]`. Parameters as in timm: `head`, `head_dist`.
///
/// Touvron et al., "Training Data-Efficient Image Transformers", ICML 2021, section 4.
struct DistillationHead: Layer {
    private let first, second: Linear
    private let scope: Scope

    /// A linear head in the model's `scope`, or two.
    static func make(inputs: Int, outputs: Int, isDistilled: Bool, initialization: Initialization, in scope: Scope) -> any Layer {
        func head(_ name: String, _ inputs: Int) -> Linear { Linear(inputs, outputs, initialization: initialization, in: scope[name]) }
        guard isDistilled else { return head("head", inputs) }
        return DistillationHead(first: head("head", inputs / 2), second: head("head_dist", inputs / 2), scope: scope)
    }

    /// The first two tokens of `[B, N, D]` in one vector, `[B, 2 · D]`.
    static func input(_ tokens: Tensor, in scope: Scope) -> Tensor {
        guard tokens.isValid else { return tokens }
        return scope.record { tokens.sliced(axis: 1, 0..<2).reshaped([tokens.shape[0], 2 * tokens.shape[2]]) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let half = x.shape[1] / 2, parts = scope.record { (x.sliced(axis: 1, 0..<half), x.sliced(axis: 1, half..<2 * half)) }
        let logits = (first(parts.0), second(parts.1))
        return scope.record { (logits.0 + logits.1) / 2 }
    }
}
