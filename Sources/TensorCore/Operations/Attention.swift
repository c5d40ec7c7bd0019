import CKernels
import COneDNN

/// softmax(scale · q kᵀ) v of every head (Vaswani et al. 2017), reading and writing heads where they lie: no head is transposed.
///
/// Legend: `B` batch, `N` queries, `M` keys, `H` heads, `d` width of a head. Inputs are either q `[B, N, H, d]`, k and v
/// `[B, M, H, d]`, or one packed `[B, N, 3, H, d]`; the output is `[B, N, H, d]`. The probabilities `[B, H, N, M]` are the second
/// output, `probabilities` for taps, which the backward pass reads. Scores and softmax are float32 whatever the inputs are.
struct Attention: Operation {
    let scale: Float
    var name: String { "attention" }
    var outputCount: Int { 2 }
    var furtherOutputNames: [String] { ["probabilities"] }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let dtype = inputs[0].dtype
        guard dtype.isActivation, inputs.allSatisfy({ $0.dtype == dtype }) else { throw ShapeError("expected float32 or bfloat16 throughout") }
        if inputs.count == 1 {
            let x = inputs[0].shape
            guard x.rank == 5, x[2] == 3 else { throw ShapeError("of \(x): expected [batch, tokens, 3, heads, width]") }
            return [TensorType([x[0], x[1], x[3], x[4]], dtype), TensorType([x[0], x[3], x[1], x[1]], dtype)]
        }
        let (q, k, v) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
        guard q.rank == 4, k.rank == 4, k == v, q[0] == k[0], q[2] == k[2], q[3] == k[3] else {
            throw ShapeError("of \(q), \(k) and \(v): expected [batch, tokens, heads, width], equal but for the queries' number")
        }
        return [TensorType(q, dtype), TensorType([q[0], q[2], q[1], k[1]], dtype)]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        2 * outputs[1].shape.elementCount * outputs[0].shape[3]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let gradients = dy.graph.record(AttentionGradient(scale: scale, outputCount: node.inputs.count), [node.outputs[1], dy] + node.inputs)
        return node.inputs.indices.map { gradients[$0] }
    }

    func lower(_ context: LoweringContext) throws {
        let operands = context.separated(context.inputTypes.indices.map(context.input), context.inputTypes)
        let p = MatrixOperand(context.output(1), matrices: context.outputTypes[1])
        let y = MatrixOperand(context.output(0), heads: context.outputTypes[0])
        let scores = context.scores(beside: p)
        try context.emitMatmul("attention q kᵀ", operands[0], operands[1].transposed, scores)
        let (rows, columns) = p.rowsAndColumns
        context.emit("attention softmax", reads: [scores.buffer], writes: [p.buffer]) { [scale] c in
            if p.dtype == .bfloat16 {
                kernel_softmax_to_bfloat16(c.floats(scores.buffer), c.bfloats(p.buffer), rows, columns, scale)
            } else {
                kernel_softmax(c.floats(p.buffer), c.floats(p.buffer), rows, columns, scale)
            }
        }
        try context.emitMatmul("attention p v", p, operands[2], y)
    }
}

/// Probabilities, the output's gradient and the inputs → the inputs' gradients.
///
/// dv = pᵀ dy; dp = dy vᵀ; ds = scale · p ∘ (dp − ⟨dp, p⟩); dq = ds k; dk = dsᵀ q.
struct AttentionGradient: Operation {
    let scale: Float
    /// 3 gradients, or 1 of packed inputs.
    let outputCount: Int
    var name: String { "attention gradient" }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] { Array(inputs.dropFirst(2)) }

    func lower(_ context: LoweringContext) throws {
        let types = Array(context.inputTypes.dropFirst(2))
        let operands = context.separated(types.indices.map { context.input($0 + 2) }, types)
        let p = MatrixOperand(context.input(0), matrices: context.inputTypes[0])
        let dy = MatrixOperand(context.input(1), heads: context.inputTypes[1])
        try context.withSeparatedOutputs { gradients in
            try context.emitMatmul("attention dv", p.transposed, dy, gradients[2])
            let dp = MatrixOperand(context.temporary(context.inputTypes[0].shape.elementCount * MemoryLayout<Float>.size), matrices: TensorType(context.inputTypes[0].shape))
            let ds = p.dtype == .float32 ? dp : MatrixOperand(context.temporary(context.inputTypes[0].byteCount), matrices: context.inputTypes[0])
            try context.emitMatmul("attention dp", dy, operands[2].transposed, dp)
            let (rows, columns) = p.rowsAndColumns, type = p.dtype.kernelType
            context.emit("attention softmax gradient", reads: [p.buffer, dp.buffer], writes: [ds.buffer]) { [scale] c in
                kernel_softmax_gradient(c.raw(p.buffer), c.floats(dp.buffer), c.raw(ds.buffer), rows, columns, scale, type)
            }
            try context.emitMatmul("attention dq", ds, operands[1], gradients[0])
            try context.emitMatmul("attention dk", ds.transposed, operands[0], gradients[1])
        }
    }
}

/// One matrix for each sample and head, as a view `[B, H, rows, columns]` of a buffer.
private struct MatrixOperand {
    let buffer: BufferID
    let dtype: DType
    /// In elements.
    var offset = 0
    var lengths: [Int]
    var strides: [Int]

    /// Dense matrices `[B, H, N, M]`.
    init(_ buffer: BufferID, matrices type: TensorType) {
        self.buffer = buffer
        dtype = type.dtype
        lengths = type.shape.dimensions
        strides = type.shape.strides
    }

    /// Heads of `[B, N, H, d]`.
    init(_ buffer: BufferID, heads type: TensorType, offset: Int = 0) {
        self.init(buffer, matrices: type)
        self.offset = offset
        lengths.swapAt(1, 2)
        strides.swapAt(1, 2)
    }

    var transposed: MatrixOperand {
        var result = self
        result.lengths.swapAt(2, 3)
        result.strides.swapAt(2, 3)
        return result
    }

    var rowsAndColumns: (Int64, Int64) { (Int64(lengths.dropLast().reduce(1, *)), Int64(lengths[3])) }

    var tensor: onednn_tensor { onednn_tensor(lengths: lengths, strides: strides, dtype: dtype) }
}

// oneDNN's fast products take heads from `[B, N, H, d]`, but not from the packed `[B, N, 3, H, d]`, whose three parts are therefore
// copied one after another: 8 µs for 8 × 50 × 576 in bfloat16, where the products then take 45 µs instead of 73.

extension LoweringContext {
    /// Queries, keys and values, from three inputs or one packed.
    fileprivate func separated(_ buffers: [BufferID], _ types: [TensorType]) -> [MatrixOperand] {
        guard types.count == 1 else { return zip(buffers, types).map { MatrixOperand($0, heads: $1) } }
        let parts = PackedParts(types[0]), copy = temporary(types[0].byteCount)
        emitStridedCopy(
            "attention split", lengths: parts.lengths, from: buffers[0], strides: parts.packedStrides, to: copy, strides: parts.strides)
        return parts.operands(copy)
    }

    /// Lets `body` write the three outputs, or three parts that are packed into the one output after it.
    fileprivate func withSeparatedOutputs(_ body: ([MatrixOperand]) throws -> Void) throws {
        guard outputTypes.count == 1 else { return try body(outputTypes.indices.map { MatrixOperand(output($0), heads: outputTypes[$0]) }) }
        let parts = PackedParts(outputTypes[0]), copy = temporary(outputTypes[0].byteCount), packed = output(0)
        try body(parts.operands(copy))
        emitStridedCopy(
            "attention join", lengths: parts.lengths, from: copy, strides: parts.strides, to: packed, strides: parts.packedStrides)
    }

    /// Float32 memory for the scores of probabilities; theirs where that is float32.
    fileprivate func scores(beside p: MatrixOperand) -> MatrixOperand {
        let type = TensorType(Shape(p.lengths))
        return p.dtype == .float32 ? p : MatrixOperand(temporary(type.byteCount), matrices: type)
    }

    fileprivate func emitMatmul(_ name: String, _ a: MatrixOperand, _ b: MatrixOperand, _ c: MatrixOperand) throws {
        var (aView, bView, cView) = (a.tensor, b.tensor, c.tensor)
        let primitive = try Primitive("\(name) of \(Shape(a.lengths)) × \(Shape(b.lengths))") {
            onednn_matmul(&aView, &bView, nil, &cView, Int32(workerCount))
        }
        emit(
            primitive, name: name, reads: [a.buffer, b.buffer], writes: [c.buffer], arguments: [a.buffer, b.buffer, c.buffer],
            offsets: [a, b, c].map { $0.offset * $0.dtype.byteCount })
    }
}

/// The three parts of a packed `[B, N, 3, H, d]`, and the same one after another: `[3, B, N, H, d]`.
private struct PackedParts {
    let lengths: [Int], packedStrides: [Int], strides: [Int]
    private let part: TensorType

    init(_ type: TensorType) {
        let x = type.shape, rows = x[0] * x[1], width = x[3] * x[4]
        lengths = [3, rows, width]
        packedStrides = [width, 3 * width, 1]
        strides = [rows * width, width, 1]
        part = TensorType([x[0], x[1], x[3], x[4]], type.dtype)
    }

    func operands(_ buffer: BufferID) -> [MatrixOperand] {
        (0..<3).map { MatrixOperand(buffer, heads: part, offset: $0 * part.shape.elementCount) }
    }
}

extension Tensor {
    /// Scaled dot-product attention of q `[B, N, H, d]` over k and v `[B, M, H, d]`; the scale is 1/√d unless given.
    public static func scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, scale: Float? = nil) -> Tensor {
        let inputs = [query, key, value].map { $0.inGraphPrecision() }
        return query.graph.record(Attention(scale: scale ?? 1 / Float(query.shape[-1]).squareRoot()), inputs)[0]
    }

    /// Self-attention of packed projections `[B, N, 3D]` (all queries, all keys, all values, each head by head): `[B, N, D]`.
    public func selfAttention(heads: Int, scale: Float? = nil) -> Tensor {
        guard isValid, rank == 3, heads > 0, shape[2] % (3 * heads) == 0 else {
            return graph.fail("attention of \(shape) with \(heads) heads: expected [batch, tokens, 3 × heads × width]", at: graph.currentPath)
        }
        let (batch, tokens, width) = (shape[0], shape[1], shape[2] / (3 * heads))
        let packed = inGraphPrecision().reshaped([batch, tokens, 3, heads, width])
        let output = graph.record(Attention(scale: scale ?? 1 / Float(width).squareRoot()), [packed])[0]
        return output.reshaped([batch, tokens, heads * width])
    }

    /// The same with a bias `[1, heads, N, N]` on the scores, from ops that keep the scores of all heads: for few tokens.
    public func selfAttention(heads: Int, scale: Float? = nil, bias: Tensor) -> Tensor {
        guard isValid, bias.isValid, rank == 3, heads > 0, shape[2] % (3 * heads) == 0 else {
            return graph.fail("attention of \(shape) with \(heads) heads: expected [batch, tokens, 3 × heads × width]", at: graph.currentPath)
        }
        let (batch, tokens, width) = (shape[0], shape[1], shape[2] / (3 * heads))
        let parts = inGraphPrecision().reshaped([batch, tokens, 3, heads, width]).transposed([2, 0, 3, 1, 4])
        let scaled = Scores(parts.part(0), parts.part(1), scale: scale ?? 1 / Float(width).squareRoot(), bias: bias)
        return scaled.attended(parts.part(2)).transposed([0, 2, 1, 3]).reshaped([batch, tokens, heads * width])
    }

    /// Attention of q `[B, N, H, d]` over k and v `[B, M, H, d]` with what fused attention does not know, from ops that keep the scores of all heads: for
    /// few tokens.
    ///
    /// - Parameters:
    ///   - scale: nil: 1/√d; a tensor `[1]` where it is trained.
    ///   - bias: `[1 or B, 1 or H, N, M]`, added to the scores.
    ///   - dropout: of the probabilities, in training.
    public static func attention(
        query: Tensor, key: Tensor, value: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, dropout: (rate: Float, stream: PhiloxStream)? = nil
    ) -> Tensor {
        guard query.isValid, key.isValid, value.isValid else { return query }
        let parts = [query, key, value].map { $0.inGraphPrecision().transposed([0, 2, 1, 3]) }
        let fixed = scale == nil ? 1 / Float(query.shape[-1]).squareRoot() : 1
        let scores = Scores(scale.map { parts[0] * $0.cast(to: parts[0].dtype) } ?? parts[0], parts[1], scale: fixed, bias: bias)
        return scores.attended(parts[2], dropout: dropout).transposed([0, 2, 1, 3])
    }

    /// The scores of heads `[B, H, N, d]` over `[B, H, M, d]`.
    private struct Scores {
        let values: Tensor

        init(_ query: Tensor, _ key: Tensor, scale: Float, bias: Tensor?) {
            let scaled = query.matmul(key, transposeB: true, dtype: .float32) * scale
            values = bias.map { scaled + $0 } ?? scaled
        }

        func attended(_ value: Tensor, dropout: (rate: Float, stream: PhiloxStream)? = nil) -> Tensor {
            var probabilities = values.softmax()
            if let dropout { probabilities = probabilities.dropout(rate: dropout.rate, stream: dropout.stream) }
            return probabilities.cast(to: value.dtype).matmul(value)
        }
    }

    /// Number `index` along the first axis, which goes.
    private func part(_ index: Int) -> Tensor { sliced(axis: 0, index..<index + 1).reshaped(Shape(Array(shape.dropFirst()))) }
}
