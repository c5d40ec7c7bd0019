import Configuration
import Layers
import TensorCore

/// LeNet-5: two convolutions with subsampling, and three fully connected layers.
///
///     5×5 convolution, 6 channels → f → 2×2 subsampling      stage1   [B, H/2, W/2, 6]           for padding 2
///     5×5 convolution, 16 channels → f → 2×2 subsampling     stage2   [B, H/4 − 2, W/4 − 2, 16]
///     linear 120 → f → linear 84 → f → output
///
/// | variant | second convolution | subsampling | f | output |
/// | --- | --- | --- | --- | --- |
/// | `modern` | sees all six channels | mean | tanh | linear |
/// | `original` | sees those of the paper's table I | sum with a trained factor and offset, then f again | 1.7159 · tanh(2x/3) | distance to fixed pictures of the classes |
///
/// Images of 28×28 pixels are padded by 2 in the first convolution instead of beforehand, with zeros. `padding: 0` is the listing for 32×32.
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`, `fc3`; of the original `conv2.0`, `.1`, `.2` for the outputs that see three, four and six channels,
/// `pool1`, `pool2`, and no `fc3`: 60,000 for ten classes. `fc1` sees the features channels first, as PyTorch flattens them.
/// Initialization: LeCun uniform (variance 1/fan_in) of the modern one, uniform within ±2.4/fan_in of the original, biases 0.
///
/// LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86 (1998).
public struct LeNet5Configuration: BackboneConfiguration {
    public static let family = "lenet5"

    /// Whose listing.
    public enum Variant: String, CaseIterable, Sendable {
        /// As it is usually shown today.
        case modern
        /// As the paper has it.
        case original
    }

    /// Whose listing.
    public var variant: Variant
    /// The zeros around an image; nil: 2, and 0 in the original for images of 32×32 pixels and more.
    public var padding: Int?
    /// How weights start.
    public var initialization: Initialization

    /// One of the variants.
    public init(_ variant: Variant, padding: Int? = nil) {
        (self.variant, self.padding) = (variant, padding)
        initialization = variant == .modern ? .leCun(distribution: .uniform) : .uniformOverFanIn(bound: 2.4)
    }

    /// As it is usually shown today.
    public init() { self.init(.modern) }

    public static let documentation = "LeNet-5, with tanh and average pooling or as in 1998."
    public static let paper: String? = "LeCun, Bottou, Bengio and Haffner, 1998"
    public static let options: [Key<LeNet5Configuration>] = [
        Key("variant", \.variant, .choice, decidesDefaults: true, writesDefault: false, "Whose listing: today's usual one, or the paper's."),
        Key("padding", \.padding, .integer(in: 0...4), "The zeros around an image; absent: 2, and 0 in the original for 32 pixels and more."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = LeNet5Configuration(variant) }

    public var stageNames: [String] { ["stage1", "stage2"] }

    private func padding(_ input: ImageShape) -> Int { padding ?? (variant == .original && min(input.height, input.width) >= 32 ? 0 : 2) }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let least = 16 - 2 * padding(input)
        if min(input.height, input.width) < least {
            fields.errors.report(
                "lenet5 needs images of at least \(least)×\(least) pixels, found \(input.height)×\(input.width)", at: fields.node.mark,
                path: fields.path)
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        LeNet5Backbone(self, channels: input.channels, padding: padding(input), through: stage, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope)
        let featureCount = featureShape(input: input, after: lastStage)?.elementCount ?? 1, sizes = [featureCount, 120, 84]
        let layers = (1...2).map { Linear(sizes[$0 - 1], sizes[$0], initialization: initialization, in: scope["fc\($0)"]) }
        return ConvolutionalEncoder(backbone, width: sizes[2]) { features in  // [B, h, w, 16]
            var x = scope.record { features.flattenedChannelsFirst() }
            for layer in layers {
                let sum = layer(x)
                x = scope.record { activated(sum) }
            }
            return x
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        variant == .modern
            ? Linear(inputs, outputs, initialization: initialization, in: scope["fc3"]) : DistanceToPictures(classes: outputs, in: scope["output"])
    }

    /// The original's f passes through ±1 at ±1, where its pictures are.
    fileprivate func activated(_ x: Tensor) -> Tensor { variant == .modern ? x.tanh() : (x * (2 / 3)).tanh() * 1.7159 }
}

/// The convolutions with what follows them; stages as above.
private struct LeNet5Backbone: StagedBackbone {
    private let network: LeNet5Configuration
    private let stages: [(convolution: any Layer, pool: any Layer)]
    private let scope: Scope

    init(_ network: LeNet5Configuration, channels: Int, padding: Int, through stage: String, in scope: Scope) {
        self.network = network
        self.scope = scope
        let isModern = network.variant == .modern
        let sizes = [(inputs: channels, outputs: 6), (inputs: 6, outputs: 16)]
        stages = sizes.prefix(stage == "stage1" ? 1 : 2).enumerated().map { index, size in
            let place = scope["conv\(index + 1)"], poolPlace = scope["pool\(index + 1)"]
            let convolution: any Layer = isModern || index == 0
                ? Convolution2D(
                    size.inputs, size.outputs, kernel: 5, padding: index == 0 ? .symmetric(Size2D(padding, padding)) : .valid,
                    initialization: network.initialization, in: place)
                : PartialConvolution(initialization: network.initialization, in: place)
            let pool: any Layer = isModern ? Pooling(.average, window: 2, in: poolPlace) : TrainedSubsampling(size.outputs, in: poolPlace)
            return (convolution, pool)
        }
    }

    func callAsFunction(_ images: Tensor, changing change: (_ stage: String, _ features: Tensor) -> Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images
        for (index, stage) in stages.enumerated() {
            let sum = stage.convolution(x)
            x = stage.pool(scope.record { network.activated(sum) })
            if network.variant == .original { x = scope.record { network.activated(x) } }
            x = change("stage\(index + 1)", x)
            outputs.add("stage\(index + 1)", x)
        }
        return outputs
    }
}
