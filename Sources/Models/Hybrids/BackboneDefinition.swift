import Configuration
import TensorCore

/// A convolutional network cut after one of its stages: `{resnet: {depth: 20, cut_after: stage2}}`.
public struct BackboneDefinition: Equatable, Sendable {
    /// The network and its options.
    public let network: any BackboneConfiguration
    /// The last stage that is kept.
    public let cutAfter: String

    /// A network cut after one of its `stageNames`.
    public init(_ network: any BackboneConfiguration, cutAfter: String) {
        self.network = network
        self.cutAfter = cutAfter
    }

    /// Reports what does not fit images of this size, at the options of the network under `backbone`.
    func validate(input: ImageShape, at fields: FieldReader) {
        guard let node = fields.node["backbone"],
            let (_, options, path) = FieldReader.variant(of: node, path: fields.path(of: "backbone"), errors: fields.errors)
        else { return }
        network.validate(input: input, at: FieldReader(options, path: path, errors: fields.errors))
    }

    /// Reads the map under `backbone`, or reports and returns nil.
    init?(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors, among families: [any BackboneConfiguration.Type]) {
        guard let (name, options, place) = FieldReader.variant(of: node, path: path, errors: errors) else { return nil }
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
        if let cut, stages.contains(cut) { network.reportUnused(endingAfter: cut, at: fields) }
        fields.finish()
        self.init(network, cutAfter: cut.flatMap { stages.contains($0) ? $0 : nil } ?? stages[stages.count - 1])
    }

    /// Equal when the networks are of one family and have the same options and cut.
    public static func == (a: BackboneDefinition, b: BackboneDefinition) -> Bool {
        a.cutAfter == b.cutAfter && isEqual(a.network, b.network)
    }

    /// The network's options with the cut beside them, under the family's key.
    fileprivate func node(_ options: ConfigurationNode) -> ConfigurationNode {
        let entries = (options.entries ?? []).map { (key: $0.key, node: $0.node) }
        return .map([(type(of: network).family, .map(entries + [(Self.cutKey, .text(cutAfter))]))])
    }

    fileprivate static let cutKey = "cut_after"
}

/// The families that a hybrid can cut: what its reader has to know of a registry.
struct Backbones: Sendable {
    let families: [any BackboneConfiguration.Type]

    /// What there is to say of each.
    var descriptions: [OptionDescription] {
        families.map { family in
            let cut = OptionDescription(BackboneDefinition.cutKey, "the name of a stage", .text, "The last stage that is kept.", isRequired: true)
            let keys = family.descriptions + [cut]
            return OptionDescription(family.family, "a map", .map(keys), family.documentation, family.paper, children: { keys })
        }
    }
}

extension OptionKind where Value == BackboneDefinition {
    static var backbone: Self {
        let standard = ModelRegistry.standard.backbones, families = standard.descriptions
        return OptionKind(
            "one of \(families.map(\.name).joined(separator: ", "))", schema: .variants(families.map { ($0.name, $0.schema) }),
            children: { families },
            read: { fields, key in
                let known = fields.additions.all(Backbones.self).first ?? standard
                return fields.node(key).flatMap {
                    BackboneDefinition($0, path: fields.path(of: key), errors: fields.errors, among: known.families)
                }
            }, write: { $0.node($0.network.node) }, identity: { $0.node($0.network.identity) })
    }
}
