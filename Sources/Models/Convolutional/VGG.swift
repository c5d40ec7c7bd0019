import Configuration
import Layers
import TensorCore

/// VGG: blocks of 3×3 convolutions, each ended by a 2×2 max-pool, and three linear layers.
///
/// | depth | convolutions in each block |
/// | --- | --- |
/// | 11 | 1, 1, 2, 2, 2 |
/// | 13 | 2, 2, 2, 2, 2 |
/// | 16 | 2, 2, 3, 3, 3 |
/// | 19 | 2, 2, 4, 4, 4 |
///
/// Block i has `width` · 2^i channels, at most 8 · `width`. Stages: `stage1`, …, one for each block, after its pool. Other networks of the kind are
/// written by their `blocks`; with `hidden: []` and `pool: 1` they end in global average pooling and one linear layer.
///
/// Parameters as in torchvision: `features.N` with the places of convolutions, norms, activations and pools in a row, `classifier.0`, `.3`, `.6`;
/// convolutions have biases before norms too.
/// Initialization: He normal by the outputs, linear layers normal with σ = 0.01, biases 0.
///
/// Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
public struct VGGConfiguration: BackboneConfiguration {
    public static let family = "vgg"

    /// How many convolutions each block has in the paper's networks, by their depths.
    private static let paperBlocks = [11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]]

    /// Which of the paper's networks gives `blocks` its default.
    public private(set) var depth = 16
    /// How many convolutions each block has.
    public var blocks: [Int]
    /// The channels of the first block.
    public var width = 64
    /// What normalizes features; the paper has nothing.
    public var norm = NormalizationKind.none
    /// The side of the grid to which features are pooled.
    public var pool = 7
    /// The widths of the hidden linear layers.
    public var hidden = [4096, 4096]
    /// The share of hidden values that are dropped in training.
    public var dropout = 0.5
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// One of the paper's networks: `depth` is 11, 13, 16 or 19.
    public init(depth: Int, norm: NormalizationKind = .none) {
        (self.depth, self.norm, blocks) = (depth, norm, Self.paperBlocks[depth]!)
    }

    /// VGG-16.
    public init() { self.init(depth: 16) }

    public static let documentation = "Blocks of 3×3 convolutions between max-pools, and linear layers."
    public static let paper: String? = "Simonyan and Zisserman, ICLR 2015"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<VGGConfiguration>] = [
        Key("depth", \.depth, .one(of: [11, 13, 16, 19]), decidesDefaults: true, "Which of the paper's networks gives blocks its default."),
        Key("blocks", \.blocks, .integers(in: 1...64), "How many convolutions each block has; a 2×2 max-pool ends it."),
        Key("width", \.width, .count, role: .width, "The channels of the first block; they double up to 8 times as many."),
        Key("norm", \.norm, .normalization, "What normalizes features."),
        Key("pool", \.pool, .integer(in: 1...64), "The side of the grid to which features are pooled before the linear layers."),
        Key("hidden", \.hidden, .integers(in: 1...65_536), "The widths of the hidden linear layers; [] for none."),
        Key("dropout", \.dropout, .rate, "The share of hidden values that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = VGGConfiguration(depth: depth) }

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.isEmpty || blocks.count > 16 { fields.report("found \(blocks.count) blocks, expected 1 to 16", at: "blocks") }
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first block", at: "norm")
        }
        if blocks.isEmpty { blocks = [1] }
    }

    public var stageNames: [String] { blocks.indices.map { "stage\($0 + 1)" } }

    /// The channels of a block.
    private func channels(_ block: Int) -> Int { width << min(block, 3) }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let side = 1 << min(blocks.count, 32)
        if min(input.height, input.width) < side {
            fields.errors.report(
                "\(blocks.count) blocks, each of which halves the image, need at least \(side)×\(side) pixels, found \(input.height)×\(input.width)",
                at: fields.node["blocks"]?.mark ?? fields.node.mark, path: fields.path(of: "blocks"))
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = input.channels, place = 0
        let features = scope["features"], last = stageNames.firstIndex(of: stage) ?? blocks.count - 1
        for (block, count) in blocks.enumerated().prefix(last + 1) {
            for _ in 0..<count {
                backbone.add(ConvolutionLayer(
                    inputs, channels(block), kernel: 3, norm: norm, hasBias: true, initialization: initialization,
                    in: (features[place], features[place + 1])))
                place += norm == .none ? 2 : 3
                inputs = channels(block)
            }
            backbone.add(Pooling(.maximum, window: 2, in: features[place]))
            place += 1
            backbone.endStage(stageNames[block])
        }
        return backbone
    }

    private func head(in scope: Scope) -> DenseHead {
        DenseHead(
            scope: scope["classifier"], side: pool, hidden: hidden, dropout: dropout, order: .dropoutLast, initialization: .normal(deviation: 0.01))
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), head = head(in: scope), channels = channels(blocks.count - 1)
        return ConvolutionalEncoder(backbone, width: head.width(channels: channels), pool: head.pool(channels: channels))
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { head(in: scope).last(inputs: inputs, outputs: outputs) }
}
