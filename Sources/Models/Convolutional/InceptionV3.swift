import Configuration
import Layers
import TensorCore

/// Inception-v3: modules whose large convolutions are factored into small and asymmetric ones.
///
/// | stages | branches beside a 1×1 convolution and one behind a 3×3 average pool |
/// | --- | --- |
/// | `mixed_5b`, `5c`, `5d` | 5×5; two 3×3 |
/// | `mixed_6a` | halves the resolution: 3×3; two 3×3; max-pool (these alone) |
/// | `mixed_6b`, …, `6e` | 1×7, 7×1; two of each; 128, 160, 160 and 192 channels inside |
/// | `mixed_7a` | halves the resolution: 3×3; 1×7, 7×1, 3×3; max-pool (these alone) |
/// | `mixed_7b`, `7c` | 1×3 beside 3×1; the same behind a 3×3 |
///
/// Before them is a stem of five convolutions and two max-pools (`stem`), which brings 299 pixels to 35; global average pooling, dropout and one
/// linear layer follow. With `small_images` its first convolution does not step and its pools are left out. Batch norm has ε = 0.001.
///
/// `auxiliary: true` adds a head on `mixed_6e`, output `aux1`: a 5×5 average pool of stride 3, a 1×1 convolution to 128 and a 5×5 one to 768 channels,
/// global average pooling and a linear layer. Its loss weighs 0.4, as in the authors' code. It needs maps of at least 17×17.
///
/// Parameters as in torchvision: `Conv2d_1a_3x3`, …, `Mixed_5b.branch1x1`, …, `AuxLogits.conv0`, …, `fc`, each convolution with `conv` and `bn`.
/// Initialization: truncated normal with σ = 0.1, in the auxiliary head's last convolution 0.01 and linear layer 0.001, biases 0.
///
/// Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
public struct InceptionV3Configuration: BackboneConfiguration {
    public static let family = "inception_v3"

    /// Whether there is an auxiliary head.
    public var hasAuxiliaryHead = false
    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether the stem keeps the resolution.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.5
    /// How weights start.
    public var initialization = Initialization.truncatedNormal(deviation: 0.1, bound: 2)

    /// As torchvision has it.
    public init(auxiliary: Bool = false) { hasAuxiliaryHead = auxiliary }

    /// Without an auxiliary head.
    public init() {}

    public static let documentation = "Inception modules of small and asymmetric convolutions."
    public static let paper: String? = "Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, CVPR 2016"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<InceptionV3Configuration>] = [
        Key("auxiliary", \.hasAuxiliaryHead, .flag, "Whether an auxiliary head is trained beside the main one, with 0.4 of its loss."),
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem keeps the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    private static let modules = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]

    public var stageNames: [String] { ["stem"] + Self.modules.map { "mixed_\($0)" } }

    private var style: InceptionModule.Style { InceptionModule.Style(widthMultiplier: widthMultiplier, initialization: initialization) }

    public func reportUnused(endingAfter stage: String, at fields: FieldReader) {
        if hasAuxiliaryHead { fields.report("a network that is cut has no auxiliary heads", at: "auxiliary") }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence()
        let stem = InceptionStem(
            convolutions: ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"], pools: ["maxpool1", "maxpool2"],
            keepsResolution: isForSmallImages)
        var channels = stem.add(to: &backbone, channels: input.channels, style, in: scope)
        for name in Self.modules.prefix(stageNames.firstIndex(of: stage) ?? 0) {
            var module = InceptionModule(channels, style, in: scope["Mixed_\(name)"])
            switch name {
            case "5b", "5c", "5d": Self.addSmall(to: &module, pooled: name == "5b" ? 32 : 64)
            case "6a":
                module.add(nil, .init("branch3x3", 384, 3, stride: 2))
                module.add(nil, .init("branch3x3dbl_1", 64, 1), .init("branch3x3dbl_2", 96, 3), .init("branch3x3dbl_3", 96, 3, stride: 2))
                module.add(module.maximum(stride: 2))
            case "7a":
                module.add(nil, .init("branch3x3_1", 192, 1), .init("branch3x3_2", 320, 3, stride: 2))
                module.add(
                    nil, .init("branch7x7x3_1", 192, 1), .init("branch7x7x3_2", 192, Size2D(1, 7)), .init("branch7x7x3_3", 192, Size2D(7, 1)),
                    .init("branch7x7x3_4", 192, 3, stride: 2))
                module.add(module.maximum(stride: 2))
            case "7b", "7c": Self.addSplit(to: &module)
            default: Self.addAsymmetric(to: &module, inner: name == "6b" ? 128 : name == "6e" ? 192 : 160)
            }
            backbone.add(module.layer)
            channels = module.outputs
            backbone.endStage("mixed_\(name)")
        }
        return backbone
    }

    private static func addSmall(to module: inout InceptionModule, pooled: Int) {
        module.add(nil, .init("branch1x1", 64, 1))
        module.add(nil, .init("branch5x5_1", 48, 1), .init("branch5x5_2", 64, 5))
        module.add(nil, .init("branch3x3dbl_1", 64, 1), .init("branch3x3dbl_2", 96, 3), .init("branch3x3dbl_3", 96, 3))
        module.add(module.average(), .init("branch_pool", pooled, 1))
    }

    private static func addAsymmetric(to module: inout InceptionModule, inner: Int) {
        let row = Size2D(1, 7), column = Size2D(7, 1)
        module.add(nil, .init("branch1x1", 192, 1))
        module.add(nil, .init("branch7x7_1", inner, 1), .init("branch7x7_2", inner, row), .init("branch7x7_3", 192, column))
        module.add(
            nil, .init("branch7x7dbl_1", inner, 1), .init("branch7x7dbl_2", inner, column), .init("branch7x7dbl_3", inner, row),
            .init("branch7x7dbl_4", inner, column), .init("branch7x7dbl_5", 192, row))
        module.add(module.average(), .init("branch_pool", 192, 1))
    }

    private static func addSplit(to module: inout InceptionModule) {
        func ends(_ name: String) -> [InceptionModule.Step] { [.init("\(name)a", 384, Size2D(1, 3)), .init("\(name)b", 384, Size2D(3, 1))] }
        module.add(nil, .init("branch1x1", 320, 1))
        module.add(nil, .init("branch3x3_1", 384, 1), ends: ends("branch3x3_2"))
        module.add(nil, .init("branch3x3dbl_1", 448, 1), .init("branch3x3dbl_2", 384, 3), ends: ends("branch3x3dbl_3"))
        module.add(module.average(), .init("branch_pool", 192, 1))
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["dropout"]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc"])
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let encoder = makeEncoder(input: input, in: scope)
        let model = EncodedModel(encoder, head: makeHead(inputs: encoder.width, outputs: classes, in: scope))
        guard hasAuxiliaryHead else { return model }
        let head = AuxiliaryHead(style.channels(192) * 4, classes, style, in: scope["AuxLogits"])
        return AuxiliaryModel(model, heads: [.init(name: "aux1", stage: "mixed_6e", weight: 0.4, layer: head)])
    }
}

/// Pooling to few places, a 1×1 and a 5×5 convolution, their mean over all places, and a linear layer.
private struct AuxiliaryHead: Layer {
    private let pool: Pooling
    private let convolutions: [ConvolutionLayer]
    private let linear: Linear
    private let scope: Scope

    init(_ inputs: Int, _ classes: Int, _ style: InceptionModule.Style, in scope: Scope) {
        pool = Pooling(.average, window: 5, stride: 3, in: scope["pool"])
        let last = InceptionModule.Style(widthMultiplier: style.widthMultiplier, initialization: .truncatedNormal(deviation: 0.01, bound: 2))
        convolutions = [
            style.convolution(inputs, .init("conv0", 128, 1), in: scope),
            last.convolution(style.channels(128), .init("conv1", 768, 5, padding: .valid), in: scope),
        ]
        linear = Linear(style.channels(768), classes, initialization: .truncatedNormal(deviation: 0.001, bound: 2), in: scope["fc"])
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let maps = convolutions.reduce(pool(x)) { $1($0) }
        return linear(scope["avgpool"].record { maps.globalAveragePool() })
    }
}
