import TensorCore

/// Cuts an image, or a feature map, into square patches and maps each to a token.
///
///     token = W · (pixels of the patch) + b
///
/// This is a p × p convolution with stride p; with p = 1 a feature map's cells are the patches.
///
/// Shapes: x `[B, H, W, C]`, `proj.weight [D, C, p, p]`, `proj.bias [D]`, result `[B, H/p · W/p, D]`, row by row.
/// Initialization: LeCun normal, as in the paper's own code; bias 0.
/// Errors: a patch that does not divide height and width.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, section 3.1.
public struct PatchEmbedding {
    private let projection: Convolution2D
    private let patch: Int
    private let width: Int
    private let scope: Scope

    /// Declares the parameters in `scope`; `patch` is the side of a patch in pixels or cells.
    public init(channels: Int, patch: Int, width: Int, initialization: Initialization = .leCun(distribution: .normal), in scope: Scope) {
        self.patch = patch
        self.width = width
        self.scope = scope
        projection = Convolution2D(
            channels, width, kernel: Size2D(patch, patch), stride: Size2D(patch, patch), initialization: initialization,
            in: scope["proj"])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        if x.isValid, x.rank == 4, x.shape[1] % patch != 0 || x.shape[2] % patch != 0 {
            return scope.fail("the patch \(patch) does not divide \(x.shape[1])×\(x.shape[2])")
        }
        let cells = projection(x)  // [B, H/p, W/p, D]
        return scope.record { cells.reshaped([cells.shape[0], cells.shape[1] * cells.shape[2], width]) }
    }
}
