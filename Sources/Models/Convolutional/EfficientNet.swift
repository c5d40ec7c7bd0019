import Configuration
import Foundation
import Layers
import TensorCore

/// EfficientNet: inverted residuals with squeeze and excitation, whose depth and width grow together.
///
///     block:  y = N(conv1×1(S(f(N(depthwise(f(N(conv1×1(x)))))))) [+ x],   N batch norm, f SiLU, S squeeze and excitation
///
/// | stage | expansion | kernel | channels | blocks | first stride |
/// | --- | --- | --- | --- | --- | --- |
/// | 1 | 1 | 3 | 16 | 1 | 1 |
/// | 2 | 6 | 3 | 24 | 2 | 2 |
/// | 3 | 6 | 5 | 40 | 2 | 2 |
/// | 4 | 6 | 3 | 80 | 3 | 2 |
/// | 5 | 6 | 5 | 112 | 3 | 1 |
/// | 6 | 6 | 5 | 192 | 4 | 2 |
/// | 7 | 6 | 3 | 320 | 1 | 1 |
///
/// Before them is a 3×3 convolution of stride 2 with 32 channels (`stem`), behind them a 1×1 convolution with four times the channels of stage 7
/// (`last`), each with N and f; then global average pooling, dropout and one linear layer. S narrows to a quarter of the block's input channels. Whole
/// blocks are dropped at random, with a rate that rises linearly over depth. B0 has both multipliers 1; B1 to B7 are (width, depth) = (1, 1.1),
/// (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2, 3.1), on larger images and with more dropout.
///
/// Parameters as in torchvision: `features.0.0`, `features.0.1`, `features.1.0.block.0.0`, …, `classifier.1`. Initialization: He normal by the outputs,
/// the linear layer uniform within ±1/√classes, biases 0.
///
/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
public struct EfficientNetConfiguration: BackboneConfiguration {
    public static let family = "efficientnet"

    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// The factor of the blocks of each stage, which are rounded up.
    public var depthMultiplier = 1.0
    /// Whether stem and stage 2 keep the resolution.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.2
    /// The rate at which the last blocks are dropped.
    public var dropPath = 0.2
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// EfficientNet-B0.
    public init() {}

    public static let documentation = "Inverted residuals with squeeze and excitation, scaled in depth and width."
    public static let paper: String? = "Tan and Le, ICML 2019"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<EfficientNetConfiguration>] = [
        widthMultiplierOption(\.widthMultiplier),
        Key("depth_multiplier", \.depthMultiplier, .number(in: 0.0625...16), "The factor of the blocks of each stage, which are rounded up."),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem and stage 2 keep the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "The rate at which blocks are left out; it rises from 0 linearly over depth."),
        initializationOption(\.initialization),
    ]

    private static let stages: [(expansion: Int, kernel: Int, channels: Int, blocks: Int, stride: Int)] = [
        (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
    ]

    public var stageNames: [String] { ["stem"] + Self.stages.indices.map { "stage\($0 + 1)" } + ["last"] }

    private func scaled(_ blocks: Int) -> Int { Int((Double(blocks) * depthMultiplier).rounded(.up)) }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        let features = scope["features"], end = stageNames.firstIndex(of: stage) ?? stageNames.count - 1
        let total = Self.stages.reduce(0) { $0 + scaled($1.blocks) }
        var backbone = LayerSequence(), inputs = scaledChannels(32, by: widthMultiplier), number = 0
        backbone.add(ConvolutionLayer(
            input.channels, inputs, kernel: 3, stride: isForSmallImages ? 1 : 2, activation: .silu, initialization: initialization,
            in: (features[0][0], features[0][1])))
        backbone.endStage("stem")
        for (index, stage) in Self.stages.enumerated() where index < end {
            let outputs = scaledChannels(stage.channels, by: widthMultiplier)
            for block in 0..<scaled(stage.blocks) {
                let keepsSize = block > 0 || isForSmallImages && index == 1
                backbone.add(ExcitedResidual(
                    inputs, outputs, expansion: stage.expansion, kernel: Size2D(stage.kernel, stage.kernel), stride: keepsSize ? 1 : stage.stride,
                    dropPath: dropPath * Double(number) / Double(total), initialization, in: features[index + 1][block]))
                inputs = outputs
                number += 1
            }
            backbone.endStage("stage\(index + 1)")
        }
        if end == stageNames.count - 1 {
            let place = features[end]
            backbone.add(ConvolutionLayer(inputs, 4 * inputs, kernel: 1, activation: .silu, initialization: initialization, in: (place[0], place[1])))
            backbone.endStage("last")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["classifier"][0]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .uniform(bound: 1 / Double(outputs).squareRoot()), in: scope["classifier"][1])
    }
}

/// An inverted residual with squeeze and excitation behind its depthwise convolution; the input is added where the shapes are the same.
private struct ExcitedResidual: Layer {
    private let layers: [any Layer]
    private let last: ConvolutionLayer
    private let dropPath: DropPath?
    private let scope: Scope

    init(
        _ inputs: Int, _ outputs: Int, expansion: Int, kernel: Size2D, stride: Int, dropPath rate: Double, _ initialization: Initialization,
        in scope: Scope
    ) {
        let hidden = inputs * expansion, block = scope["block"]
        var layers: [any Layer] = []
        func place() -> (Scope, Scope) { (block[layers.count][0], block[layers.count][1]) }
        if expansion != 1 {
            layers.append(ConvolutionLayer(inputs, hidden, kernel: 1, activation: .silu, initialization: initialization, in: place()))
        }
        layers.append(ConvolutionLayer(
            hidden, hidden, kernel: kernel, stride: stride, groups: hidden, activation: .silu, initialization: initialization, in: place()))
        layers.append(SqueezeExcitation(
            hidden, inner: max(1, inputs / 4), activation: .silu, initialization: initialization, in: block[layers.count]))
        last = ConvolutionLayer(hidden, outputs, kernel: 1, activation: .identity, initialization: initialization, in: place())
        self.layers = layers
        dropPath = stride == 1 && inputs == outputs ? DropPath(rate: rate, in: scope["stochastic_depth"]) : nil
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let y = last(layers.reduce(x) { $1($0) })
        guard let dropPath else { return y }
        let kept = dropPath(y)
        return scope.record { kept + x }
    }
}
