import Configuration
import Layers
import TensorCore

/// A model that maps images to the logits of classes.
public protocol ImageClassifier {
    /// Records the model: images `[B, H, W, C]` → logits `[B, classes]`.
    func callAsFunction(_ images: Tensor) -> Tensor
}

/// The size of a model of one family, as a definition gives it.
///
/// Required options have stand-ins in `init()`.
public protocol ModelConfiguration: Configurable {
    /// The key of the family in definitions.
    static var family: String { get }

    /// One sentence on what it is.
    static var documentation: String { get }

    /// Who published it, and where.
    static var paper: String? { get }

    /// The path of the option that says how wide the model is, below the family's key; nil where no option does.
    static var widthPath: [String]? { get }

    /// Reports what does not fit images of this size, at the options that say it.
    func validate(input: ImageShape, at fields: FieldReader)

    /// What theory knows of the layers with weights at the start, in the order in which they are recorded; nil where it knows nothing.
    func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork?

    /// Declares the model's parameters in `scope`.
    func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier
}

extension ModelConfiguration {
    public static var paper: String? { nil }
    public static var widthPath: [String]? { options.first { $0.description.role == .width }.map { [$0.name] } }
    public func validate(input: ImageShape, at fields: FieldReader) {}
    public func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork? { nil }
}

/// The convolutional part of a network, up to the end of one of its stages.
public protocol Backbone {
    /// Records the part: images `[B, H, W, C]` → features `[B, h, w, c]`.
    func callAsFunction(_ images: Tensor) -> Tensor
}

/// The configuration of a convolutional network that can be cut after any of its stages.
public protocol BackboneConfiguration: ModelConfiguration {
    /// The names of the stages, first to last.
    var stageNames: [String] { get }

    /// Declares the parameters of the stages up to and including `stage`, and of no other, in `scope`.
    func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone
}

extension BackboneConfiguration {
    /// The shape `[1, h, w, c]` of the features of one image after `stage`, or nil for images that are too small.
    func featureShape(input: ImageShape, after stage: String) -> Shape? {
        let graph = Graph()
        let images = graph.input("images", [1, input.height, input.width, input.channels])
        let backbone = makeBackbone(input: input, through: stage, in: graph.root)
        let features = backbone(images)
        return features.isValid ? features.shape : nil
    }
}

/// What is said where a number without a default is missing.
let missingCount = "missing; expected an integer of at least 1"

/// The key `initialization`.
func initializationOption<Root>(_ property: WritableKeyPath<Root, Initialization> & Sendable) -> Key<Root> {
    Key("initialization", property, .initialization, "How weights start.")
}
