import Configuration
import Layers
import TensorCore

/// Xception: Inception taken to its end, residual blocks of depthwise-separable convolutions.
///
///     block:  x ← [maxpool3×3(]separable(f(… separable(f(x))))[)] + shortcut(x),   separable: depthwise 3×3, then 1×1, then batch norm; f ReLU
///
/// | stage | channels | separable convolutions | stride |
/// | --- | --- | --- | --- |
/// | `stem` | 32, 64: two 3×3 convolutions without padding, the first of stride 2 | | |
/// | `block1`, `block2`, `block3` | 128, 256, 728 | 2 | 2 |
/// | `block4`, … (eight) | 728 | 3 | 1 |
/// | `block12` | 1024, the first convolution 728 | 2 | 2 |
/// | `last` | 1536, 2048 | 2, each with ReLU behind it | 1 |
///
/// There is no activation between the two parts of a separable convolution, and none before the first of `block1`. The shortcut is a 1×1 convolution
/// with a norm where the shape changes. Global average pooling, dropout and one linear layer follow. With `small_images` the stem does not step and
/// pads. `middle_blocks` is the number of blocks in the middle.
///
/// Parameters as in timm (`legacy_xception`): `conv1`, `bn1`, …, `block1.rep.0.conv1`, `block1.rep.0.pointwise`, `block1.rep.1`, …, `block1.skip`,
/// `block1.skipbn`, `conv3.conv1`, `conv3.pointwise`, `bn3`, `fc`. Initialization: He normal by the outputs, `fc` uniform within ±1/√fan_in, biases 0.
///
/// Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.
public struct XceptionConfiguration: BackboneConfiguration {
    public static let family = "xception"

    /// How many blocks of three convolutions there are in the middle.
    public var middleBlocks = 8
    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether the stem keeps the resolution.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout = 0.5
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// As the paper has it.
    public init() {}

    public static let documentation = "Residual blocks of depthwise-separable convolutions."
    public static let paper: String? = "Chollet, CVPR 2017"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<XceptionConfiguration>] = [
        Key("middle_blocks", \.middleBlocks, .integer(in: 1...256), "How many blocks of three convolutions there are in the middle."),
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the stem keeps the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public var stageNames: [String] { ["stem"] + (1...middleBlocks + 4).map { "block\($0)" } + ["last"] }

    public var layerOrder: LayerOrder { LayerOrder([["conv1", "bn1", "conv2", "bn2"], ["block#"], ["conv3", "bn3", "conv4", "bn4"]]) }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), channels = input.channels
        let end = stageNames.firstIndex(of: stage) ?? stageNames.count - 1, count = middleBlocks + 4
        func channelsOf(_ published: Int) -> Int { scaledChannels(published, by: widthMultiplier) }
        for (index, outputs) in [32, 64].enumerated() {
            let number = index + 1
            backbone.add(ConvolutionLayer(
                channels, channelsOf(outputs), kernel: 3, stride: index == 0 && !isForSmallImages ? 2 : 1,
                padding: isForSmallImages ? .symmetric(1) : .valid, initialization: initialization, in: (scope["conv\(number)"], scope["bn\(number)"])))
            channels = channelsOf(outputs)
        }
        backbone.endStage("stem")
        for number in 1...count where number <= end {
            let isMiddle = number > 3 && number < count
            let outputs = channelsOf(number == 1 ? 128 : number == 2 ? 256 : number == count ? 1024 : 728)
            let inner = Array(repeating: number == count ? channels : outputs, count: isMiddle ? 2 : 1)
            backbone.add(XceptionBlock(
                channels, inner + [outputs], stride: isMiddle ? 1 : 2, startsActivated: number > 1, initialization, in: scope["block\(number)"]))
            channels = outputs
            backbone.endStage("block\(number)")
        }
        if end == count + 1 {
            for (number, outputs) in [(3, 1536), (4, 2048)] {
                backbone.add(SeparableConvolution(
                    channels, channelsOf(outputs), activation: .relu, initialization, in: (scope["conv\(number)"], scope["bn\(number)"])))
                channels = channelsOf(outputs)
            }
            backbone.endStage("last")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["dropout"]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["fc"]) }
}

/// A depthwise 3×3 convolution, a 1×1 one, batch norm and an activation.
private struct SeparableConvolution: Layer {
    private let depthwise: Convolution2D
    private let pointwise: ConvolutionLayer

    init(
        _ inputs: Int, _ outputs: Int, activation: Activation = .identity, _ initialization: Initialization, in scopes: (convolution: Scope, norm: Scope)
    ) {
        depthwise = Convolution2D(
            inputs, inputs, kernel: 3, padding: .symmetric(1), groups: inputs, hasBias: false, initialization: initialization,
            in: scopes.convolution["conv1"])
        pointwise = ConvolutionLayer(
            inputs, outputs, kernel: 1, activation: activation, initialization: initialization, in: (scopes.convolution["pointwise"], scopes.norm))
    }

    func callAsFunction(_ x: Tensor) -> Tensor { pointwise(depthwise(x)) }
}

/// Separable convolutions with ReLU before each, a max-pool where the block steps, and the shortcut past them.
private struct XceptionBlock: Layer {
    private let layers: [(activation: Scope?, convolution: SeparableConvolution)]
    private let pool: Pooling?
    private let shortcut: ConvolutionLayer?
    private let scope: Scope

    init(_ inputs: Int, _ outputs: [Int], stride: Int, startsActivated: Bool, _ initialization: Initialization, in scope: Scope) {
        let place = scope["rep"], channels = [inputs] + outputs, last = channels[channels.count - 1]
        layers = outputs.indices.map { index in
            // ReLU, convolution, norm; the first ReLU may be missing.
            let first = 3 * index - (startsActivated ? 0 : 1)
            let convolution = SeparableConvolution(channels[index], channels[index + 1], initialization, in: (place[first + 1], place[first + 2]))
            return (first < 0 ? nil : place[first], convolution)
        }
        pool = stride == 1 ? nil : Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: scope["pool"])
        shortcut = stride == 1 && inputs == last
            ? nil
            : ConvolutionLayer(
                inputs, last, kernel: 1, stride: stride, activation: .identity, initialization: initialization, in: (scope["skip"], scope["skipbn"]))
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        var y = x
        for (activation, convolution) in layers { y = convolution(activation?.record { y.relu() } ?? y) }
        if let pool { y = pool(y) }
        let carried = shortcut?(x) ?? x
        return scope.record { y + carried }
    }
}
