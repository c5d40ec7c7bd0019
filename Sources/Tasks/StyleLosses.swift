import TensorCore

/// What an image is compared by in style transfer: the features of one image, and the correlations of another's.
///
///     G_ij     = Σ_k F_ki F_kj / (N · M)            of features F [M places, N channels]
///     content  = mean (F − P)²                      P the content image's features
///     style    = mean (G − A)²                      A the style image's correlations
///     variation = mean of the squared differences of neighbouring pixels, down and across
///
/// Gatys et al. have sums with factors of their own in the place of means, which weights make up for; so divided, the losses do not depend on an image's size.
///
/// Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, equations 1 to 7; the variation is that of Mahendran and
/// Vedaldi, CVPR 2015, with β = 2.
public enum StyleLosses {
    /// The correlations of features `[B, h, w, N]`: `[B, N, N]`.
    public static func gram(_ features: Tensor) -> Tensor {
        guard features.isValid, features.rank == 4 else { return features }
        let (batch, places, channels) = (features.shape[0], features.shape[1] * features.shape[2], features.shape[3])
        let rows = features.reshaped([batch, places, channels])
        return rows.transposed([0, 2, 1]).matmul(rows) * (1 / (Float(places) * Float(channels)))
    }

    /// The distance of features from others of the same shape, of each image: `[B]`.
    public static func content(_ features: Tensor, _ target: Tensor) -> Tensor { (features - target).square().mean(axes: [1, 2, 3]) }

    /// The distance of features' correlations from others, `[B or 1, N, N]`, of each image: `[B]`.
    public static func style(_ features: Tensor, _ target: Tensor) -> Tensor { (gram(features) - target).square().mean(axes: [1, 2]) }

    /// How much neighbouring pixels differ, of each image `[B, H, W, C]`: `[B]`.
    public static func variation(_ images: Tensor) -> Tensor {
        guard images.isValid, images.rank == 4 else { return images }
        func difference(_ axis: Int) -> Tensor {
            let length = images.shape[axis]
            return (images.sliced(axis: axis, 1..<length) - images.sliced(axis: axis, 0..<length - 1)).square().mean(axes: [1, 2, 3])
        }
        // A single row has nothing below it, and a single column nothing beside it.
        let differences = [1, 2].filter { images.shape[$0] > 1 }.map(difference)
        guard let first = differences.first else { return (images * 0).mean(axes: [1, 2, 3]) }
        return differences.dropFirst().reduce(first, +)
    }
}
