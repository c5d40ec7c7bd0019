import TensorCore

/// Squeeze and excitation: scales each channel by a factor between 0 and 1 that all channels' means decide.
///
///     y = x · σ(W₂ f(W₁ mean(x) + b₁) + b₂),   the mean over all positions, f ReLU unless `activation` says otherwise
///
/// Shapes: x and y `[B, H, W, C]`; W₁ `fc1.weight [inner, C, 1, 1]`, `fc1.bias [inner]`, W₂ `fc2.weight [C, inner, 1, 1]`, `fc2.bias [C]`, as timm
/// has them.
///
/// Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
public struct SqueezeExcitation: Layer {
    private let squeeze: Convolution2D
    private let excite: Convolution2D
    private let activation: Activation
    private let scope: Scope

    /// Declares the parameters in `scope`.
    public init(_ channels: Int, inner: Int, activation: Activation = .relu, initialization: Initialization = .residual, in scope: Scope) {
        squeeze = Convolution2D(channels, inner, kernel: 1, initialization: initialization, in: scope["fc1"])
        excite = Convolution2D(inner, channels, kernel: 1, initialization: initialization, in: scope["fc2"])
        self.activation = activation
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let mean = scope.record { x.mean(axes: [1, 2], keepsAxes: true) }
        let squeezed = squeeze(mean)
        let factors = excite(scope["act"].record { squeezed.activated(activation) })
        return scope.record { x * factors.sigmoid() }
    }
}
