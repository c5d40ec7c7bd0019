import Configuration

/// A random change of a training image, drawn anew for every image in every epoch.
///
/// The geometric ones (shift, flip, rotation, shear, zoom) act about the image's centre in the order in which they are listed, and are
/// composed into one map, so that an image is resampled once (bilinear); shifts and flips alone move pixels without changing
/// them. What comes from outside the image is black (0). Random erasing acts on the result, wherever it is listed.
public enum Augmentation: Codable, Sendable, Equatable {
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

    enum CodingKeys: String, CodingKey, CaseIterable {
        case shift
        case horizontalFlip = "horizontal_flip"
        case rotation, shear, zoom
        case randomErasing = "random_erasing"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "expected one augmentation"))
        }
        switch key {
        case .shift: self = .shift(pixels: try container.decode(Int.self, forKey: key))
        case .horizontalFlip: self = .horizontalFlip(probability: try container.decode(Double.self, forKey: key))
        case .rotation: self = .rotation(degrees: try container.decode(Double.self, forKey: key))
        case .shear: self = .shear(degrees: try container.decode(Double.self, forKey: key))
        case .zoom: self = .zoom(fraction: try container.decode(Double.self, forKey: key))
        case .randomErasing: self = .randomErasing(try container.decode(RandomErasing.self, forKey: key))
        }
    }

    /// As it is written in a definition: `{shift: 2}`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .shift(let pixels): try container.encode(pixels, forKey: .shift)
        case .horizontalFlip(let probability): try container.encode(probability, forKey: .horizontalFlip)
        case .rotation(let degrees): try container.encode(degrees, forKey: .rotation)
        case .shear(let degrees): try container.encode(degrees, forKey: .shear)
        case .zoom(let fraction): try container.encode(fraction, forKey: .zoom)
        case .randomErasing(let erasing): try container.encode(erasing, forKey: .randomErasing)
        }
    }
}

/// Replaces a rectangle of the image: Zhong, Zheng, Kang, Li, Yang: "Random Erasing Data Augmentation", 2017 (arXiv:1708.04896).
///
/// With `probability`, a rectangle is drawn with an area uniform in `area` (as a part of the image's) and a ratio of height to width uniform in
/// `aspectRatio`, at a uniform place. One that does not fit is drawn again, at most 100 times, after which the image stays whole. The defaults
/// are the paper's.
public struct RandomErasing: Codable, Sendable, Equatable {
    public enum Fill: String, Codable, CaseIterable, Sendable {
        /// Every value anew, uniform over the range of a byte image (the paper's RE-R).
        case random
        /// The mean that normalization subtracts (the paper's RE-M), so 0 after it.
        case mean
    }

    public var probability = 0.5
    /// Smallest and largest part of the image.
    public var area = [0.02, 0.4]
    /// Smallest and largest height divided by width.
    public var aspectRatio = [0.3, 1 / 0.3]
    public var fill = Fill.random

    enum CodingKeys: String, CodingKey {
        case probability, area
        case aspectRatio = "aspect_ratio"
        case fill
    }

    public init() {}
}

// MARK: Reading definitions

extension Augmentation {
    /// Reads the list under `key`; a lone augmentation counts as a list of one, nothing as an empty one.
    static func list(_ key: String, from fields: inout FieldReader) -> [Augmentation] {
        guard let node = fields.node(key) else { return [] }
        let path = fields.path(of: key), errors = fields.errors
        switch node.value {
        case .null:
            return []
        case .list(let items):
            return items.enumerated().compactMap { Augmentation($1, path: "\(path)[\($0)]", errors: errors) }
        default:
            return Augmentation(node, path: path, errors: errors).map { [$0] } ?? []
        }
    }

    /// Reads a name, `{name: value}`, or for random erasing `{name: {options}}`; nil after reporting an error.
    private init?(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors) {
        guard let (name, value, valuePath) = FieldReader.variant(of: node, path: path, errors: errors) else { return nil }
        guard let key = CodingKeys(rawValue: name) else {
            let known = CodingKeys.allCases.map(\.rawValue)
            errors.report("unknown augmentation '\(name)'\(suggestion(for: name, among: known))", at: node.mark, path: path)
            return nil
        }
        if key == .randomErasing {
            var fields = FieldReader(value, path: valuePath, errors: errors)
            self = .randomErasing(RandomErasing(from: &fields))
            fields.finish()
            return
        }

        // The value stands alone, so it is read as the one field of a map made around it.
        let entries = value.value == .null ? [] : [ConfigurationNode.Entry(key: name, mark: node.mark, node: value)]
        var fields = FieldReader(ConfigurationNode(.map(entries), mark: node.mark), path: path, errors: errors)
        func positive(default standard: Double, below limit: Double) -> Double {
            let number = fields.number(name, default: standard, in: 0...limit)
            if number == 0 { fields.report("expected a number above 0, found 0", at: name) }
            return number
        }
        switch key {
        case .shift: self = .shift(pixels: fields.integer(name, default: 2, in: 1...))
        case .horizontalFlip: self = .horizontalFlip(probability: fields.number(name, default: 0.5, in: 0...1))
        case .rotation: self = .rotation(degrees: positive(default: 15, below: 180))
        case .shear: self = .shear(degrees: positive(default: 10, below: 80))
        case .zoom: self = .zoom(fraction: positive(default: 0.1, below: 0.9))
        case .randomErasing: return nil
        }
    }
}

extension RandomErasing {
    init(from fields: inout FieldReader) {
        probability = fields.number("probability", default: probability, in: 0...1)
        area = Self.bounds("area", default: area, upTo: 1, from: &fields)
        aspectRatio = Self.bounds("aspect_ratio", default: aspectRatio, upTo: .infinity, from: &fields)
        fill = fields.choice("fill", default: fill)
    }

    /// Two ascending positive numbers.
    private static func bounds(_ key: String, default standard: [Double], upTo limit: Double, from fields: inout FieldReader) -> [Double] {
        guard let values = fields.numbers(key, in: 0...) else { return standard }
        guard values.count == 2, values[0] > 0, values[0] <= values[1], values[1] <= limit else {
            let range = limit == 1 ? "above 0 and up to 1" : "above 0"
            fields.report("expected two ascending numbers \(range), found \(values)", at: key)
            return standard
        }
        return values
    }
}
