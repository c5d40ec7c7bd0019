import CKernels

// Attention in float32 over few keys: one kernel makes scores, softmax and sums of values for a few queries of a head at a time, so that they stay in a
// core's first cache. The probabilities are kept for the backward pass.

extension AttentionScores {
    var fitsHeads: Bool { dtype == .float32 && keys <= Int(KERNEL_MOST_HEAD_KEYS) }

    /// A head as the kernel sees it, and the memory that it needs.
    private func head(_ rows: [HeadRows], outputRow: Int) -> kernel_head {
        kernel_head(
            sample: 0, head: 0, queries: Int64(queries), keys: Int64(keys), width: Int64(width), value_width: Int64(valueWidth), q_row: Int64(rows[0].stride),
            k_row: Int64(rows[1].stride), v_row: Int64(rows[2].stride), y_row: Int64(outputRow))
    }

    /// - Parameter body: gets a head, its number, and the place of its first row in something.
    private func forEachHead(
        of head: kernel_head, _ c: KernelContext, _ body: (UnsafePointer<kernel_head>, Int, (HeadRows) -> UnsafeMutablePointer<Float>) -> Void
    ) {
        for number in 0..<batch * heads {
            var head = head
            let (sample, place) = (number / heads, number % heads)
            (head.sample, head.head) = (Int64(sample), Int64(place))
            body(&head, number) { $0.row(0, sample: sample, head: place, c).assumingMemoryBound(to: Float.self) }
        }
    }

    /// Emits the probabilities, output 1, and the output itself unless it is made otherwise.
    func emitHeads(_ context: LoweringContext, makesOutput: Bool) {
        let rows = HeadRows.all(operands, operandTypes), p = context.output(1), y = makesOutput ? HeadRows(context.output(0), context.outputTypes[0]) : nil
        let head = head(rows, outputRow: heads * valueWidth), memory = context.temporary(withUnsafePointer(to: head) { Int(kernel_head_memory($0)) } * 4)
        context.emit(
            "attention", reads: operands + reads, writes: [p, memory] + (y.map { [$0.buffer] } ?? []),
            multiplyAdds: multiplyAdds.scores + (makesOutput ? multiplyAdds.values : 0)
        ) { c in
            var view = view(c)
            forEachHead(of: head, c) { head, number, at in
                kernel_head_attention(
                    &view, head, at(rows[0]), at(rows[1]), at(rows[2]), c.floats(p) + number * queries * keys, y.map { at($0) }, c.floats(memory))
            }
        }
    }

    /// Emits the gradients from the probabilities, input 0, and dy, input 1.
    func emitHeadsGradient(_ context: LoweringContext) {
        let rows = HeadRows.all(operands, operandTypes), upstream = HeadRows(context.input(1), context.inputTypes[1]), p = context.input(0)
        let outputs = (0..<operands.count).map(context.output), gradients = HeadRows.all(outputs, operandTypes)
        let head = head(rows, outputRow: upstream.stride), memory = context.temporary(withUnsafePointer(to: head) { Int(kernel_head_memory($0)) } * 4)
        context.emit(
            "attention gradient", reads: [p, upstream.buffer] + operands + reads, writes: outputs + writes + [memory],
            multiplyAdds: 2 * (multiplyAdds.scores + multiplyAdds.values)
        ) { c in
            var view = view(c)
            startSums(c)
            forEachHead(of: head, c) { head, number, at in
                kernel_head_attention_gradient(
                    &view, head, at(rows[0]), at(rows[1]), at(rows[2]), c.floats(p) + number * queries * keys, at(upstream), at(gradients[0]),
                    at(gradients[1]), at(gradients[2]), c.floats(memory))
            }
            finishSums(c)
        }
    }
}
