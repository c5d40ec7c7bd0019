import Configuration
import Layers
import TensorCore

/// The size of a model of one family, as a definition gives it, and how its parts are made.
///
/// A model is an encoder and a head; a family whose networks have more than that (auxiliary heads) makes the whole itself (`makeModel`).
/// Required options have stand-ins in `init()`.
public protocol ModelConfiguration: Configurable {
    /// The key of the family in definitions.
    static var family: String { get }

    /// One sentence on what it is.
    static var documentation: String { get }

    /// Who published it, and where.
    static var paper: String? { get }

    /// Whose names its parameters and buffers have where that library has the network: a promise to files of weights. Empty: names of its own.
    static var weightNames: [WeightNames] { get }

    /// The path of the option that says how wide the model is, below the family's key; nil where no option does.
    static var widthPath: [String]? { get }

    /// Into which layers its parameters fall, for learning rates that decay from layer to layer.
    var layerOrder: LayerOrder { get }

    /// Whether it takes images of several sizes that share sequences, `[tokens, 1, numbers of a token]`; others take images of one size.
    static var takesSequences: Bool { get }

    /// Whether it answers for every pixel, `[B, height, width, classes]`; others answer for an image, `[B, classes]`.
    static var answersPixels: Bool { get }

    /// Whether the answer for every pixel can only be the pixel of an image, with as many channels as the one that it gets.
    var answersImages: Bool { get }

    /// Whether it answers for every one of many anchors, `[B, anchors, numbers]`.
    static var answersAnchors: Bool { get }

    /// Of a model that answers for anchors, how many cells each of its levels has, and how many anchors a cell has; nil for others.
    func anchors(input: ImageShape) -> (maps: [Size2D], count: Int)?

    /// The same as `answersPixels` of this model, for families with an option that says it.
    var answersEachPixel: Bool { get }

    /// Reports what does not fit images of this size, at the options that say it.
    func validate(input: ImageShape, at fields: FieldReader)

    /// Declares the parameters of the network without its head in `scope`.
    func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder

    /// Declares the parameters of the head, which maps the encoder's vectors `[B, inputs]` to `[B, outputs]`, in the model's `scope`.
    func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer

    /// Declares the parameters of the whole in `scope`: those of the encoder first.
    func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel
}

extension ModelConfiguration {
    public static var paper: String? { nil }
    public static var weightNames: [WeightNames] { [] }
    public static var takesSequences: Bool { false }
    public static var answersPixels: Bool { false }
    public static var answersAnchors: Bool { false }
    public var answersImages: Bool { false }
    public var answersEachPixel: Bool { Self.answersPixels }
    public func anchors(input: ImageShape) -> (maps: [Size2D], count: Int)? { nil }
    public var layerOrder: LayerOrder { LayerOrder() }
    public static var widthPath: [String]? { options.first { $0.description.role == .width }.map { [$0.name] } }
    public func validate(input: ImageShape, at fields: FieldReader) {}

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let encoder = makeEncoder(input: input, in: scope)
        return EncodedModel(encoder, head: makeHead(inputs: encoder.width, outputs: classes, in: scope))
    }
}

/// The configuration of a convolutional network that can be cut after any of its stages.
public protocol BackboneConfiguration: ModelConfiguration {
    /// The names of the stages, first to last; there is at least one.
    var stageNames: [String] { get }

    /// Declares the parameters of the stages up to and including `stage`, and of no other, in `scope`. The backbone gives each of them by name.
    func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone

    /// Reports options that have no effect on a network that ends after `stage` and gives its features to another one.
    func reportUnused(endingAfter stage: String, at fields: FieldReader)
}

extension BackboneConfiguration {
    public func reportUnused(endingAfter stage: String, at fields: FieldReader) {}

    /// The stage that a network without a cut ends with.
    public var lastStage: String { stageNames[stageNames.count - 1] }

    /// The shape `[1, h, w, c]` of the features of one image after `stage`, or nil for images that are too small.
    public func featureShape(input: ImageShape, after stage: String) -> Shape? {
        let graph = Graph()
        let images = graph.input("images", [1, input.height, input.width, input.channels])
        let backbone = makeBackbone(input: input, through: stage, in: graph.root)
        return backbone(images)[stage].flatMap { $0.isValid ? $0.shape : nil }
    }
}

/// What is said where a number without a default is missing.
let missingCount = "missing; expected an integer of at least 1"

/// The key `initialization`.
func initializationOption<Root>(_ property: WritableKeyPath<Root, Initialization> & Sendable) -> Key<Root> {
    Key("initialization", property, .initialization, "How weights start.")
}

extension Initialization {
    /// He normal by the inputs, with the gain of the activation that follows; that of ReLU for activations that have none.
    static func he(for activation: ActivationKind) -> Initialization { .he(distribution: .normal, fan: .in, gain: activation.gain ?? ActivationKind.relu.gain!) }
}
