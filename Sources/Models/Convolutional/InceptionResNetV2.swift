import Configuration
import Layers
import TensorCore

/// Inception-ResNet-v2: Inception modules whose result, scaled down, is added to their input.
///
///     block:  x ← relu(x + s · conv1×1([branch(x), …])),   the last block without ReLU and with s = 1
///
/// | stage | modules | s | branches of a block |
/// | --- | --- | --- | --- |
/// | `stem` | the stem of Inception-v3 | | |
/// | `stage1` | one of four branches, 10 blocks | 0.17 | 1×1; 3×3; two 3×3 |
/// | `stage2` | a halving, 20 blocks | 0.1 | 1×1; 1×7, 7×1 |
/// | `stage3` | a halving, 9 blocks and one more | 0.2 | 1×1; 1×3, 3×1 |
/// | `last` | a 1×1 convolution to 1536 channels | | |
///
/// Global average pooling, dropout and one linear layer follow. With `small_images` the stem's first convolution does not step and its pools are left
/// out. Batch norm has ε = 0.001. `blocks` shortens or lengthens the stages.
///
/// Parameters as in timm: `conv2d_1a`, …, `mixed_5b.branch0`, `repeat.0.branch1.1`, `repeat.0.conv2d`, `mixed_6a`, `repeat_1`, `mixed_7a`, `repeat_2`,
/// `block8`, `conv2d_7b`, `classif`. Initialization: Glorot uniform, as in the authors' code, biases 0.
///
/// Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI 2017.
public struct InceptionResNetV2Configuration: BackboneConfiguration {
    public static let family = "inception_resnet_v2"

    /// How many blocks each stage has; the last has one more.
    public var blocks = [10, 20, 9]
    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether the stem keeps the resolution.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.2
    /// How weights start.
    public var initialization = Initialization.xavier(distribution: .uniform, gain: 1)

    /// As the paper has it.
    public init() {}

    public static let documentation = "Inception modules with residual connections."
    public static let paper: String? = "Szegedy, Ioffe, Vanhoucke and Alemi, AAAI 2017"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<InceptionResNetV2Configuration>] = [
        Key("blocks", \.blocks, .integers(in: 1...256), "How many blocks each of the three stages has; the last has one more."),
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem keeps the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.count != 3 {
            fields.report("found \(blocks.count) stages, expected 3", at: "blocks")
            blocks = [1, 1, 1]
        }
    }

    public var stageNames: [String] { ["stem", "stage1", "stage2", "stage3", "last"] }

    private var style: InceptionModule.Style { InceptionModule.Style(widthMultiplier: widthMultiplier, initialization: initialization) }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence()
        let end = stageNames.firstIndex(of: stage) ?? 4
        let stem = InceptionStem(
            convolutions: ["conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a"], pools: ["maxpool_3a", "maxpool_5a"],
            keepsResolution: isForSmallImages)
        var channels = stem.add(to: &backbone, channels: input.channels, style, in: scope)
        for index in 0..<min(end, 3) {
            var module = InceptionModule(channels, style, in: scope[["mixed_5b", "mixed_6a", "mixed_7a"][index]])
            switch index {
            case 0: Self.addFirst(to: &module)
            case 1: Self.addFirstHalving(to: &module)
            default: Self.addSecondHalving(to: &module)
            }
            backbone.add(module.layer)
            channels = module.outputs
            for block in 0..<blocks[index] {
                let place = scope[["repeat", "repeat_1", "repeat_2"][index]][block]
                backbone.add(ResidualModule(channels, stage: index, scale: [0.17, 0.1, 0.2][index], style, in: place))
            }
            if index == 2 { backbone.add(ResidualModule(channels, stage: index, scale: 1, isActivated: false, style, in: scope["block8"])) }
            backbone.endStage("stage\(index + 1)")
        }
        if end == 4 {
            backbone.add(style.convolution(channels, .init("conv2d_7b", 1536, 1), in: scope))
            backbone.endStage("last")
        }
        return backbone
    }

    private static func addFirst(to module: inout InceptionModule) {
        module.add(nil, .init("branch0", 96, 1))
        module.add(nil, .init("branch1.0", 48, 1), .init("branch1.1", 64, 5))
        module.add(nil, .init("branch2.0", 64, 1), .init("branch2.1", 96, 3), .init("branch2.2", 96, 3))
        module.add(module.average(countsPadding: false), .init("branch3.1", 64, 1))
    }

    private static func addFirstHalving(to module: inout InceptionModule) {
        module.add(nil, .init("branch0", 384, 3, stride: 2))
        module.add(nil, .init("branch1.0", 256, 1), .init("branch1.1", 256, 3), .init("branch1.2", 384, 3, stride: 2))
        module.add(module.maximum(stride: 2))
    }

    private static func addSecondHalving(to module: inout InceptionModule) {
        module.add(nil, .init("branch0.0", 256, 1), .init("branch0.1", 384, 3, stride: 2))
        module.add(nil, .init("branch1.0", 256, 1), .init("branch1.1", 288, 3, stride: 2))
        module.add(nil, .init("branch2.0", 256, 1), .init("branch2.1", 288, 3), .init("branch2.2", 320, 3, stride: 2))
        module.add(module.maximum(stride: 2))
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["dropout"]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["classif"])
    }
}

/// Branches, a 1×1 convolution back to the input's channels, and the input added to what it gives, scaled.
private struct ResidualModule: Layer {
    private let branches: Branches
    private let projection: Convolution2D
    private let scale: Float
    private let isActivated: Bool
    private let scope: Scope

    init(_ channels: Int, stage: Int, scale: Float, isActivated: Bool = true, _ style: InceptionModule.Style, in scope: Scope) {
        var module = InceptionModule(channels, style, in: scope)
        module.add(nil, .init("branch0", stage == 0 ? 32 : 192, 1))
        switch stage {
        case 0:
            module.add(nil, .init("branch1.0", 32, 1), .init("branch1.1", 32, 3))
            module.add(nil, .init("branch2.0", 32, 1), .init("branch2.1", 48, 3), .init("branch2.2", 64, 3))
        case 1: module.add(nil, .init("branch1.0", 128, 1), .init("branch1.1", 160, Size2D(1, 7)), .init("branch1.2", 192, Size2D(7, 1)))
        default: module.add(nil, .init("branch1.0", 192, 1), .init("branch1.1", 224, Size2D(1, 3)), .init("branch1.2", 256, Size2D(3, 1)))
        }
        branches = module.layer
        projection = Convolution2D(module.outputs, channels, kernel: 1, initialization: style.initialization, in: scope["conv2d"])
        (self.scale, self.isActivated, self.scope) = (scale, isActivated, scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let change = projection(branches(x))
        return scope.record {
            let sum = (scale == 1 ? change : change * scale) + x
            return isActivated ? sum.relu() : sum
        }
    }
}
