import Configuration
import Foundation
import Layers
import TensorCore

/// RetinaNet: a feature pyramid on a convolutional network, and at each of its cells and for each of its anchors a logit for every class and four numbers of a
/// box, by two small networks that all levels share.
///
///     backbone → stages → pyramid of `width` channels → classes: `convolutions` × (3×3, ReLU), 3×3 to anchors · C;   boxes: the same, 3×3 to anchors · 4
///
/// Shapes: images `[B, H, W, c]` → answers `[B, A, C + 4]`: level after level from the finest, cell after cell in row-major order, anchor after anchor. The
/// task `detection` with `method: anchors` has to have the strides of these levels and as many anchors at a cell. With ResNet-50, frozen batch norms, 91 classes
/// and the defaults there are 34,014,999 parameters, torchvision's `retinanet_resnet50_fpn`.
///
/// Parameters as torchvision's: the network's under `backbone.body.`, the pyramid's under `backbone.fpn.`, `head.classification_head.conv.i.0` and `.cls_logits`,
/// `head.regression_head.conv.i.0` and `.bbox_reg`. Initialization: the heads normal with σ = 0.01, biases 0, those of classes −log((1 − π) / π) with π = `prior`.
///
/// Outputs: the stages as `features.NAME`, the pyramid's maps as `features.level0` and so on, and `logits`.
///
/// Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection", ICCV 2017.
public struct RetinaNetConfiguration: ModelConfiguration {
    public static let family = "retinanet"

    /// The convolutional network, and where it is cut.
    public var backbone = BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stem")
    /// The stages whose maps the pyramid takes, finest first; empty: the last three.
    public var levels: [String] = []
    /// How many coarser levels come behind them.
    public var extra = 2
    /// The channels of the pyramid and of the heads.
    public var width = 256
    /// How many convolutions come before the last one of each head.
    public var convolutions = 4
    /// How many anchors a cell has.
    public var anchors = 9
    /// The probability that a class starts with.
    public var prior = 0.01

    /// A stand-in for the backbone.
    public init() {}

    public static let documentation = "A feature pyramid on a convolutional network, with classes and boxes for anchors at each of its cells."
    public static let paper: String? = "Lin, Goyal, Girshick, He and Dollár, ICCV 2017"
    public static let answersAnchors = true
    public static let options: [Key<RetinaNetConfiguration>] = [
        .required("backbone", \.backbone, .backbone, missing: "missing; expected a convolutional network and the stage after which it is cut",
            "The convolutional network, and where it is cut."),
        Key("levels", \.levels, .list(of: .text), "The stages whose maps the pyramid takes, finest first, each of half the resolution of the one before it; absent: the last three."),
        Key("extra", \.extra, .integer(in: 0...6), "How many coarser levels come behind them."),
        Key("width", \.width, .count, role: .width, "The channels of the pyramid and of the heads."),
        Key("convolutions", \.convolutions, .integer(in: 0...64), "How many convolutions come before the last one of each head."),
        Key("anchors", \.anchors, .integer(in: 1...256), "How many anchors a cell has: as many as scales times ratios of the task."),
        Key("prior", \.prior, .number(in: 0.0001...0.9999), "The probability that a class starts with."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        let known = backbone.network.stageNames, end = known.firstIndex(of: backbone.cutAfter) ?? known.count - 1
        var last = -1
        for stage in levels {
            guard let place = known.firstIndex(of: stage) else {
                fields.report("\(type(of: backbone.network).family) has no stage '\(stage.shortened())'; its stages: \(known.joined(separator: ", "))", at: "levels")
                continue
            }
            if place > end { fields.report("\(stage) lies behind \(backbone.cutAfter), after which the network is cut", at: "levels") }
            if place <= last { fields.report("found \(stage) behind \(known[last]), expected each once and in the order of the network", at: "levels") }
            last = place
        }
        if last >= 0, last < end { fields.report("the network is cut after \(backbone.cutAfter), whose map the pyramid does not take; cut it after \(known[last])", at: "levels") }
    }

    /// The names of the stages that the pyramid takes.
    private var stages: [String] {
        if !levels.isEmpty { return levels }
        let names = backbone.network.stageNames, end = names.firstIndex(of: backbone.cutAfter) ?? names.count - 1
        return Array(names[...end].suffix(3))
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        backbone.validate(input: input, at: fields)
    }

    public func anchors(input: ImageShape) -> (maps: [Size2D], count: Int)? {
        var maps = stages.compactMap { backbone.network.featureShape(input: input, after: $0).map { Size2D($0[1], $0[2]) } }
        for _ in 0..<extra { if let last = maps.last { maps.append(Size2D((last.height + 1) / 2, (last.width + 1) / 2)) } }
        return (maps, anchors)
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel { RetinaNet(self, stages, input: input, outputs: classes, in: scope) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let network = backbone.network.makeBackbone(input: input, through: backbone.cutAfter, in: scope["backbone"]["body"])
        let width = backbone.network.featureShape(input: input, after: backbone.cutAfter)?[3] ?? 1
        return ConvolutionalEncoder(network, width: width) { features in scope["avgpool"].record { features.globalAveragePool() } }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]) }
}

/// One of the two heads: the same convolutions for every level.
private struct AnchorHead {
    private let layers: [ConvolutionLayer]
    private let last: Convolution2D
    private let anchors: Int
    private let scope: Scope

    /// - Parameters:
    ///   - outputs: how many numbers an anchor gets.
    ///   - name: that of the last convolution.
    init(_ network: RetinaNetConfiguration, outputs: Int, name: String, initialBias: Double, in scope: Scope) {
        let initialization = Initialization.normal(deviation: 0.01)
        (anchors, self.scope) = (network.anchors, scope)
        layers = (0..<network.convolutions).map { number in
            let place = scope["conv"][number][0]
            return ConvolutionLayer(network.width, network.width, kernel: 3, norm: .none, hasBias: true, initialization: initialization, in: (place, place))
        }
        last = Convolution2D(
            network.width, network.anchors * outputs, kernel: 3, padding: .symmetric(1), initialBias: initialBias, initialization: initialization, in: scope[name])
    }

    /// A level's map `[B, h, w, width]` → `[B, h · w · anchors, outputs]`.
    func callAsFunction(_ map: Tensor) -> Tensor {
        let y = last(layers.reduce(map) { $1($0) })
        guard y.isValid else { return y }
        return scope.record { y.reshaped([y.shape[0], y.shape[1] * y.shape[2] * anchors, y.shape[3] / anchors]) }
    }
}

private struct RetinaNet: ImageModel {
    private let backbone: any Backbone
    private let stages: [String]
    private let pyramid: FeaturePyramid
    private let classes: AnchorHead
    private let boxes: AnchorHead
    private let scope: Scope

    init(_ network: RetinaNetConfiguration, _ stages: [String], input: ImageShape, outputs: Int, in scope: Scope) {
        let definition = network.backbone
        (self.stages, self.scope) = (stages, scope)
        backbone = definition.network.makeBackbone(input: input, through: definition.cutAfter, in: scope["backbone"]["body"])
        // Where images are too small for the backbone, recording it fails and says so.
        let channels = stages.map { definition.network.featureShape(input: input, after: $0)?[3] ?? 1 }
        pyramid = FeaturePyramid(channels: channels, width: network.width, extra: network.extra, in: scope["backbone"]["fpn"])
        classes = AnchorHead(
            network, outputs: max(1, outputs - 4), name: "cls_logits", initialBias: -log((1 - network.prior) / network.prior), in: scope["head"]["classification_head"])
        boxes = AnchorHead(network, outputs: 4, name: "bbox_reg", initialBias: 0, in: scope["head"]["regression_head"])
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let features = backbone(images), maps = pyramid(stages.map { features.required($0, in: scope) })
        var outputs = features.named(under: "features")
        for (number, map) in maps.enumerated() { outputs.add("features.level\(number)", map) }
        let levels = maps.map { map in
            let classes = classes(map), boxes = boxes(map)
            return scope["head"].record { Tensor.concatenated([classes, boxes], axis: 2) }
        }
        outputs.add("logits", scope["head"].record { Tensor.concatenated(levels, axis: 1) })
        return outputs
    }
}
