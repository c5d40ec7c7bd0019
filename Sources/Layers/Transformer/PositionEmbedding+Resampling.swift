import TensorCore

extension PositionEmbedding {
    /// Position embeddings for another grid, as timm resizes them: the prefix stays, the grid is resampled bicubically with antialiasing.
    ///
    ///     y[i] = Σ_j w_ij · x[j],   w_ij ∝ k((j + ½ − c_i) / s),   c_i = (i + ½) · n / m,   s = max(n / m, 1)
    ///
    /// along each axis of n places that become m, over the j inside the grid, the weights summing to 1, with Keys' kernel k of a = −½; the
    /// columns first, in float32.
    /// Shapes: `values` `[P + N, D]` for the grid `old` → `[P + M, D]` for the grid `new`, which has as many prefix tokens `P`.
    ///
    /// Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE Transactions on Acoustics, Speech, and Signal
    /// Processing 29(6), 1981.
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
        for (place, taps) in taps(from: length, to: newLength).enumerated() {
            for row in 0..<outer {
                let target = (row * newLength + place) * inner
                for (offset, weight) in taps.weights.enumerated() {
                    let source = (row * length + taps.first + offset) * inner
                    for index in 0..<inner { result[target + index] += weight * values[source + index] }
                }
            }
        }
        return result
    }

    /// For each new place the old ones from which it is mixed. In float32 as timm computes them: `Interpolation.mixtures` is exacter, and so farther
    /// from what published networks were tuned with.
    private static func taps(from length: Int, to newLength: Int) -> [(first: Int, weights: [Float])] {
        let scale = Float(length) / Float(newLength), stretch = max(scale, 1), reach = 2 * stretch
        return (0..<newLength).map { place in
            let centre = scale * (Float(place) + 0.5)
            let first = max(Int(centre - reach + 0.5), 0), end = min(Int(centre + reach + 0.5), length)
            let weights = (first..<end).map { kernel((Float($0) + 0.5 - centre) / stretch) }, sum = weights.reduce(0, +)
            return (first, weights.map { $0 / sum })
        }
    }

    /// Keys' cubic kernel with a = −½.
    private static func kernel(_ distance: Float) -> Float {
        let a: Float = -0.5, x = abs(distance)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
}
