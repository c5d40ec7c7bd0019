import Configuration
import Layers
import TensorCore

/// Self-attention inside a convolutional network: behind some of its stages, over all cells of their feature maps (`FeatureMapAttention`).
///
///     resnet: {depth: 20, attention_after: [stage3], attention_heads: 4, attention_bias: relative}
///
/// Parameters: under `attention.STAGE`.
public struct StageAttention: Equatable, Sendable {
    /// What scores get beside the products of queries and keys.
    public enum Bias: String, CaseIterable, Sendable {
        case none
        /// A trained number for each head and distance.
        case relative
    }

    /// The stages behind which it stands.
    public var stages: [String] = []
    /// The number of heads, which has to divide the channels of each of the stages.
    public var heads = 4
    /// What scores get.
    public var bias = Bias.none

    /// Behind no stage.
    public init() {}

    /// Reports stages that the network has not, and options that nothing uses.
    func check(stages known: [String], _ fields: FieldReader) {
        for (index, stage) in stages.enumerated() {
            if !known.contains(stage) {
                fields.report("there is no stage '\(stage.shortened())'\(suggestion(for: stage, among: known))", at: "attention_after")
            } else if stages[..<index].contains(stage) {
                fields.report("found \(stage) twice", at: "attention_after")
            }
        }
        let usual = StageAttention()
        for (key, isUsual) in [("attention_heads", heads == usual.heads), ("attention_bias", bias == usual.bias)] where stages.isEmpty && !isUsual {
            fields.report("no stage has attention; add attention_after, such as [\(known.last ?? "")]", at: key)
        }
    }

    /// Reports stages behind the last one that is kept.
    func report(endingAfter last: String, of known: [String], _ fields: FieldReader) {
        guard let end = known.firstIndex(of: last) else { return }
        for stage in stages where known[(end + 1)...].contains(stage) {
            fields.report("\(stage) lies behind \(last), after which the network is cut", at: "attention_after")
        }
    }

    /// The layer behind a stage; nil where none is asked for, or where images are too small to come that far.
    func layer<Network: ResidualNetworkConfiguration>(
        after stage: String, of network: Network, input: ImageShape, in scope: Scope
    ) -> FeatureMapAttention? {
        guard stages.contains(stage) else { return nil }
        // Attention changes no shape.
        var plain = network
        plain.attention = StageAttention()
        guard let shape = plain.featureShape(input: input, after: stage) else { return nil }
        return FeatureMapAttention(
            channels: shape[3], heads: heads, biasFor: bias == .relative ? Size2D(shape[1], shape[2]) : nil, in: scope["attention"][stage])
    }
}

extension ResidualNetworkConfiguration {
    /// The keys of attention between the stages.
    static var attentionOptions: [Key<Self>] {
        [
            Key("attention_after", \Self.attention.stages, .list(of: .text), writesDefault: false, paper: "Srinivas et al., CVPR 2021",
                "The stages behind which all cells of the feature map attend to one another."),
            Key("attention_heads", \Self.attention.heads, .count, writesDefault: false,
                "How many heads; they have to divide the channels of each of these stages."),
            Key("attention_bias", \Self.attention.bias, .choice, writesDefault: false, paper: "Liu et al., ICCV 2021",
                "Whether scores get a trained bias by the distance of the cells."),
        ]
    }
}
