import TensorCore

/// A transposed convolution, which enlarges feature maps in decoders: each pixel adds the kernel, weighted by its values, `stride` pixels from its
/// neighbour's.
///
/// Shapes: x `[B, h, w, in]`, `weight [in, out / groups, kernel height, kernel width]`, `bias [out]`, y `[B, H, W, out]` with
///
///     H = (h − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1
///
/// Names, shapes and sizes are those of PyTorch's `ConvTranspose2d`. The bias starts at zero.
///
/// Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional Networks", CVPR 2010.
public struct TransposedConvolution2D: Layer {
    private let weight: Tensor
    private let bias: Tensor?
    private let stride: Size2D
    private let padding: Size2D
    private let outputPadding: Size2D
    private let dilation: Size2D
    private let groups: Int
    private let scope: Scope

    /// Declares the parameters in `scope`. The groups must divide inputs and outputs.
    public init(
        _ inputs: Int, _ outputs: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0, outputPadding: Size2D = 0, dilation: Size2D = 1,
        groups: Int = 1, hasBias: Bool = true, initialization: Initialization, in scope: Scope
    ) {
        (self.stride, self.padding, self.outputPadding, self.dilation) = (stride, padding, outputPadding, dilation)
        self.groups = groups
        self.scope = scope
        precondition(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "the groups must divide inputs and outputs")
        weight = scope.parameter("weight", [inputs, outputs / groups, kernel.height, kernel.width], initialization)
        bias = hasBias ? scope.parameter("bias", [outputs], Initialization.zeros, role: .bias) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        scope.record {
            x.transposedConvolution2D(
                weight: weight, bias: bias, stride: stride, padding: padding, outputPadding: outputPadding, dilation: dilation, groups: groups)
        }
    }
}
