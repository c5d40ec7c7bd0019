import CKernels
import COneDNN

// Attention over few tokens: the probabilities are kept for the backward pass. As many matrices are worked on at a time as a core's second cache
// holds, from the copies of their operands to the results.

/// The matrices [B, H] in runs: some whole samples, or some heads of one sample.
private struct MatrixRuns {
    let scores: AttentionScores
    let samples: Pieces, heads: Pieces

    init(_ scores: AttentionScores) {
        self.scores = scores
        let (n, m, d, e) = (scores.queries, scores.keys, scores.width, scores.valueWidth)
        // Probabilities and their gradient; q and dq, dy; k and dk, v and dv.
        let byteCount = 4 * (2 * n * m + (2 * n + 2 * m) * d + (n + 2 * m) * e), count = max(1, (1 << 20) / byteCount)
        samples = Pieces(total: scores.batch, length: min(max(1, count / scores.heads), scores.batch))
        heads = Pieces(total: scores.heads, length: min(count, scores.heads))
    }

    /// Matrices of the longest run.
    var count: Int { samples.sizes[0] * heads.sizes[0] }

    /// One run: its matrices begin at `first`, and lie one behind the other.
    struct Run {
        let sample: Int, sampleCount: Int, head: Int, headCount: Int
        /// Of its products.
        let kinds: (Int, Int)

        var count: Int { sampleCount * headCount }

        func forEach(_ body: (_ place: Int, _ sample: Int, _ head: Int) -> Void) {
            for place in 0..<count { body(place, sample + place / headCount, head + place % headCount) }
        }
    }

    func forEach(_ body: (Run) -> Void) {
        samples.forEach { sample, sampleCount, kind in
            heads.forEach { head, headCount, headKind in
                body(Run(sample: sample, sampleCount: sampleCount, head: head, headCount: headCount, kinds: (kind, headKind)))
            }
        }
    }

    /// The operands of a run, one matrix behind the other.
    func gather(_ rows: HeadRows, _ tokens: Int, _ run: Run, to target: BufferID, _ c: KernelContext) {
        let byteCount = tokens * rows.headWidth * rows.dtype.byteCount
        run.forEach { rows.gather(tokens, from: 0, sample: $1, head: $2, to: c.raw(target) + $0 * byteCount, c) }
    }

    func scatter(_ source: BufferID, _ tokens: Int, _ run: Run, to rows: HeadRows, _ c: KernelContext) {
        let byteCount = tokens * rows.headWidth * rows.dtype.byteCount
        run.forEach { rows.scatter(tokens, from: c.raw(source) + $0 * byteCount, sample: $1, head: $2, c) }
    }

    /// c = a b for a run: a `[…, m, k]`, b `[…, k, n]`, dense or transposed, c dense unless it has strides of its own.
    func product(
        _ name: String, _ context: LoweringContext, _ m: Int, _ k: Int, _ n: Int, transposesA: Bool = false, transposesB: Bool = false,
        result: DType, strides: [Int]? = nil
    ) throws -> PieceProducts {
        try PieceProducts(name, samples, heads, context) { samples, heads in
            func operand(_ rows: Int, _ columns: Int, isTransposed: Bool, _ dtype: DType) -> onednn_tensor {
                onednn_tensor(
                    lengths: [samples, heads, rows, columns], strides: [heads * rows * columns, rows * columns] + (isTransposed ? [1, rows] : [columns, 1]),
                    dtype: dtype)
            }
            let c = strides.map { onednn_tensor(lengths: [samples, heads, m, n], strides: $0, dtype: result) }
            return (
                operand(m, k, isTransposed: transposesA, scores.dtype), operand(k, n, isTransposed: transposesB, scores.dtype),
                c ?? operand(m, n, isTransposed: false, result))
        }
    }
}

extension LoweringContext {
    /// Emits what makes the probabilities, output 1, and from them the output itself unless it is made otherwise.
    func emitStoredAttention(_ scores: AttentionScores, makesOutput: Bool = true) throws {
        if scores.fitsHeads { return scores.emitHeads(self, makesOutput: makesOutput) }
        let runs = MatrixRuns(scores), (n, m, d, e) = (scores.queries, scores.keys, scores.width, scores.valueWidth), dtype = scores.dtype, bytes = dtype.byteCount
        let inputs = HeadRows.all(scores.operands, scores.operandTypes), p = output(1), y = makesOutput ? HeadRows(output(0), outputTypes[0]) : nil
        let product = try runs.product("q kᵀ", self, n, d, m, transposesB: true, result: .float32)
        let sumUp = try makesOutput ? runs.product("p v", self, n, m, e, result: dtype, strides: [n * scores.heads * e, e, scores.heads * e, 1]) : product
        let scratchpad = temporary(PieceProducts.scratchpadByteCount(product, sumUp))
        let q = temporary(runs.count * n * d * bytes), k = temporary(runs.count * m * d * bytes), v = temporary(runs.count * m * e * bytes)
        let x = dtype == .float32 ? nil : temporary(runs.count * n * m * 4)
        emit(
            "attention", reads: scores.operands + scores.reads, writes: [p, q, k, v, scratchpad] + [x, y?.buffer].compactMap(\.self),
            multiplyAdds: scores.multiplyAdds.scores + (makesOutput ? scores.multiplyAdds.values : 0)
        ) { c in
            var view = scores.view(c)
            runs.forEach { run in
                let first = run.sample * scores.heads + run.head, p = c.raw(p) + first * n * m * bytes, x = x.map { c.raw($0) } ?? p
                runs.gather(inputs[0], n, run, to: q, c)
                runs.gather(inputs[1], m, run, to: k, c)
                product(run.kinds, c.raw(q), c.raw(k), x, scratchpad, c)
                let products = x.assumingMemoryBound(to: Float.self), rows = Int64(run.count * n)
                if !scores.biases.isEmpty {
                    kernel_score_softmax(&view, Int64(first), Int64(run.count), products, p)
                } else if dtype == .bfloat16 {
                    kernel_softmax_to_bfloat16(products, p.assumingMemoryBound(to: UInt16.self), rows, Int64(m), scores.scale)
                } else {
                    kernel_softmax(products, products, rows, Int64(m), scores.scale)
                }
                guard let y else { return }
                runs.gather(inputs[2], m, run, to: v, c)
                sumUp(run.kinds, p, c.raw(v), y.row(0, sample: run.sample, head: run.head, c), scratchpad, c)
            }
        }
    }

    /// Emits the gradients from the probabilities, input 0, and dy, input 1.
    func emitStoredAttentionGradient(_ scores: AttentionScores) throws {
        if scores.fitsHeads { return scores.emitHeadsGradient(self) }
        let runs = MatrixRuns(scores), (n, m, d, e) = (scores.queries, scores.keys, scores.width, scores.valueWidth), dtype = scores.dtype, bytes = dtype.byteCount
        let inputs = HeadRows.all(scores.operands, scores.operandTypes), upstream = HeadRows(input(1), inputTypes[1]), p = input(0)
        let outputs = (0..<scores.operands.count).map(output), gradients = HeadRows.all(outputs, scores.operandTypes)
        let forValues = try runs.product("pᵀ dy", self, m, n, e, transposesA: true, result: dtype)
        let forProbabilities = try runs.product("dy vᵀ", self, n, e, m, transposesB: true, result: .float32)
        let forQueries = try runs.product("g k", self, n, m, d, result: dtype), forKeys = try runs.product("gᵀ q", self, m, n, d, transposesA: true, result: dtype)
        let scratchpad = temporary(PieceProducts.scratchpadByteCount(forValues, forProbabilities, forQueries, forKeys))
        let q = temporary(runs.count * n * d * bytes), k = temporary(runs.count * m * d * bytes)
        let v = temporary(runs.count * m * e * bytes), dy = temporary(runs.count * n * e * bytes)
        let result = temporary(runs.count * max(n * d, m * d, m * e) * bytes)
        let dp = temporary(runs.count * n * m * 4), g = dtype == .float32 ? dp : temporary(runs.count * n * m * bytes)
        emit(
            "attention gradient", reads: [p, upstream.buffer] + scores.operands + scores.reads,
            writes: outputs + scores.writes + [q, dy, k, v, result, dp, g, scratchpad],
            multiplyAdds: 2 * (scores.multiplyAdds.scores + scores.multiplyAdds.values)
        ) { c in
            var view = scores.view(c)
            scores.startSums(c)
            runs.forEach { run in
                let first = run.sample * scores.heads + run.head, p = c.raw(p) + first * n * m * bytes
                runs.gather(upstream, n, run, to: dy, c)
                runs.gather(inputs[2], m, run, to: v, c)
                forValues(run.kinds, p, c.raw(dy), c.raw(result), scratchpad, c)
                runs.scatter(result, m, run, to: gradients[2], c)
                forProbabilities(run.kinds, c.raw(dy), c.raw(v), c.raw(dp), scratchpad, c)
                if scores.biases.isEmpty {
                    kernel_softmax_gradient(p, c.floats(dp), c.raw(g), Int64(run.count * n), Int64(m), scores.scale, dtype.kernelType)
                } else {
                    kernel_score_softmax_gradient(&view, Int64(first), Int64(run.count), p, c.floats(dp), c.raw(g))
                }
                runs.gather(inputs[1], m, run, to: k, c)
                forQueries(run.kinds, c.raw(g), c.raw(k), c.raw(result), scratchpad, c)
                runs.scatter(result, n, run, to: gradients[0], c)
                runs.gather(inputs[0], n, run, to: q, c)
                forKeys(run.kinds, c.raw(g), c.raw(q), c.raw(result), scratchpad, c)
                runs.scatter(result, m, run, to: gradients[1], c)
            }
            scores.finishSums(c)
        }
    }
}
