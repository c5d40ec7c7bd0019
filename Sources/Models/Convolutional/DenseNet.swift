import Configuration
import Layers
import TensorCore

/// DenseNet-BC: every layer sees what all layers of its block before it gave.
///
///     layer:       x ← [x, conv3×3(f(N(conv1×1(f(N(x))))))],   growth g more channels, 4g inside, N batch norm, f ReLU
///     transition:  conv1×1(f(N(x))) to half as many channels, 2×2 average pooling
///
/// | depth | layers in each block | growth | stem |
/// | --- | --- | --- | --- |
/// | 121 | 6, 12, 24, 16 | 32 | by the image size |
/// | 161 | 6, 12, 36, 24 | 48 | by the image size |
/// | 169 | 6, 12, 32, 32 | 32 | by the image size |
/// | 201 | 6, 12, 48, 32 | 32 | by the image size |
/// | 6n + 4 (40, 100, 190, 250) | 3 blocks of n | 12 | 3×3: the paper's networks for CIFAR |
///
/// The stem gives 2g channels: a 7×7 convolution of stride 2 with N, f and a 3×3 max-pool of stride 2, or a 3×3 convolution alone; `auto` takes the
/// first for images of more than 64 pixels. N and f, global average pooling and one linear layer follow the last block. Stages: `stem`, then
/// `stage1`, …, one for each block, after it and before its transition.
///
/// Parameters as in torchvision: `features.conv0`, `features.norm0`, `features.denseblock1.denselayer1.norm1`, …, `features.transition1.conv`,
/// `features.norm5`, `classifier`. Initialization: He normal by the inputs, `classifier` uniform within ±1/√fan_in, biases 0.
///
/// Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.
public struct DenseNetConfiguration: BackboneConfiguration {
    public static let family = "densenet"

    /// How many layers with weights: one of the table's.
    public var depth: Int
    /// How many channels a layer adds.
    public var growth: Int
    /// The first layers.
    public var stem: ResNetConfiguration.Stem
    /// How convolutions' weights start.
    public var initialization = Initialization.he(distribution: .normal, fan: .in, gain: ActivationKind.relu.gain!)

    /// `depth` must be one of the table's.
    public init(depth: Int, growth: Int? = nil, stem: ResNetConfiguration.Stem? = nil) {
        self.depth = depth
        let isLarge = Self.blocks(depth: depth)!.count == 4
        self.growth = growth ?? (isLarge ? depth == 161 ? 48 : 32 : 12)
        self.stem = stem ?? (isLarge ? .auto : .small)
    }

    /// DenseNet-121.
    public init() { self.init(depth: 121) }

    public static let documentation = "Blocks in which every layer sees all layers before it."
    public static let paper: String? = "Huang, Liu, van der Maaten and Weinberger, CVPR 2017"
    public static let weightNames: [WeightNames] = [.timm, .torchvision]
    public static let options: [Key<DenseNetConfiguration>] = [
        Key("depth", \.depth, .denseDepth, decidesDefaults: true, "How many layers with weights: 121, 161, 169, 201, or 6n + 4 for small images."),
        Key("growth", \.growth, .integer(in: 1...1024), role: .width, "How many channels a layer adds."),
        Key("stem", \.stem, .choice, "The first convolution; auto: 3×3 for images of up to 64 pixels."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = DenseNetConfiguration(depth: depth) }

    /// How many layers each block has; nil for a depth that no network has.
    static func blocks(depth: Int) -> [Int]? {
        switch depth {
        case 121: [6, 12, 24, 16]
        case 161: [6, 12, 36, 24]
        case 169: [6, 12, 32, 32]
        case 201: [6, 12, 48, 32]
        case let depth where depth >= 10 && depth % 6 == 4: Array(repeating: (depth - 4) / 6, count: 3)
        default: nil
        }
    }

    private var blocks: [Int] { Self.blocks(depth: depth)! }

    public var layerOrder: LayerOrder {
        LayerOrder([["features.conv0", "features.norm0"], ["features.denseblock#.denselayer#", "features.transition#+"]])
    }

    public var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        let features = scope["features"], end = stageNames.firstIndex(of: stage) ?? blocks.count
        let isLarge = stem == .large || stem == .auto && max(input.height, input.width) > 64
        var backbone = LayerSequence(), channels = 2 * growth
        backbone.add(Convolution2D(
            input.channels, channels, kernel: isLarge ? 7 : 3, stride: isLarge ? 2 : 1, padding: .symmetric(isLarge ? 3 : 1), hasBias: false,
            initialization: initialization, in: features["conv0"]))
        if isLarge {
            backbone.add(BatchNorm(channels, activation: .relu, in: features["norm0"]))
            backbone.add(Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: features["pool0"]))
        }
        backbone.endStage("stem")
        for (index, count) in blocks.enumerated() where index < end {
            if index > 0 {
                let transition = features["transition\(index)"]
                backbone.add(PreactivatedConvolution(
                    channels, channels / 2, kernel: 1, initialization, in: (transition["norm"], transition["conv"])))
                backbone.add(Pooling(.average, window: 2, in: transition["pool"]))
                channels /= 2
            }
            for layer in 0..<count {
                let place = features["denseblock\(index + 1)"]["denselayer\(layer + 1)"]
                backbone.add(DenseLayer(channels, growth: growth, initialization, in: place))
                channels += growth
            }
            if index == blocks.count - 1 { backbone.add(BatchNorm(channels, activation: .relu, in: features["norm\(blocks.count + 1)"])) }
            backbone.endStage("stage\(index + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalEncoder(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["classifier"]) }
}

extension OptionKind where Value == Int {
    /// A depth of which there is a DenseNet.
    fileprivate static var denseDepth: Self {
        let summary = "121, 161, 169, 201 or 6n + 4 (40, 100, 190, …)"
        return OptionKind(
            summary, schema: .integer(from: 10, to: 2_048),
            read: { fields, key in
                guard let depth = fields.integer(key, in: 1...2_048) else { return nil }
                if DenseNetConfiguration.blocks(depth: depth) != nil { return depth }
                fields.report("expected \(summary), found \(depth)", at: key)
                return nil
            }, write: { .scalar($0) })
    }
}

/// A layer of a block: x and what it makes of it, side by side.
private struct DenseLayer: Layer {
    private let branches: Branches

    init(_ inputs: Int, growth: Int, _ initialization: Initialization, in scope: Scope) {
        let first = PreactivatedConvolution(inputs, 4 * growth, kernel: 1, initialization, in: (scope["norm1"], scope["conv1"]))
        let second = PreactivatedConvolution(4 * growth, growth, kernel: 3, initialization, in: (scope["norm2"], scope["conv2"]))
        branches = Branches([[], [first, second]], in: scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { branches(x) }
}
