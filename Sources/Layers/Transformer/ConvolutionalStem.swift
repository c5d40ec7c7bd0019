import TensorCore

/// Makes as many tokens of an image as `PatchEmbedding` does, by convolutions that overlap.
///
///     x ← ReLU(BN(conv3×3(x)))      stride 2, padding 1: k times for a patch of 2ᵏ
///     token = W · x[cell] + b       a patch embedding of 1×1
///
/// Channels double with each convolution and end at the width: `D / 2ᵏ⁻¹, …, D / 2, D`. Nothing is rounded: 2ᵏ⁻¹ must divide D. That
/// is the paper's ViT_C-1GF (24, 48, 96, 192 for width 192 and patch 16) and ViT_C-4GF (48, 96, 192, 384). There the stem costs about
/// as much as one transformer block, and the network has one block less than its patchify twin.
///
/// Shapes: x `[B, H, W, C]`, `stem.i.conv.weight [D_i, D_(i−1), 3, 3]` (no bias), `stem.i.bn.…`, `proj.weight [D, D, 1, 1]`, `proj.bias [D]`,
/// result `[B, H/p · W/p, D]`, row by row; with p = 2ᵏ dividing H and W each convolution halves them exactly.
/// Initialization: He normal by the outputs for the convolutions; the last as in `PatchEmbedding`.
/// Errors: `misfit`, and a patch that does not divide height and width.
///
/// Xiao et al., "Early Convolutions Help Transformers See Better", NeurIPS 2021, section 4.1.
public struct ConvolutionalStem {
    private let blocks: [(convolution: Convolution2D, norm: BatchNorm)]
    private let projection: PatchEmbedding
    private let patch: Int
    private let misfit: String?
    private let scope: Scope

    /// Declares the parameters in `scope`; where there is no such stem (`misfit`), calls fail.
    public init(channels: Int, patch: Int, width: Int, in scope: Scope) {
        self.patch = patch
        self.scope = scope
        misfit = Self.misfit(patch: patch, width: width)
        let count = misfit == nil ? patch.trailingZeroBitCount : 0
        let outputs = (0..<count).map { width >> (count - 1 - $0) }
        blocks = zip([channels] + outputs, outputs).enumerated().map { index, ends in
            let place = scope["stem"][index]
            let convolution = Convolution2D(
                ends.0, ends.1, kernel: 3, stride: 2, padding: .symmetric(1), hasBias: false, initialization: .residual, in: place["conv"])
            return (convolution, BatchNorm(ends.1, activation: .relu, in: place["bn"]))
        }
        projection = PatchEmbedding(channels: width, patch: 1, width: width, in: scope)
    }

    /// Why there is no such stem, as a sentence; nil where there is one.
    public static func misfit(patch: Int, width: Int) -> String? {
        guard patch > 1, patch.nonzeroBitCount == 1 else {
            return "convolutions halve the image one after another, which takes a patch of 2, 4, 8 or a higher power of two, found \(patch)"
        }
        guard width % (patch / 2) == 0 else {
            return "convolutions for a patch of \(patch) double their channels up to the width, which must be a multiple of \(patch / 2), found \(width)"
        }
        return nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        if let misfit { return scope.fail(misfit) }
        if x.isValid, x.rank == 4, x.shape[1] % patch != 0 || x.shape[2] % patch != 0 {
            return scope.fail("the patch \(patch) does not divide \(x.shape[1])×\(x.shape[2])")
        }
        return projection(blocks.reduce(x) { $1.norm($1.convolution($0)) })
    }
}
