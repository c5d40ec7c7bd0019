import Configuration
import TensorCore

/// How pixels between pixels are found.
public enum ImageInterpolation: String, CaseIterable, Sendable { case bilinear, bicubic }

/// What of an image is seen in training.
public enum ImageCrop: String, CaseIterable, Sendable {
    /// The middle.
    case center
    /// A random part of 8 to 100 % of the pixels and 3:4 to 4:3, in training; the middle otherwise. Szegedy et al., "Going Deeper with Convolutions",
    /// CVPR 2015, section 6.
    case randomResized = "random_resized"
}

/// How an image of any size becomes one of the model's.
struct ImageSizing: Sendable, Equatable {
    let target: Size2D
    var resize = ResizeKind.exact
    var interpolation = ImageInterpolation.bilinear

    /// Resample `part` to `size`, and put the `window` of that at a place of the target.
    struct Layout: Equatable {
        var part: Rectangle
        var size: Size2D
        var window: Rectangle
        var left = 0
        var top = 0
    }

    func layout(of image: Size2D) -> Layout {
        let whole = Rectangle(width: image.width, height: image.height)
        let target = Rectangle(width: self.target.width, height: self.target.height)
        switch resize {
        case .exact: return Layout(part: whole, size: self.target, window: target)
        case .shorter:
            let size = covering(image)
            // Halves go to the even number, as Python rounds.
            func middle(_ rest: Int) -> Int { Int((Double(rest) / 2).rounded(.toNearestOrEven)) }
            let window = Rectangle(left: middle(size.width - target.width), top: middle(size.height - target.height), width: target.width, height: target.height)
            return Layout(part: whole, size: size, window: window)
        case .pad:
            let size = fitting(image)
            return Layout(
                part: whole, size: size, window: Rectangle(width: size.width, height: size.height), left: (target.width - size.width) / 2,
                top: (target.height - size.height) / 2)
        }
    }

    /// The layout for a random part of the image.
    func layout(of part: Rectangle) -> Layout {
        Layout(part: part, size: target, window: Rectangle(width: target.width, height: target.height))
    }

    /// The image's shape at the smallest size that covers the target.
    private func covering(_ image: Size2D) -> Size2D {
        if image.width * target.height >= image.height * target.width {
            return Size2D(target.height, max(target.width, target.height * image.width / image.height))
        }
        return Size2D(max(target.height, target.width * image.height / image.width), target.width)
    }

    /// The image's shape at the largest size within the target, but not enlarged.
    private func fitting(_ image: Size2D) -> Size2D {
        if image.height <= target.height, image.width <= target.width { return image }
        if image.width * target.height >= image.height * target.width {
            return Size2D(max(1, (2 * target.width * image.height + image.width) / (2 * image.width)), target.width)
        }
        return Size2D(target.height, max(1, (2 * target.height * image.width + image.height) / (2 * image.height)))
    }
}

extension ImageCrop {
    /// A random part of an image: area uniform in 0.08 to 1 of it, width to height log-uniform in 3:4 to 4:3; after ten that do not fit, the middle of
    /// the nearest allowed shape. Without exponentials or logarithms, whose last bits are not the same everywhere: the ratio is drawn as
    /// (3/4)·(16/9)^u by the square root of products.
    static func randomPart(of image: Size2D, draws: inout PhiloxDraws) -> Rectangle {
        let area = Double(image.width * image.height)
        for _ in 0..<10 {
            let wanted = area * (0.08 + 0.92 * Double(draws.uniform())), ratio = 0.75 * power(16.0 / 9, draws.nextWord() >> 12)
            let width = Int((wanted * ratio).squareRoot().rounded()), height = Int((wanted / ratio).squareRoot().rounded())
            let left = draws.uniform(), top = draws.uniform()
            guard (1...image.width).contains(width), (1...image.height).contains(height) else { continue }
            return Rectangle(
                left: Int(Double(left) * Double(image.width - width + 1)), top: Int(Double(top) * Double(image.height - height + 1)), width: width,
                height: height)
        }
        let ratio = Double(image.width) / Double(image.height)
        let width = ratio > 4.0 / 3 ? max(1, Int((Double(image.height) * 4 / 3).rounded())) : image.width
        let height = ratio < 0.75 ? max(1, Int((Double(image.width) / 0.75).rounded())) : image.height
        let size = Size2D(min(height, image.height), min(width, image.width))
        return Rectangle(left: (image.width - size.width) / 2, top: (image.height - size.height) / 2, width: size.width, height: size.height)
    }

    /// `base` to the power of a number of 20 binary digits behind the point.
    private static func power(_ base: Double, _ digits: UInt32) -> Double {
        var result = 1.0, root = base
        for digit in stride(from: 19, through: 0, by: -1) {
            root = root.squareRoot()
            if digits >> UInt32(digit) & 1 == 1 { result *= root }
        }
        return result
    }
}
