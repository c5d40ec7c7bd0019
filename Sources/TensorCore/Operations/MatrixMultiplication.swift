import COneDNN

/// c = a × b over the last two axes; the axes before them broadcast. A transposed operand is stored with its last two axes swapped.
struct MatrixMultiplication: Operation {
    var transposeA = false
    var transposeB = false
    /// The type of the result, where it is not the operands': sums are float32 and may stay so.
    var dtype: DType?

    var name: String { "matmul" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let (a, b) = (inputs[0].shape, inputs[1].shape)
        guard inputs[0].dtype.isActivation, inputs[0].dtype == inputs[1].dtype else {
            throw ShapeError("\(inputs[0]) × \(inputs[1]): expected both in float32 or both in bfloat16")
        }
        if let dtype, !dtype.isActivation { throw ShapeError("\(inputs[0]) × \(inputs[1]) as \(dtype.rawValue): expected float32 or bfloat16") }
        guard a.rank >= 2, b.rank >= 2 else { throw ShapeError("\(a) × \(b): expected at least two axes") }
        let (m, k) = transposeA ? (a[-1], a[-2]) : (a[-2], a[-1])
        let (k2, n) = transposeB ? (b[-1], b[-2]) : (b[-2], b[-1])
        let marks = (transposeA ? "ᵀ" : "", transposeB ? "ᵀ" : "")
        guard k == k2 else { throw ShapeError("\(a)\(marks.0) × \(b)\(marks.1): \(k) ≠ \(k2)") }
        guard let batch = Shape(a.dropLast(2)).broadcast(with: Shape(b.dropLast(2))) else {
            throw ShapeError("\(a) × \(b): the batch axes do not broadcast")
        }
        return [TensorType(Shape(batch + [m, n]), dtype ?? inputs[0].dtype)]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        outputs[0].shape.elementCount * inputs[0].shape[transposeA ? -2 : -1]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dc = upstream[0]?.cast(to: node.inputs[0].dtype) else { return [nil, nil] }
        let (a, b) = (node.inputs[0], node.inputs[1])
        var da: Tensor?, db: Tensor?
        if node.needsGradient[0] {
            da = transposeA ? b.matmul(dc, transposeA: transposeB, transposeB: true) : dc.matmul(b, transposeB: !transposeB)
        }
        if node.needsGradient[1] {
            db = transposeB ? dc.matmul(a, transposeA: true, transposeB: transposeA) : a.matmul(dc, transposeA: !transposeA)
        }
        return [da?.reduced(to: a.type), db?.reduced(to: b.type)]
    }

    func lower(_ context: LoweringContext) throws {
        let a = context.input(0), b = context.input(1), c = context.output(0)
        let (aShape, bShape, cShape) = (context.inputTypes[0].shape, context.inputTypes[1].shape, context.outputTypes[0].shape)
        let (type, cType) = (context.inputTypes[0].dtype, context.outputTypes[0].dtype), batch = Array(cShape.dropLast(2))
        var aView = view(aShape, type, transposed: transposeA, batch: batch), bView = view(bShape, type, transposed: transposeB, batch: batch)
        var cView = view(cShape, cType, transposed: false, batch: batch)
        if !transposeA, bShape.dropLast(2).allSatisfy({ $0 == 1 }) {
            // One matrix for the whole batch: the batch's rows are the rows of one product.
            let rows = cShape.dropLast().reduce(1, *)
            aView = onednn_tensor(lengths: [rows, aShape[-1]], strides: [aShape[-1], 1], dtype: type)
            bView = view(Shape(bShape.suffix(2)), type, transposed: transposeB, batch: [])
            cView = onednn_tensor(lengths: [rows, cShape[-1]], strides: [cShape[-1], 1], dtype: cType)
        }
        // The gradients of weights are sums over rows: both operands are read across them. Small ones of few rows do not pay for the copies.
        let packs = transposeA && batch.isEmpty && type == .float32 && (cShape.elementCount >= 1 << 15 || aShape[0] >= 1024)
        let workers = Int32(context.workerCount)
        let primitive = try Primitive("matmul \(aShape) × \(bShape)") {
            packs ? onednn_matmul_packing(&aView, &bView, &cView, workers) : onednn_matmul(&aView, &bView, nil, &cView, workers)
        }
        context.emit(primitive, reads: [a, b], writes: [c], arguments: [a, b, c])
    }

    /// A matrix with `batch.count` axes before it, as the product reads it.
    private func view(_ shape: Shape, _ dtype: DType, transposed: Bool, batch: [Int]) -> onednn_tensor {
        let missing = batch.count - (shape.rank - 2)
        var lengths = Array(repeating: 1, count: missing) + shape.dimensions
        var strides = Array(repeating: shape.elementCount, count: missing) + shape.strides
        if transposed {
            lengths.swapAt(lengths.count - 2, lengths.count - 1)
            strides.swapAt(strides.count - 2, strides.count - 1)
        }
        return onednn_tensor(lengths: lengths, strides: strides, dtype: dtype)
    }
}

extension Tensor {
    /// The matrix product over the last two axes, batched over the others; `dtype` is the result's, the operands' unless given.
    public func matmul(_ other: Tensor, transposeA: Bool = false, transposeB: Bool = false, dtype: DType? = nil) -> Tensor {
        graph.record(one: MatrixMultiplication(transposeA: transposeA, transposeB: transposeB, dtype: dtype), self, other)
    }
}
