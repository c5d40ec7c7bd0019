import CKernels

/// A convolution by Winograd's algorithm (`CKernels/winograd.h`): with 3×3 weights, stride 1 and channels in multiples of 32, in float32.
///
/// It takes a third to a half of a direct convolution's time where tiles of 4×4 pixels cover the output with little waste, a shard has enough of them
/// to be worth the reading of its weights, which are four times as large, and all shards enough to be worth the making of those. The bounds
/// were measured on Zen 4 with AVX-512, images of 3×3 to 224×224 pixels and 32 to 1,024 channels.
struct WinogradConvolution {
    private(set) var layout: kernel_winograd
    /// Whether this is the gradient of a convolution with respect to its images.
    private var isGradient = false

    /// nil where a direct convolution is faster, or the only one.
    init?(_ shapes: ConvolutionShapes, _ context: LoweringContext) {
        let window = shapes.convolution.window, source = shapes.source, destination = shapes.destination
        guard context.inputTypes[0].dtype == .float32, shapes.convolution.groups == 1, window.size == [3, 3], window.stride == [1, 1],
            window.dilation == [1, 1], window.before.allSatisfy({ 0...2 ~= $0 }), source[3] % KERNEL_WINOGRAD_PANEL == 0,
            destination[3] % KERNEL_WINOGRAD_PANEL == 0
        else { return nil }
        func tiles(_ length: Int) -> Int { (length + KERNEL_WINOGRAD_TILE - 1) / KERNEL_WINOGRAD_TILE }
        let imageTiles = tiles(destination[1]) * tiles(destination[2]), shardTiles = destination[0] * imageTiles
        guard destination[1] * destination[2] >= 10 * imageTiles, shardTiles >= 8, shardTiles * context.shardCount >= 32 else { return nil }
        layout = kernel_winograd(
            batch: Int64(source[0]), height: Int64(source[1]), width: Int64(source[2]), inputs: Int64(source[3]), out_height: Int64(destination[1]),
            out_width: Int64(destination[2]), outputs: Int64(destination[3]), top: Int64(window.before[0]), left: Int64(window.before[1]))
    }

    /// The gradient with respect to the images, which is a convolution of the output's gradient with the weights turned by 180°, from outputs to inputs.
    var gradient: WinogradConvolution {
        var result = self
        result.layout = kernel_winograd(
            batch: layout.batch, height: layout.out_height, width: layout.out_width, inputs: layout.outputs, out_height: layout.height,
            out_width: layout.width, outputs: layout.inputs, top: 2 - layout.top, left: 2 - layout.left)
        result.isGradient = true
        return result
    }

    /// Those of the direct convolution, which all passes have.
    private var multiplyAdds: Int {
        let images = isGradient ? layout.height * layout.width : layout.out_height * layout.out_width
        return 9 * Int(layout.batch * images * layout.inputs * layout.outputs)
    }

    /// Emits the output from the images, input 0, and the weights, input 1.
    func emit(_ context: LoweringContext, bias: BufferID?) {
        let layout = layout, x = context.input(0), weights = weights(context), y = context.output(0)
        let memory = context.temporary(Int(kernel_winograd_memory(layout)) * 4)
        context.emit(reads: [x, weights] + (bias.map { [$0] } ?? []), writes: [y, memory], multiplyAdds: multiplyAdds) { c in
            kernel_winograd_convolution(layout, c.floats(x), c.floats(weights), bias.map { c.floats($0) }, c.floats(y), c.floats(memory))
        }
    }

    /// The weights, input 1, in the form that the products want, made once a step for all shards.
    private func weights(_ context: LoweringContext) -> BufferID {
        let layout = layout, rotates = isGradient, w = context.input(1)
        // Weights lie in memory as outputs of the convolution, its inputs, 3, 3.
        let (outputStride, inputStride) = isGradient ? (9, layout.outputs * 9) : (layout.inputs * 9, 9)
        let count = KERNEL_WINOGRAD_POINTS * Int(layout.inputs * layout.outputs)
        return context.input(1, as: .winograd(isForGradient: isGradient), byteCount: count * 4) { u in
            Kernel(name: "weight transform", reads: [w], writes: [u], overwrites: nil) { c in
                kernel_winograd_weights(c.floats(w), c.floats(u), layout.outputs, layout.inputs, outputStride, inputStride, rotates ? 1 : 0)
            }
        }
    }

    /// Emits the gradient with respect to the weights, output 0, and to the bias, output 1, from the images and the output's gradient.
    func emitWeightGradient(_ context: LoweringContext, _ weight: Shape, computesBias: Bool) {
        let layout = layout, x = context.input(0), dy = context.input(1), panel = KERNEL_WINOGRAD_PANEL, inputs = weight[1]
        let lengths = [weight[0] / panel, panel, inputs, 3, 3], strides = [inputs * 9 * panel, 1, 9 * panel, 3 * panel, panel]
        let dw = context.output(0, in: PhysicalLayout(lengths: lengths, strides: strides, dtype: .float32), lengths: lengths)
        let dbias = computesBias ? context.output(1) : nil
        let memory = context.temporary(Int(kernel_winograd_gradient_memory(layout)) * 4)
        context.emit(reads: [x, dy], writes: [dw] + (dbias.map { [$0] } ?? []) + [memory], multiplyAdds: multiplyAdds) { c in
            kernel_winograd_gradient(layout, c.floats(x), c.floats(dy), c.floats(dw), dbias.map { c.floats($0) }, c.floats(memory))
        }
    }
}
