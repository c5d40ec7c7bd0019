import CKernels
import COneDNN

/// softmax(scale · q kᵀ + biases) v of every head (Vaswani et al. 2017), reading and writing heads where they lie.
///
/// Legend: `B` batch, `N` queries, `M` keys, `H` heads, `d` width of a head's queries and keys, `e` of its values. Inputs are either q `[B, N, H, d]`,
/// k `[B, M, H, d]` and v `[B, M, H, e]`, or one packed `[B, N, 3, H, d]`, and then up to two biases `[G, 1 or H, N, M]` in float32, G a divisor of B:
/// sample b has that of b mod G. The output is `[B, N, H, e]`. Scores and softmax are float32 whatever the inputs are.
///
/// The second output is the probabilities `[B, H, N, M]`, `probabilities` for taps. Of few tokens, the backward pass reads them. Of many, they are made
/// tile by tile and only a tap keeps them; the backward pass makes them again from the third output, log Σ exp of each row of scores, `[B, H, N]` in
/// float32 (Dao et al. 2022).
struct Attention: Operation {
    let scale: Float
    var biasCount = 0
    var name: String { "attention" }
    var outputCount: Int { 3 }
    var furtherOutputNames: [String] { ["probabilities"] }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let operands = inputs.dropLast(biasCount), dtype = inputs[0].dtype
        guard dtype.isActivation, operands.allSatisfy({ $0.dtype == dtype }) else { throw ShapeError("expected float32 or bfloat16 throughout") }
        let result: TensorType, keys: Int
        if operands.count == 1 {
            let x = inputs[0].shape
            guard x.rank == 5, x[2] == 3 else { throw ShapeError("of \(x): expected [batch, tokens, 3, heads, width]") }
            (result, keys) = (TensorType([x[0], x[1], x[3], x[4]], dtype), x[1])
        } else {
            let (q, k, v) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
            guard q.rank == 4, k.rank == 4, v.rank == 4, k.dropLast() == v.dropLast(), q[0] == k[0], q[2] == k[2], q[3] == k[3] else {
                throw ShapeError("of \(q), \(k) and \(v): expected [batch, tokens, heads, width], equal but for the queries' number and the values' width")
            }
            (result, keys) = (TensorType([q[0], q[1], q[2], v[3]], dtype), k[1])
        }
        let (batch, queries, heads) = (result.shape[0], result.shape[1], result.shape[2])
        for bias in inputs.suffix(biasCount) {
            let shape = bias.shape
            guard shape.rank == 4, bias.dtype == .float32, shape[0] > 0, batch % shape[0] == 0, shape[1] == 1 || shape[1] == heads,
                shape[2] == queries, shape[3] == keys
            else { throw ShapeError("with a bias \(bias): expected [1 or a divisor of \(batch), 1 or \(heads), \(queries), \(keys)] in float32") }
        }
        return [result, TensorType([batch, heads, queries, keys], dtype), TensorType([batch, heads, queries])]
    }

    func multiplyAdds(_ inputs: [TensorType], _ outputs: [TensorType]) -> Int {
        let queries = inputs[0].shape, values = outputs[0].shape
        return outputs[1].shape.elementCount * (queries[-1] + values[-1])
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] {
        guard let dy = upstream[0] else { return node.inputs.map { _ in nil } }
        let isTiled = Self.isTiled(node.outputs[1].shape), operandCount = node.inputs.count - biasCount
        let gradient = AttentionGradient(
            attention: self, isTiled: isTiled, operandCount: operandCount, hasBiasGradient: Array(node.needsGradient[operandCount...]))
        let kept = isTiled ? [node.outputs[0], node.outputs[2]] : [node.outputs[1]]
        var results = dy.graph.record(gradient, kept + [dy] + node.inputs)[...]
        return node.inputs.indices.map { $0 < operandCount || node.needsGradient[$0] ? results.popFirst() : nil }
    }

    /// Whether scores `[B, H, N, M]` are made tile by tile: where they are no longer small beside all else.
    static func isTiled(_ scores: Shape) -> Bool { scores[2] >= 512 && scores[3] >= 512 }

    func lower(_ context: LoweringContext) throws {
        let scores = AttentionScores(self, context, firstInput: 0)
        if Self.isTiled(context.outputTypes[1].shape) {
            try context.emitTiledAttention(scores)
            if context.isUsed(output: 1) { try context.emitStoredAttention(scores, makesOutput: false) }
        } else {
            try context.emitStoredAttention(scores)
        }
    }
}

/// What is kept of the forward pass, the output's gradient and the inputs → the inputs' gradients.
///
/// dv = pᵀ dy; dp = dy vᵀ; g = p ∘ (dp − ⟨dp, p⟩); dq = scale · g k; dk = scale · gᵀ q; a bias gets the sum of g over all that it was added to.
struct AttentionGradient: Operation {
    let attention: Attention
    /// Inputs are the output, log sums and dy, or probabilities and dy, before those of attention.
    let isTiled: Bool
    /// q, k and v, or all in one.
    let operandCount: Int
    /// Which biases a gradient is asked for.
    let hasBiasGradient: [Bool]
    var name: String { "attention gradient" }
    var outputCount: Int { operandCount + hasBiasGradient.count(where: \.self) }

    private var firstInput: Int { isTiled ? 3 : 2 }

    func outputTypes(_ inputs: [TensorType]) -> [TensorType] {
        let types = inputs[firstInput...]
        return types.prefix(operandCount) + zip(types.suffix(hasBiasGradient.count), hasBiasGradient).filter(\.1).map(\.0)
    }

    func lower(_ context: LoweringContext) throws {
        let scores = AttentionScores(attention, context, firstInput: firstInput, hasBiasGradient: hasBiasGradient)
        try isTiled ? context.emitTiledAttentionGradient(scores) : context.emitStoredAttentionGradient(scores)
    }
}

/// The scores of an attention that is lowered, and where their biases lie.
struct AttentionScores {
    let scale: Float
    /// Of the operands alone, q, k and v or all in one.
    let operands: [BufferID], operandTypes: [TensorType]
    let batch, heads, queries, keys: Int
    /// Of a head's queries and keys, and of its values.
    let width, valueWidth: Int
    let dtype: DType
    let biases: [Bias]

    struct Bias {
        let values: BufferID
        let groups, heads, elementCount: Int
        /// The gradient, and the sums of which it is made; nil where nobody asks for it.
        let gradient: (output: BufferID, sums: BufferID)?
    }

    /// - Parameters:
    ///   - firstInput: of attention's own inputs.
    ///   - hasBiasGradient: which biases have a gradient among the outputs, behind those of the operands.
    init(_ attention: Attention, _ context: LoweringContext, firstInput: Int, hasBiasGradient: [Bool] = []) {
        let types = Array(context.inputTypes[firstInput...]), count = types.count - attention.biasCount
        scale = attention.scale
        operandTypes = Array(types[..<count])
        operands = (0..<count).map { context.input(firstInput + $0) }
        dtype = types[0].dtype
        let x = types[0].shape
        (batch, queries, heads, width) = count == 1 ? (x[0], x[1], x[3], x[4]) : (x[0], x[1], x[2], x[3])
        (keys, valueWidth) = count == 1 ? (x[1], width) : (types[1].shape[1], types[2].shape[3])
        var output = count
        biases = (count..<types.count).map { place in
            let shape = types[place].shape
            var gradient: (BufferID, BufferID)?
            if !hasBiasGradient.isEmpty, hasBiasGradient[place - count] {
                gradient = (context.output(output), context.temporary(shape.elementCount * MemoryLayout<Double>.size))
                output += 1
            }
            return Bias(
                values: context.input(firstInput + place), groups: shape[0], heads: shape[1], elementCount: shape.elementCount, gradient: gradient)
        }
    }

    /// What kernels that read the biases read and write beside their operands.
    var reads: [BufferID] { biases.map(\.values) }
    var writes: [BufferID] { biases.flatMap { $0.gradient.map { [$0.output, $0.sums] } ?? [] } }

    /// Of the products that make scores of queries and keys, or that sum up values.
    var multiplyAdds: (scores: Int, values: Int) { (batch * heads * queries * keys * width, batch * heads * queries * keys * valueWidth) }

    /// As the kernels see them, in the run of a kernel.
    func view(_ context: KernelContext) -> kernel_scores {
        var scores = kernel_scores()
        (scores.batch, scores.heads, scores.queries, scores.keys) = (Int64(batch), Int64(heads), Int64(queries), Int64(keys))
        (scores.scale, scores.type, scores.bias_count) = (scale, dtype.kernelType, Int32(biases.count))
        withUnsafeMutableBytes(of: &scores.biases) { bytes in
            let places = bytes.bindMemory(to: kernel_score_bias.self)
            for (place, bias) in biases.enumerated() {
                places[place] = kernel_score_bias(
                    values: context.floats(bias.values), sums: bias.gradient.map { context.doubles($0.sums) }, groups: Int64(bias.groups), heads: Int64(bias.heads))
            }
        }
        return scores
    }

    /// Before the first kernel that adds to the biases' gradients.
    func startSums(_ context: KernelContext) {
        for bias in biases {
            if let gradient = bias.gradient { context.doubles(gradient.sums).update(repeating: 0, count: bias.elementCount) }
        }
    }

    /// After the last one.
    func finishSums(_ context: KernelContext) {
        for bias in biases {
            if let gradient = bias.gradient {
                kernel_attention_round(context.doubles(gradient.sums), context.floats(gradient.output), Int64(bias.elementCount))
            }
        }
    }
}
