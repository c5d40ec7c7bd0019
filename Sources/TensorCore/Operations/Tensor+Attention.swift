extension Tensor {
    /// Scaled dot-product attention of q `[B, N, H, d]` over k `[B, M, H, d]` and v `[B, M, H, e]`; the scale is 1/√d unless given.
    public static func scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, scale: Float? = nil) -> Tensor {
        fused([query, key, value].map { $0.inGraphPrecision() }, scale: scale ?? 1 / Float(query.shape[-1]).squareRoot(), [])
    }

    /// Self-attention of packed projections `[B, N, 3D]` (all queries, all keys, all values, each head by head): `[B, N, D]`.
    ///
    /// - Parameters:
    ///   - scale: nil: 1/√d.
    ///   - bias: `[G, 1 or H, N, N]`, added to the scores, G a divisor of B: sample b has that of b mod G. Axes of tokens may be 1.
    ///   - mask: a second bias.
    public func selfAttention(heads: Int, scale: Float? = nil, bias: Tensor? = nil, mask: Tensor? = nil) -> Tensor {
        guard isValid, rank == 3, heads > 0, shape[2] % (3 * heads) == 0 else {
            return graph.fail("attention of \(shape) with \(heads) heads: expected [batch, tokens, 3 × heads × width]", at: graph.currentPath)
        }
        let (batch, tokens, width) = (shape[0], shape[1], shape[2] / (3 * heads))
        let packed = inGraphPrecision().reshaped([batch, tokens, 3, heads, width])
        let output = Self.fused([packed], scale: scale ?? 1 / Float(width).squareRoot(), [bias, mask].compactMap(\.self))
        return output.reshaped([batch, tokens, heads * width])
    }

    /// Attention of q `[B, N, H, d]` over k `[B, M, H, d]` and v `[B, M, H, e]` with all that may be done to the scores. Memory grows with the tokens from 512 queries and
    /// keys on, but with their square in dropout and in biases for every pair of tokens.
    ///
    /// - Parameters:
    ///   - scale: nil: 1/√d; a tensor `[1]` where it is trained.
    ///   - bias: `[G, 1 or H, N, M]`, added to the scores, G a divisor of B: sample b has that of b mod G. Axes of tokens may be 1.
    ///   - mask: a second bias.
    ///   - dropout: of the probabilities, in training.
    public static func attention(
        query: Tensor, key: Tensor, value: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, mask: Tensor? = nil,
        dropout: (rate: Float, stream: PhiloxStream)? = nil
    ) -> Tensor {
        guard query.isValid, key.isValid, value.isValid else { return query }
        let operands = [query, key, value].map { $0.inGraphPrecision() }
        let scaled = scale.map { operands[0] * $0.cast(to: operands[0].dtype) } ?? operands[0]
        let fixed = scale == nil ? 1 / Float(query.shape[-1]).squareRoot() : 1, biases = [bias, mask].compactMap(\.self)
        guard let dropout, dropout.rate > 0, query.graph.mode == .training else { return fused([scaled, operands[1], operands[2]], scale: fixed, biases) }
        let parts = [scaled, operands[1], operands[2]].map { $0.transposed([0, 2, 1, 3]) }
        let products = parts[0].matmul(parts[1], transposeB: true, dtype: .float32) * fixed
        let scores = biases.reduce(products) { scores, bias in
            guard scores.isValid, bias.isValid, bias.rank == 4, bias.shape[0] > 1, scores.shape[0] % bias.shape[0] == 0 else { return scores + bias }
            let groups = Shape([scores.shape[0] / bias.shape[0], bias.shape[0]] + scores.shape.dropFirst())
            return (scores.reshaped(groups) + bias).reshaped(scores.shape)
        }
        let probabilities = scores.softmax().dropout(rate: dropout.rate, stream: dropout.stream)
        return probabilities.cast(to: parts[2].dtype).matmul(parts[2]).transposed([0, 2, 1, 3])
    }

    /// The fused operation of q, k and v, or of all in one `[B, N, 3, H, d]`.
    private static func fused(_ operands: [Tensor], scale: Float, _ biases: [Tensor]) -> Tensor {
        let graph = operands[0].graph
        let whole = biases.map { bias -> Tensor in
            guard bias.isValid, bias.rank == 4, operands.allSatisfy({ $0.isValid && $0.rank >= 4 }) else { return bias }
            let queries = operands[0].shape[1], keys = operands[operands.count - 1].shape[1]
            return bias.cast(to: .float32).broadcast(to: [bias.shape[0], bias.shape[1], bias.shape[2] == 1 ? queries : bias.shape[2], bias.shape[3] == 1 ? keys : bias.shape[3]])
        }
        return graph.record(Attention(scale: scale, biasCount: whole.count), operands + whole)[0]
    }
}
