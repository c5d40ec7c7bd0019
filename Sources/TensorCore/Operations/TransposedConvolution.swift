/// The transpose of a two-dimensional convolution, as decoders use it to enlarge images: each pixel of x `[B, h, w, I]` adds the kernel, weighted by
/// its values, to y `[B, H, W, O]`, at `stride` pixels from its neighbour. Weights are `[I, O/g, kh, kw]`: those of the convolution from y's shape to
/// x's, whose gradient with respect to its images this is, and as that it is computed.
///
/// Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016 (arXiv:1603.07285), chapter 4.
struct TransposedConvolution: Operation {
    /// From y to x.
    let convolution: Convolution
    /// The height and width of y.
    let size: Size2D
    var name: String { "transposed convolution" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (x, weight) = (inputs[0].shape, inputs[1].shape)
        guard inputs[0].dtype.isActivation, inputs[1].dtype == .float32 else {
            throw ShapeError("of \(inputs[0]) with \(inputs[1]): expected float32 or bfloat16 with parameters in float32")
        }
        guard x.rank == 4, weight.rank == 4 else {
            throw ShapeError("of \(x) with weights \(weight): expected images [batch, height, width, channels] and weights [in, out, height, width]")
        }
        let groups = convolution.groups
        guard groups > 0, x[3] == weight[0], x[3] % groups == 0 else {
            throw ShapeError("of \(x) with weights \(weight) in \(groups) groups: the channels do not fit")
        }
        guard size.height > 0, size.width > 0, try convolution.window.output([1, size.height, size.width, 1]) == [x[1], x[2]] else {
            throw ShapeError("of \(x) with weights \(weight): no output fits this padding")
        }
        return [TensorType([x[0], size.height, size.width, weight[1] * groups], inputs[0].dtype)]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        inputs[0].shape.elementCount * inputs[1].shape.dropFirst().reduce(1, *)
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return [nil, nil] }
        let (x, weight) = (node.inputs[0], node.inputs[1])
        return [
            node.needsGradient[0] ? dy.graph.record(one: convolution, dy, weight) : nil,
            node.needsGradient[1]
                ? dy.graph.record(one: ConvolutionBackwardWeights(convolution: convolution, weight: weight.shape, computesBias: false), dy, x) : nil,
        ]
    }

    func lower(_ context: LoweringContext) throws {
        try ConvolutionBackwardData(convolution: convolution, source: context.outputTypes[0].shape).lower(context)
    }
}

extension Tensor {
    /// A transposed convolution of `[B, h, w, in]` with weights `[in, out / groups, kh, kw]` and an optional bias `[out]`, in the graph's precision.
    ///
    ///     H = (h − 1) · stride − 2 · padding + dilation · (kh − 1) + outputPadding + 1
    ///
    /// - Parameters:
    ///   - padding: what the convolution that is transposed adds around its images; so much less is put out at each side.
    ///   - outputPadding: rows and columns more below and to the right, fewer than the stride: several sizes have the same convolution.
    public func transposedConvolution2D(
        weight: Tensor, bias: Tensor? = nil, stride: Size2D = 1, padding: Size2D = 0, outputPadding: Size2D = 0, dilation: Size2D = 1, groups: Int = 1
    ) -> Tensor {
        var kernel: Size2D = 1, size = Size2D(0, 0)
        if isValid, weight.isValid, rank == 4, weight.rank == 4 {
            kernel = Size2D(weight.shape[2], weight.shape[3])
            func length(_ input: Int, _ stride: Int, _ padding: Int, _ dilation: Int, _ kernel: Int, _ more: Int) -> Int {
                (input - 1) * stride - 2 * padding + dilation * (kernel - 1) + more + 1
            }
            size = Size2D(
                length(shape[1], stride.height, padding.height, dilation.height, kernel.height, outputPadding.height),
                length(shape[2], stride.width, padding.width, dilation.width, kernel.width, outputPadding.width))
        }
        let window = Window(size: kernel, stride: stride, dilation: dilation, before: padding, after: padding)
        let operation = TransposedConvolution(convolution: Convolution(window: window, groups: groups, hasBias: false), size: size)
        let y = graph.record(one: operation, inGraphPrecision(), weight)
        guard let bias else { return y }
        return y + bias.cast(to: y.dtype)
    }
}
