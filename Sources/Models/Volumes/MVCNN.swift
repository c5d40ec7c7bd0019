import Configuration
import Layers
import TensorCore

/// A network for several views of one thing: a convolutional network that all views share, whose features are joined after one of its stages.
///
///     image [B, H, W, V · C] → V pictures each → stages up to `pool_after` → the largest value (or mean) over the views → the other stages up to
///     `cut_after` → mean over positions → linear
///
/// | `pooling` | what is joined |
/// | --- | --- |
/// | `max` | the features after `pool_after`, by their largest values (the paper's view pooling) |
/// | `mean` | the features after `pool_after`, by their mean |
/// | `logits` | the answers of the whole network for each view, by the mean of their logits |
/// | `probabilities` | the same, by the mean of their probabilities: logits = log (1/V) Σ_v softmax(logits_v) |
///
/// The last two are the paper's averaged scores. Their loss is that of the joined answer, unless `train_views` is `one`: then each image gives one of its views
/// to a training step, drawn anew for each image and step, so that what is trained is a classifier of single views, whose answers are averaged in
/// evaluation. An epoch then sees one view of each image, as many pictures as there are images.
///
/// An image's channels are its views: channel v · C + c is channel c of view v, with C what is left when `views` divides the channels. `seen_views` are
/// those that the network looks at; networks that see others of the same images are an ensemble of views.
///
/// Parameters: the network's own under `backbone`, and `head`. Initialization: the network's; the head uniform within ±1/√fan_in, biases 0.
///
/// Su, Maji, Kalogerakis and Learned-Miller, "Multi-view Convolutional Neural Networks for 3D Shape Recognition", ICCV 2015.
public struct MVCNNConfiguration: ModelConfiguration {
    public static let family = "mvcnn"

    /// What is joined, and how.
    public enum Pooling: String, CaseIterable, Sendable {
        case max, mean, logits, probabilities

        var joinsFeatures: Bool { self == .max || self == .mean }
    }

    /// Which views of an image a training step sees.
    public enum TrainingViews: String, CaseIterable, Sendable { case all, one }

    /// The network, and its last stage.
    public var backbone: BackboneDefinition
    /// How many views an image holds.
    public var views = 12
    /// The stage after which features are joined; nil: the last one.
    public var poolAfter: String?
    /// What is joined, and how.
    public var pooling = Pooling.max
    /// Which views of an image a training step sees.
    public var trainViews = TrainingViews.all
    /// The views that the network looks at, in ascending order; nil: all.
    public var seenViews: [Int]?

    /// A network that is shared by 12 views.
    public init(_ backbone: BackboneDefinition) { self.backbone = backbone }

    /// A stand-in for the network.
    public init() { self.init(BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stage3")) }

    public static let documentation = "A convolutional network that several views of one thing share, joined after one of its stages."
    public static let paper: String? = "Su, Maji, Kalogerakis and Learned-Miller, ICCV 2015"
    public static let options: [Key<MVCNNConfiguration>] = [
        .required("backbone", \.backbone, .backbone, missing: "missing; expected a convolutional network and the stage after which it is cut",
            "The convolutional network that views share, and its last stage."),
        Key("views", \.views, .count, "How many views an image holds in its channels."),
        Key("pool_after", \.poolAfter, .text, "The stage after which the features of the views are joined; absent: the last one."),
        Key("pooling", \.pooling, .choice, "What is joined: features by their largest values (max) or mean, or the network's answers for each view by the mean of their logits or probabilities."),
        Key("train_views", \.trainViews, .choice, writesDefault: false,
            "Which views of an image a training step sees: all, or one that is drawn anew each time, which trains a classifier of single views; with pooling: logits or probabilities."),
        Key("seen_views", \.seenViews, .integers(in: 0...4_095), "The views that the network looks at, from 0, in ascending order; absent: all."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if trainViews == .one, pooling.joinsFeatures { fields.report("goes with pooling: logits or probabilities, whose answers are those of single views", at: "train_views") }
        if let seen = seenViews, !fields.errors.hasAny(under: fields.path(of: "seen_views")) {
            if seen.isEmpty || zip(seen, seen.dropFirst()).contains(where: { $0 >= $1 }) {
                fields.report("expected views in ascending order, found \(seen)", at: "seen_views")
            } else if let view = seen.first(where: { $0 >= views }) {
                fields.report("found view \(view), expected 0 to \(views - 1)", at: "seen_views")
            }
        }
        guard let poolAfter, !fields.errors.hasAny(under: fields.path(of: "backbone")) else { return }
        let stages = backbone.network.stageNames, kept = Array(stages[...(stages.firstIndex(of: backbone.cutAfter) ?? stages.count - 1)])
        if !kept.contains(poolAfter) {
            let name = type(of: backbone.network).family
            fields.report("\(name) cut after \(backbone.cutAfter) has no stage '\(poolAfter.shortened())'; its stages: \(kept.joined(separator: ", "))", at: "pool_after")
            self.poolAfter = nil
        }
        if !pooling.joinsFeatures { fields.report("goes with pooling: max or mean; \(pooling.rawValue) joins the answers", at: "pool_after") }
    }

    /// One view.
    private func view(_ input: ImageShape) -> ImageShape {
        ImageShape(height: input.height, width: input.width, channels: max(1, input.channels / views))
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if input.channels % views != 0 {
            fields.errors.report(
                "\(views) views do not divide the \(input.channels) channels of images of \(input)",
                at: fields.node["views"]?.mark ?? fields.node.mark, path: fields.path(of: "views"))
            return
        }
        backbone.validate(input: view(input), at: fields)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { MVCNN(self, view: view(input), in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]) }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let encoder = MVCNN(self, view: view(input), in: scope), head = makeHead(inputs: encoder.width, outputs: classes, in: scope)
        return pooling.joinsFeatures ? EncodedModel(encoder, head: head) : AveragedScores(network: self, encoder: encoder, head: head, scope: scope["views"])
    }
}

/// Stages are the backbone's: up to `pool_after` of the views, `[B · V, h, w, c]`, from there on of the whole, `[B, h, w, c]`; before them `views`, what is joined.
private struct MVCNN: ImageEncoder {
    private let network: MVCNNConfiguration
    private let backbone: any Backbone
    let width: Int
    private let scope: Scope

    init(_ network: MVCNNConfiguration, view: ImageShape, in scope: Scope) {
        (self.network, self.scope) = (network, scope)
        let definition = network.backbone
        backbone = definition.network.makeBackbone(input: view, through: definition.cutAfter, in: scope["backbone"])
        // Where images are too small, recording the backbone fails and says so.
        width = definition.network.featureShape(input: view, after: definition.cutAfter)?[3] ?? 1
    }

    /// The views that are looked at, `[B · V, H, W, C]`; with `train_views: one` in training `[B, H, W, C]`.
    private func seenPictures(_ images: Tensor) -> Tensor {
        guard images.isValid, network.seenViews != nil || network.trainViews == .one else { return images.pictures(network.views) }
        var views = images.volume(channels: images.shape[3] / network.views)  // [B, V, H, W, C]
        if let seen = network.seenViews {
            let all = views
            views = Tensor.concatenated(seen.map { all.sliced(axis: 1, $0..<$0 + 1) }, axis: 1)
        }
        let batch = views.shape[0], picture = Array(views.shape.dropFirst(2))
        if network.trainViews == .one, images.graph.mode == .training {
            let flat = views.reshaped([batch, views.shape[1], picture.reduce(1, *)])
            views = flat.randomTokens(1, behind: 0, stream: scope["views"].nextStream()).taken(of: flat)
        }
        return views.reshaped(Shape([batch * views.shape[1]] + picture))
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let pictures = scope["views"].record { seenPictures(images) }
        let place = network.poolAfter ?? network.backbone.cutAfter
        guard let backbone = backbone as? any StagedBackbone else {
            var outputs = NamedOutputs()
            outputs.add(place, scope.fail("\(type(of: network.backbone.network).family) lets nothing be changed between its stages"))
            return outputs
        }
        var joined: Tensor?
        let stages = backbone(pictures) { stage, features in
            guard network.pooling.joinsFeatures, stage == place, features.isValid else { return features }
            joined = features
            return scope["views"].record {
                let views = features.reshaped(Shape([images.shape[0], features.shape[0] / images.shape[0]] + features.shape.dropFirst()))
                return network.pooling == .max ? views.max(axes: [1]) : views.mean(axes: [1])
            }
        }
        var outputs = NamedOutputs()
        for entry in stages.entries {
            if entry.name == place, let joined { outputs.add("views", joined) }
            outputs.add(entry.name, entry.tensor)
        }
        return outputs
    }

    func pooled(_ features: Tensor) -> Tensor { scope["avgpool"].record { features.globalAveragePool() } }
}

/// The mean of the answers for each view.
private struct AveragedScores: ImageModel {
    let network: MVCNNConfiguration
    let encoder: MVCNN
    let head: any Layer
    let scope: Scope

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = encoder(images), pooled = encoder.pooled(stages.last), answers = head(pooled)  // [B · V, classes]
        var outputs = stages.named(under: "features")
        outputs.add("features.pooled", pooled)
        outputs.add("logits", scope.record {
            guard answers.isValid, network.trainViews == .all || answers.shape[0] > images.shape[0] else { return answers }
            let views = answers.reshaped([images.shape[0], answers.shape[0] / images.shape[0], answers.shape[1]])
            if network.pooling == .logits { return views.mean(axes: [1]) }
            // Less the largest, so that no mean is 0.
            let logarithms = views.logSoftmax(), largest = logarithms.max(axes: [1], keepsAxes: true)
            return (logarithms - largest).exp().mean(axes: [1]).log() + largest.reshaped([images.shape[0], answers.shape[1]])
        })
        return outputs
    }
}
