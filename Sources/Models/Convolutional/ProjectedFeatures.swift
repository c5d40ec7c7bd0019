import Configuration
import Layers
import TensorCore

/// A convolutional network cut after one of its stages, and a multilayer perceptron on the mean of its features: an encoder f with SimCLR's projection g.
///
///     image [B, H, W, C] → stages up to `cut_after` [B, h, w, D] → mean over positions [B, D] → (linear → ReLU) for each of `hidden` → linear
///
/// Without `hidden` layers it is a linear classifier on the same features, so that a probe of an encoder is `{projected: {backbone: …, hidden: []}}` that starts from it
/// but for `head.*`.
///
/// Parameters: the network's own under `backbone`; `head.0`, `head.2`, … as in PyTorch's `Sequential` with a ReLU between two. Initialization: the network's; the
/// head uniform within ±1/√fan_in, biases 0.
///
/// Chen, Kornblith, Norouzi and Hinton, "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020. The paper's g has one hidden layer, as
/// wide as the features.
public struct ProjectedFeaturesConfiguration: ModelConfiguration {
    public static let family = "projected"

    /// The network, and its last stage.
    public var backbone: BackboneDefinition
    /// The widths of the hidden layers of the projection.
    public var hidden = [128]

    /// A network with a projection of one hidden layer.
    public init(_ backbone: BackboneDefinition) { self.backbone = backbone }

    /// A stand-in for the network.
    public init() { self.init(BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stage3")) }

    public static let documentation = "A convolutional network and a multilayer perceptron on the mean of its features: an encoder with SimCLR's projection."
    public static let paper: String? = "Chen, Kornblith, Norouzi and Hinton, ICML 2020"
    public static let options: [Key<ProjectedFeaturesConfiguration>] = [
        .required("backbone", \.backbone, .backbone, missing: "missing; expected a convolutional network and the stage after which it is cut",
            "The convolutional network, and its last stage."),
        Key("hidden", \.hidden, .integers(in: 1...65_536), "The widths of the projection's hidden layers; [] for a linear head."),
    ]

    public func validate(input: ImageShape, at fields: FieldReader) { backbone.validate(input: input, at: fields) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let network = backbone.network.makeBackbone(input: input, through: backbone.cutAfter, in: scope["backbone"])
        // Where images are too small, recording the backbone fails and says so.
        return ConvolutionalEncoder(network, width: backbone.network.featureShape(input: input, after: backbone.cutAfter)?[-1] ?? 1) { features in
            scope["avgpool"].record { features.globalAveragePool() }
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        let sizes = [inputs] + hidden + [outputs], head = scope["head"]
        return Projection(layers: sizes.indices.dropLast().map { Linear(sizes[$0], sizes[$0 + 1], in: head[2 * $0]) }, scope: head)
    }
}

/// Linear layers with ReLU between two.
private struct Projection: Layer {
    let layers: [Linear]
    let scope: Scope

    func callAsFunction(_ x: Tensor) -> Tensor {
        layers.dropFirst().reduce(layers[0](x)) { x, layer in layer(scope.record { x.relu() }) }
    }
}
