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
        groups: Int = 1, hasBias: Bool = true, initialization: some Initializer, in scope: Scope
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

/// A transposed convolution's start as bilinear interpolation of each channel by itself:
///
///     W[c, c, u, v] = (1 − |u − m| / f) · (1 − |v − m| / f),   kernel 2f − f mod 2, m its middle; 0 between different channels
///
/// With the stride f and the padding ⌈(f − 1) / 2⌉ it enlarges maps f times, away from their borders as `resized(to:_:)` does.
///
/// Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 3.3.
public struct BilinearInitializer: Initializer {
    /// For a weight `[in, out, kernel height, kernel width]`.
    public init() {}

    public func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        let (outputs, height, width) = (shape[1], shape[2], shape[3])
        func share(_ place: Int, of kernel: Int) -> Float {
            let factor = Float((kernel + 1) / 2), middle = Float(kernel - 1) / 2
            return 1 - abs(Float(place) - middle) / factor
        }
        values.update(repeating: 0)
        for channel in 0..<min(shape[0], outputs) {
            for row in 0..<height {
                for column in 0..<width {
                    values[((channel * outputs + channel) * height + row) * width + column] = share(row, of: height) * share(column, of: width)
                }
            }
        }
    }
}
