import Layers
import TensorCore

/// A whole network for images, its parameters declared.
///
/// It may be called any number of times in its graph, as in Siamese networks: all calls share its parameters.
public protocol ImageModel {
    /// Records one call: images `[B, H, W, C]` → outputs by name. A classifier has `logits` `[B, classes]` among them; other names are the
    /// model's own, with the encoder's stages as `features.…`.
    func callAsFunction(_ images: Tensor) -> NamedOutputs

    /// What gives the stages that are among the outputs as `features.…`, where one part does.
    var backbone: (any Backbone)? { get }
}

extension ImageModel {
    /// None that is known.
    public var backbone: (any Backbone)? { nil }
}

/// The part of a network that turns images into features, stage by stage.
public protocol Backbone {
    /// Records one call: images `[B, H, W, C]` → what each stage gives, by its name, first to last: feature maps `[B, h, w, c]` in
    /// convolutional networks, tokens `[B, P + N, D]` in transformers (`P` tokens that stand for no place come first), vectors `[B, n]` in
    /// perceptrons.
    func callAsFunction(_ images: Tensor) -> NamedOutputs

    /// A stage's features as a map `[B, h, w, c]`, for what answers for every place: maps as they are, tokens without those that stand for no
    /// place. nil where the features have no places.
    func featureMap(_ features: Tensor) -> Tensor?
}

/// A backbone that lets what a stage gives be changed before the next one takes it.
public protocol StagedBackbone: Backbone {
    /// Records one call: images `[B, H, W, C]` → what each stage gives, changed.
    ///
    /// - Parameter change: takes the name of a stage and what it gives; its result is the stage's, and goes into the next one.
    func callAsFunction(_ images: Tensor, changing change: (_ stage: String, _ features: Tensor) -> Tensor) -> NamedOutputs
}

extension StagedBackbone {
    public func callAsFunction(_ images: Tensor) -> NamedOutputs { callAsFunction(images) { $1 } }
}

extension Backbone {
    /// Maps as they are, nothing else.
    public func featureMap(_ features: Tensor) -> Tensor? { features.rank == 4 || !features.isValid ? features : nil }
}

/// A network without its head: a backbone, and how what its last stage gives becomes one vector for each image.
public protocol ImageEncoder: Backbone {
    /// The length `D` of the vector.
    var width: Int { get }

    /// Records the pooling of the last stage's features: one vector for each image, `[B, D]`.
    func pooled(_ features: Tensor) -> Tensor
}

/// An encoder with a head on its pooled features.
///
/// Outputs: each stage as `features.NAME`, the vector as `features.pooled` `[B, D]`, what the head gives as `logits` `[B, classes]`.
public struct EncodedModel: ImageModel {
    /// Everything but the head.
    public let encoder: any ImageEncoder
    /// `[B, D]` → `[B, classes]`.
    public let head: any Layer

    /// Joins parts that have declared their parameters.
    public init(_ encoder: any ImageEncoder, head: any Layer) {
        self.encoder = encoder
        self.head = head
    }

    public var backbone: (any Backbone)? { encoder }

    public func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = encoder(images), pooled = encoder.pooled(stages.last)
        var outputs = stages.named(under: "features")
        outputs.add("features.pooled", pooled)
        outputs.add("logits", head(pooled))
        return outputs
    }
}
