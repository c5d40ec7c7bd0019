extension Tensor {
    /// Root mean square normalization of `[…, D]` over its last axis, with a scale `[D]`:
    ///
    ///     y = x / √(mean x² + ε) · scale
    ///
    /// Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019, equation 4.
    public func rootMeanSquareNorm(scale: Tensor, epsilon: Float) -> Tensor {
        guard isValid else { return self }
        let x = cast(to: .float32), squares = x.square().mean(axes: [rank - 1], keepsAxes: true)
        return (x * (squares + epsilon).power(-0.5) * scale).cast(to: dtype)
    }
}
