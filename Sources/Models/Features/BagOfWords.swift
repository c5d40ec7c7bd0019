import Configuration
import Foundation
import Layers
import TensorCore

/// A bag of visual words: dense descriptors of small patches, how often each word of a codebook is nearest to one, and a linear map on that.
///
///     model: {bag_of_words: {patch: 8, stride: 4, words: 128}}
///
///     descriptor  of each patch of a grid: the gradients of 4×4 cells in 8 orientations over 360°, normalized, cut at 0.2 and normalized again, as SIFT's (`DenseDescriptors`)
///     codebook    the centres of k-means over descriptors of training images, found before the first step (`KMeans`) and kept as the buffer `codebook` [words, 128]
///     histogram   n_w / n, the share of the patches whose nearest word is w; its square root, of norm 1 (Arandjelović and Zisserman, CVPR 2012)
///
/// Features `[B, words]`. Parameters: `fc.weight`, `fc.bias`. Weights files, checkpoints and so a resumed run have the codebook, which is not fitted again; a training that
/// starts from weights has theirs.
///
/// Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 60, 2004; Csurka et al., "Visual Categorization with Bags of Keypoints", ECCV Workshop
/// on Statistical Learning in Computer Vision 2004.
public struct BagOfWordsConfiguration: FixedFeatureConfiguration, FittedConfiguration {
    public static let family = "bag_of_words"

    /// The side of a patch, in pixels; a multiple of 4.
    public var patch = 8
    /// How many pixels lie between neighbouring patches.
    public var stride = 4
    /// How many words there are.
    public var words = 128
    /// From about how many descriptors the codebook is made.
    public var samples = 10_000
    /// How many passes k-means makes at most.
    public var iterations = 30

    /// Patches of 8×8 pixels, 4 pixels apart, and 128 words.
    public init() {}

    public static let documentation = "A bag of visual words: a histogram of dense descriptors' nearest words, with a linear map on it."
    public static let paper: String? = "Lowe, IJCV 60, 2004; Csurka et al., ECCV Workshop 2004"
    public static let options: [Key<BagOfWordsConfiguration>] = [
        Key("patch", \.patch, .integer(in: 4...256), "The side of a patch that has a descriptor, in pixels: a multiple of 4."),
        Key("stride", \.stride, .integer(in: 1...256), "How many pixels lie between neighbouring patches."),
        Key("words", \.words, .integer(in: 2...1_024), "How many words the codebook has."),
        Key("samples", \.samples, .integer(in: 2...1_000_000), "From about how many descriptors of training images, evenly spaced, the codebook is made."),
        Key("iterations", \.iterations, .integer(in: 1...1_000), paper: "Lloyd, IEEE Transactions on Information Theory 28, 1982", "How many passes over these descriptors k-means makes at most."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if !patch.isMultiple(of: 4) { fields.report("found \(patch), expected a multiple of 4, one part for each of the 4×4 cells", at: "patch") }
        if words > samples { fields.report("found \(grouped(words)) words from \(grouped(samples)) descriptors, expected at most as many", at: "words") }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if patch > min(input.height, input.width) { fields.report("a patch of \(patch)×\(patch) pixels is larger than the image of \(input)", at: "patch") }
    }

    private static let codebook = "codebook"
    public var fittedBuffers: [String] { [Self.codebook] }

    private func descriptors(_ input: ImageShape) -> DenseDescriptors { DenseDescriptors(image: input, patch: patch, stride: stride) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let descriptors = descriptors(input), codebook = scope.buffer(Self.codebook, [words, DenseDescriptors.length], initialValue: 0)
        return FixedFeatures(name: "words", width: words, scope: scope) { images in
            let found = descriptors(images)[0]
            guard found.isValid else { return found }
            let nearest = found.nearness(to: codebook).indexOfLargest()
            let identity = HostTensor([words, words], (0..<words * words).map { $0 % (words + 1) == 0 ? Float(1) : 0 })
            // The least number keeps the root's slope finite for words that are nowhere.
            return (images.graph.constant(identity).gathered(nearest).mean(axes: [1]) + 1e-12).sqrt()
        }
    }

    public func fit(
        _ weights: ParameterStore, input: ImageShape, seed: UInt64, count: Int, image: (_ number: Int, _ body: (UnsafePointer<Float>) -> Void) throws -> Void
    ) throws {
        let descriptors = descriptors(input), imageCount = min(count, max(1, (samples + descriptors.count - 1) / descriptors.count))
        var found: [Float] = []
        for number in 0..<imageCount {
            try image(number * count / imageCount) { pixels in
                let all = descriptors.values(pixels)
                // Patches without a gradient say nothing.
                for start in Swift.stride(from: 0, to: all.count, by: DenseDescriptors.length) where all[start..<start + DenseDescriptors.length].contains(where: { $0 != 0 }) {
                    found += all[start..<start + DenseDescriptors.length]
                }
            }
        }
        let pointCount = found.count / DenseDescriptors.length
        guard pointCount > 0 else {
            throw UserError(
                .usage, "bag_of_words: found no gradient in \(grouped(imageCount)) training images, each of which is of one colour; expected images with something to see")
        }
        guard pointCount >= words else {
            throw UserError(
                .usage, "bag_of_words: found \(grouped(pointCount)) descriptors in \(grouped(imageCount)) training images, expected at least one for each of the \(grouped(words)) words; say fewer words or more samples")
        }
        let centres = try KMeans(clusters: words, iterations: iterations, stream: PhiloxStream(seed: seed, name: "fit/\(Self.codebook)")).centres(of: found, length: DenseDescriptors.length)
        weights.set(HostTensor([words, DenseDescriptors.length], centres), named: Self.codebook)
    }
}

/// Descriptors of patches on a grid: an image `[H, W, C]` → `[patches, 128]`, patches row after row.
///
/// A patch has 4×4 cells of 8 orientations over 360°, the first around 0°. Each pixel's gradient magnitude falls to the two orientations next to its own, by their distances. The
/// 128 numbers are divided by their norm, cut at 0.2 and divided by their norm again; a patch without a gradient has zeros. Of several channels it is of their mean. Other than in SIFT
/// there are no scales and no turning to a main orientation, and cells do not overlap.
struct DenseDescriptors: SampleFunction {
    let image: ImageShape
    let patch: Int
    let stride: Int

    private static let cells = 4, orientations = 8, limit = 0.2
    /// How many numbers a descriptor has.
    static let length = cells * cells * orientations

    var name: String { "dense descriptors" }
    private var rows: Int { max((image.height - patch) / stride + 1, 0) }
    private var columns: Int { max((image.width - patch) / stride + 1, 0) }
    /// How many patches an image has.
    var count: Int { rows * columns }

    func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
        guard inputs[0] == [image.height, image.width, image.channels] else { throw ShapeError("of \(inputs[0]): expected [\(image.height), \(image.width), \(image.channels)]") }
        return [[count, Self.length]]
    }

    func multiplyAdds(_ inputs: [Shape]) -> Int { 4 * count * patch * patch }

    func compute(_ inputs: [UnsafePointer<Float>], _ outputs: [UnsafeMutablePointer<Float>]) {
        outputs[0].update(from: values(inputs[0]), count: count * Self.length)
    }

    /// The descriptors of an image, one after another.
    func values(_ pixels: UnsafePointer<Float>) -> [Float] {
        let gray = GrayImage(pixels, image), cell = patch / Self.cells
        // Of every pixel: two orientations and how much falls to each.
        let gradients = (0..<image.height * image.width).map { place -> (first: Int, shares: (Double, Double)) in
            let row = place / image.width, column = place % image.width
            let x = gray[row, min(column + 1, image.width - 1)] - gray[row, max(column - 1, 0)]
            let y = gray[min(row + 1, image.height - 1), column] - gray[max(row - 1, 0), column]
            let magnitude = (x * x + y * y).squareRoot()
            var turn = atan2(y, x) / (2 * .pi) * Double(Self.orientations)
            if turn < 0 { turn += Double(Self.orientations) }
            let first = Int(turn), share = turn - Double(first)
            return (first % Self.orientations, (magnitude * (1 - share), magnitude * share))
        }
        var descriptors: [Float] = []
        descriptors.reserveCapacity(count * Self.length)
        for top in 0..<rows {
            for left in 0..<columns {
                var numbers = [Double](repeating: 0, count: Self.length)
                for row in 0..<patch {
                    for column in 0..<patch {
                        let gradient = gradients[(top * stride + row) * image.width + left * stride + column]
                        let start = (row / cell * Self.cells + column / cell) * Self.orientations
                        numbers[start + gradient.first] += gradient.shares.0
                        numbers[start + (gradient.first + 1) % Self.orientations] += gradient.shares.1
                    }
                }
                descriptors += Self.normalized(Self.normalized(numbers).map { min($0, Self.limit) }).map { Float($0) }
            }
        }
        return descriptors
    }

    private static func normalized(_ numbers: [Double]) -> [Double] {
        let norm = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return norm > 1e-12 ? numbers.map { $0 / norm } : numbers.map { _ in 0 }
    }
}
