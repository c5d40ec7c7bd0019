import TensorCore

/// A two-dimensional convolution (cross-correlation, as in all deep-learning libraries).
///
///     y[b, i, j, o] = Σ_{u, v, c} x[b, s·i + d·u − p, s·j + d·v − p, c] · W[o, c, u, v] + bias[o]
///
/// Shapes: x `[B, H, W, in]`, `weight [out, in / groups, kernel height, kernel width]`, `bias [out]`, y `[B, H', W', out]`; s is the
/// stride, d the dilation, p the padding. The bias starts at zero unless `initialBias` says otherwise.
public struct Convolution2D {
    /// `[out, in / groups, kernel height, kernel width]`.
    public let weight: Tensor
    /// `[out]`, or nil.
    public let bias: Tensor?
    private let stride: Size2D
    private let padding: Padding2D
    private let dilation: Size2D
    private let groups: Int
    private let border: Border
    private let scope: Scope

    /// Declares the parameters in `scope`. The groups must divide inputs and outputs.
    public init(
        _ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Size2D = 1, padding: Padding2D = .valid, dilation: Size2D = 1,
        groups: Int = 1, border: Border = .zero, hasBias: Bool = true, initialBias: Double = 0, initialization: Initialization, in scope: Scope
    ) {
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.border = border
        self.scope = scope
        precondition(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "the groups must divide inputs and outputs")
        weight = scope.parameter("weight", [outputs, inputs / groups, kernel.height, kernel.width], initialization)
        bias = hasBias ? scope.parameter("bias", [outputs], Initialization.constant(value: initialBias), role: .bias) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record {
            x.convolution2D(
                weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups, border: border)
        }
    }
}
