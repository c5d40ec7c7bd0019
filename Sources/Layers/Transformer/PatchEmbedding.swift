import TensorCore

/// Cuts an image, or a feature map, into square patches and maps each to a token.
///
///     token = W · (pixels of the patch) + b
///
/// This is a p × p convolution with stride p; with p = 1 a feature map's cells are the patches.
///
/// Shapes: x `[B, H, W, C]`, `proj.weight [D, C, p, p]`, `proj.bias [D]`, result `[B, H/p · W/p, D]`, row by row. Along another number of axes:
///
/// | axes | x | `proj.weight` | result |
/// | --- | --- | --- | --- |
/// | 1, sequences | `[B, 1, L, C]` | `[D, C, p]` | `[B, L/p, D]` |
/// | 3, voxels | `[B, H, W, T]`, T the depth | `[D, 1, p, p, p]` | `[B, T/p · H/p · W/p, D]`, depth by depth |
///
/// Initialization: LeCun normal, as in the paper's own code; bias 0.
/// Errors: a patch that does not divide height and width.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, section 3.1.
public struct PatchEmbedding {
    private let projection: any Layer
    private let patch: Int
    private let axes: Int
    private let width: Int
    private let scope: Scope

    /// Declares the parameters in `scope`; `patch` is the side of a patch in pixels or cells, `axes` along how many axes it extends, 1 to 3.
    public init(
        channels: Int, patch: Int, width: Int, axes: Int = 2, initialization: Initialization = .leCun(distribution: .normal), in scope: Scope
    ) {
        self.axes = axes
        self.patch = patch
        self.width = width
        self.scope = scope
        let place = scope["proj"]
        projection =
            switch axes {
            case 1: Convolution1D(channels, width, kernel: patch, stride: patch, initialization: initialization, in: place)
            case 3: Convolution3D(1, width, kernel: Size3D(side: patch), stride: Size3D(side: patch), initialization: initialization, in: place)
            default:
                Convolution2D(channels, width, kernel: Size2D(patch, patch), stride: Size2D(patch, patch), initialization: initialization, in: place)
            }
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        if x.isValid, x.rank == 4, axes > 1 && x.shape[1] % patch != 0 || x.shape[2] % patch != 0 || axes > 2 && x.shape[3] % patch != 0 {
            return scope.fail("the patch \(patch) does not divide \(x.shape[1])×\(x.shape[2])\(axes > 2 ? "×\(x.shape[3])" : "")")
        }
        let volumes = axes < 3 || !x.isValid ? x : scope.record { x.transposed([0, 3, 1, 2]).reshaped([x.shape[0], x.shape[3], x.shape[1], x.shape[2], 1]) }
        let cells = projection(volumes)  // [B, H/p, W/p, D]
        return scope.record { cells.isValid ? cells.reshaped([cells.shape[0], cells.shape.elementCount / (cells.shape[0] * width), width]) : cells }
    }
}
