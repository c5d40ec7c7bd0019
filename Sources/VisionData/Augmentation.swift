import Configuration
import TensorCore

/// A random change of a training image, drawn anew for every image in every epoch.
///
/// The geometric ones (shift, flip, rotation, shear, zoom) act about the image's centre in the order in which they are listed, and are
/// composed into one map, so that an image is resampled once (bilinear); shifts and flips alone move pixels without changing
/// them. What comes from outside the image is black (0). A mask and boxes go with their image (`MaskPreparer`, `BoxPreparer`). The
/// others, and what a program adds, act on the result in their order, wherever they are listed.
public enum Augmentation: Sendable, Equatable {
    /// `{shift: 2}`: moves the image by a whole number of pixels, uniform from −`pixels` to `pixels`, in each direction.
    case shift(pixels: Int)
    /// `horizontal_flip` or `{horizontal_flip: 0.5}`: swaps left and right with this probability.
    case horizontalFlip(probability: Double)
    /// `{rotation: 15}`: turns by an angle uniform from −`degrees` to `degrees`.
    case rotation(degrees: Double)
    /// `{shear: 10}`: moves each row sideways by its distance from the centre times the tangent of an angle uniform from −`degrees` to `degrees`.
    case shear(degrees: Double)
    /// `{zoom: 0.1}`: scales both directions by a factor uniform from 1 − `fraction` to 1 + `fraction`.
    case zoom(fraction: Double)
    /// `random_erasing` or `{random_erasing: {probability: 0.5, area: [0.02, 0.4], aspect_ratio: [0.3, 3.33], fill: random}}`.
    case randomErasing(RandomErasing)
    /// `color_jitter` or `{color_jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8}}`.
    case colorJitter(ColorJitter)
    /// `{grayscale: 0.2}`: three channels become their luminance with this probability.
    case grayscale(probability: Double)
    /// `blur` or `{blur: {sigma: [0.1, 2], probability: 0.5}}`.
    case blur(RandomBlur)
    /// A random part of an image file (`crop: random_resized`), before all others.
    case randomResizedCrop
    /// One that a program adds.
    case added(AddedAugmentation)
}

/// An augmentation of a program's own: its options, and what it does to an image.
public protocol ImageAugmentation: NamedConfiguration {
    /// Changes an image, in which geometric augmentations have acted and which is normalized: 0 is the mean where the data are normalized. An image's mask
    /// stays as it is, so where there are masks it may change values and move nothing.
    ///
    /// - Parameters:
    ///   - image: `[height, width, channels]`, in row-major order.
    ///   - draws: random numbers of this image in this epoch; the result may depend on nothing else.
    func apply(to image: UnsafeMutableBufferPointer<Float>, shape: ImageShape, draws: inout PhiloxDraws)
}

/// An augmentation that a program adds, as a value of a configuration.
public struct AddedAugmentation: Sendable, Equatable {
    /// The augmentation with its options.
    public let augmentation: any ImageAugmentation

    /// An augmentation with its options.
    public init(_ augmentation: any ImageAugmentation) { self.augmentation = augmentation }

    /// Whether two are of one type and have the same options.
    public static func == (a: AddedAugmentation, b: AddedAugmentation) -> Bool { a.augmentation.isEqual(to: b.augmentation) }
}

/// Replaces a rectangle of the image: Zhong, Zheng, Kang, Li, Yang: "Random Erasing Data Augmentation", 2017 (arXiv:1708.04896).
///
/// With `probability`, a rectangle is drawn with an area uniform in `area` (as a part of the image's) and a ratio of height to width uniform in
/// `aspectRatio`, at a uniform place. One that does not fit is drawn again, at most 100 times, after which the image stays whole. The defaults
/// are the paper's.
public struct RandomErasing: Configurable {
    /// What an erased rectangle holds.
    public enum Fill: String, CaseIterable, Sendable {
        /// Every value anew, uniform over the range of a byte image (the paper's RE-R).
        case random
        /// The mean that normalization subtracts (the paper's RE-M), so 0 after it.
        case mean
    }

    /// That an image is changed at all.
    public var probability = 0.5
    /// Smallest and largest part of the image.
    public var area = [0.02, 0.4]
    /// Smallest and largest height divided by width.
    public var aspectRatio = [0.3, 1 / 0.3]
    /// What the rectangle holds.
    public var fill = Fill.random

    /// The paper's.
    public init() {}

    public static let options: [Key<RandomErasing>] = [
        Key("probability", \.probability, .number(in: 0...1), "How often an image loses a rectangle."),
        Key("area", \.area, .bounds(upTo: 1), "Smallest and largest part of the image."),
        Key("aspect_ratio", \.aspectRatio, .bounds(upTo: .infinity), "Smallest and largest height divided by width."),
        Key("fill", \.fill, .choice, "What stands in the rectangle."),
    ]
}

// MARK: Options

extension Augmentation {
    /// A name, `{name: value}`, or for random erasing `{name: {options}}`.
    static let kind = OptionKind<Augmentation>.variants("augmentation", [
        Variant("shift", .integer(in: 1...), default: 2, "Moves the image by up to so many pixels in each direction.",
            make: { .shift(pixels: $0) }, part: { if case .shift(let pixels) = $0 { pixels } else { nil } }),
        Variant("horizontal_flip", .number(in: 0...1), default: 0.5, "Swaps left and right with this probability.",
            make: { .horizontalFlip(probability: $0) }, part: { if case .horizontalFlip(let probability) = $0 { probability } else { nil } }),
        Variant("rotation", .positive(upTo: 180), default: 15, "Turns by up to so many degrees.",
            make: { .rotation(degrees: $0) }, part: { if case .rotation(let degrees) = $0 { degrees } else { nil } }),
        Variant("shear", .positive(upTo: 80), default: 10, "Moves rows sideways, by up to so many degrees.",
            make: { .shear(degrees: $0) }, part: { if case .shear(let degrees) = $0 { degrees } else { nil } }),
        Variant("zoom", .positive(upTo: 0.9), default: 0.1, "Scales both directions by a factor of up to so much above or below 1.",
            make: { .zoom(fraction: $0) }, part: { if case .zoom(let fraction) = $0 { fraction } else { nil } }),
        Variant("random_erasing", RandomErasing(), paper: "Zhong, Zheng, Kang, Li and Yang, 2017 (arXiv:1708.04896)", "Replaces a rectangle of the image.",
            make: { .randomErasing($0) }, options: { if case .randomErasing(let erasing) = $0 { erasing } else { nil } }),
        Variant("color_jitter", ColorJitter(), paper: "Chen, Kornblith, Norouzi and Hinton, 2020 (arXiv:2002.05709)", "Changes brightness, contrast, saturation and hue.",
            make: { .colorJitter($0) }, options: { if case .colorJitter(let jitter) = $0 { jitter } else { nil } }),
        Variant("grayscale", .number(in: 0...1), default: 0.2, "Takes the colours from an image with this probability.",
            make: { .grayscale(probability: $0) }, part: { if case .grayscale(let probability) = $0 { probability } else { nil } }),
        Variant("blur", RandomBlur(), paper: "Chen, Kornblith, Norouzi and Hinton, 2020 (arXiv:2002.05709)", "Blurs with a Gaussian of a random width.",
            make: { .blur($0) }, options: { if case .blur(let blur) = $0 { blur } else { nil } }),
    ], added: { if case .added(let added) = $0 { variant(like: added.augmentation) } else { nil } })

    /// The variant of an augmentation that a program adds, for definitions (`Additions`): of the type of this one, whatever its options.
    public static func variant<Kind: ImageAugmentation>(like augmentation: Kind) -> Variant<Augmentation> {
        Variant(
            adding: Kind.self, make: { .added(AddedAugmentation($0)) }, options: { if case .added(let added) = $0 { added.augmentation as? Kind } else { nil } })
    }
}

extension OptionKind where Value == Double {
    /// A number above 0, up to a limit.
    fileprivate static func positive(upTo limit: Double) -> Self {
        Self(
            "a number above 0, up to \(limit)", schema: .range(from: 0, to: limit, isOpen: false),
            read: { fields, key in
                guard let number = fields.number(key, in: 0...limit) else { return nil }
                if number == 0 { fields.report("expected a number above 0, found 0", at: key) }
                return number
            }, write: { .scalar($0) })
    }
}

extension OptionKind where Value == [Double] {
    /// Two ascending positive numbers.
    static func bounds(upTo limit: Double) -> Self {
        let range = limit.isFinite ? "above 0 and up to \(Int(limit))" : "above 0"
        return Self(
            "two ascending numbers \(range)", schema: .list(of: .range(from: 0, to: limit.isFinite ? limit : nil, isOpen: false), orOne: false),
            read: { fields, key in
                guard let values = fields.numbers(key, in: 0...) else { return nil }
                guard values.count == 2, values[0] > 0, values[0] <= values[1], values[1] <= limit else {
                    fields.report("expected two ascending numbers \(range), found \(values)", at: key)
                    return nil
                }
                return values
            }, write: { .list($0.map { .scalar($0) }) })
    }
}
