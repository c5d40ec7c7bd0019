import CKernels

/// z = a ∘ b, element by element, with NumPy's broadcasting. Operands may be of different types: float32 beside bfloat16 is taken as it is,
/// and the result is bfloat16.
struct Binary: Operation {
    let function: kernel_binary_op
    let name: String

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (a, b) = (inputs[0], inputs[1])
        guard a.dtype.isActivation, b.dtype.isActivation else { throw ShapeError("of \(a) and \(b): expected float32 or bfloat16") }
        guard let shape = a.shape.broadcast(with: b.shape) else { throw ShapeError("of \(a) and \(b): the shapes do not broadcast") }
        return [TensorType(shape, DType.joined([a.dtype, b.dtype]))]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dz = upstream[0] else { return [nil, nil] }
        let (a, b) = (node.inputs[0], node.inputs[1])
        func forA(_ gradient: @autoclosure () -> Tensor) -> Tensor? {
            node.needsGradient[0] ? gradient().reduced(to: a.type) : nil
        }
        func forB(_ gradient: @autoclosure () -> Tensor) -> Tensor? {
            node.needsGradient[1] ? gradient().reduced(to: b.type) : nil
        }
        switch function {
        case KERNEL_ADD: return [forA(dz), forB(dz)]
        case KERNEL_SUBTRACT: return [forA(dz), forB(-dz)]
        case KERNEL_MULTIPLY: return [forA(dz * b), forB(dz * a)]
        case KERNEL_DIVIDE: return [forA(dz / b), forB(-(dz * node.outputs[0] / b))]
        case KERNEL_MAXIMUM: return [forA(a.greater(than: b).gating(dz)), forB(b.greater(than: a).gating(dz))]
        case KERNEL_MINIMUM: return [forA(b.greater(than: a).gating(dz)), forB(a.greater(than: b).gating(dz))]
        default: preconditionFailure("\(name) has no gradient")
        }
    }

    func lower(_ context: LoweringContext) {
        let a = context.input(0), b = context.input(1), z = context.output(0)
        let shape = context.outputTypes[0].shape
        let views = StridedViews(shape.dimensions, [
            context.inputTypes[0].shape.broadcastStrides(to: shape), context.inputTypes[1].shape.broadcastStrides(to: shape),
        ])
        let lengths = views.lengths, aStrides = views.strides[0], bStrides = views.strides[1]
        let reused = context.inputTypes[0] == context.outputTypes[0] ? a : context.inputTypes[1] == context.outputTypes[0] ? b : nil
        let types = (context.inputTypes + context.outputTypes).map(\.dtype.kernelType)
        context.emit(reads: [a, b], writes: [z], overwrites: reused.map { (z, $0) }) { [function] c in
            kernel_binary(
                function, c.raw(a), c.raw(b), c.raw(z), Int32(lengths.count), lengths, aStrides, bStrides, types[0], types[1], types[2])
        }
    }
}

/// Lengths and the strides of several views of them, with axes merged where all views allow it.
struct StridedViews {
    private(set) var lengths: [Int64] = []
    private(set) var strides: [[Int64]]

    init(_ lengths: [Int], _ views: [[Int]]) {
        strides = Array(repeating: [], count: views.count)
        for axis in lengths.indices where lengths[axis] != 1 {
            let length = Int64(lengths[axis])
            if let last = self.lengths.last, views.indices.allSatisfy({ strides[$0].last == Int64(views[$0][axis]) * length }) {
                self.lengths[self.lengths.count - 1] = last * length
                for view in views.indices { strides[view][strides[view].count - 1] = Int64(views[view][axis]) }
            } else {
                self.lengths.append(length)
                for view in views.indices { strides[view].append(Int64(views[view][axis])) }
            }
        }
    }
}

extension Shape {
    /// Strides that read this shape as if it were `target`: 0 along axes that are stretched.
    func broadcastStrides(to target: Shape) -> [Int] {
        let own = strides, missing = target.rank - rank
        return target.indices.map { $0 < missing || self[$0 - missing] == 1 ? 0 : own[$0 - missing] }
    }
}

extension Tensor {
    private func binary(_ function: kernel_binary_op, _ name: String, _ other: Tensor) -> Tensor {
        graph.record(one: Binary(function: function, name: name), self, other)
    }

    /// The sum, element by element; shapes broadcast as NumPy's do.
    public static func + (a: Tensor, b: Tensor) -> Tensor { a.binary(KERNEL_ADD, "add", b) }
    /// The difference, element by element; shapes broadcast.
    public static func - (a: Tensor, b: Tensor) -> Tensor { a.binary(KERNEL_SUBTRACT, "subtract", b) }
    /// The product, element by element; shapes broadcast.
    public static func * (a: Tensor, b: Tensor) -> Tensor { a.binary(KERNEL_MULTIPLY, "multiply", b) }
    /// The quotient, element by element; shapes broadcast.
    public static func / (a: Tensor, b: Tensor) -> Tensor { a.binary(KERNEL_DIVIDE, "divide", b) }
    /// The larger of two, element by element; shapes broadcast. Equal ones share the gradient.
    public func maximum(_ other: Tensor) -> Tensor { binary(KERNEL_MAXIMUM, "maximum", other) }
    /// The smaller of two, element by element; shapes broadcast. Equal ones share the gradient.
    public func minimum(_ other: Tensor) -> Tensor { binary(KERNEL_MINIMUM, "minimum", other) }

    /// 1 where equal, otherwise 0; has no gradient.
    func equals(_ other: Tensor) -> Tensor { binary(KERNEL_EQUAL, "equal", other) }
    /// 1 where greater, ½ where equal, otherwise 0; has no gradient.
    func greater(than other: Tensor) -> Tensor { binary(KERNEL_GREATER, "greater", other) }
    /// The product with a gradient, but 0 where this is 0, even if the gradient is infinite there; has no gradient.
    func gating(_ gradient: Tensor) -> Tensor { binary(KERNEL_GATE, "gate", gradient) }

    /// Sums over the axes along which a tensor of `type` was stretched to this one's shape.
    func reduced(to type: TensorType) -> Tensor {
        let shape = type.shape
        if shape == self.shape { return cast(to: type.dtype) }
        let missing = rank - shape.rank
        let axes = self.shape.indices.filter { $0 < missing || (shape[$0 - missing] == 1 && self.shape[$0] != 1) }
        return sum(axes: axes, dtype: type.dtype).reshaped(shape)
    }
}
