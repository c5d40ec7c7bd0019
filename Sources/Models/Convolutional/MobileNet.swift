import Configuration
import Layers
import TensorCore

/// MobileNet (v1): depthwise-separable convolutions, which filter each channel apart and then mix the channels.
///
///     layer:  y = f(N(conv1×1(f(N(depthwise3×3(x)))))),   N batch norm
///
/// | stage | channels | layers | first stride |
/// | --- | --- | --- | --- |
/// | 1 | 64 | 1 | 1 |
/// | 2 | 128 | 2 | 2 |
/// | 3 | 256 | 2 | 2 |
/// | 4 | 512 | 6 | 2 |
/// | 5 | 1024 | 2 | 2 |
///
/// Before them is a 3×3 convolution of stride 2 with 32 channels (`stem`); global average pooling and one linear layer follow. All channels are
/// multiplied by `width_multiplier` (α in the paper) and rounded to multiples of 8. For small images `small_images` leaves the first two halvings out.
/// f is ReLU in the paper's text, and ReLU6 in the authors' code and in timm, which is the default here.
///
/// Parameters as in timm: `conv_stem`, `bn1`, `blocks.0.0.conv_dw`, `.bn1`, `.conv_pw`, `.bn2`, …, `classifier`. Initialization: that of the authors'
/// code, normal with σ = 0.09 cut off at two deviations; biases 0.
///
/// Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
/// Applications", 2017 (arXiv:1704.04861).
public struct MobileNetConfiguration: BackboneConfiguration {
    public static let family = "mobilenet"

    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether stem and stage 2 keep the resolution.
    public var isForSmallImages = false
    /// What follows each norm.
    public var activation = ActivationKind.relu6
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.0
    /// How weights start.
    public var initialization = Initialization.truncatedNormal(deviation: 0.09, bound: 0.18)

    /// As the authors have it.
    public init() {}

    public static let documentation = "Depthwise-separable convolutions."
    public static let paper: String? = "Howard et al., 2017 (arXiv:1704.04861)"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<MobileNetConfiguration>] = [
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem and stage 2 keep the resolution."),
        Key("activation", \.activation, .choice, "What follows each norm: relu in the paper's text, relu6 in the authors' code."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    private static let stages: [(channels: Int, layers: Int, stride: Int)] = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)]

    public var stageNames: [String] { ["stem"] + Self.stages.indices.map { "stage\($0 + 1)" } }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = scaledChannels(32, by: widthMultiplier)
        func add(_ channels: Int, _ outputs: Int, kernel: Size2D, stride: Int = 1, groups: Int = 1, in scopes: (Scope, Scope)) {
            backbone.add(ConvolutionLayer(
                channels, outputs, kernel: kernel, stride: stride, groups: groups, activation: activation.activation, initialization: initialization,
                in: scopes))
        }
        add(input.channels, inputs, kernel: 3, stride: isForSmallImages ? 1 : 2, in: (scope["conv_stem"], scope["bn1"]))
        backbone.endStage("stem")
        for (index, stage) in Self.stages.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            let outputs = scaledChannels(stage.channels, by: widthMultiplier)
            for layer in 0..<stage.layers {
                let place = scope["blocks"][index][layer], keepsSize = layer > 0 || isForSmallImages && index == 1
                add(inputs, inputs, kernel: 3, stride: keepsSize ? 1 : stage.stride, groups: inputs, in: (place["conv_dw"], place["bn1"]))
                add(inputs, outputs, kernel: 1, in: (place["conv_pw"], place["bn2"]))
                inputs = outputs
            }
            backbone.endStage("stage\(index + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["dropout"]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["classifier"])
    }
}
