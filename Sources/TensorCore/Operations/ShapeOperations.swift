import CKernels

/// The same elements under another shape.
struct Reshape: Operation {
    let shape: Shape
    var name: String { "reshape" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.elementCount == shape.elementCount else {
            throw ShapeError("\(inputs[0].shape) → \(shape): \(inputs[0].shape.elementCount) ≠ \(shape.elementCount) elements")
        }
        return [TensorType(shape, inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [upstream[0]?.reshaped(node.inputs[0].shape)] }

    func lower(_ context: LoweringContext) { context.alias(output: 0, input: 0) }
}

/// Axis i of the result is axis permutation[i] of the operand.
struct Transpose: Operation {
    let permutation: [Int]
    var name: String { "transpose" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        try inputs[0].requireMovable()
        guard permutation.sorted() == Array(shape.indices) else { throw ShapeError("of \(shape) by \(permutation): expected a permutation of its axes") }
        return [TensorType(Shape(permutation.map { shape[$0] }), inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0]?.transposed(permutation.indices.map { permutation.firstIndex(of: $0)! })]
    }

    func lower(_ context: LoweringContext) {
        let strides = context.inputTypes[0].shape.strides
        context.emitStridedCopy(
            lengths: context.outputTypes[0].shape.dimensions, from: context.input(0), strides: permutation.map { strides[$0] },
            to: context.output(0), strides: context.outputTypes[0].shape.strides)
    }
}

/// The operand repeated along axes of length 1 and along new leading axes.
struct Broadcast: Operation {
    let shape: Shape
    var name: String { "broadcast" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        try inputs[0].requireMovable()
        guard inputs[0].shape.broadcast(with: shape) == shape else { throw ShapeError("\(inputs[0].shape) → \(shape): the shapes do not broadcast") }
        return [TensorType(shape, inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [upstream[0]?.reduced(to: node.inputs[0].type)] }

    func lower(_ context: LoweringContext) {
        context.emitStridedCopy(
            lengths: shape.dimensions, from: context.input(0), strides: context.inputTypes[0].shape.broadcastStrides(to: shape),
            to: context.output(0), strides: shape.strides)
    }
}

/// Operands one after another along an axis; float32 beside bfloat16 is rounded.
struct Concatenate: Operation {
    let axis: Int
    var name: String { "concatenate" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let first = inputs[0]
        let shapes = inputs.map(\.shape.description).joined(separator: ", ")
        try first.requireMovable()
        guard first.shape.indices.contains(axis) else { throw ShapeError("of \(shapes) along axis \(axis): there are \(first.shape.rank) axes") }
        for other in inputs.dropFirst() {
            let fits = (other.dtype == first.dtype || other.dtype.isActivation && first.dtype.isActivation) && other.shape.rank == first.shape.rank
                && first.shape.indices.allSatisfy { $0 == axis || other.shape[$0] == first.shape[$0] }
            guard fits else { throw ShapeError("of \(shapes) along axis \(axis): the other axes differ") }
        }
        return [TensorType(first.shape.replacing(axis: axis, with: inputs.reduce(0) { $0 + $1.shape[axis] }), .joined(inputs.map(\.dtype)))]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        var start = 0
        return zip(node.inputs, node.needsGradient).map { input, isNeeded in
            defer { start += input.shape[axis] }
            return isNeeded ? dy.sliced(axis: axis, start..<start + input.shape[axis]).cast(to: input.dtype) : nil
        }
    }

    func lower(_ context: LoweringContext) {
        let y = context.output(0), strides = context.outputTypes[0].shape.strides
        var start = 0
        for (index, type) in context.inputTypes.enumerated() {
            context.emitStridedCopy(
                lengths: type.shape.dimensions, from: context.input(index, as: context.outputTypes[0].dtype), strides: type.shape.strides, to: y,
                targetOffset: start * strides[axis], strides: strides)
            start += type.shape[axis]
        }
    }
}

/// Every `step`-th index from `start` to before `end` of one axis.
struct Slice: Operation {
    let axis: Int, start: Int, end: Int, step: Int
    var name: String { "slice" }

    var count: Int { (end - start + step - 1) / step }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        try inputs[0].requireMovable()
        guard shape.indices.contains(axis), step > 0, 0 <= start, start < end, end <= shape[axis] else {
            throw ShapeError("\(start)..<\(end) of axis \(axis) of \(shape): out of range")
        }
        return [TensorType(shape.replacing(axis: axis, with: count), inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: Embed(slice: self, shape: node.inputs[0].shape), $0) }]
    }

    func lower(_ context: LoweringContext) {
        var strides = context.inputTypes[0].shape.strides
        let offset = start * strides[axis]
        strides[axis] *= step
        context.emitStridedCopy(
            lengths: context.outputTypes[0].shape.dimensions, from: context.input(0), offset: offset, strides: strides, to: context.output(0),
            strides: context.outputTypes[0].shape.strides)
    }
}

/// The opposite of a slice: the operand at the slice's place in a constant.
struct Embed: Operation {
    let slice: Slice
    let shape: Shape
    var value: Float = 0
    var name: String { "embed" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16") }
        return [TensorType(shape, inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [upstream[0].map { $0.graph.record(one: slice, $0) }] }

    func lower(_ context: LoweringContext) {
        let y = context.output(0), n = shape.elementCount, type = context.outputTypes[0].dtype.kernelType
        context.emit(reads: [], writes: [y]) { [value] c in kernel_fill(c.raw(y), Int64(n), value, type) }
        var strides = shape.strides
        let offset = slice.start * strides[slice.axis]
        strides[slice.axis] *= slice.step
        context.emitStridedCopy(
            lengths: context.inputTypes[0].shape.dimensions, from: context.input(0), strides: context.inputTypes[0].shape.strides, to: y,
            targetOffset: offset, strides: strides)
    }
}

/// One axis continued at both ends by its mirror image, the border itself not repeated.
struct Reflect: Operation {
    let axis: Int, before: Int, after: Int
    var name: String { "reflect" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        guard inputs[0].dtype.isActivation else { throw ShapeError("of \(inputs[0]): expected float32 or bfloat16") }
        guard shape.indices.contains(axis), before >= 0, after >= 0, max(before, after) < shape[axis] else {
            throw ShapeError("axis \(axis) of \(shape) by \(before) and \(after): more than there is to mirror")
        }
        return [TensorType(shape.replacing(axis: axis, with: shape[axis] + before + after), inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: ReflectGradient(reflect: self, shape: node.inputs[0].shape), $0) }]
    }

    func lower(_ context: LoweringContext) {
        let x = context.input(0), y = context.output(0), split = context.inputTypes[0].shape.split(at: axis)
        let type = context.inputTypes[0].dtype.kernelType
        context.emit(reads: [x], writes: [y]) { [before, after] c in
            kernel_reflect(c.raw(x), c.raw(y), split.outer, split.length, split.inner, Int64(before), Int64(after), type)
        }
    }
}

/// The gradient of the continued axis, its mirrored parts added to what they mirror; `shape` is the operand's.
struct ReflectGradient: Operation {
    let reflect: Reflect
    let shape: Shape
    var name: String { "reflect gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [TensorType(shape, inputs[0].dtype)] }

    func lower(_ context: LoweringContext) {
        let dy = context.input(0, as: .float32), split = shape.split(at: reflect.axis)
        context.withFloatOutput(0) { dx in
            context.emit(reads: [dy], writes: [dx]) { [reflect] c in
                kernel_reflect_gradient(c.floats(dy), c.floats(dx), split.outer, split.length, split.inner, Int64(reflect.before), Int64(reflect.after))
            }
        }
    }
}

/// Rows of a table `[V, D]` by indices of any shape: `[…]` → `[…, D]`.
struct Gather: Operation {
    var name: String { "gather" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].shape.rank == 2, inputs[0].dtype.isActivation, inputs[1].dtype == .int32 else {
            throw ShapeError("from \(inputs[0]) by \(inputs[1]): expected a table [rows, columns] and int32 indices")
        }
        return [TensorType(Shape(inputs[1].shape.dimensions + [inputs[0].shape[1]]), inputs[0].dtype)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        [upstream[0].map { $0.graph.record(one: GatherGradient(table: node.inputs[0].shape), $0, node.inputs[1]) }, nil]
    }

    func lower(_ context: LoweringContext) {
        let table = context.input(0), indices = context.input(1), y = context.output(0)
        let count = context.inputTypes[1].shape.elementCount, (shape, type) = (context.inputTypes[0].shape, context.inputTypes[0].dtype.kernelType)
        context.emit(reads: [table, indices], writes: [y]) { c in
            kernel_gather(c.raw(table), c.integers(indices), c.raw(y), Int64(count), Int64(shape[0]), Int64(shape[1]), type)
        }
    }
}

struct GatherGradient: Operation {
    let table: Shape
    var name: String { "gather gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { [TensorType(table, inputs[0].dtype)] }

    func lower(_ context: LoweringContext) {
        let dy = context.input(0, as: .float32), indices = context.input(1), count = context.inputTypes[1].shape.elementCount
        let sums = context.temporary(table.elementCount * MemoryLayout<Double>.size)
        context.withFloatOutput(0) { dtable in
            context.emit(reads: [dy, indices], writes: [dtable, sums]) { [table] c in
                kernel_scatter_add(
                    c.floats(dy), c.integers(indices), c.doubles(sums), c.floats(dtable), Int64(count), Int64(table[0]), Int64(table[1]))
            }
        }
    }
}

extension Shape {
    /// The axis with all before it and all after it.
    func split(at axis: Int) -> (outer: Int64, length: Int64, inner: Int64) {
        (Int64(self[..<axis].reduce(1, *)), Int64(self[axis]), Int64(self[(axis + 1)...].reduce(1, *)))
    }
}

extension TensorType {
    /// Throws what is wrong with elements that no strided copy moves.
    fileprivate func requireMovable() throws(ShapeError) {
        if dtype.byteCount > 4 { throw ShapeError("of \(self): expected float32, bfloat16 or int32") }
    }
}

extension LoweringContext {
    /// Emits a copy between two strided views of elements of the first output's type; offsets and strides in elements.
    func emitStridedCopy(
        _ name: String? = nil, lengths: [Int], from x: BufferID, offset xOffset: Int = 0, strides xStrides: [Int], to y: BufferID,
        targetOffset yOffset: Int = 0, strides yStrides: [Int]
    ) {
        let byteCount = outputTypes[0].dtype.byteCount, copy = byteCount == 2 ? kernel_strided_copy_16 : kernel_strided_copy_32
        precondition(byteCount <= 4, "a strided copy moves elements of 2 or 4 bytes")
        let views = StridedViews(lengths, [xStrides, yStrides])
        let lengths = views.lengths, xStrides = views.strides[0], yStrides = views.strides[1]
        emit(name, reads: [x], writes: [y]) { c in
            copy(c.raw(x) + xOffset * byteCount, c.raw(y) + yOffset * byteCount, Int32(lengths.count), lengths, xStrides, yStrides)
        }
    }
}

/// How a tensor is continued beyond its borders.
public enum PaddingMode: Sendable, Hashable {
    case constant(Float)
    /// Mirrored at the border, which is not repeated.
    case reflect
}

extension Tensor {
    /// The same elements in row-major order under another shape of as many; nothing moves.
    public func reshaped(_ shape: Shape) -> Tensor { shape == self.shape ? self : graph.record(one: Reshape(shape: shape), self) }

    /// Axis i of the result is axis `permutation[i]` of this tensor.
    public func transposed(_ permutation: [Int]) -> Tensor { graph.record(one: Transpose(permutation: permutation), self) }

    /// Repeated along axes of length 1 and along new leading axes, to `shape`.
    public func broadcast(to shape: Shape) -> Tensor { shape == self.shape ? self : graph.record(one: Broadcast(shape: shape), self) }

    /// Tensors one after another along an axis, whose other axes agree; negative axes count from the end.
    public static func concatenated(_ tensors: [Tensor], axis: Int) -> Tensor {
        precondition(!tensors.isEmpty, "concatenated(_:axis:) needs a tensor")
        if tensors.count == 1 { return tensors[0] }
        return tensors[0].graph.record(Concatenate(axis: axis < 0 ? axis + tensors[0].rank : axis), tensors)[0]
    }

    /// Every `step`-th index of `range` along an axis; negative axes count from the end.
    public func sliced(axis: Int, _ range: Range<Int>, step: Int = 1) -> Tensor {
        let axis = axis < 0 ? axis + rank : axis
        return graph.record(one: Slice(axis: axis, start: range.lowerBound, end: range.upperBound, step: step), self)
    }

    /// Continued by `before[i]` and `after[i]` elements along axis i.
    public func padded(before: [Int], after: [Int], mode: PaddingMode = .constant(0)) -> Tensor {
        guard isValid else { return self }
        precondition(before.count == rank && after.count == rank, "padded(before:after:) needs a length for every axis")
        return shape.indices.reduce(self) { result, axis in
            guard result.isValid, before[axis] != 0 || after[axis] != 0 else { return result }
            switch mode {
            case .reflect:
                return graph.record(one: Reflect(axis: axis, before: before[axis], after: after[axis]), result)
            case .constant(let value):
                let length = result.shape[axis]
                let slice = Slice(axis: axis, start: before[axis], end: before[axis] + length, step: 1)
                let shape = result.shape.replacing(axis: axis, with: before[axis] + length + after[axis])
                return graph.record(one: Embed(slice: slice, shape: shape, value: value), result)
            }
        }
    }

    /// Elements moved by `distance` places along an axis, upwards where it is positive; what leaves at one end comes in at the other.
    public func rolled(axis: Int, by distance: Int) -> Tensor {
        guard isValid else { return self }
        let length = shape[axis], move = ((distance % length) + length) % length
        if move == 0 { return self }
        return .concatenated([sliced(axis: axis, length - move..<length), sliced(axis: axis, 0..<length - move)], axis: axis)
    }

    /// The channels of `[…, C]` dealt out anew: the first of each of `groups` groups, then the second of each, and so on, so that convolutions in groups
    /// that follow one another mix all of them.
    ///
    /// Zhang, Zhou, Lin and Sun, "ShuffleNet", CVPR 2018.
    public func channelsShuffled(groups: Int) -> Tensor {
        guard isValid else { return self }
        guard groups > 0, shape[-1] % groups == 0 else {
            return graph.fail("channel shuffle of \(shape): \(groups) groups do not divide \(shape[-1]) channels", at: graph.currentPath)
        }
        let leading = Array(shape.dropLast())
        let grouped = reshaped(Shape(leading + [groups, shape[-1] / groups]))
        return grouped.transposed(Array(leading.indices) + [leading.count + 1, leading.count]).reshaped(shape)
    }

    /// Rows of this table `[V, D]` by int32 indices `[…]`: `[…, D]`.
    public func gathered(_ indices: Tensor) -> Tensor { graph.record(one: Gather(), self, indices) }
}
