import CKernels
import COneDNN

// Attention over many tokens: a block of queries meets a block of keys at a time, so that memory grows with the tokens and not with their square (Dao,
// Fu, Ermon, Rudra and Ré, "FlashAttention", NeurIPS 2022). One kernel does all heads of a shard, tile after tile in a fixed order.

/// What both passes know of their tiles.
private struct Tiling {
    let scores: AttentionScores
    let queries: Pieces, keys: Pieces

    init(_ scores: AttentionScores) {
        self.scores = scores
        // Two tiles of scores are in a core's second cache with what they are made of.
        (queries, keys) = (Pieces(total: scores.queries, length: 128), Pieces(total: scores.keys, length: 256))
    }

    var elementByteCount: Int { scores.dtype.byteCount }
    /// Rows and elements of the largest tile.
    var rows: Int { queries.sizes[0] }
    var tileCount: Int { rows * keys.sizes[0] }

    /// c = a b or c += a b for a tile, each dense and c in float32.
    ///
    /// - Parameter lengths: rows of a, columns of a and columns of b for a number of queries and of keys.
    func product(
        _ name: String, _ context: LoweringContext, transposesA: Bool = false, transposesB: Bool = false, adds: Bool = true,
        _ lengths: (_ queries: Int, _ keys: Int) -> (Int, Int, Int)
    ) throws -> PieceProducts {
        func operand(_ rows: Int, _ columns: Int, isTransposed: Bool, _ dtype: DType) -> onednn_tensor {
            onednn_tensor(lengths: [rows, columns], strides: isTransposed ? [1, rows] : [columns, 1], dtype: dtype)
        }
        return try PieceProducts(name, queries, keys, context, adds: adds) {
            let (m, k, n) = lengths($0, $1), dtype = scores.dtype
            return (
                operand(m, k, isTransposed: transposesA, dtype), operand(k, n, isTransposed: transposesB, dtype),
                operand(m, n, isTransposed: false, .float32))
        }
    }

    func forEachHead(_ body: (_ sample: Int, _ head: Int) -> Void) {
        for sample in 0..<scores.batch {
            for head in 0..<scores.heads { body(sample, head) }
        }
    }

    func tile(_ sample: Int, _ head: Int, _ query: Int, _ rows: Int, _ key: Int, _ columns: Int) -> kernel_score_tile {
        kernel_score_tile(
            sample: Int64(sample), head: Int64(head), query: Int64(query), key: Int64(key), rows: Int64(rows), columns: Int64(columns))
    }
}

extension LoweringContext {
    /// Emits the output and the log sums of its rows, outputs 0 and 2.
    func emitTiledAttention(_ scores: AttentionScores) throws {
        let tiling = Tiling(scores), width = scores.width, valueWidth = scores.valueWidth, bytes = tiling.elementByteCount
        let inputs = HeadRows.all(scores.operands, scores.operandTypes), y = HeadRows(output(0), outputTypes[0]), logSums = output(2)
        let product = try tiling.product("q kᵀ", self, transposesB: true, adds: false) { ($0, width, $1) }
        let sumUp = try tiling.product("p v", self) { ($0, $1, valueWidth) }

        let q = temporary(tiling.rows * width * bytes), k = temporary(scores.keys * width * bytes), v = temporary(scores.keys * valueWidth * bytes)
        let x = temporary(tiling.tileCount * 4), p = scores.dtype == .float32 ? x : temporary(tiling.tileCount * bytes)
        let maxima = temporary(tiling.rows * 4), sums = temporary(tiling.rows * 4), sum = temporary(tiling.rows * valueWidth * 4)
        let scratchpad = temporary(PieceProducts.scratchpadByteCount(product, sumUp))
        emit(
            "attention", reads: scores.operands + scores.reads, writes: [y.buffer, logSums, q, k, v, x, p, maxima, sums, sum, scratchpad],
            multiplyAdds: scores.multiplyAdds.scores + scores.multiplyAdds.values
        ) { c in
            var view = scores.view(c)
            tiling.forEachHead { sample, head in
                inputs[1].gather(scores.keys, from: 0, sample: sample, head: head, to: c.raw(k), c)
                inputs[2].gather(scores.keys, from: 0, sample: sample, head: head, to: c.raw(v), c)
                tiling.queries.forEach { query, rows, kind in
                    inputs[0].gather(rows, from: query, sample: sample, head: head, to: c.raw(q), c)
                    kernel_attention_start(c.floats(maxima), c.floats(sums), c.floats(sum), Int64(rows), Int64(valueWidth))
                    tiling.keys.forEach { key, columns, keyKind in
                        product((kind, keyKind), c.raw(q), c.raw(k) + key * width * bytes, c.raw(x), scratchpad, c)
                        let tile = tiling.tile(sample, head, query, rows, key, columns)
                        kernel_attention_tile(&view, tile, c.floats(x), c.raw(p), c.floats(maxima), c.floats(sums), c.floats(sum), Int64(valueWidth))
                        sumUp((kind, keyKind), c.raw(p), c.raw(v) + key * valueWidth * bytes, c.raw(sum), scratchpad, c)
                    }
                    kernel_attention_finish(
                        c.floats(maxima), c.floats(sums), c.floats(sum), y.row(query, sample: sample, head: head, c),
                        c.floats(logSums) + (sample * scores.heads + head) * scores.queries + query, Int64(rows), Int64(valueWidth), Int64(y.stride),
                        y.dtype.kernelType)
                }
            }
        }
    }

    /// Emits the gradients from the output, the log sums and dy, inputs 0, 1 and 2.
    func emitTiledAttentionGradient(_ scores: AttentionScores) throws {
        let tiling = Tiling(scores), width = scores.width, valueWidth = scores.valueWidth, bytes = tiling.elementByteCount, isNarrow = scores.dtype != .float32
        let inputs = HeadRows.all(scores.operands, scores.operandTypes), kept = [0, 2].map { HeadRows(input($0), inputTypes[$0]) }, logSums = input(1)
        let outputs = (0..<scores.operands.count).map(output), gradients = HeadRows.all(outputs, scores.operandTypes)
        let product = try tiling.product("q kᵀ", self, transposesB: true, adds: false) { ($0, width, $1) }
        let valueProduct = try tiling.product("dy vᵀ", self, transposesB: true, adds: false) { ($0, valueWidth, $1) }
        let forQueries = try tiling.product("g k", self) { ($0, $1, width) }
        let forKeys = try tiling.product("gᵀ q", self, transposesA: true) { ($1, $0, width) }
        let forValues = try tiling.product("pᵀ dy", self, transposesA: true) { ($1, $0, valueWidth) }

        let keyCount = scores.keys * width, valueCount = scores.keys * valueWidth
        let q = temporary(tiling.rows * width * bytes), dy = temporary(tiling.rows * valueWidth * bytes)
        let k = temporary(keyCount * bytes), v = temporary(valueCount * bytes)
        let x = temporary(tiling.tileCount * 4), dp = temporary(tiling.tileCount * 4)
        let (p, g) = isNarrow ? (temporary(tiling.tileCount * bytes), temporary(tiling.tileCount * bytes)) : (x, dp)
        let rowProducts = temporary(tiling.rows * 4), dq = temporary(tiling.rows * width * 4), dk = temporary(keyCount * 4), dv = temporary(valueCount * 4)
        let scratchpad = temporary(PieceProducts.scratchpadByteCount(product, valueProduct, forQueries, forKeys, forValues))
        emit(
            "attention gradient", reads: kept.map(\.buffer) + [logSums] + scores.operands + scores.reads,
            writes: outputs + scores.writes + [q, dy, k, v, x, dp, p, g, rowProducts, dq, dk, dv, scratchpad],
            multiplyAdds: 3 * scores.multiplyAdds.scores + 2 * scores.multiplyAdds.values
        ) { c in
            var view = scores.view(c)
            scores.startSums(c)
            tiling.forEachHead { sample, head in
                inputs[1].gather(scores.keys, from: 0, sample: sample, head: head, to: c.raw(k), c)
                inputs[2].gather(scores.keys, from: 0, sample: sample, head: head, to: c.raw(v), c)
                c.floats(dk).update(repeating: 0, count: keyCount)
                c.floats(dv).update(repeating: 0, count: valueCount)
                tiling.queries.forEach { query, rows, kind in
                    inputs[0].gather(rows, from: query, sample: sample, head: head, to: c.raw(q), c)
                    kept[1].gather(rows, from: query, sample: sample, head: head, to: c.raw(dy), c)
                    kernel_attention_products(
                        kept[1].row(query, sample: sample, head: head, c), kept[0].row(query, sample: sample, head: head, c), c.floats(rowProducts),
                        Int64(rows), Int64(valueWidth), Int64(kept[0].stride), scores.dtype.kernelType)
                    c.floats(dq).update(repeating: 0, count: rows * width)
                    let logSums = c.floats(logSums) + (sample * scores.heads + head) * scores.queries + query
                    tiling.keys.forEach { key, columns, keyKind in
                        let first = key * width, firstValue = key * valueWidth
                        product((kind, keyKind), c.raw(q), c.raw(k) + first * bytes, c.raw(x), scratchpad, c)
                        valueProduct((kind, keyKind), c.raw(dy), c.raw(v) + firstValue * bytes, c.raw(dp), scratchpad, c)
                        let tile = tiling.tile(sample, head, query, rows, key, columns)
                        kernel_attention_tile_gradient(&view, tile, c.floats(x), c.floats(dp), c.raw(p), c.raw(g), logSums, c.floats(rowProducts))
                        forValues((kind, keyKind), c.raw(p), c.raw(dy), c.raw(dv) + firstValue * 4, scratchpad, c)
                        forQueries((kind, keyKind), c.raw(g), c.raw(k) + first * bytes, c.raw(dq), scratchpad, c)
                        forKeys((kind, keyKind), c.raw(g), c.raw(q), c.raw(dk) + first * 4, scratchpad, c)
                    }
                    gradients[0].store(rows, from: c.floats(dq), sample: sample, head: head, at: query, c)
                }
                gradients[1].store(scores.keys, from: c.floats(dk), sample: sample, head: head, at: 0, c)
                gradients[2].store(scores.keys, from: c.floats(dv), sample: sample, head: head, at: 0, c)
            }
            scores.finishSums(c)
        }
    }
}
