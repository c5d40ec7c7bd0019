import Configuration
import TensorCore

/// Images in their own sizes, cut into patches: `size: native`, or `size: {native: {patch: 16, tokens: 256}}`. Several of them share a sequence.
public struct NativeSize: Configurable, Equatable, Sendable {
    /// The side of a square of pixels that makes one token.
    public var patch = 16
    /// The largest number of tokens of an image: larger ones are made smaller, in their own shape.
    public var tokens = 256
    /// How many tokens of a sequence there are for each image; nil: a tenth more than the training images have on average.
    public var average: Int?

    /// Patches of 16×16 pixels.
    public init() {}

    public static let options: [Key<NativeSize>] = [
        Key("patch", \.patch, .integer(in: 1...256), "The side of a square of pixels that makes one token."),
        Key("tokens", \.tokens, .integer(in: 1...16_384), "The largest number of tokens of an image: larger ones are made smaller, in their own shape."),
        Key("average", \.average, .integer(in: 1...16_384), "How many tokens of a sequence there are for each image that a shard can hold; absent: a tenth more than the training images have on average."),
    ]

    /// The size in which the look at all files sees images that keep their own.
    public static let surveyed = Size2D(64, 64)

    /// How many rows and columns of patches an image of a size becomes.
    func grid(of size: Size2D) -> Size2D {
        func patches(_ length: Int) -> Int { max(1, (length + patch / 2) / patch) }
        let rows = patches(size.height), columns = patches(size.width)
        if rows * columns <= tokens { return Size2D(rows, columns) }
        let scale = (Double(tokens) / (Double(size.height) * Double(size.width))).squareRoot()
        let fewer = min(tokens, max(1, Int(Double(size.height) * scale)))
        return Size2D(fewer, max(1, min(tokens / fewer, Int(Double(size.width) * scale))))
    }

    /// How many tokens an image of a size becomes.
    func tokenCount(of size: Size2D) -> Int {
        let grid = grid(of: size)
        return grid.height * grid.width
    }

    /// What a token has beside its pixels: row, column, the centre's x and y from −1 to 1, and the number of its image in the sequence.
    static let extraCount = 5

    /// The numbers of a token.
    func tokenWidth(channels: Int) -> Int { patch * patch * channels + Self.extraCount }
}

extension DataConfiguration {
    /// The size in which the look at all files sees images: that of the models, or a small one where each keeps its own.
    var surveyedSize: Size2D? { native == nil ? size : NativeSize.surveyed }

    /// What has to be kept of decoded images: all of each where parts are taken at random, or each keeps its size.
    var keptCrop: ImageCrop { native == nil ? crop : .randomResized }
}

/// How samples share sequences: each sequence has as many places as a shard has samples.
public struct SequencePacking: Sendable {
    /// How many tokens each sample has, by global index.
    let tokens: [Int32]
    /// How many tokens of a sequence there are for each place.
    let share: Int
    /// How many places a sequence has: as many as a shard has samples.
    public let places: Int

    init(tokens: [Int32], share: Int, places: Int) { (self.tokens, self.share, self.places) = (tokens, share, places) }

    /// Writes samples one after another into places of sequences, a new sequence where the next sample does not fit; places that stay free are −1.
    ///
    /// - Parameters:
    ///   - take: the next sample; nil: there are no more.
    ///   - put: is given a place's number and its sample; false: there are enough.
    func pack(take: () -> Int32?, put: (_ place: Int, _ sample: Int32) -> Bool) {
        var place = 0, used = 0
        while let sample = take() {
            let count = Int(tokens[Int(sample)])
            while used + count > share * places && place % places > 0 {
                guard put(place, -1) else { return }
                place += 1
                if place % places == 0 { used = 0 }
            }
            guard put(place, sample) else { return }
            used += count
            place += 1
            if place % places == 0 { used = 0 }
        }
        while place % places > 0 {
            guard put(place, -1) else { return }
            place += 1
        }
    }

    /// The samples of all places.
    func packed(_ samples: [Int32]) -> [Int32] {
        var result: [Int32] = [], next = samples.makeIterator()
        pack(take: { next.next() }) { _, sample in
            result.append(sample)
            return true
        }
        return result
    }
}
