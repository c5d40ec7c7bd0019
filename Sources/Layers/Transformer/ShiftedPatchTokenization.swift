import TensorCore

/// Makes as many tokens of an image as `PatchEmbedding` does, each of which also sees half of its neighbours.
///
///     x' = [x, x moved by ⌊p / 2⌋ pixels to the lower right, lower left, upper right, upper left], side by side in the channels, 0 where nothing came from
///     token = W · LN(pixels of the patch of x') + b
///
/// Shapes: x `[B, H, W, C]`; with p² · 5C numbers in a patch, row by row, all channels of a pixel together: `norm.weight`, `norm.bias [p² · 5C]`, `proj.weight
/// [D, p² · 5C]`, `proj.bias [D]`; result `[B, H/p · W/p, D]`, row by row.
/// Errors: a patch that does not divide height and width, and one of a single pixel, which has no half.
///
/// Lee, Lee and Song, "Vision Transformer for Small-Size Datasets", 2021 (arXiv:2112.13492), section 3.1.
public struct ShiftedPatchTokenization {
    private let norm: LayerNorm
    private let projection: Linear
    private let patch: Int
    private let scope: Scope

    /// Declares the parameters in `scope`; `patch` is the side of a patch in pixels.
    public init(channels: Int, patch: Int, width: Int, epsilon: Float = 1e-5, initialization: Initialization = .transformer, in scope: Scope) {
        (self.patch, self.scope) = (patch, scope)
        norm = LayerNorm(5 * channels * patch * patch, epsilon: epsilon, in: scope["norm"])
        projection = Linear(5 * channels * patch * patch, width, initialization: initialization, in: scope["proj"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]), shift = patch / 2
        guard shift > 0 else { return scope.fail("shifted patches have a side of at least 2 pixels, found \(patch)") }
        guard height % patch == 0, width % patch == 0 else { return scope.fail("the patch \(patch) does not divide \(height)×\(width)") }
        let patches = scope.record {
            let wide = x.padded(before: [0, shift, shift, 0], after: [0, shift, shift, 0])
            func view(_ top: Int, _ left: Int) -> Tensor { wide.sliced(axis: 1, top..<top + height).sliced(axis: 2, left..<left + width) }
            let views = [x, view(0, 0), view(0, 2 * shift), view(2 * shift, 0), view(2 * shift, 2 * shift)]
            return Tensor.concatenated(views, axis: 3)
                .reshaped([batch, height / patch, patch, width / patch, patch, 5 * channels]).transposed([0, 1, 3, 2, 4, 5])
                .reshaped([batch, height / patch * (width / patch), patch * patch * 5 * channels])
        }
        return projection(norm(patches))
    }
}
