import COneDNN

/// A height and a width; an integer literal is both.
public struct Size2D: Sendable, Hashable, Codable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    /// In pixels, cells, or whatever is counted along the two axes.
    public var height, width: Int

    /// The height comes first.
    public init(_ height: Int, _ width: Int) {
        self.height = height
        self.width = width
    }

    /// As much in height as in width.
    public init(integerLiteral value: Int) { self.init(value, value) }
    /// As messages write it: `3×3`.
    public var description: String { "\(height)×\(width)" }
}

/// What is added around an image before a window moves over it.
public enum Padding2D: Sendable, Hashable {
    case valid
    /// The output has ⌈input / stride⌉ positions; an odd remainder goes to the bottom and the right (TensorFlow's SAME).
    case same
    case explicit(top: Int, bottom: Int, left: Int, right: Int)

    /// As much before as after, and after that what the last window needs that still begins inside: the output is rounded up and not down
    /// (PyTorch's `ceil_mode`).
    case roundingUp(Size2D)

    /// As much before as after, by axis.
    public static func symmetric(_ size: Size2D) -> Padding2D {
        .explicit(top: size.height, bottom: size.height, left: size.width, right: size.width)
    }

    /// Lengths before and after both axes.
    func resolved(input: Size2D, window: Size2D, stride: Size2D, dilation: Size2D) -> (before: Size2D, after: Size2D) {
        switch self {
        case .valid: return (0, 0)
        case .explicit(let top, let bottom, let left, let right): return (Size2D(top, left), Size2D(bottom, right))
        case .roundingUp(let size):
            func after(_ input: Int, _ padding: Int, _ window: Int, _ stride: Int, _ dilation: Int) -> Int {
                let extent = (window - 1) * dilation + 1
                var count = (max(0, input + 2 * padding - extent) + stride - 1) / stride + 1
                if (count - 1) * stride >= input + padding { count -= 1 }
                return max(padding, (count - 1) * stride + extent - input - padding)
            }
            let height = after(input.height, size.height, window.height, stride.height, dilation.height)
            return (size, Size2D(height, after(input.width, size.width, window.width, stride.width, dilation.width)))
        case .same:
            func total(_ input: Int, _ window: Int, _ stride: Int, _ dilation: Int) -> Int {
                max(0, ((input + stride - 1) / stride - 1) * stride + (window - 1) * dilation + 1 - input)
            }
            let height = total(input.height, window.height, stride.height, dilation.height)
            let width = total(input.width, window.width, stride.width, dilation.width)
            return (Size2D(height / 2, width / 2), Size2D(height - height / 2, width - width / 2))
        }
    }
}

/// What lies beyond the border of an image.
public enum Border: String, Sendable, Hashable, Codable, CaseIterable { case zero, reflect }

/// A convolution (cross-correlation, as in all libraries) of images or volumes: x `[B, H, W, C]`, weights `[O, C/g, kh, kw]`,
/// bias `[O]`, y `[B, H', W', O]`; of volumes x `[B, D, H, W, C]` and weights `[O, C/g, kd, kh, kw]`. Parameters are float32; y has x's type.
///
/// Most of those with 3×3 weights are made by Winograd's algorithm (`WinogradConvolution`), the others by oneDNN, which chooses how weights lie in
/// memory: they are reordered once a step for all shards.
struct Convolution: Operation {
    var window: Window
    var groups: Int
    var hasBias: Bool

    var name: String { "convolution" }

    /// Whether every output is made of the numbers of one position.
    private var isLinear: Bool {
        groups == 1 && (window.size + window.stride).allSatisfy { $0 == 1 } && (window.before + window.after).allSatisfy { $0 == 0 }
    }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (x, weight) = (inputs[0].shape, inputs[1].shape)
        guard inputs[0].dtype.isActivation, inputs.dropFirst().allSatisfy({ $0.dtype == .float32 }) else {
            throw ShapeError("of \(inputs[0]) with \(inputs[1]): expected float32 or bfloat16 with parameters in float32")
        }
        guard x.rank == window.rank + 2, weight.rank == window.rank + 2 else {
            throw ShapeError(
                "of \(x) with weights \(weight): expected \(window.operands) [batch, \(window.axes), channels] and weights [out, in, \(window.axes)]")
        }
        guard groups > 0, weight[0] % groups == 0, x[-1] == weight[1] * groups else {
            throw ShapeError("of \(x) with weights \(weight) in \(groups) groups: the channels do not fit")
        }
        if hasBias, inputs[2].shape != [weight[0]] {
            throw ShapeError("with weights \(weight): expected a bias [\(weight[0])], found \(inputs[2].shape)")
        }
        do {
            return [TensorType(Shape([x[0]] + (try window.output(x)) + [weight[0]]), inputs[0].dtype)]
        } catch { throw ShapeError("of \(x) with weights \(weight): \(error.message)") }
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        outputs[0].shape.elementCount * inputs[1].shape.dropFirst().reduce(1, *)
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let (x, weight) = (node.inputs[0], node.inputs[1])
        var result: [Tensor?] = [nil, nil]
        if isLinear, dy.dtype == .float32 {
            // A linear map of every position: products of matrices are faster than a convolution's gradients.
            let gradients = Linear(hasBias: hasBias).gradients(of: x, weight.reshaped([weight.shape[0], weight.shape[1]]), dy, node.needsGradient)
            return [gradients[0], gradients[1]?.reshaped(weight.shape)] + gradients.dropFirst(2)
        }
        if node.needsGradient[0] {
            result[0] = dy.graph.record(one: ConvolutionBackwardData(convolution: self, source: x.shape), dy, weight)
        }
        let needsBias = hasBias && node.needsGradient[2]
        if node.needsGradient[1] || needsBias {
            let operation = ConvolutionBackwardWeights(convolution: self, weight: weight.shape, computesBias: needsBias)
            let gradients = dy.graph.record(operation, [x, dy])
            result[1] = gradients[0]
            if hasBias { result.append(needsBias ? gradients[1] : nil) }
        } else if hasBias {
            result.append(nil)
        }
        return result
    }

    func lower(_ context: LoweringContext) throws {
        let shapes = ConvolutionShapes(self, source: context.inputTypes[0].shape, weight: context.inputTypes[1].shape, destination: context.outputTypes[0].shape)
        if let winograd = WinogradConvolution(shapes, context) { return winograd.emit(context, bias: hasBias ? context.input(2) : nil) }
        var description = shapes.description(context.inputTypes[0].dtype, hasBias: hasBias)
        let primitive = try Primitive("convolution of \(shapes.source) with weights \(shapes.weight)") {
            onednn_convolution_forward(&description, Int32(context.workerCount))
        }
        let weight = context.input(1, in: primitive.layout(ofArgument: 1), lengths: shapes.weightLengths)
        let reads = [context.input(0), weight] + (hasBias ? [context.input(2)] : [])
        let y = context.output(0)
        context.emit(primitive, reads: reads, writes: [y], arguments: reads + [y])
    }
}

/// The three shapes of a convolution, as oneDNN wants them: logical NCHW over memory in NHWC, and the same with depths.
struct ConvolutionShapes {
    let convolution: Convolution
    let source: Shape, weight: Shape, destination: Shape

    init(_ convolution: Convolution, source: Shape, weight: Shape, destination: Shape) {
        self.convolution = convolution
        self.source = source
        self.weight = weight
        self.destination = destination
    }

    /// OIHW, or GOIHW with groups.
    var weightLengths: [Int] {
        let g = convolution.groups
        return g == 1 ? weight.dimensions : [g, weight[0] / g] + weight.dimensions.dropFirst()
    }

    /// The description for images in `dtype` and weights in `weights`, or in `dtype` too unless given.
    func description(_ dtype: DType, weights: DType? = nil, hasBias: Bool) -> onednn_convolution {
        let window = convolution.window
        var result = onednn_convolution()
        result.source = .image(source, dtype)
        result.weights = onednn_tensor(lengths: weightLengths, strides: nil, dtype: weights ?? dtype)
        result.destination = .image(destination, dtype)
        result.has_bias = hasBias ? 1 : 0
        result.stride = window.stride.shim
        result.dilation = window.dilation.shim
        result.padding_before = window.before.shim
        result.padding_after = window.after.shim
        return result
    }
}

extension onednn_tensor {
    /// `[B, H, W, C]` in memory, seen as NCHW; volumes `[B, D, H, W, C]` as NCDHW.
    static func image(_ shape: Shape, _ dtype: DType) -> onednn_tensor {
        func channelsFirst(_ values: [Int]) -> [Int] { [values[0], values[values.count - 1]] + values[1..<values.count - 1] }
        return onednn_tensor(lengths: channelsFirst(shape.dimensions), strides: channelsFirst(shape.strides), dtype: dtype)
    }
}

/// The gradient of a convolution with respect to its images.
struct ConvolutionBackwardData: Operation {
    let convolution: Convolution
    let source: Shape
    var name: String { "convolution gradient (data)" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [TensorType(source, inputs[0].dtype)] }

    func lower(_ context: LoweringContext) throws {
        let shapes = ConvolutionShapes(convolution, source: source, weight: context.inputTypes[1].shape, destination: context.inputTypes[0].shape)
        if let winograd = WinogradConvolution(shapes, context) { return winograd.gradient.emit(context, bias: nil) }
        var description = shapes.description(context.inputTypes[0].dtype, hasBias: false)
        let primitive = try Primitive("data gradient of a convolution of \(source) with weights \(shapes.weight)") {
            onednn_convolution_backward_data(&description, Int32(context.workerCount))
        }
        let dy = context.input(0), dx = context.output(0)
        let weight = context.input(1, in: primitive.layout(ofArgument: 1), lengths: shapes.weightLengths)
        context.emit(primitive, reads: [dy, weight], writes: [dx], arguments: [dy, weight, dx])
    }
}

/// The gradient of a convolution with respect to its weights, and to its bias if it has one.
struct ConvolutionBackwardWeights: Operation {
    let convolution: Convolution
    let weight: Shape
    let computesBias: Bool
    var name: String { "convolution gradient (weights)" }
    var outputCount: Int { computesBias ? 2 : 1 }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] {
        [TensorType(weight)] + (computesBias ? [TensorType([weight[0]])] : [])
    }

    func lower(_ context: LoweringContext) throws {
        let shapes = ConvolutionShapes(convolution, source: context.inputTypes[0].shape, weight: weight, destination: context.inputTypes[1].shape)
        if let winograd = WinogradConvolution(shapes, context) { return winograd.emitWeightGradient(context, weight, computesBias: computesBias) }
        var description = shapes.description(context.inputTypes[0].dtype, weights: .float32, hasBias: computesBias)
        let primitive = try Primitive("weight gradient of a convolution of \(shapes.source) with weights \(weight)") {
            onednn_convolution_backward_weights(&description, Int32(context.workerCount))
        }
        let x = context.input(0), dy = context.input(1)
        let writes = [context.output(0, in: primitive.layout(ofArgument: 2), lengths: shapes.weightLengths)]
            + (computesBias ? [context.output(1)] : [])
        context.emit(primitive, reads: [x, dy], writes: writes, arguments: [x, dy] + writes)
    }
}

extension Tensor {
    /// A two-dimensional convolution of `[B, H, W, C]` with weights `[out, C / groups, kh, kw]` and an optional bias `[out]`,
    /// in the graph's precision.
    ///
    /// - Parameter keepsPrecision: whether the images keep theirs, as what is measured has to.
    public func convolution2D(
        weight: Tensor, bias: Tensor? = nil, stride: Size2D = 1, padding: Padding2D = .valid, dilation: Size2D = 1, groups: Int = 1,
        border: Border = .zero, keepsPrecision: Bool = false
    ) -> Tensor {
        guard isValid, weight.isValid, rank == 4, weight.rank == 4 else {
            let window = Window(size: 1, stride: stride, dilation: dilation, before: 0, after: 0)
            return graph.record(Convolution(window: window, groups: groups, hasBias: false), [self, weight])[0]
        }
        let size = Size2D(weight.shape[2], weight.shape[3])
        var (before, after) = padding.resolved(input: Size2D(shape[1], shape[2]), window: size, stride: stride, dilation: dilation)
        var images = keepsPrecision ? self : inGraphPrecision()
        if border == .reflect {
            images = images.padded(before: [0, before.height, before.width, 0], after: [0, after.height, after.width, 0], mode: .reflect)
            (before, after) = (0, 0)
        }
        let window = Window(size: size, stride: stride, dilation: dilation, before: before, after: after)
        let operation = Convolution(window: window, groups: groups, hasBias: bias != nil)
        return graph.record(operation, [images, weight] + (bias.map { [$0] } ?? []))[0]
    }
}
