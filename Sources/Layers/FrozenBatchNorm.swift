import TensorCore

/// A batch norm whose scale, offset and statistics are state that no training changes, as detectors keep those of their pretrained backbones.
///
///     y = f((x − μ) / √(σ² + ε) · scale + offset [+ residual])
///
/// Shapes: x, the residual and y `[…, C]`. It has no parameters; `weight`, `bias`, `running_mean`, `running_var` `[C]` are buffers, which start at
/// 1, 0, 0 and 1, and come from a file of weights with the names of `BatchNorm`.
public struct FrozenBatchNorm: Layer {
    private let scale: Tensor
    private let offset: Tensor
    private let mean: Tensor
    private let variance: Tensor
    private let epsilon: Float
    private let activation: Activation
    private let scope: Scope

    /// Declares the buffers in `scope`.
    public init(_ channels: Int, activation: Activation = .identity, epsilon: Float = 1e-5, in scope: Scope) {
        (self.activation, self.epsilon, self.scope) = (activation, epsilon, scope)
        scale = scope.buffer("weight", [channels], initialValue: 1)
        offset = scope.buffer("bias", [channels], initialValue: 0)
        mean = scope.buffer("running_mean", [channels], initialValue: 0)
        variance = scope.buffer("running_var", [channels], initialValue: 1)
    }

    /// Records one call without a residual: `[…, C]` → `[…, C]`.
    public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, residual: nil) }

    /// Records one call, under the layer's path: x and the residual `[…, C]` → `[…, C]`.
    public func callAsFunction(_ x: Tensor, residual: Tensor?) -> Tensor {
        scope.record {
            let factor = scale / (variance + epsilon).sqrt(), y = x * factor + (offset - mean * factor)
            return (residual.map { y + $0 } ?? y).activated(activation)
        }
    }
}
