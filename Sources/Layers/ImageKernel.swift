import TensorCore

/// The fixed kernels of image processing, which courses set beside those that a network learns.
///
/// Gonzalez and Woods, "Digital Image Processing", chapter 3.
public enum ImageKernel: String, CaseIterable, Sendable {
    /// The mean of 3×3 pixels.
    case box
    /// 1/16 · (1 2 1)ᵀ (1 2 1).
    case gaussian
    /// 1/256 · (1 4 6 4 1)ᵀ (1 4 6 4 1).
    case gaussian5 = "gaussian_5"
    /// The pixel, and its distance from the mean of its four neighbours, four times.
    case sharpen
    /// The sum of the four neighbours without four times the pixel.
    case laplacian
    /// Eight times the pixel without its eight neighbours.
    case outline
    /// Sobel's, which answers to edges along rows.
    case sobelHorizontal = "sobel_horizontal"
    /// Sobel's, which answers to edges along columns.
    case sobelVertical = "sobel_vertical"
    /// Prewitt's, which answers to edges along rows.
    case prewittHorizontal = "prewitt_horizontal"
    /// Prewitt's, which answers to edges along columns.
    case prewittVertical = "prewitt_vertical"

    /// Row after row, as a cross-correlation has them; a square.
    public var values: [Float] {
        func product(_ column: [Float], _ row: [Float], _ factor: Float) -> [Float] { column.flatMap { a in row.map { a * $0 * factor } } }
        switch self {
        case .box: return [Float](repeating: 1 / 9, count: 9)
        case .gaussian: return product([1, 2, 1], [1, 2, 1], 1 / 16)
        case .gaussian5: return product([1, 4, 6, 4, 1], [1, 4, 6, 4, 1], 1 / 256)
        case .sharpen: return [0, -1, 0, -1, 5, -1, 0, -1, 0]
        case .laplacian: return [0, 1, 0, 1, -4, 1, 0, 1, 0]
        case .outline: return [-1, -1, -1, -1, 8, -1, -1, -1, -1]
        case .sobelHorizontal: return product([-1, 0, 1], [1, 2, 1], 1)
        case .sobelVertical: return product([1, 2, 1], [-1, 0, 1], 1)
        case .prewittHorizontal: return product([-1, 0, 1], [1, 1, 1], 1)
        case .prewittVertical: return product([1, 1, 1], [-1, 0, 1], 1)
        }
    }

    /// Of the square.
    public var side: Int { self == .gaussian5 ? 5 : 3 }

    /// Of its numbers: 1 for a kernel that leaves an even image as it is, 0 for one that answers to differences.
    public var sum: Float { [.box, .gaussian, .gaussian5, .sharpen].contains(self) ? 1 : 0 }
}

/// A kernel's values, wherever they go.
extension ImageKernel: Initializer {
    public func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        for (index, value) in self.values.enumerated() { values[index] = value }
    }
}

extension Tensor {
    /// Each channel of images `[B, H, W, C]` by itself with a square kernel, row after row, in the images' own precision; the image is mirrored at its border.
    public func filtered(by kernel: [Float], side: Int) -> Tensor {
        guard isValid, rank == 4 else { return self }
        let channels = shape[3], weights = HostTensor([channels, 1, side, side], (0..<channels).flatMap { _ in kernel })
        return filtered(byEach: graph.constant(weights), keepsPrecision: true)
    }

    /// Each channel of images `[B, H, W, C]` by itself with its kernel of `[C, 1, side, side]`; the image is mirrored at its border.
    ///
    /// - Parameter keepsPrecision: whether in the images' own precision, and not the graph's.
    public func filtered(byEach kernels: Tensor, keepsPrecision: Bool = false) -> Tensor {
        guard isValid, kernels.isValid, rank == 4, kernels.rank == 4 else { return self }
        let reach = kernels.shape[3] / 2
        return convolution2D(
            weight: kernels, padding: .explicit(top: reach, bottom: reach, left: reach, right: reach), groups: shape[3], border: .reflect, keepsPrecision: keepsPrecision)
    }
}
