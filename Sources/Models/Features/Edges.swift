import Configuration
import Layers
import TensorCore

/// Edges of the image, pooled to a vector, with a linear map on them.
///
///     model: {edges: {filters: [sobel, canny], pool: 4}}
///
///     sobel, prewitt   √((h² + v²) / 2) of each channel, h and v the answers to edges along rows and columns, scaled as scikit-image has them
///     laplacian        the absolute value of the sum of the four neighbours without four times the pixel
///     gaussian         the image blurred with 5×5 pixels, which is no edge: what is left is where brightness lies
///     canny            1 on edges one pixel wide, of the mean of the channels (`CannyEdges`)
///
/// Each filter's answer is averaged over squares of `pool` pixels. Images are mirrored at their borders. Features: `[B, ⌊H / pool⌋ · ⌊W / pool⌋ · maps]`.
/// Parameters: `fc.weight`, `fc.bias`.
///
/// Gonzalez and Woods, "Digital Image Processing", chapter 10; Canny, "A Computational Approach to Edge Detection", PAMI 8, 1986.
public struct EdgesConfiguration: FixedFeatureConfiguration {
    public static let family = "edges"

    /// What finds edges.
    public enum Filter: String, CaseIterable, Sendable { case sobel, prewitt, laplacian, gaussian, canny }

    /// Whose answers stand side by side.
    public var filters: [Filter] = [.sobel]
    /// The side of the squares over which answers are averaged.
    public var pool = 4
    /// The standard deviation of Canny's blur, in pixels.
    public var sigma = 1.0
    /// Canny's thresholds of the gradient: above the second an edge begins, above the first it goes on.
    public var low = 0.1, high = 0.2

    /// Sobel's gradient over squares of 4×4 pixels.
    public init() {}

    public static let documentation = "Edges found by fixed filters, pooled to a vector, with a linear map on them."
    public static let paper: String? = "Gonzalez and Woods, \"Digital Image Processing\", chapter 10; Canny, PAMI 8, 1986"
    public static let options: [Key<EdgesConfiguration>] = [
        Key("filters", \.filters, .list(of: .choice), "What finds edges; several stand side by side: \(Filter.allCases.map(\.rawValue).joined(separator: ", "))."),
        Key("pool", \.pool, .integer(in: 1...1_024), "The side of the squares over which answers are averaged, in pixels."),
        Key("sigma", \.sigma, .number(in: 0.1...64), paper: "Canny, PAMI 8, 1986", "Of canny: the standard deviation of its blur, in pixels."),
        Key("low", \.low, .number(in: 0...), paper: "Canny, PAMI 8, 1986", "Of canny: the gradient from which on an edge goes on, in the normalized pixels that models get."),
        Key("high", \.high, .number(in: 0...), paper: "Canny, PAMI 8, 1986", "Of canny: the gradient that an edge has somewhere."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        func isRead(_ key: String) -> Bool { !fields.errors.hasAny(under: fields.path(of: key)) }
        if isRead("low"), isRead("high"), high < low { fields.report("found \(high), expected at least low, \(low)", at: "high") }
        guard isRead("filters") else { return }
        if filters.isEmpty { fields.report("expected at least one filter", at: "filters") }
        if Set(filters).count != filters.count { fields.report("found a filter twice, expected each once", at: "filters") }
        let others = EdgesConfiguration(), changed = [("sigma", sigma != others.sigma), ("low", low != others.low), ("high", high != others.high)]
        for (key, isChanged) in changed where isChanged && !filters.contains(.canny) { fields.report("goes with filters: [canny]", at: key) }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if pool > min(input.height, input.width) { fields.report("squares of \(pool)×\(pool) pixels are larger than the image of \(input)", at: "pool") }
        if min(input.height, input.width) < 3 { fields.report("takes images of at least 3×3 pixels, found \(input)", at: "filters") }
    }

    public var hasGradient: Bool { filters != [.canny] }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let maps = filters.reduce(0) { $0 + ($1 == .canny ? 1 : input.channels) }
        return FixedFeatures(name: "edges", width: (input.height / pool) * (input.width / pool) * maps, scope: scope) { images in
            let answers = filters.map { answer(of: $0, to: images, input) }
            let all = answers.count == 1 ? answers[0] : Tensor.concatenated(answers, axis: 3)
            return pool == 1 ? all : all.averagePool(window: Size2D(pool, pool))
        }
    }

    private func answer(of filter: Filter, to images: Tensor, _ input: ImageShape) -> Tensor {
        func answer(_ kernel: ImageKernel) -> Tensor { images.filtered(by: kernel.values, side: kernel.side) }
        /// Kernels whose positive numbers add up to `sum`.
        func magnitude(_ horizontal: ImageKernel, _ vertical: ImageKernel, sum: Float) -> Tensor {
            // The least number keeps the root's slope finite where there is no edge.
            ((answer(horizontal).square() + answer(vertical).square()) * (0.5 / (sum * sum)) + 1e-12).sqrt()
        }
        switch filter {
        case .sobel: return magnitude(.sobelHorizontal, .sobelVertical, sum: 4)
        case .prewitt: return magnitude(.prewittHorizontal, .prewittVertical, sum: 3)
        case .laplacian: return answer(.laplacian).abs()
        case .gaussian: return answer(.gaussian5)
        case .canny: return CannyEdges(image: input, sigma: sigma, low: low, high: high)(images)[0]
        }
    }
}
