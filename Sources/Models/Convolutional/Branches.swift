import Layers
import TensorCore

/// Rows of layers side by side, whose channels are put one after another; an empty row gives its input.
///
///     y = [branch₁(x), branch₂(x), …]
///
/// Shapes: x `[B, H, W, C]` → `[B, H', W', Σ C_i]`; all branches have one resolution.
struct Branches: Layer {
    private let branches: [[any Layer]]
    private let scope: Scope

    /// `scope` is the path of the concatenation.
    init(_ branches: [[any Layer]], in scope: Scope) {
        (self.branches, self.scope) = (branches, scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let parts = branches.map { $0.reduce(x) { $1($0) } }
        return scope.record { Tensor.concatenated(parts, axis: 3) }
    }
}
