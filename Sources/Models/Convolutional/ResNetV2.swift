import Configuration
import Layers
import TensorCore

/// The residual network with pre-activation: norm and ReLU come before each convolution, and nothing stands in the way of the shortcuts.
///
///     block:  x ← x + conv(f(N(conv(f(N(x)))))),   N batch norm, f ReLU
///
/// | depth | blocks | stem |
/// | --- | --- | --- |
/// | 18, 34 | 2, 2, 2, 2 and 3, 4, 6, 3 of two convolutions | by the image size |
/// | 50, 101, 152 | 3, 4, 6, 3; 3, 4, 23, 3; 3, 8, 36, 3 bottlenecks | by the image size |
/// | 20, 32, 44, 56, 110 | 3 stages of (depth − 2) / 6 of two convolutions | 3×3: for CIFAR |
/// | 164, 1001 | 3 stages of (depth − 2) / 9 bottlenecks | 3×3: the paper's networks for CIFAR |
///
/// `auto` takes the 7×7 stem with its max-pool for images of more than 64 pixels. A bottleneck has four times as many channels outside as inside and
/// steps in its 3×3 convolution, as in timm. Where a block changes the shape, a 1×1 convolution of its first activation is the shortcut. A norm, ReLU
/// and global average pooling end it. Stages: `stem`, then `stage1`, …; the last with the norm behind it.
///
/// Parameters as in timm: `stem.conv`, `stages.0.blocks.0.norm1`, `.conv1`, …, `.downsample.conv`, `norm`, `head.fc`, which is a 1×1 convolution
/// there. Initialization: He normal by the outputs, `head.fc` normal with σ = 0.01, biases 0.
///
/// He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016.
public struct ResNetV2Configuration: BackboneConfiguration {
    public static let family = "resnet_v2"

    /// How many layers with weights: one of the table's.
    public var depth = 50
    /// The first layers.
    public var stem = ResNetConfiguration.Stem.auto
    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// `depth` must be one of the table's.
    public init(depth: Int, stem: ResNetConfiguration.Stem? = nil) {
        self.depth = depth
        self.stem = stem ?? (Self.isForSmallImages(depth) ? .small : .auto)
    }

    /// ResNetV2-50.
    public init() { self.init(depth: 50) }

    public static let documentation = "A residual network with norm and activation before each convolution."
    public static let paper: String? = "He, Zhang, Ren and Sun, ECCV 2016"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<ResNetV2Configuration>] = [
        Key("depth", \.depth, .one(of: [18, 20, 32, 34, 44, 50, 56, 101, 110, 152, 164, 1001]), decidesDefaults: true,
            "How many layers with weights; 18, 34, 50, 101 and 152 are for large images."),
        Key("stem", \.stem, .choice, "The first convolution; auto: 3×3 for images of up to 64 pixels."),
        widthMultiplierOption(\.widthMultiplier),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = ResNetV2Configuration(depth: depth) }

    private static func isForSmallImages(_ depth: Int) -> Bool { ![18, 34, 50, 101, 152].contains(depth) }

    /// A stem of `auto` is decided by the larger side of an image.
    private func layout(side: Int) -> PreactivatedLayout {
        let blocks: [Int] =
            switch depth {
            case 18: [2, 2, 2, 2]
            case 34, 50: [3, 4, 6, 3]
            case 101: [3, 4, 23, 3]
            case 152: [3, 8, 36, 3]
            default: Array(repeating: (depth - 2) / (isBottleneck ? 9 : 6), count: 3)
            }
        let base = scaledChannels(Self.isForSmallImages(depth) ? 16 : 64, by: widthMultiplier)
        return PreactivatedLayout(
            hasLargeStem: stem == .large || stem == .auto && side > 64, stemWidth: base, width: isBottleneck ? 4 * base : base, blocks: blocks,
            isBottleneck: isBottleneck, initialization: initialization)
    }

    private var isBottleneck: Bool { [50, 101, 152, 164, 1001].contains(depth) }

    public var stageNames: [String] { layout(side: 1).stageNames }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        layout(side: max(input.height, input.width)).makeBackbone(channels: input.channels, through: stage, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalEncoder(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { ConvolutionalHead(inputs, outputs, in: scope["head"]["fc"]) }
}

/// A linear layer that has the shape of a 1×1 convolution in files.
private struct ConvolutionalHead: Layer {
    private let convolution: Convolution2D
    private let outputs: Int
    private let scope: Scope

    init(_ inputs: Int, _ outputs: Int, in scope: Scope) {
        convolution = Convolution2D(inputs, outputs, kernel: 1, initialization: .normal(deviation: 0.01), in: scope)
        (self.outputs, self.scope) = (outputs, scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        guard x.isValid else { return x }
        let maps = convolution(scope.record { x.reshaped([x.shape[0], 1, 1, x.shape[1]]) })
        return scope.record { maps.reshaped([x.shape[0], outputs]) }
    }
}
