import Configuration
import Layers
import TensorCore

/// Swin: a transformer whose attention stays within windows of a feature map, which every second block shifts, and whose resolution halves from stage to
/// stage as a CNN's does.
///
///     block:       x ← x + DropPath(W-MSA(LN(x)));  x ← x + DropPath(MLP(LN(x)))          every second one with shifted windows
///     downsample:  2×2 neighbours side by side → LN → linear to twice the channels
///
/// | size | blocks | width | heads |
/// | --- | --- | --- | --- |
/// | `tiny` | 2, 2, 6, 2 | 96 | 3, 6, 12, 24 |
/// | `small` | 2, 2, 18, 2 | 96 | 3, 6, 12, 24 |
/// | `base` | 2, 2, 18, 2 | 128 | 4, 8, 16, 32 |
///
/// The stem cuts the image into squares of `patch` × `patch` pixels, each a linear map and a layer norm. A layer norm, global average pooling and a linear
/// layer end it. Layer norms have ε = 10⁻⁵; GELU is exact. Stages: `stem`, then `stage1`, …, each a feature map.
///
/// Parameters as in timm: `patch_embed.proj`, `patch_embed.norm`, `layers.1.downsample.norm`, `.reduction`, `layers.0.blocks.0.norm1`, `.attn.qkv`,
/// `.attn.proj`, `.attn.relative_position_bias_table`, `.norm2`, `.mlp.fc1`, `.mlp.fc2`, `norm`, `head.fc`.
/// Initialization: truncated normal with σ = 0.02, biases 0.
///
/// Liu, Lin, Cao, Hu, Wei, Zhang, Lin and Guo, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021.
public struct SwinTransformerConfiguration: BackboneConfiguration {
    public static let family = "swin"

    /// The sizes of the paper.
    public enum Size: String, CaseIterable, Sendable { case tiny, small, base }

    /// Which of the paper's networks gives the other options their defaults.
    public private(set) var size: Size
    /// How many blocks each stage has.
    public var blocks: [Int]
    /// The channels of the first stage.
    public var width: Int
    /// How many heads attention has in each stage.
    public var heads: [Int]
    /// The side of a window, in cells.
    public var window = 7
    /// The side of the squares that the stem makes.
    public var patch = 4
    /// The width of a block's hidden layer over its own.
    public var mlpRatio = 4.0
    /// The share of attention's probabilities that are dropped.
    public var attentionDropout = 0.0
    /// The rate of the last block; it rises from 0 linearly over depth.
    public var dropPath: Double
    /// How weights start.
    public var initialization = Initialization.transformer

    /// One of the paper's networks.
    public init(_ size: Size) {
        self.size = size
        blocks = [2, 2, size == .tiny ? 6 : 18, 2]
        (width, heads) = size == .base ? (128, [4, 8, 16, 32]) : (96, [3, 6, 12, 24])
        dropPath = size == .tiny ? 0.2 : size == .small ? 0.3 : 0.5
    }

    /// Swin-T.
    public init() { self.init(.tiny) }

    public static let documentation = "A transformer with attention in shifted windows, whose resolution halves from stage to stage."
    public static let paper: String? = "Liu et al., \"Swin Transformer\", ICCV 2021"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<SwinTransformerConfiguration>] = [
        Key("size", \.size, .choice, decidesDefaults: true, "Which of the paper's networks gives the other options their defaults."),
        Key("blocks", \.blocks, .integers(in: 1...1024), "How many blocks each stage has; the resolution halves between stages."),
        Key("width", \.width, .count, "The channels of the first stage; they double from stage to stage."),
        Key("heads", \.heads, .integers(in: 1...65_536), "How many heads attention has in each stage."),
        Key("window", \.window, .integer(in: 1...64), "The side of a window, in cells."),
        Key("patch", \.patch, .integer(in: 1...64), "The side of the squares of pixels that the stem makes; 1 or 2 for small images."),
        Key("mlp_ratio", \.mlpRatio, .number(in: 0.01...1000), "The width of a block's hidden layer over its own."),
        Key("attention_dropout", \.attentionDropout, .rate, "The share of attention's probabilities that a step leaves out."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "How often the last block is left out; the rate rises from 0 linearly over depth."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = SwinTransformerConfiguration(size) }

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.isEmpty || blocks.count > 6 {
            fields.report("found \(blocks.count) stages, expected 1 to 6", at: "blocks")
            (blocks, heads) = ([1], [1])
        }
        if heads.count != blocks.count {
            fields.report("found \(heads.count) numbers of heads, expected \(blocks.count), one for each stage", at: "heads")
            heads = blocks.map { _ in 1 }
        }
        for (stage, count) in heads.enumerated() where (width << stage) % count != 0 {
            fields.report("\(count) heads do not divide the width \(width << stage) of stage \(stage + 1)", at: "heads")
        }
    }

    public var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    public func validate(input: ImageShape, at fields: FieldReader) {
        reportPatch(patch, dividing: (input.height, input.width), of: "the image", at: fields)
        let rows = input.height / patch, columns = input.width / patch
        if window > max(rows, columns), rows > 0, columns > 0 {
            fields.report("a window of \(window) cells does not fit the \(rows)×\(columns) cells of the image, expected at most \(max(rows, columns))", at: "window")
        }
    }

    public var layerOrder: LayerOrder { LayerOrder([["patch_embed"], ["layers.#.downsample", "layers.#.blocks.#"], ["norm+"]]) }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), index = 0, map = Size2D(max(1, input.height / patch), max(1, input.width / patch))
        let stem = scope["patch_embed"], side = Size2D(patch, patch), last = max(blocks.reduce(0, +) - 1, 1)
        backbone.add(Convolution2D(input.channels, width, kernel: side, stride: side, initialization: initialization, in: stem["proj"]))
        backbone.add(LayerNorm(width, epsilon: 1e-5, in: stem["norm"]))
        backbone.endStage("stem")
        for (number, count) in blocks.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            let place = scope["layers"][number], channels = width << number
            if number > 0 {
                backbone.add(PatchMerging(channels / 2, map: map, initialization, in: place["downsample"]))
                map = Size2D((map.height + 1) / 2, (map.width + 1) / 2)
            }
            for block in 0..<count {
                let rate = dropPath * Double(index) / Double(last)
                backbone.add(SwinBlock(self, channels, heads: heads[number], map: map, isShifted: block % 2 == 1, dropPath: rate, in: place["blocks"][block]))
                index += 1
            }
            backbone.endStage("stage\(number + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), width = width << (blocks.count - 1)
        let norm = LayerNorm(width, epsilon: 1e-5, in: scope["norm"])
        return ConvolutionalEncoder(backbone, width: width) { features in
            let normalized = norm(features)
            return scope["avgpool"].record { normalized.globalAveragePool() }
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"]["fc"])
    }
}

/// Attention in windows and a perceptron, each behind a norm, on a feature map.
private struct SwinBlock: Layer {
    private let attentionNorm, mlpNorm: LayerNorm
    private let attention: WindowAttention
    private let mlp: MLPBlock
    private let attentionDropPath, mlpDropPath: DropPath
    private let scope: Scope

    init(
        _ network: SwinTransformerConfiguration, _ channels: Int, heads: Int, map: Size2D, isShifted: Bool, dropPath: Double, in scope: Scope
    ) {
        self.scope = scope
        attentionNorm = LayerNorm(channels, epsilon: 1e-5, in: scope["norm1"])
        attention = WindowAttention(
            width: channels, heads: heads, map: map, window: Size2D(network.window, network.window), isShifted: isShifted,
            probabilityDropout: network.attentionDropout, initialization: network.initialization, in: scope["attn"])
        attentionDropPath = DropPath(rate: dropPath, in: scope["drop_path1"])
        mlpNorm = LayerNorm(channels, epsilon: 1e-5, in: scope["norm2"])
        mlp = MLPBlock(
            width: channels, hidden: max(1, Int(Double(channels) * network.mlpRatio)), initialization: network.initialization, in: scope["mlp"])
        mlpDropPath = DropPath(rate: dropPath, in: scope["drop_path2"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        scope.graph.recordSegment {
            let attended = attentionDropPath(attention(attentionNorm(x)))
            let middle = scope.record { x + attended }
            let transformed = mlpDropPath(mlp(mlpNorm(middle)))
            return scope.record { middle + transformed }
        }
    }
}

/// Squares of four neighbours become one cell with twice the channels; odd maps are continued with zeros.
private struct PatchMerging: Layer {
    private let norm: LayerNorm
    private let reduction: Linear
    private let map: Size2D
    private let scope: Scope

    init(_ channels: Int, map: Size2D, _ initialization: Initialization, in scope: Scope) {
        (self.map, self.scope) = (map, scope)
        norm = LayerNorm(4 * channels, epsilon: 1e-5, in: scope["norm"])
        reduction = Linear(4 * channels, 2 * channels, hasBias: false, initialization: initialization, in: scope["reduction"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let (batch, channels) = (x.shape[0], x.shape[3]), rows = (map.height + 1) / 2, columns = (map.width + 1) / 2
        let squares = scope.record {
            // Channels of the upper left neighbour first, then the lower left, the upper right and the lower right, as published.
            x.padded(before: [0, 0, 0, 0], after: [0, map.height % 2, map.width % 2, 0])
                .reshaped([batch, rows, 2, columns, 2, channels]).transposed([0, 1, 3, 4, 2, 5]).reshaped([batch, rows, columns, 4 * channels])
        }
        return reduction(norm(squares))
    }
}
