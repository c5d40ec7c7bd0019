import Configuration
import TensorCore

/// A model of any family, as a definition gives it: `{vit: {patch: 4, …}}`, or a hybrid's `{backbone: …, tokens: …, transformer: …}`.
public struct ModelDefinition: Codable, Equatable, Sendable {
    public let configuration: any ModelConfiguration

    public init(_ configuration: any ModelConfiguration) { self.configuration = configuration }

    /// The definition without options that only make it clear: what the identity of a trial is made of.
    public var identity: ModelDefinition { ModelDefinition(configuration.identity) }

    /// The key of the family.
    public var family: String { type(of: configuration).family }

    /// Records the model under the root of the images' graph: `[B, H, W, C]` → logits `[B, classes]`.
    ///
    /// Whatever does not fit becomes the graph's failure, which `Graph.validate()` and `Plan` throw.
    public func record(_ images: Tensor, classes: Int) -> Tensor {
        let shape = images.shape
        precondition(shape.rank == 4 || !images.isValid, "images have four axes, found the shape \(shape)")
        let input = ImageShape(height: shape[1], width: shape[2], channels: shape[3])
        let classifier = configuration.makeClassifier(input: input, classes: classes, in: images.graph.root)
        return classifier(images)
    }

    /// Reports what does not fit images of this size, with the line and key path of the option that says it.
    ///
    /// - Parameter node: the value from which the definition was read.
    public func validate(
        input: ImageShape, classes: Int, node: ConfigurationNode, path: String, errors: ConfigurationErrors
    ) {
        configuration.validate(input: input, at: ModelRegistry.options(of: node, path: path, errors: errors))
        guard !errors.hasAny(under: path) else { return }
        do {
            _ = try ModelSummary(self, input: input, classes: classes)
        } catch {
            errors.report("does not fit images of \(input): \(error)", at: node.mark, path: path)
        }
    }

    public static func == (a: ModelDefinition, b: ModelDefinition) -> Bool { isEqual(a.configuration, b.configuration) }

    // MARK: Coding

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: FamilyKey.self)
        if container.contains(FamilyKey(stringValue: "backbone")) {
            configuration = try HybridConfiguration(from: decoder)
            return
        }
        guard let key = container.allKeys.first, let family = ModelRegistry.families.first(where: { $0.family == key.stringValue }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no known family of models"))
        }
        configuration = try container.decode(family, forKey: key)
    }

    public func encode(to encoder: any Encoder) throws {
        if configuration is HybridConfiguration { return try configuration.encode(to: encoder) }
        var container = encoder.container(keyedBy: FamilyKey.self)
        try container.encode(configuration, forKey: FamilyKey(configuration))
    }
}

/// The name of a family as a key of an encoded definition.
struct FamilyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init(_ configuration: any ModelConfiguration) { stringValue = type(of: configuration).family }
    init?(intValue: Int) { nil }
}

/// Whether two configurations are of one family and equal.
func isEqual<Configuration: ModelConfiguration>(_ a: Configuration, _ b: any ModelConfiguration) -> Bool {
    b as? Configuration == a
}
