import Configuration
import TensorCore

/// A convolutional network cut after one of its stages: `{resnet: {depth: 20, cut_after: stage2}}`.
public struct BackboneDefinition: Codable, Equatable, Sendable {
    public let network: any BackboneConfiguration
    /// The last stage that is kept.
    public let cutAfter: String

    private enum CutKey: String, CodingKey { case cutAfter = "cut_after" }

    public init(_ network: any BackboneConfiguration, cutAfter: String) {
        self.network = network
        self.cutAfter = cutAfter
    }

    /// Reads the map under `backbone`, or reports and returns nil.
    init?(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors) {
        guard let (name, options, place) = FieldReader.variant(of: node, path: path, errors: errors) else { return nil }
        let families = ModelRegistry.backboneFamilies
        guard let family = families.first(where: { $0.family == name }) else {
            let known = families.map { $0.family }
            errors.report("unknown convolutional network '\(name)'\(suggestion(for: name, among: known))", at: node.mark, path: path)
            return nil
        }
        var fields = FieldReader(options, path: place, errors: errors)
        let network = family.init(from: &fields)
        let stages = network.stageNames
        let cut = fields.string("cut_after")
        if let cut, !stages.contains(cut) {
            fields.report("\(name) has no stage '\(cut)'; its stages: \(stages.joined(separator: ", "))", at: "cut_after")
        } else if cut == nil, !fields.has("cut_after") {
            fields.report("missing; expected one of the stages \(stages.joined(separator: ", "))", at: "cut_after")
        }
        fields.finish()
        self.init(network, cutAfter: cut.flatMap { stages.contains($0) ? $0 : nil } ?? stages[stages.count - 1])
    }

    public static func == (a: BackboneDefinition, b: BackboneDefinition) -> Bool {
        a.cutAfter == b.cutAfter && isEqual(a.network, b.network)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FamilyKey.self)
        guard let key = container.allKeys.first, let family = ModelRegistry.backboneFamilies.first(where: { $0.family == key.stringValue })
        else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no known convolutional network"))
        }
        network = try container.decode(family, forKey: key)
        cutAfter = try container.nestedContainer(keyedBy: CutKey.self, forKey: key).decode(String.self, forKey: .cutAfter)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: FamilyKey.self)
        try container.encode(Cut(network: network, stage: cutAfter), forKey: FamilyKey(network))
    }

    /// The network's own options with the cut beside them.
    private struct Cut: Encodable {
        let network: any BackboneConfiguration
        let stage: String

        func encode(to encoder: any Encoder) throws {
            try network.encode(to: encoder)
            var container = encoder.container(keyedBy: CutKey.self)
            try container.encode(stage, forKey: .cutAfter)
        }
    }
}
