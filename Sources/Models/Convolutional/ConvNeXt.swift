import Configuration
import Layers
import TensorCore

/// ConvNeXt: a ResNet with the proportions of a transformer.
///
///     block:       x ← x + DropPath(γ · linear(GELU(linear(LayerNorm(depthwise7×7(x))))))
///     downsample:  conv2×2 of stride 2 (LayerNorm(x))
///
/// | size | blocks | width | drop path |
/// | --- | --- | --- | --- |
/// | `tiny` | 3, 3, 9, 3 | 96 | 0.1 |
/// | `small` | 3, 3, 27, 3 | 96 | 0.4 |
/// | `base` | 3, 3, 27, 3 | 128 | 0.5 |
/// | `large` | 3, 3, 27, 3 | 192 | 0.5 |
///
/// The stem cuts the image into squares of `patch` × `patch` pixels (4 in the paper, fewer for small images), each a linear map and a layer norm;
/// channels double and the resolution halves from stage to stage. Global average pooling, a layer norm and a linear layer end it. Layer norms are over
/// the channels of one position, with ε = 10⁻⁶; GELU is exact; the hidden layer is four times as wide. Stages: `stem`, then `stage1`, ….
///
/// Parameters as in timm: `stem.0`, `stem.1`, `stages.1.downsample.0`, `.1`, `stages.0.blocks.0.conv_dw`, `.norm`, `.mlp.fc1`, `.mlp.fc2`, `.gamma`,
/// `head.norm`, `head.fc`. Initialization: truncated normal with σ = 0.02, γ 10⁻⁶, biases 0.
///
/// Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", CVPR 2022.
public struct ConvNeXtConfiguration: BackboneConfiguration {
    public static let family = "convnext"

    /// The sizes of the paper.
    public enum Size: String, CaseIterable, Sendable { case tiny, small, base, large }

    /// Which of the paper's networks gives `blocks`, `width` and `drop_path` their defaults.
    public private(set) var size: Size
    /// How many blocks each stage has.
    public var blocks: [Int]
    /// The channels of the first stage.
    public var width: Int
    /// The side of the squares that the stem makes.
    public var patch = 4
    /// The rate of the last block; it rises from 0 linearly over depth.
    public var dropPath: Double
    /// Where the factors of the blocks start.
    public var layerScale = 1e-6
    /// How weights start.
    public var initialization = Initialization.transformer

    /// One of the paper's networks.
    public init(_ size: Size) {
        self.size = size
        blocks = size == .tiny ? [3, 3, 9, 3] : [3, 3, 27, 3]
        (width, dropPath) =
            switch size {
            case .tiny: (96, 0.1)
            case .small: (96, 0.4)
            case .base: (128, 0.5)
            case .large: (192, 0.5)
            }
    }

    /// ConvNeXt-T.
    public init() { self.init(.tiny) }

    public static let documentation = "Blocks of a depthwise 7×7 convolution and a perceptron, with layer norm."
    public static let paper: String? = "Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, CVPR 2022"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<ConvNeXtConfiguration>] = [
        Key("size", \.size, .choice, decidesDefaults: true, "Which of the paper's networks gives the other options their defaults."),
        Key("blocks", \.blocks, .integers(in: 1...1024), "How many blocks each stage has; the resolution halves between stages."),
        Key("width", \.width, .count, role: .width, "The channels of the first stage; they double from stage to stage."),
        Key("patch", \.patch, .integer(in: 1...64), "The side of the squares of pixels that the stem makes; 1 or 2 for small images."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "How often the last block is left out; the rate rises from 0 linearly over depth."),
        Key("layer_scale", \.layerScale, .number(in: 1e-12...1), paper: "Touvron et al., ICCV 2021", "Where the factors of the blocks start."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = ConvNeXtConfiguration(size) }

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.isEmpty || blocks.count > 6 {
            fields.report("found \(blocks.count) stages, expected 1 to 6", at: "blocks")
            blocks = [1]
        }
    }

    public var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let side = patch << (blocks.count - 1)
        if min(input.height, input.width) < side {
            fields.errors.report(
                "a patch of \(patch) and \(blocks.count) stages, between which the image is halved, need at least \(side)×\(side) pixels, "
                    + "found \(input.height)×\(input.width)", at: fields.node["patch"]?.mark ?? fields.node.mark, path: fields.path(of: "patch"))
        }
    }

    public var layerOrder: LayerOrder { LayerOrder([["stem"], ["stages.#.downsample", "stages.#.blocks.#"]]) }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), index = 0
        let stem = scope["stem"], side = Size2D(patch, patch), last = max(blocks.reduce(0, +) - 1, 1)
        backbone.add(Convolution2D(input.channels, width, kernel: side, stride: side, initialization: initialization, in: stem[0]))
        backbone.add(LayerNorm(width, in: stem[1]))
        backbone.endStage("stem")
        for (number, count) in blocks.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            let place = scope["stages"][number], channels = width << number
            if number > 0 {
                backbone.add(LayerNorm(channels / 2, in: place["downsample"][0]))
                backbone.add(Convolution2D(channels / 2, channels, kernel: 2, stride: 2, initialization: initialization, in: place["downsample"][1]))
            }
            for block in 0..<count {
                let rate = dropPath * Double(index) / Double(last)
                backbone.add(ConvNeXtBlock(channels, dropPath: rate, layerScale: layerScale, initialization, in: place["blocks"][block]))
                index += 1
            }
            backbone.endStage("stage\(number + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), width = width << (blocks.count - 1)
        let norm = LayerNorm(width, in: scope["head"]["norm"])
        return ConvolutionalEncoder(backbone, width: width) { features in norm(scope["avgpool"].record { features.globalAveragePool() }) }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"]["fc"])
    }
}

/// A depthwise 7×7 convolution, a layer norm, a perceptron at each position, and a trained factor for each channel.
private struct ConvNeXtBlock: Layer {
    private let convolution: Convolution2D
    private let norm: LayerNorm
    private let perceptron: MLPBlock
    private let factors: Tensor
    private let dropPath: DropPath
    private let scope: Scope

    init(_ channels: Int, dropPath rate: Double, layerScale: Double, _ initialization: Initialization, in scope: Scope) {
        convolution = Convolution2D(
            channels, channels, kernel: 7, padding: .symmetric(3), groups: channels, initialization: initialization, in: scope["conv_dw"])
        norm = LayerNorm(channels, in: scope["norm"])
        perceptron = MLPBlock(width: channels, hidden: 4 * channels, initialization: initialization, in: scope["mlp"])
        factors = scope.parameter("gamma", [channels], Initialization.constant(value: layerScale), role: .normalization)
        dropPath = DropPath(rate: rate, in: scope["drop_path"])
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let inside = perceptron(norm(convolution(x)))
        let scaled = dropPath(scope.record { inside * factors })
        return scope.record { scaled + x }
    }
}
