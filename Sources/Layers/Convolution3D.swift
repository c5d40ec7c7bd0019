import TensorCore

/// A three-dimensional convolution (cross-correlation), of volumes or of frames in their order.
///
///     y[b, t, i, j, o] = Σ_{w, u, v, c} x[b, s·t + d·w − p, s·i + d·u − p, s·j + d·v − p, c] · W[o, c, w, u, v] + bias[o]
///
/// Shapes: x `[B, D, H, W, in]`, `weight [out, in / groups, kernel depth, kernel height, kernel width]`, `bias [out]`, y `[B, D', H', W', out]`; s is the
/// stride, d the dilation, p the padding. The bias starts at zero.
public struct Convolution3D: Layer {
    private let weight: Tensor
    private let bias: Tensor?
    private let stride: Size3D
    private let padding: Padding3D
    private let dilation: Size3D
    private let groups: Int
    private let scope: Scope

    /// Declares the parameters in `scope`. The groups must divide inputs and outputs.
    public init(
        _ inputs: Int, _ outputs: Int, kernel: Size3D, stride: Size3D = 1, padding: Padding3D = .valid, dilation: Size3D = 1, groups: Int = 1,
        hasBias: Bool = true, initialization: Initialization, in scope: Scope
    ) {
        (self.stride, self.padding, self.dilation, self.groups, self.scope) = (stride, padding, dilation, groups, scope)
        precondition(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "the groups must divide inputs and outputs")
        weight = scope.parameter("weight", [outputs, inputs / groups, kernel.depth, kernel.height, kernel.width], initialization)
        bias = hasBias ? scope.parameter("bias", [outputs], Initialization.zeros, role: .bias) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record { x.convolution3D(weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups) }
    }
}

/// The maximum or the mean of each window of a volume, `[B, D, H, W, C]` → `[B, D', H', W', C]`; everything else as `Pooling` has it.
public struct Pooling3D: Layer {
    private let kind: Pooling.Kind
    private let window: Size3D
    private let stride: Size3D
    private let padding: Padding3D
    private let countsPadding: Bool
    private let scope: Scope

    /// A layer without parameters; `scope` is the path of its ops.
    public init(
        _ kind: Pooling.Kind, window: Size3D, stride: Size3D? = nil, padding: Padding3D = .valid, countsPadding: Bool = true, in scope: Scope
    ) {
        (self.kind, self.window, self.stride, self.padding) = (kind, window, stride ?? window, padding)
        (self.countsPadding, self.scope) = (countsPadding, scope)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record {
            switch kind {
            case .maximum: x.maxPool3D(window: window, stride: stride, padding: padding)
            case .average: x.averagePool3D(window: window, stride: stride, padding: padding, countsPadding: countsPadding)
            }
        }
    }
}
