import CKernels
import COneDNN

/// softmax(scale · q kᵀ) v of every head (Vaswani et al. 2017), reading and writing heads where they lie: nothing is transposed.
///
/// Legend: `B` batch, `N` queries, `M` keys, `H` heads, `d` width of a head. Inputs are either q `[B, N, H, d]`, k and v
/// `[B, M, H, d]`, or one packed `[B, N, 3, H, d]`; the output is `[B, N, H, d]`. The probabilities `[B, H, N, M]` are the second
/// output, which the backward pass reads.
struct Attention: Operation {
    let scale: Float
    var name: String { "attention" }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs.allSatisfy({ $0.dtype == .float32 }) else { throw ShapeError("expected float32") }
        if inputs.count == 1 {
            let x = inputs[0].shape
            guard x.rank == 5, x[2] == 3 else { throw ShapeError("of \(x): expected [batch, tokens, 3, heads, width]") }
            return [TensorType([x[0], x[1], x[3], x[4]]), TensorType([x[0], x[3], x[1], x[1]])]
        }
        let (q, k, v) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
        guard q.rank == 4, k.rank == 4, k == v, q[0] == k[0], q[2] == k[2], q[3] == k[3] else {
            throw ShapeError("of \(q), \(k) and \(v): expected [batch, tokens, heads, width], equal but for the queries' number")
        }
        return [TensorType(q), TensorType([q[0], q[2], q[1], k[1]])]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        2 * outputs[1].shape.elementCount * outputs[0].shape[3]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let gradients = dy.graph.record(AttentionGradient(scale: scale), [node.outputs[1], dy] + node.inputs)
        return node.inputs.indices.map { gradients[$0] }
    }

    func lower(_ context: LoweringContext) throws {
        let probabilities = context.outputTypes[1].shape
        let operands = AttentionOperands(context.inputTypes.indices.map(context.input), context.inputTypes, width: context.outputTypes[0].shape[3])
        let p = MatrixOperand(context.output(1), probabilities, width: nil)
        let y = MatrixOperand(context.output(0), context.outputTypes[0].shape, width: operands.width)
        try context.emitMatmul("attention q kᵀ", operands.query, operands.key.transposed, p)
        let rows = Int64(probabilities.dropLast().reduce(1, *)), columns = Int64(probabilities[3])
        context.emit("attention softmax", reads: [p.buffer], writes: [p.buffer]) { [scale] c in
            kernel_softmax(c.floats(p.buffer), c.floats(p.buffer), rows, columns, scale)
        }
        try context.emitMatmul("attention p v", p, operands.value, y)
    }
}

/// Probabilities, the output's gradient and the inputs → the inputs' gradients.
///
/// dv = pᵀ dy; dp = dy vᵀ; ds = scale · p ∘ (dp − ⟨dp, p⟩); dq = ds k; dk = dsᵀ q.
struct AttentionGradient: Operation {
    let scale: Float
    var name: String { "attention gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { Array(inputs.dropFirst(2)) }

    func lower(_ context: LoweringContext) throws {
        let probabilities = context.inputTypes[0].shape, width = context.inputTypes[1].shape[3]
        let types = Array(context.inputTypes.dropFirst(2))
        let operands = AttentionOperands(types.indices.map { context.input($0 + 2) }, types, width: width)
        let gradients = AttentionOperands(types.indices.map(context.output), types, width: width)
        let p = MatrixOperand(context.input(0), probabilities, width: nil)
        let dy = MatrixOperand(context.input(1), context.inputTypes[1].shape, width: width)
        let ds = MatrixOperand(context.temporary(context.inputTypes[0].byteCount), probabilities, width: nil)
        try context.emitMatmul("attention dv", p.transposed, dy, gradients.value)
        try context.emitMatmul("attention dp", dy, operands.value.transposed, ds)
        let rows = Int64(probabilities.dropLast().reduce(1, *)), columns = Int64(probabilities[3])
        context.emit("attention softmax gradient", reads: [p.buffer, ds.buffer], writes: [ds.buffer]) { [scale] c in
            kernel_softmax_gradient(c.floats(p.buffer), c.floats(ds.buffer), c.floats(ds.buffer), rows, columns, scale)
        }
        try context.emitMatmul("attention dq", ds, operands.key, gradients.query)
        try context.emitMatmul("attention dk", ds.transposed, operands.query, gradients.key)
    }
}

/// One matrix for each sample and head, as a view `[B, H, rows, columns]` of a buffer.
private struct MatrixOperand {
    let buffer: BufferID
    var offset = 0
    var lengths: [Int]
    var strides: [Int]

    /// Heads of `[B, N, H, width]`, or dense matrices `[B, H, N, M]` when `width` is nil.
    init(_ buffer: BufferID, _ shape: Shape, width: Int?) {
        self.buffer = buffer
        lengths = shape.dimensions
        strides = shape.strides
        if width != nil {
            lengths.swapAt(1, 2)
            strides.swapAt(1, 2)
        }
    }

    /// Part `part` of 3 of a packed `[B, N, 3, H, d]`.
    init(_ buffer: BufferID, packed shape: Shape, part: Int) {
        self.buffer = buffer
        let own = shape.strides
        offset = part * own[2]
        lengths = [shape[0], shape[3], shape[1], shape[4]]
        strides = [own[0], own[3], own[1], own[4]]
    }

    var transposed: MatrixOperand {
        var result = self
        result.lengths.swapAt(2, 3)
        result.strides.swapAt(2, 3)
        return result
    }

    var tensor: onednn_tensor { onednn_tensor(lengths: lengths, strides: strides) }
}

private struct AttentionOperands {
    let query, key, value: MatrixOperand
    let width: Int

    init(_ buffers: [BufferID], _ types: [TensorType], width: Int) {
        self.width = width
        if buffers.count == 1 {
            query = MatrixOperand(buffers[0], packed: types[0].shape, part: 0)
            key = MatrixOperand(buffers[0], packed: types[0].shape, part: 1)
            value = MatrixOperand(buffers[0], packed: types[0].shape, part: 2)
        } else {
            query = MatrixOperand(buffers[0], types[0].shape, width: width)
            key = MatrixOperand(buffers[1], types[1].shape, width: width)
            value = MatrixOperand(buffers[2], types[2].shape, width: width)
        }
    }
}

extension LoweringContext {
    fileprivate func emitMatmul(_ name: String, _ a: MatrixOperand, _ b: MatrixOperand, _ c: MatrixOperand) throws {
        var (aView, bView, cView) = (a.tensor, b.tensor, c.tensor)
        let primitive = try Primitive("\(name) of \(Shape(a.lengths)) × \(Shape(b.lengths))") {
            onednn_matmul(&aView, &bView, nil, &cView, Int32(workerCount))
        }
        emit(
            primitive, name: name, reads: [a.buffer, b.buffer], writes: [c.buffer], arguments: [a.buffer, b.buffer, c.buffer],
            offsets: [a.offset, b.offset, c.offset].map { $0 * MemoryLayout<Float>.size })
    }
}

extension Tensor {
    /// Scaled dot-product attention of q `[B, N, H, d]` over k and v `[B, M, H, d]`; the scale is 1/√d unless given.
    public static func scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, scale: Float? = nil) -> Tensor {
        query.graph.record(Attention(scale: scale ?? 1 / Float(query.shape[-1]).squareRoot()), [query, key, value])[0]
    }

    /// Self-attention of packed projections `[B, N, 3D]` (all queries, all keys, all values, each head by head): `[B, N, D]`.
    public func selfAttention(heads: Int, scale: Float? = nil) -> Tensor {
        guard isValid, rank == 3, heads > 0, shape[2] % (3 * heads) == 0 else {
            return graph.fail("attention of \(shape) with \(heads) heads: expected [batch, tokens, 3 × heads × width]", at: graph.currentPath)
        }
        let (batch, tokens, width) = (shape[0], shape[1], shape[2] / (3 * heads))
        let packed = reshaped([batch, tokens, 3, heads, width])
        let output = graph.record(Attention(scale: scale ?? 1 / Float(width).squareRoot()), [packed])[0]
        return output.reshaped([batch, tokens, heads * width])
    }
}
