import Configuration
import Layers
import TensorCore

/// A convolutional network cut after a stage, a head on its last map that gives scores for each class, and these at the size of the image.
///
/// Outputs: the stages as `features.…`, `logits` `[B, H, W, classes]`, and of an auxiliary head `aux`.
struct PixelModel: ImageModel {
    /// A head on a stage's features: `[B, h, w, C]` → `[B, h, w, classes]`.
    struct Head {
        let stage: String
        let layer: any Layer
    }

    /// Scores of an earlier stage, added to those of the stage behind it once they are as large.
    struct Fusion {
        let head: Head
        let enlarging: ScoreUpsampling
    }

    let path: any Backbone
    let head: Head
    /// From the last stage to the first.
    var fusions: [Fusion] = []
    let enlarging: ScoreUpsampling
    /// With the weight of its loss, and how its scores come to the size of the image.
    var auxiliary: (head: Head, weight: Double, enlarging: ScoreUpsampling)?
    let scope: Scope

    var backbone: (any Backbone)? { path }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = path(images)
        func scores(_ head: Head) -> Tensor { head.layer(stages.required(head.stage, in: scope)) }
        var outputs = stages.named(under: "features"), sum = scores(head)
        for fusion in fusions {
            let coarse = fusion.enlarging(sum), fine = scores(fusion.head)
            sum = scope["fuse"].record { coarse + fine }
        }
        outputs.add("logits", enlarging(sum))
        if let auxiliary {
            outputs.add("aux", auxiliary.enlarging(scores(auxiliary.head)), auxiliaryWeight: auxiliary.weight)
        }
        return outputs
    }
}

/// torchvision's head of an FCN: a 3×3 convolution to a quarter of the channels, batch norm, ReLU, dropout, and a 1×1 convolution to the classes.
///
/// Parameters as in torchvision: `0`, `1`, `4`, in the scope itself.
struct FCNHead: Layer {
    private let convolution: ConvolutionLayer
    private let dropout: Dropout
    private let scores: Convolution2D

    init(_ channels: Int, classes: Int, dropout rate: Double, initialization: Initialization, in scope: Scope) {
        let inner = max(1, channels / 4)
        convolution = ConvolutionLayer(channels, inner, kernel: 3, initialization: initialization, in: (scope[0], scope[1]))
        dropout = Dropout(rate: rate, in: scope[3])
        scores = Convolution2D(inner, classes, kernel: 1, initialization: initialization, in: scope[4])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { scores(dropout(convolution(x))) }
}

/// What the networks of torchvision for segmentation have in common: a dilated backbone, and an auxiliary head that is trained beside the main one.
protocol SegmentationConfiguration: ModelConfiguration {
    /// The convolutional network, and where it is cut.
    var backbone: BackboneDefinition { get }
    /// The stage of the auxiliary head; nil: there is none.
    var auxiliaryStage: String? { get }
    /// How convolutions' weights start.
    var initialization: Initialization { get }
}

extension SegmentationConfiguration {
    public static var answersPixels: Bool { true }
    public static var widthPath: [String]? { nil }

    /// The keys `backbone` and `auxiliary` of a family.
    static func backboneOption(_ property: WritableKeyPath<Self, BackboneDefinition> & Sendable) -> Key<Self> {
        .required("backbone", property, .backbone, missing: "missing; expected a convolutional network and the stage after which it is cut",
            "The convolutional network, and where it is cut.")
    }

    static func auxiliaryOption(_ property: WritableKeyPath<Self, String?> & Sendable) -> Key<Self> {
        Key("auxiliary", property, .text, paper: "Zhao, Shi, Qi, Wang and Jia, \"Pyramid Scene Parsing Network\", CVPR 2017",
            "A stage with a head of its own, which is trained beside the main one with half of its loss; absent: there is none.")
    }

    /// Reports a stage that the backbone has not, or that lies behind its cut; true: it has it.
    func isStage(_ stage: String, key: String, _ fields: FieldReader, before isEarlier: Bool = false) -> Bool {
        if fields.errors.hasAny(under: fields.path(of: "backbone")) { return false }
        let known = backbone.network.stageNames, end = known.firstIndex(of: backbone.cutAfter) ?? known.count - 1
        let candidates = known[..<(isEarlier ? end : end + 1)]
        if candidates.contains(stage) { return true }
        let list = candidates.isEmpty ? "it has none" : "it has \(candidates.joined(separator: ", "))"
        fields.report("there is no stage '\(stage.shortened())' \(isEarlier ? "before" : "up to") \(backbone.cutAfter); \(list)", at: key)
        return false
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        backbone.validate(input: input, at: fields)
    }

    /// The shape of a stage's map. Where images are too small for the backbone, recording it fails and says so.
    func features(_ stage: String, _ input: ImageShape) -> Shape {
        backbone.network.featureShape(input: input, after: stage).flatMap { $0.rank == 4 ? $0 : nil } ?? [1, 1, 1, 1]
    }

    /// The auxiliary head on its stage.
    func auxiliary(
        input: ImageShape, classes: Int, dropout: Double, in scope: Scope
    ) -> (head: PixelModel.Head, weight: Double, enlarging: ScoreUpsampling)? {
        guard let stage = auxiliaryStage else { return nil }
        let shape = features(stage, input), place = scope["aux_classifier"]
        return (
            PixelModel.Head(stage: stage, layer: FCNHead(shape[3], classes: classes, dropout: dropout, initialization: initialization, in: place)), 0.5,
            ScoreUpsampling(.bilinear, channels: classes, from: Size2D(shape[1], shape[2]), to: Size2D(input.height, input.width), in: place["up"]))
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let path = backbone.network.makeBackbone(input: input, through: backbone.cutAfter, in: scope["backbone"])
        return ConvolutionalEncoder(path, width: features(backbone.cutAfter, input)[3]) { features in scope["avgpool"].record { features.globalAveragePool() } }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"])
    }
}
