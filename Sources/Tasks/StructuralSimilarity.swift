import Foundation
import TensorCore

/// The structural similarity of two images, with values from 0 to 1.
///
///     SSIM = (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),   C₁ = 0.01², C₂ = 0.03²
///
/// Means, variances and covariance are weighted by a Gaussian of σ = 1.5 in a window of 11×11 pixels, or of the largest odd side that fits. The mean is over
/// all places where the window lies in the image, and over channels: scikit-image's `structural_similarity` with `gaussian_weights` and without
/// `use_sample_covariance`.
///
/// Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on Image Processing 13, 2004.
enum StructuralSimilarity {
    /// The weights of a window along one axis.
    static func window(fitting side: Int) -> [Float] {
        let length = min(11, side % 2 == 0 ? side - 1 : side), middle = length / 2
        let weights = (0..<length).map { exp(-Double(($0 - middle) * ($0 - middle)) / (2 * 1.5 * 1.5)) }, sum = weights.reduce(0, +)
        return weights.map { Float($0 / sum) }
    }

    /// Of images `[B, H, W, C]`: `[B]`.
    static func record(_ x: Tensor, _ y: Tensor) -> Tensor {
        guard x.isValid, y.isValid else { return x }
        let channels = x.shape[3], graph = x.graph
        func constant(_ weights: [Float], _ height: Int, _ width: Int) -> Tensor {
            graph.constant(HostTensor([channels, 1, height, width], (0..<channels).flatMap { _ in weights }))
        }
        let rows = window(fitting: x.shape[1]), columns = window(fitting: x.shape[2])
        let vertical = constant(rows, rows.count, 1), horizontal = constant(columns, 1, columns.count)
        func mean(_ values: Tensor) -> Tensor {
            [vertical, horizontal].reduce(values) { $0.convolution2D(weight: $1, groups: channels, keepsPrecision: true) }
        }
        // From the middle of the range, so that little is lost where squares are subtracted.
        let (a, b) = (x - 0.5, y - 0.5), meanA = mean(a), meanB = mean(b), meanX = meanA + 0.5, meanY = meanB + 0.5
        let varianceX = mean(a.square()) - meanA.square(), varianceY = mean(b.square()) - meanB.square(), covariance = mean(a * b) - meanA * meanB
        let c1: Float = 0.01 * 0.01, c2: Float = 0.03 * 0.03
        let similarity = (meanX * meanY * 2 + c1) * (covariance * 2 + c2) / ((meanX.square() + meanY.square() + c1) * (varianceX + varianceY + c2))
        return similarity.mean(axes: [1, 2, 3])
    }
}
