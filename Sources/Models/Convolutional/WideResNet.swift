import Configuration
import Layers
import TensorCore

/// The wide residual network for small images: few blocks with many channels, and norm and ReLU before each convolution.
///
///     block:  x ← x + conv3×3(dropout(f(N(conv3×3(f(N(x)))))))
///
/// WRN-d-k has a 3×3 convolution with 16 channels and three stages of (d − 4) / 6 blocks with 16k, 32k and 64k channels, the last two halving the
/// resolution; a norm, ReLU, global average pooling and one linear layer follow. Where a block changes the shape, a 1×1 convolution of its first
/// activation is the shortcut. The paper's networks are 40-4, 16-8, 22-8 and 28-10. Stages: `stem`, then `stage1`, `stage2`, `stage3`, the last with
/// the norm behind it.
///
/// Parameters: `stem.conv`, `stages.0.blocks.0.norm1`, `.conv1`, `.norm2`, `.conv2`, `.downsample.conv`, …, `norm`, `fc`. Initialization: He normal by
/// the outputs, `fc` uniform within ±1/√fan_in, biases 0.
///
/// Errors: a depth that is not 6n + 4.
///
/// Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016.
public struct WideResNetConfiguration: BackboneConfiguration {
    public static let family = "wide_resnet"

    /// How many layers with weights, 6n + 4.
    public var depth: Int
    /// How many times as wide as a ResNet for CIFAR it is.
    public var widening: Int
    /// The share of values that are dropped between the convolutions of a block.
    public var dropout = 0.0
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// WRN-`depth`-`widening`; the depth must be 6n + 4.
    public init(depth: Int, widening: Int) { (self.depth, self.widening) = (depth, widening) }

    /// WRN-28-10.
    public init() { self.init(depth: 28, widening: 10) }

    public static let documentation = "A residual network for small images with few blocks and many channels."
    public static let paper: String? = "Zagoruyko and Komodakis, BMVC 2016"
    public static let options: [Key<WideResNetConfiguration>] = [
        Key("depth", \.depth, .integer(in: 10...2_048), "How many layers with weights: 6n + 4."),
        Key("widening", \.widening, .integer(in: 1...1_024), role: .width, "How many times as wide as a ResNet for CIFAR it is."),
        Key("dropout", \.dropout, .rate, "The share of values that are dropped between the convolutions of a block; 0.3 in some of the paper's."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if depth % 6 != 4 {
            fields.report("expected 6n + 4 (16, 22, 28, 40, …), found \(depth)", at: "depth")
            depth = 28
        }
    }

    private var layout: PreactivatedLayout {
        PreactivatedLayout(
            hasLargeStem: false, stemWidth: 16, width: 16 * widening, blocks: Array(repeating: (depth - 4) / 6, count: 3), isBottleneck: false,
            dropout: dropout, initialization: initialization)
    }

    public var stageNames: [String] { layout.stageNames }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        layout.makeBackbone(channels: input.channels, through: stage, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalEncoder(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["fc"]) }
}
