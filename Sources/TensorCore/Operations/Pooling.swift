import COneDNN

/// The largest or the mean value of windows of `[B, H, W, C]` or `[B, D, H, W, C]`, channel by channel.
struct Pooling: Operation {
    enum Kind: Sendable { case maximum, average, averageWithPadding }

    let kind: Kind
    let window: Window

    var name: String { kind == .maximum ? "max pool" : "average pool" }
    var outputCount: Int { kind == .maximum ? 2 : 1 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let x = inputs[0].shape
        guard x.rank == window.rank + 2, inputs[0].dtype.isActivation else {
            throw ShapeError("of \(inputs[0]): expected \(window.operands) [batch, \(window.axes), channels]")
        }
        guard zip(window.before, window.size).allSatisfy(<), zip(window.after, window.size).allSatisfy(<) else {
            throw ShapeError("of \(x): a window of \(Window.text(window.size)) would see nothing but padding")
        }
        do {
            let y = Shape([x[0]] + (try window.output(x)) + [x[-1]])
            // The second output is oneDNN's record of which element was the largest; its true size is known when it is lowered.
            return [TensorType(y, inputs[0].dtype)] + (kind == .maximum ? [TensorType(y, .int32)] : [])
        } catch { throw ShapeError("of \(x): \(error.message)") }
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return [nil] }
        let operation = PoolingGradient(pooling: self, source: node.inputs[0].shape)
        return [dy.graph.record(operation, [dy] + node.outputs.dropFirst())[0]]
    }

    func description(source: Shape, destination: Shape, dtype: DType) -> onednn_pooling {
        var result = onednn_pooling()
        result.kind = switch kind {
        case .maximum: ONEDNN_POOL_MAX
        case .average: ONEDNN_POOL_AVERAGE
        case .averageWithPadding: ONEDNN_POOL_AVERAGE_WITH_PADDING
        }
        result.source = .image(source, dtype)
        result.destination = .image(destination, dtype)
        result.window = window.size.shim
        result.stride = window.stride.shim
        result.padding_before = window.before.shim
        result.padding_after = window.after.shim
        return result
    }

    func lower(_ context: LoweringContext) throws {
        var description = description(source: context.inputTypes[0].shape, destination: context.outputTypes[0].shape, dtype: context.inputTypes[0].dtype)
        let primitive = try Primitive("\(name) of \(context.inputTypes[0].shape)") {
            onednn_pooling_forward(&description, Int32(context.workerCount))
        }
        let x = context.input(0)
        var writes = [context.output(0)]
        if kind == .maximum {
            let workspace = primitive.layout(ofArgument: 2)
            precondition(workspace.byteCount <= context.outputTypes[1].byteCount, "oneDNN's record of maxima is larger than expected")
            writes.append(context.output(1))
        }
        context.emit(primitive, reads: [x], writes: writes, arguments: [x] + writes)
    }
}

/// The gradient of the output, and of a maximum the record of which element was the largest → the gradient of the images.
struct PoolingGradient: Operation {
    let pooling: Pooling
    let source: Shape
    var name: String { "\(pooling.name) gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [TensorType(source, inputs[0].dtype)] }

    func lower(_ context: LoweringContext) throws {
        var description = pooling.description(source: source, destination: context.inputTypes[0].shape, dtype: context.inputTypes[0].dtype)
        let primitive = try Primitive("\(name) of \(source)") { onednn_pooling_backward(&description, Int32(context.workerCount)) }
        let inputs = context.inputTypes.indices.map(context.input), dx = context.output(0)
        context.emit(primitive, reads: inputs, writes: [dx], arguments: [inputs[0], dx] + inputs.dropFirst())
    }
}

extension Tensor {
    private func pool(_ kind: Pooling.Kind, _ window: Size2D, _ stride: Size2D?, _ padding: Padding2D) -> Tensor {
        let stride = stride ?? window
        let input = Size2D(rank == 4 ? shape[1] : 1, rank == 4 ? shape[2] : 1)
        let (before, after) = padding.resolved(input: input, window: window, stride: stride, dilation: 1)
        let operation = Pooling(kind: kind, window: Window(size: window, stride: stride, before: before, after: after))
        return graph.record(operation, [self])[0]
    }

    /// The largest value of each window; padding never wins. The stride is the window unless given.
    public func maxPool(window: Size2D, stride: Size2D? = nil, padding: Padding2D = .valid) -> Tensor {
        pool(.maximum, window, stride, padding)
    }

    /// The smallest value of each window.
    public func minPool(window: Size2D, stride: Size2D? = nil, padding: Padding2D = .valid) -> Tensor {
        -(-self).maxPool(window: window, stride: stride, padding: padding)
    }

    /// The mean of each window, over what lies inside the image or over the padding's zeros too.
    public func averagePool(window: Size2D, stride: Size2D? = nil, padding: Padding2D = .valid, countsPadding: Bool = true) -> Tensor {
        pool(countsPadding ? .averageWithPadding : .average, window, stride, padding)
    }

    /// The mean over height and width, and the depth of volumes: `[B, …, C]` → `[B, C]`.
    public func globalAveragePool() -> Tensor { mean(axes: Array(1..<Swift.max(rank - 1, 3))) }

    /// The maximum over height and width, and the depth of volumes: `[B, …, C]` → `[B, C]`.
    public func globalMaxPool() -> Tensor { max(axes: Array(1..<Swift.max(rank - 1, 3))) }
}
