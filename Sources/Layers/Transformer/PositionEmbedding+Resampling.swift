import TensorCore

extension PositionEmbedding {
    /// Position embeddings for another grid. The prefix stays; a grid of two axes is resampled bicubically with antialiasing, as timm resizes it:
    ///
    ///     y[i] = Σ_j w_ij · x[j],   w_ij ∝ k((j + ½ − c_i) / s),   c_i = (i + ½) · n / m,   s = max(n / m, 1)
    ///
    /// along each axis of n places that become m, over the j inside the grid, the weights summing to 1, with Keys' kernel k of a = −½; the
    /// columns first, in float32. A grid of one axis or three is interpolated linearly between the centres of its places, as torch's `interpolate` does
    /// with `mode="linear"` and `"trilinear"`, `align_corners=False`:
    ///
    ///     y[i] = (1 − λ) x[j] + λ x[j + 1],   j + λ = max((i + ½) · n / m − ½, 0)
    ///
    /// with the last place in the place of those behind it.
    /// Shapes: `values` `[P + N, D]` for the grid `old` → `[P + M, D]` for the grid `new`, which has as many axes and prefix tokens `P`.
    ///
    /// Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE Transactions on Acoustics, Speech, and Signal
    /// Processing 29(6), 1981.
    public static func resampled(_ values: [Float], from old: TokenGrid, to new: TokenGrid, width: Int) -> [Float] {
        precondition(values.count == old.tokenCount * width, "\(values.count) values are not \(old.tokenCount) tokens of \(width)")
        precondition(old.prefixTokens == new.prefixTokens, "\(old.prefixTokens) prefix tokens do not become \(new.prefixTokens)")
        precondition(old.axes == new.axes, "a grid of \(old.axes) axes does not become one of \(new.axes)")
        let prefix = old.prefixTokens * width, taps = old.axes == 2 ? cubicTaps : linearTaps
        let wide = resampled(Array(values[prefix...]), outer: old.depth * old.rows, inner: width, taps(old.columns, new.columns))
        let high = resampled(wide, outer: old.depth, inner: new.columns * width, taps(old.rows, new.rows))
        return values[..<prefix] + resampled(high, outer: 1, inner: new.rows * new.columns * width, taps(old.depth, new.depth))
    }

    /// The old places from which each new one is mixed, of `length` old ones.
    private typealias Taps = (length: Int, places: [(first: Int, weights: [Float])])

    /// Resamples the middle axis of `[outer, length, inner]`.
    private static func resampled(_ values: [Float], outer: Int, inner: Int, _ taps: Taps) -> [Float] {
        var result = [Float](repeating: 0, count: outer * taps.places.count * inner)
        for (place, mixed) in taps.places.enumerated() {
            for row in 0..<outer {
                let target = (row * taps.places.count + place) * inner
                for (offset, weight) in mixed.weights.enumerated() {
                    let source = (row * taps.length + mixed.first + offset) * inner
                    for index in 0..<inner { result[target + index] += weight * values[source + index] }
                }
            }
        }
        return result
    }

    /// In float32 as timm computes them: `Interpolation.mixtures` is exacter, and so farther
    /// from what published networks were tuned with.
    private static func cubicTaps(from length: Int, to newLength: Int) -> Taps {
        let scale = Float(length) / Float(newLength), stretch = max(scale, 1), reach = 2 * stretch
        return (length, (0..<newLength).map { place in
            let centre = scale * (Float(place) + 0.5)
            let first = max(Int(centre - reach + 0.5), 0), end = min(Int(centre + reach + 0.5), length)
            let weights = (first..<end).map { kernel((Float($0) + 0.5 - centre) / stretch) }, sum = weights.reduce(0, +)
            return (first, weights.map { $0 / sum })
        })
    }

    private static func linearTaps(from length: Int, to newLength: Int) -> Taps {
        let scale = Float(length) / Float(newLength)
        return (length, (0..<newLength).map { place in
            let centre = max(scale * (Float(place) + 0.5) - 0.5, 0), first = min(Int(centre), length - 1), share = centre - Float(first)
            return first + 1 < length ? (first, [1 - share, share]) : (first, [1])
        })
    }

    /// Keys' cubic kernel with a = −½.
    private static func kernel(_ distance: Float) -> Float {
        let a: Float = -0.5, x = abs(distance)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
}
