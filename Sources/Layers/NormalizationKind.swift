/// What normalizes the features of a convolutional network, as a definition names it: `batch`, `layer`, `none`, `{group: {groups: 8}}`.
public enum NormalizationKind: Equatable, Sendable {
    /// Each channel over the batch.
    case batch
    /// Each image over all its channels and positions: one group.
    case layer
    /// Each image over its positions and C / groups neighbouring channels.
    case group(groups: Int)
    /// Nothing; the convolution has a bias instead.
    case none

    /// Wu and He (2018) take 32 for networks of 64 channels and more; the narrow ones for small images have 16.
    public static let defaultGroups = 8
    /// The names in definitions.
    public static let names = ["batch", "layer", "group", "none"]

    private var name: String {
        switch self {
        case .batch: "batch"
        case .layer: "layer"
        case .group: "group"
        case .none: "none"
        }
    }
}

/// A kind without options is its name, so that a resolved definition reads `norm: batch`.
extension NormalizationKind: Codable {
    private enum CodingKeys: String, CodingKey { case group }
    private struct Group: Codable { var groups: Int }

    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: CodingKeys.self) {
            self = .group(groups: try container.decode(Group.self, forKey: .group).groups)
            return
        }
        let container = try decoder.singleValueContainer()
        switch try container.decode(String.self) {
        case "batch": self = .batch
        case "layer": self = .layer
        case "none": self = .none
        case let name: throw DecodingError.dataCorruptedError(in: container, debugDescription: "no known normalization '\(name)'")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        if case .group(let groups) = self {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(Group(groups: groups), forKey: .group)
        } else {
            var container = encoder.singleValueContainer()
            try container.encode(name)
        }
    }
}
