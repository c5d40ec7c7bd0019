import TensorCore

extension PositionEmbedding {
    /// Position embeddings for another grid, as timm resizes them: the prefix stays, the grid is resampled bicubically with antialiasing.
    ///
    /// The columns first, in float32 (`Interpolation.mixtures`).
    /// Shapes: `values` `[P + N, D]` for the grid `old` → `[P + M, D]` for the grid `new`, which has as many prefix tokens `P`.
    public static func resampled(_ values: [Float], from old: TokenGrid, to new: TokenGrid, width: Int) -> [Float] {
        precondition(values.count == old.tokenCount * width, "\(values.count) values are not \(old.tokenCount) tokens of \(width)")
        precondition(old.prefixTokens == new.prefixTokens, "\(old.prefixTokens) prefix tokens do not become \(new.prefixTokens)")
        let prefix = old.prefixTokens * width
        let wide = resampled(Array(values[prefix...]), outer: old.rows, length: old.columns, inner: width, to: new.columns)
        return values[..<prefix] + resampled(wide, outer: 1, length: old.rows, inner: new.columns * width, to: new.rows)
    }

    /// Resamples the middle axis of `[outer, length, inner]`.
    private static func resampled(_ values: [Float], outer: Int, length: Int, inner: Int, to newLength: Int) -> [Float] {
        var result = [Float](repeating: 0, count: outer * newLength * inner)
        for (place, mixture) in Interpolation.bicubic.mixtures(from: length, to: newLength, antialias: true).enumerated() {
            for row in 0..<outer {
                let target = (row * newLength + place) * inner
                for (offset, weight) in mixture.weights.enumerated() {
                    let source = (row * length + mixture.first + offset) * inner
                    for index in 0..<inner { result[target + index] += weight * values[source + index] }
                }
            }
        }
        return result
    }
}
