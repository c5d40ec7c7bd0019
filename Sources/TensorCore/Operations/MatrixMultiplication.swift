import COneDNN

/// c = a × b over the last two axes; the axes before them broadcast. A transposed operand is stored with its last two axes swapped.
struct MatrixMultiplication: Operation {
    var transposeA = false
    var transposeB = false

    var name: String { "matmul" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (a, b) = (inputs[0].shape, inputs[1].shape)
        guard inputs.allSatisfy({ $0.dtype == .float32 }) else { throw ShapeError("\(inputs[0]) × \(inputs[1]): expected float32") }
        guard a.rank >= 2, b.rank >= 2 else { throw ShapeError("\(a) × \(b): expected at least two axes") }
        let (m, k) = transposeA ? (a[-1], a[-2]) : (a[-2], a[-1])
        let (k2, n) = transposeB ? (b[-1], b[-2]) : (b[-2], b[-1])
        let marks = (transposeA ? "ᵀ" : "", transposeB ? "ᵀ" : "")
        guard k == k2 else { throw ShapeError("\(a)\(marks.0) × \(b)\(marks.1): \(k) ≠ \(k2)") }
        guard let batch = Shape(a.dropLast(2)).broadcast(with: Shape(b.dropLast(2))) else {
            throw ShapeError("\(a) × \(b): the batch axes do not broadcast")
        }
        return [TensorType(Shape(batch + [m, n]))]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        outputs[0].shape.elementCount * inputs[0].shape[transposeA ? -2 : -1]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dc = upstream[0] else { return [nil, nil] }
        let (a, b) = (node.inputs[0], node.inputs[1])
        var da: Tensor?, db: Tensor?
        if node.needsGradient[0] {
            da = transposeA ? b.matmul(dc, transposeA: transposeB, transposeB: true) : dc.matmul(b, transposeB: !transposeB)
        }
        if node.needsGradient[1] {
            db = transposeB ? dc.matmul(a, transposeA: true, transposeB: transposeA) : a.matmul(dc, transposeA: !transposeA)
        }
        return [da?.reduced(to: a.shape), db?.reduced(to: b.shape)]
    }

    func lower(_ context: LoweringContext) throws {
        let a = context.input(0), b = context.input(1), c = context.output(0)
        let (aShape, bShape, cShape) = (context.inputTypes[0].shape, context.inputTypes[1].shape, context.outputTypes[0].shape)
        var aView = view(aShape, transposed: transposeA, batch: cShape.dropLast(2)), bView = view(bShape, transposed: transposeB, batch: cShape.dropLast(2))
        var cView = view(cShape, transposed: false, batch: cShape.dropLast(2))
        if !transposeA, bShape.dropLast(2).allSatisfy({ $0 == 1 }) {
            // One matrix for the whole batch: the batch's rows are the rows of one product.
            let rows = cShape.dropLast().reduce(1, *)
            aView = onednn_tensor(lengths: [rows, aShape[-1]], strides: [aShape[-1], 1])
            bView = view(Shape(bShape.suffix(2)), transposed: transposeB, batch: [])
            cView = onednn_tensor(lengths: [rows, cShape[-1]], strides: [cShape[-1], 1])
        }
        let primitive = try Primitive("matmul \(aShape) × \(bShape)") {
            onednn_matmul(&aView, &bView, nil, &cView, Int32(context.workerCount))
        }
        context.emit(primitive, reads: [a, b], writes: [c], arguments: [a, b, c])
    }

    /// A matrix with `batch.count` axes before it, as the product reads it.
    private func view(_ shape: Shape, transposed: Bool, batch: some Sequence<Int>) -> onednn_tensor {
        let missing = Array(batch).count - (shape.rank - 2)
        var lengths = Array(repeating: 1, count: missing) + shape.dimensions
        var strides = Array(repeating: shape.elementCount, count: missing) + shape.strides
        if transposed {
            lengths.swapAt(lengths.count - 2, lengths.count - 1)
            strides.swapAt(strides.count - 2, strides.count - 1)
        }
        return onednn_tensor(lengths: lengths, strides: strides)
    }
}

/// y = x Wᵀ + b over the last axis: x `[…, in]`, W `[out, in]`, b `[out]`, y `[…, out]`.
struct Linear: Operation {
    let hasBias: Bool

    var name: String { "linear" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (x, weight) = (inputs[0].shape, inputs[1].shape)
        guard inputs.allSatisfy({ $0.dtype == .float32 }) else { throw ShapeError("of \(inputs[0]) with \(inputs[1]): expected float32") }
        guard x.rank >= 1, weight.rank == 2 else { throw ShapeError("of \(x) with weights \(weight): expected weights [out, in]") }
        guard x[-1] == weight[1] else { throw ShapeError("of \(x) with weights \(weight): \(x[-1]) ≠ \(weight[1])") }
        if hasBias, inputs[2].shape != [weight[0]] {
            throw ShapeError("of \(x) with weights \(weight): expected a bias [\(weight[0])], found \(inputs[2].shape)")
        }
        return [TensorType(Shape(x.dropLast() + [weight[0]]))]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        outputs[0].shape.elementCount * inputs[1].shape[1]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let (x, weight) = (node.inputs[0], node.inputs[1])
        let rows = dy.reshaped([dy.shape.elementCount / dy.shape[-1], dy.shape[-1]])
        var result: [Tensor?] = [nil, nil]
        if node.needsGradient[0] { result[0] = rows.matmul(weight).reshaped(x.shape) }
        if node.needsGradient[1] { result[1] = rows.matmul(x.reshaped([rows.shape[0], x.shape[-1]]), transposeA: true) }
        if hasBias { result.append(node.needsGradient[2] ? rows.sum(axes: [0]) : nil) }
        return result
    }

    func lower(_ context: LoweringContext) throws {
        let y = context.output(0), (weight, type) = (context.inputTypes[1].shape, context.outputTypes[0].shape)
        let inputs = context.inputTypes.indices.map(context.input)
        let rows = type.dropLast().reduce(1, *)
        var a = onednn_tensor(lengths: [rows, weight[1]], strides: [weight[1], 1])
        var b = onednn_tensor(lengths: [weight[1], weight[0]], strides: [1, weight[1]])
        var c = onednn_tensor(lengths: [rows, weight[0]], strides: [weight[0], 1])
        var bias = onednn_tensor(lengths: [1, weight[0]], strides: [weight[0], 1])
        let primitive = try Primitive("linear of \(context.inputTypes[0].shape) with weights \(weight)") {
            hasBias
                ? onednn_matmul(&a, &b, &bias, &c, Int32(context.workerCount)) : onednn_matmul(&a, &b, nil, &c, Int32(context.workerCount))
        }
        context.emit(primitive, reads: inputs, writes: [y], arguments: inputs + [y])
    }
}

extension Tensor {
    /// The matrix product over the last two axes, batched over the others.
    public func matmul(_ other: Tensor, transposeA: Bool = false, transposeB: Bool = false) -> Tensor {
        graph.record(one: MatrixMultiplication(transposeA: transposeA, transposeB: transposeB), self, other)
    }

    /// x Wᵀ + b with weights `[out, in]` and a bias `[out]`.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        graph.record(Linear(hasBias: bias != nil), [self, weight] + (bias.map { [$0] } ?? []))[0]
    }
}
