import Configuration
import Layers
import TensorCore

/// MobileNetV2: inverted residuals, which widen, filter each channel apart, and narrow again without an activation.
///
///     block:  y = N(conv1×1(f(N(depthwise3×3(f(N(conv1×1(x)))))))) [+ x],   N batch norm, f ReLU6
///
/// | stage | expansion | channels | blocks | first stride |
/// | --- | --- | --- | --- | --- |
/// | 1 | 1 | 16 | 1 | 1 |
/// | 2 | 6 | 24 | 2 | 2 |
/// | 3 | 6 | 32 | 3 | 2 |
/// | 4 | 6 | 64 | 4 | 2 |
/// | 5 | 6 | 96 | 3 | 1 |
/// | 6 | 6 | 160 | 3 | 2 |
/// | 7 | 6 | 320 | 1 | 1 |
///
/// Before them is a 3×3 convolution of stride 2 with 32 channels (`stem`), behind them a 1×1 convolution with 1280 (`last`), each with N and f; then
/// global average pooling, dropout and one linear layer. All channels are multiplied by `width_multiplier` and rounded to multiples of 8, the last
/// ones at least 1280. For small images `stem_stride: 1` and `small_strides: true` leave the first halvings out.
///
/// Parameters as in torchvision: `features.0.0`, `features.0.1`, `features.1.conv.0.0`, …, `classifier.1`. Initialization: He normal by the outputs,
/// the linear layer normal with σ = 0.01, biases 0.
///
/// Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
public struct MobileNetV2Configuration: BackboneConfiguration {
    public static let family = "mobilenet_v2"

    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether stem and stage 2 keep the resolution.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.2
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// As the paper has it.
    public init() {}

    public static let documentation = "Inverted residuals with depthwise convolutions."
    public static let paper: String? = "Sandler, Howard, Zhu, Zhmoginov and Chen, CVPR 2018"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<MobileNetV2Configuration>] = [
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem and stage 2 keep the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    private static let stages: [(expansion: Int, channels: Int, blocks: Int, stride: Int)] = [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]

    public var stageNames: [String] { ["stem"] + Self.stages.indices.map { "stage\($0 + 1)" } + ["last"] }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        let features = scope["features"], end = stageNames.firstIndex(of: stage) ?? stageNames.count - 1
        var backbone = LayerSequence(), inputs = scaledChannels(32, by: widthMultiplier), place = 1
        backbone.add(ConvolutionLayer(
            input.channels, inputs, kernel: 3, stride: isForSmallImages ? 1 : 2, activation: .relu6, initialization: initialization,
            in: (features[0][0], features[0][1])))
        backbone.endStage("stem")
        for (index, stage) in Self.stages.enumerated() where index < end {
            let outputs = scaledChannels(stage.channels, by: widthMultiplier)
            for block in 0..<stage.blocks {
                let keepsSize = block > 0 || isForSmallImages && index == 1
                backbone.add(InvertedResidual(
                    inputs, outputs, expansion: stage.expansion, stride: keepsSize ? 1 : stage.stride, initialization, in: features[place]["conv"]))
                inputs = outputs
                place += 1
            }
            backbone.endStage("stage\(index + 1)")
        }
        if end == stageNames.count - 1 {
            backbone.add(ConvolutionLayer(
                inputs, scaledChannels(1280, by: max(1, widthMultiplier)), kernel: 1, activation: .relu6, initialization: initialization,
                in: (features[place][0], features[place][1])))
            backbone.endStage("last")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["classifier"][0]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .normal(deviation: 0.01), in: scope["classifier"][1])
    }
}

/// A 1×1 convolution that widens (not where the expansion is 1), a depthwise 3×3 one, and a 1×1 one that narrows, with the input added where the
/// shapes are the same.
private struct InvertedResidual: Layer {
    private let layers: [ConvolutionLayer]
    private let last: ConvolutionLayer
    private let isResidual: Bool

    init(_ inputs: Int, _ outputs: Int, expansion: Int, stride: Int, _ initialization: Initialization, in scope: Scope) {
        let hidden = inputs * expansion
        var layers: [ConvolutionLayer] = []
        if expansion != 1 {
            layers.append(ConvolutionLayer(inputs, hidden, kernel: 1, activation: .relu6, initialization: initialization, in: (scope[0][0], scope[0][1])))
        }
        let place = layers.count
        layers.append(ConvolutionLayer(
            hidden, hidden, kernel: 3, stride: stride, groups: hidden, activation: .relu6, initialization: initialization,
            in: (scope[place][0], scope[place][1])))
        last = ConvolutionLayer(
            hidden, outputs, kernel: 1, activation: .identity, initialization: initialization, in: (scope[place + 1], scope[place + 2]))
        self.layers = layers
        isResidual = stride == 1 && inputs == outputs
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let hidden = layers.reduce(x) { $1($0) }
        return last.norm(last.convolution(hidden), residual: isResidual ? x : nil)
    }
}
