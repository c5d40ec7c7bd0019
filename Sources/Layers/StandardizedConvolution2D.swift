import TensorCore

/// A convolution whose weights are brought to mean 0 and variance 1 for each output before they are used, so that its outputs keep their size without batch
/// statistics.
///
///     W' = (W − μ) / √(σ² + ε),   μ and σ² over the inputs and the window of an output
///
/// Shapes as in `Convolution2D`, without a bias; the padding is TensorFlow's SAME.
///
/// Qiao, Wang, Liu, Shen and Yuille, "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019 (arXiv:1903.10520).
public struct StandardizedConvolution2D: Layer {
    private let weight: Tensor
    private let stride: Size2D
    private let epsilon: Float
    private let scope: Scope

    /// Declares `weight` in `scope`.
    public init(_ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Size2D = 1, epsilon: Float = 1e-8, initialization: Initialization, in scope: Scope) {
        (self.stride, self.epsilon, self.scope) = (stride, epsilon, scope)
        weight = scope.parameter("weight", [outputs, inputs, kernel.height, kernel.width], initialization)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid, weight.isValid else { return x }
        return scope.record {
            let rows = weight.reshaped([weight.shape[0], weight.shape.dropFirst().reduce(1, *)])
            let standardized = rows.layerNorm(epsilon: epsilon)
            return x.convolution2D(weight: standardized.reshaped(weight.shape), bias: nil, stride: stride, padding: .same)
        }
    }
}
