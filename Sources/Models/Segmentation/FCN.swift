import Configuration
import Layers
import TensorCore

/// The fully convolutional network: any convolutional network up to one of its stages, scores for each class at each cell, and these at the size of the image.
///
///     image → backbone → head → scores [B, h, w, classes] → (enlarged, + scores of an earlier stage) … → enlarged: [B, H, W, classes]
///
/// | `head` | what gives scores |
/// | --- | --- |
/// | `convolution` | torchvision's: a 3×3 convolution to a quarter of the channels, batch norm, ReLU, dropout, a 1×1 convolution |
/// | `scores` | a 1×1 convolution |
/// | `classifier` | the paper's: a classifier's linear layers as convolutions, the first 7×7 and the others 1×1, of `hidden` channels, each with ReLU and dropout, and a 1×1 convolution |
///
/// A backbone that ends at a stride of 32 gives FCN-32s; with `fuse: [stage4]`, of a stage at a stride of 16, it is FCN-16s, with a second stage at 8 FCN-8s. Scores
/// of these stages come from 1×1 convolutions that start at 0, so that a network begins as the coarser one.
///
/// | `up` | how scores are enlarged |
/// | --- | --- |
/// | `bilinear` | by interpolation, as in torchvision |
/// | `transposed` | by a transposed convolution that starts as interpolation; the paper trains all but the last, which `train.parameters` can freeze (`up.logits.*`) |
///
/// Parameters as in torchvision: the network's own names under `backbone.`, `classifier.0`, `.1`, `.4` and `aux_classifier.…`; else `classifier.N` in the order of the
/// layers, `fuse.STAGE` and `up.STAGE`, `up.logits`. Initialization: He normal by the outputs for convolutions, biases 0.
///
/// Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015. Deviates from it: convolutions keep the resolution, where the
/// paper's first one sees 100 pixels of zeros around the image whose scores are cut off later.
public struct FCNConfiguration: SegmentationConfiguration {
    public static let family = "fcn"

    /// What gives scores.
    public enum HeadKind: String, CaseIterable, Sendable { case convolution, scores, classifier }

    /// The convolutional network, and where it is cut.
    public var backbone: BackboneDefinition
    /// What gives scores.
    public var head = HeadKind.convolution
    /// Of `classifier`: the channels of its convolutions.
    public var hidden = [4096, 4096]
    /// The earlier stages whose scores are added, from the last to the first.
    public var fused: [String] = []
    /// How scores are enlarged.
    public var upsampling = MapUpsampling.bilinear
    /// The stage of the auxiliary head; nil: there is none.
    public var auxiliaryStage: String?
    /// The share of values in front of the scores that are dropped in training.
    public var dropout = 0.1
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// torchvision's head on a network cut after a stage.
    public init(backbone: BackboneDefinition) { self.backbone = backbone }

    /// A stand-in for the backbone.
    public init() { self.init(backbone: BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stage3")) }

    public static let documentation = "A convolutional network whose last map gives scores for each class, which are enlarged to the size of the image."
    public static let paper: String? = "Long, Shelhamer and Darrell, CVPR 2015"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<FCNConfiguration>] = [
        backboneOption(\.backbone),
        Key("head", \.head, .choice, "What gives scores: a 3×3 convolution and a 1×1 one (convolution, torchvision's), the latter alone (scores), or linear layers as convolutions (classifier, the paper's)."),
        Key("hidden", \.hidden, .integers(in: 1...65_536), writesDefault: false, "Of head: classifier, the channels of its convolutions, the first of which is 7×7."),
        Key("fuse", \.fused, .list(of: .text), "Earlier stages whose scores are added, from the last to the first, such as [stage3, stage2]."),
        Key("up", \.upsampling, .choice, "How scores are enlarged: by interpolation (bilinear), or by a transposed convolution that starts as it (transposed)."),
        auxiliaryOption(\.auxiliaryStage),
        Key("dropout", \.dropout, .rate, "The share of values in front of the scores that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        let known = backbone.network.stageNames
        var last = backbone.cutAfter
        for stage in fused where isStage(stage, key: "fuse", fields, before: true) {
            if let place = known.firstIndex(of: stage), let end = known.firstIndex(of: last), place >= end {
                fields.report("found \(stage) behind \(last), expected each stage once and the later ones first", at: "fuse")
            }
            last = stage
        }
        if let stage = auxiliaryStage, !isStage(stage, key: "auxiliary", fields) { auxiliaryStage = nil }
        if head != .classifier, hidden != FCNConfiguration().hidden { fields.report("goes with head: classifier", at: "hidden") }
        if hidden.isEmpty { fields.report("found an empty list, expected the channels of one convolution or more, or head: scores", at: "hidden") }
        if fields.errors.hasAny(under: fields.path(of: "fuse")) { fused = [] }
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let path = backbone.network.makeBackbone(input: input, through: backbone.cutAfter, in: scope["backbone"])
        var shape = features(backbone.cutAfter, input)
        let main = PixelModel.Head(stage: backbone.cutAfter, layer: layer(channels: shape[3], classes: classes, in: scope["classifier"]))
        let fusions = fused.map { stage in
            let finer = features(stage, input), size = Size2D(finer[1], finer[2])
            let scores = Convolution2D(finer[3], classes, kernel: 1, initialization: .zeros, in: scope["fuse"][stage])
            let enlarging = ScoreUpsampling(upsampling, channels: classes, from: Size2D(shape[1], shape[2]), to: size, in: scope["up"][stage])
            shape = finer
            return PixelModel.Fusion(head: .init(stage: stage, layer: scores), enlarging: enlarging)
        }
        return PixelModel(
            path: path, head: main, fusions: fusions,
            enlarging: ScoreUpsampling(
                upsampling, channels: classes, from: Size2D(shape[1], shape[2]), to: Size2D(input.height, input.width), in: scope["up"]["logits"]),
            auxiliary: auxiliary(input: input, classes: classes, dropout: dropout, in: scope), scope: scope)
    }

    private func layer(channels: Int, classes: Int, in scope: Scope) -> any Layer {
        switch head {
        case .convolution: FCNHead(channels, classes: classes, dropout: dropout, initialization: initialization, in: scope)
        case .scores: Convolution2D(channels, classes, kernel: 1, initialization: initialization, in: scope)
        case .classifier: ConvolutionalClassifier(channels, hidden: hidden, classes: classes, dropout: dropout, initialization: initialization, in: scope)
        }
    }
}

/// A classifier's linear layers as convolutions: 7×7, then 1×1, each with ReLU and dropout, and a 1×1 convolution to the classes.
private struct ConvolutionalClassifier: Layer {
    private let hidden: [(convolution: ConvolutionLayer, dropout: Dropout)]
    private let scores: Convolution2D

    init(_ channels: Int, hidden widths: [Int], classes: Int, dropout: Double, initialization: Initialization, in scope: Scope) {
        let inputs = [channels] + widths
        hidden = widths.indices.map { index in
            let convolution = ConvolutionLayer(
                inputs[index], widths[index], kernel: index == 0 ? 7 : 1, norm: .none, initialization: initialization, in: (scope[index], scope[index]))
            return (convolution, Dropout(rate: dropout, in: scope[index]["dropout"]))
        }
        scores = Convolution2D(inputs[widths.count], classes, kernel: 1, initialization: initialization, in: scope[widths.count])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { scores(hidden.reduce(x) { $1.dropout($1.convolution($0)) }) }
}
