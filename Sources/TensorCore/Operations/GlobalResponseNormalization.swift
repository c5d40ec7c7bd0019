extension Tensor {
    /// Global response normalization of `[B, H, W, C]`, with a scale and an offset `[C]`:
    ///
    ///     y = x + scale · x · g / (mean_c g + ε) + offset,   g_c = √Σ x_c² over all positions
    ///
    /// Woo et al., "ConvNeXt V2", CVPR 2023, algorithm 1.
    public func globalResponseNorm(scale: Tensor, offset: Tensor, epsilon: Float = 1e-6) -> Tensor {
        guard isValid else { return self }
        // A channel of zeros has the norm's gradient 0 and not 0/0; the next float32 to any other sum is farther away than this.
        let norms = (cast(to: .float32).square().sum(axes: [1, 2], keepsAxes: true) + 1e-30).sqrt()
        let factors = norms / (norms.mean(axes: [3], keepsAxes: true) + epsilon) * scale + 1
        return self * factors.cast(to: dtype) + offset.cast(to: dtype)
    }
}
