import TensorCore

/// Normalization of each channel over the batch, with an optional residual and an activation; the residual's addition and ReLU are in the
/// same pass.
///
///     y = f((x − μ) / √(σ² + ε) · scale + offset [+ residual])
///
/// Training takes μ and σ² over the whole batch (all shards) and all positions, and moves the running statistics by `momentum`
/// toward them (the variance unbiased, as in PyTorch); evaluation takes the running statistics.
///
/// Shapes: x, the residual and y `[…, C]`; `weight`, `bias`, `running_mean`, `running_var` `[C]`. The scale starts at `initialScale`, the offset
/// and the running mean at 0, the running variance at 1.
///
/// Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", ICML 2015.
public struct BatchNorm {
    private let scale: Tensor
    private let offset: Tensor
    private let runningMean: Tensor
    private let runningVariance: Tensor
    private let momentum: Float
    private let epsilon: Float
    private let activation: Activation
    private let scope: Scope

    /// Declares the parameters and the running statistics in `scope`.
    public init(
        _ channels: Int, activation: Activation = .identity, initialScale: Double = 1, momentum: Float = 0.1, epsilon: Float = 1e-5,
        in scope: Scope
    ) {
        self.momentum = momentum
        self.epsilon = epsilon
        self.activation = activation
        self.scope = scope
        scale = scope.parameter("weight", [channels], Initialization.constant(value: initialScale), role: .normalization)
        offset = scope.parameter("bias", [channels], Initialization.zeros, role: .normalization)
        runningMean = scope.buffer("running_mean", [channels], initialValue: 0)
        runningVariance = scope.buffer("running_var", [channels], initialValue: 1)
    }

    /// Records one call, under the layer's path: x and the residual `[…, C]` → `[…, C]`.
    public func callAsFunction(_ x: Tensor, residual: Tensor? = nil) -> Tensor {
        scope.record {
            let y = x.batchNorm(
                scale: scale, offset: offset, runningMean: runningMean, runningVariance: runningVariance, momentum: momentum,
                epsilon: epsilon, residual: residual, relu: activation == .relu)
            return activation == .relu ? y : y.activated(activation)
        }
    }
}
