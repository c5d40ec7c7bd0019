import Configuration
import TensorCore

/// A model of any family, as a definition gives it: `{vit: {patch: 4, …}}`, or a hybrid's `{backbone: …, tokens: …, transformer: …}`.
public struct ModelDefinition: Equatable, Sendable {
    /// The family's options.
    public let configuration: any ModelConfiguration

    /// The model that a configuration of any family makes.
    public init(_ configuration: any ModelConfiguration) { self.configuration = configuration }

    /// What the result depends on: the family and what differs from its defaults.
    public var identity: ConfigurationNode { wrapped(configuration.identity) }

    /// The model with every default filled in.
    public var node: ConfigurationNode { wrapped(configuration.node) }

    /// The path of the option that says how wide the model is, in its map; nil where no option does.
    public var widthPath: [String]? {
        let path = type(of: configuration).widthPath
        return configuration is HybridConfiguration ? path : path.map { [family] + $0 }
    }

    /// The keys of a map within the model's.
    public func keys(at path: [String]) -> [OptionDescription] {
        let names = configuration is HybridConfiguration ? path[...] : path.dropFirst()
        return names.reduce(type(of: configuration).descriptions) { keys, name in keys.first { $0.name == name }?.children ?? [] }
    }

    /// Under the key of the family, which a hybrid has not.
    private func wrapped(_ options: ConfigurationNode) -> ConfigurationNode {
        configuration is HybridConfiguration ? options : .map([(family, options)])
    }

    /// Into which layers its parameters fall, from the images up.
    public var layerOrder: LayerOrder { configuration.layerOrder }

    /// The key of the family.
    public var family: String { type(of: configuration).family }

    /// Whether it answers for every pixel, `[B, height, width, classes]`, and not for an image.
    public var answersPixels: Bool { configuration.answersEachPixel }

    /// Whether it answers for every one of many anchors, `[B, anchors, numbers]`, and not for an image.
    public var answersAnchors: Bool { type(of: configuration).answersAnchors }

    /// Declares the parameters of a model for images of this size in `scope`, under whose path everything of it is recorded. Call the model
    /// once for each batch of images that it sees: all calls share the parameters.
    ///
    /// Whatever does not fit becomes the graph's failure, which `Graph.validate()` and `Plan` throw.
    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        configuration.makeModel(input: input, classes: classes, in: scope)
    }

    /// Makes the model in `scope` and records one call of it: images `[B, H, W, C]` → outputs by name, `logits` `[B, classes]` among them.
    ///
    /// Whatever does not fit becomes the graph's failure, which `Graph.validate()` and `Plan` throw.
    public func record(_ images: Tensor, classes: Int, in scope: Scope) -> NamedOutputs {
        let shape = images.shape
        precondition(shape.rank == 4 || !images.isValid, "images have four axes, found the shape \(shape)")
        let input = ImageShape(height: shape[1], width: shape[2], channels: shape[3])
        let model = makeModel(input: input, classes: classes, in: scope)
        return model(images)
    }

    /// The parameters and the buffers, each in the order of declaration, of a model that fits images of this size.
    public func declarations(input: ImageShape, classes: Int) -> (parameters: [Parameter], buffers: [Parameter]) {
        let graph = Graph(mode: .training)
        _ = record(graph.input("images", [1, input.height, input.width, input.channels]), classes: classes, in: graph.root)
        return (graph.parameters, graph.buffers)
    }

    /// Whether another definition means the same network for images of this size: one that computes the same when it is evaluated, from parameters of the
    /// same names and shapes. What changes the training or the initial values alone, such as dropout, does not count.
    public func isSameNetwork(as other: ModelDefinition, input: ImageShape, classes: Int) -> Bool {
        self == other || outputs(input: input, classes: classes).areComputed(as: other.outputs(input: input, classes: classes))
    }

    /// What it gives for one image of this size when it is evaluated.
    public func outputs(input: ImageShape, classes: Int) -> NamedOutputs {
        let graph = Graph(mode: .evaluation)
        return record(graph.input("images", [1, input.height, input.width, input.channels]), classes: classes, in: graph.root)
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

    /// Throws everything that does not fit images of this size, where no line of a definition says it.
    public func requireFit(_ name: String, input: ImageShape) throws {
        let errors = ConfigurationErrors()
        configuration.validate(input: input, at: FieldReader(ConfigurationNode(.map([]), mark: SourceMark(file: name, line: nil)), path: "", errors: errors))
        try errors.throwIfAny()
    }

    /// Equal when both are of one family and have the same options.
    public static func == (a: ModelDefinition, b: ModelDefinition) -> Bool { isEqual(a.configuration, b.configuration) }
}

/// Whether two configurations are of one family and equal.
func isEqual<Configuration: ModelConfiguration>(_ a: Configuration, _ b: any ModelConfiguration) -> Bool {
    b as? Configuration == a
}
