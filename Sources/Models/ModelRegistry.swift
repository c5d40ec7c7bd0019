import Configuration

/// The families of models that a definition can name, their presets, and their readers: a value that whoever reads definitions hands on.
///
///     let registry = ModelRegistry.standard.adding(MyNetworkConfiguration.self)
public struct ModelRegistry: Sendable {
    /// All families that are written as one key with options. A hybrid has keys of its own.
    public private(set) var families: [any ModelConfiguration.Type]
    /// Models with names of their own.
    public private(set) var presets: [ModelPreset]

    /// Everything that comes with the library.
    public static let standard = ModelRegistry(
        families: [
            LogisticRegressionConfiguration.self, MLPConfiguration.self, VisionTransformerConfiguration.self, CompactConvolutionalTransformerConfiguration.self,
            NaViTConfiguration.self, UNetConfiguration.self, FCNConfiguration.self, DeepLabConfiguration.self, SETRConfiguration.self,
            RetinaNetConfiguration.self,
            AutoencoderConfiguration.self, ConvolutionalAutoencoderConfiguration.self, FilterConfiguration.self, MaskedAutoencoderConfiguration.self,
            HOGConfiguration.self, EdgesConfiguration.self, BagOfWordsConfiguration.self,
            MVCNNConfiguration.self, ResNet3DConfiguration.self, VoxelCNNConfiguration.self, CNN1DConfiguration.self,
            ProjectedFeaturesConfiguration.self,
        ] + backboneFamilies,
        presets: ModelPreset.all)

    /// The convolutional networks of the library.
    private static let backboneFamilies: [any BackboneConfiguration.Type] = [
        LeNet5Configuration.self, AlexNetConfiguration.self, VGGConfiguration.self, ResNetConfiguration.self, PlainConfiguration.self,
        SqueezeNetConfiguration.self, DenseNetConfiguration.self, MobileNetV2Configuration.self, GoogLeNetConfiguration.self, ConvNeXtConfiguration.self,
        EfficientNetConfiguration.self, WideResNetConfiguration.self, ResNetV2Configuration.self, MobileNetConfiguration.self,
        MNISTNetworkConfiguration.self, InceptionV3Configuration.self, InceptionResNetV2Configuration.self, XceptionConfiguration.self, SwinTransformerConfiguration.self,
        StandardizedResNetConfiguration.self, CoAtNetConfiguration.self, LeViTConfiguration.self,
        YOLOConfiguration.self,
    ]

    private init(families: [any ModelConfiguration.Type], presets: [ModelPreset]) {
        (self.families, self.presets) = (families, presets)
    }

    /// The same with another family, whose name takes the place of one that is there. A hybrid can cut it if it is a `BackboneConfiguration`.
    public func adding(_ family: any ModelConfiguration.Type, presets: [ModelPreset] = []) -> ModelRegistry {
        ModelRegistry(families: families.filter { $0.family != family.family } + [family], presets: self.presets + presets)
    }

    /// The convolutional networks that a hybrid can cut.
    var backbones: Backbones { Backbones(families: families.compactMap { $0 as? any BackboneConfiguration.Type }) }

    /// What there is to say of a model under a name of one's own.
    ///
    /// - Parameter others: keys that may stand beside a model's own.
    public func description(beside others: [OptionDescription] = []) -> OptionDescription {
        let names = families.map { family in
            OptionDescription(family.family, "a map", .map(family.descriptions), family.documentation, family.paper, children: { family.descriptions })
        }
        let words = presets.map(\.name) + families.map { $0.family }
        let presetsAlone = presets.filter { preset in !families.contains { $0.family == preset.name } }
        let own = backbones.descriptions.filter { backbone in !Self.standard.backbones.families.contains { $0.family == backbone.name } }
        let hybrid = HybridConfiguration.descriptions.map { $0.name == HybridConfiguration.backboneKey ? $0.adding(own, at: []) : $0 }
        return OptionDescription(
            "<name>", "a family with its options, the keys of a hybrid, or the name of a preset",
            .either([
                .names(words), .variants(names.map { ($0.name, $0.schema) } + presetsAlone.map { ($0.name, .names([])) }, beside: others), .map(hybrid + others),
            ]),
            "A model, under a name of letters, digits, '_', '-' and '+'.", isRequired: true, children: { names + hybrid + others })
    }

    /// The keys of a hybrid's map.
    public static var hybridKeys: [String] { HybridConfiguration.keys }

    /// Reads one model: `{resnet: {depth: 20}}`, a hybrid's map, a family without options (`lenet5`), or the name of a preset.
    ///
    /// Reports every error that needs no image size, and returns nil where there is no family to read; `ModelDefinition.validate`
    /// reports the rest.
    public func read(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors) -> ModelDefinition? {
        if let preset = preset(node) { return preset.definition }
        var additions = Additions()
        additions.add(backbones)
        var fields = Self.options(of: node, path: path, errors: errors, additions)
        if Self.isHybrid(node) {
            let hybrid = HybridConfiguration(from: &fields)
            fields.finish()
            return ModelDefinition(hybrid)
        }
        if reportNeighbours(in: node, path: path, errors: errors) { return nil }
        guard let (name, _, _) = FieldReader.variant(of: node, path: path, errors: errors) else { return nil }
        guard let family = families.first(where: { $0.family == name }) else {
            errors.report("unknown model '\(name.shortened())'\(hint(for: name, in: node))", at: node.mark, path: path)
            return nil
        }
        let configuration = family.init(from: &fields)
        fields.finish()
        return ModelDefinition(configuration)
    }

    /// The preset that is named, by a word or as a key without options.
    private func preset(_ node: ConfigurationNode) -> ModelPreset? {
        switch node.value {
        case .scalar(let name, _): presets.first { $0.name == name }
        case .map(let entries) where entries.count == 1 && entries[0].node.value == .null: presets.first { $0.name == entries[0].key }
        default: nil
        }
    }

    /// Reports the keys that stand beside a family's, if there are any; true: there were.
    private func reportNeighbours(in node: ConfigurationNode, path: String, errors: ConfigurationErrors) -> Bool {
        let entries = node.entries ?? []
        let names = entries.map(\.key).filter { key in families.contains { $0.family == key } }
        guard entries.count > 1, let name = names.first, let family = families.first(where: { $0.family == name }) else { return false }
        if names.count > 1 {
            errors.report("found \(names.joined(separator: " and ")), expected one family", at: node.mark, path: path)
            return true
        }
        let options = family.descriptions.map(\.name)
        for entry in entries where entry.key != name {
            let key = entry.key.shortened()
            let hint = options.contains(entry.key) ? "; it is one of \(name)'s: \(name): {\(key): …}" : suggestion(for: entry.key, among: ["train", "data", "note", "tags", "measures"])
            errors.report("unknown key '\(key)' beside \(name)\(hint)", at: entry.mark, path: "\(path).\(entry.key)")
        }
        return true
    }

    /// What may have been meant, or what there is: families, and where a name stands alone the presets, too.
    private func hint(for name: String, in node: ConfigurationNode) -> String {
        let presets: [String] = if case .scalar = node.value { presets.map(\.name) } else { [] }
        let models = Set(families.map { $0.family } + presets)
        // A hybrid's keys may be mistyped, but are no models.
        guard let match = nearest(to: name, among: models) ?? nearest(to: name, among: Self.hybridKeys) else {
            return suggestion(for: name, among: models)
        }
        return suggestion(for: match, among: [match])
    }

    private static func isHybrid(_ node: ConfigurationNode) -> Bool {
        node.entries?.contains { HybridConfiguration.keys.contains($0.key) } ?? false
    }

    /// A reader of the options of a model: the map behind the family's key, or a hybrid's whole map.
    static func options(
        of node: ConfigurationNode, path: String, errors: ConfigurationErrors, _ additions: Additions = Additions()
    ) -> FieldReader {
        if !isHybrid(node), node.entries?.count == 1,
            let (_, options, place) = FieldReader.variant(of: node, path: path, errors: errors)
        {
            return FieldReader(options, path: place, errors: errors, additions: additions)
        }
        if case .map = node.value { return FieldReader(node, path: path, errors: errors, additions: additions) }
        return FieldReader(ConfigurationNode(.null, mark: node.mark), path: path, errors: errors, additions: additions)
    }
}
