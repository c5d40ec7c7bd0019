import Configuration
import Layers
import TensorCore

/// The residual network of the vision transformer's hybrids: bottlenecks of standardized convolutions, each followed by group norm.
///
///     block:  x ← f(shortcut(x) + N(conv1×1(f(N(conv3×3(f(N(conv1×1(x)))))))))      N group norm, f ReLU
///
/// The stem is a 7×7 convolution of stride 2 and a 3×3 max-pool of stride 2; stages have 4, 8, 16 and 32 times `width` channels outside of their bottlenecks. R26
/// has the blocks 2, 2, 2, 2; R50 of R50+B/16 has 3, 4, 9, of R50+L/32 3, 4, 6, 3. Windows are padded as TensorFlow's SAME does. Stages: `stem`, then
/// `stage1`, ….
///
/// Parameters as in timm: `stem.conv`, `stem.norm`, `stages.0.blocks.0.conv1`, `.norm1`, …, `.downsample.conv`, `.downsample.norm`; `head.fc`.
/// Initialization: He normal by the outputs, biases 0.
///
/// Kolesnikov et al., "Big Transfer (BiT): General Visual Representation Learning", ECCV 2020; as the hybrids' backbone Dosovitskiy et al., ICLR 2021, and
/// Steiner et al., "How to Train Your ViT?", TMLR 2022.
public struct StandardizedResNetConfiguration: BackboneConfiguration {
    public static let family = "resnet_standardized"

    /// How many bottlenecks each stage has.
    public var blocks = [2, 2, 2, 2]
    /// The channels inside of the first stage's bottlenecks, and of the stem.
    public var width = 64
    /// How many groups of channels are normalized together.
    public var groups = 32
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// R26, or another network by its blocks.
    public init(blocks: [Int] = [2, 2, 2, 2]) { self.blocks = blocks }

    /// R26.
    public init() { self.init(blocks: [2, 2, 2, 2]) }

    public static let documentation = "A residual network of standardized convolutions and group norm: the backbone of ViT's hybrids."
    public static let paper: String? = "Kolesnikov et al., ECCV 2020"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<StandardizedResNetConfiguration>] = [
        Key("blocks", \.blocks, .integers(in: 1...1024), "How many bottlenecks each stage has; the resolution halves between stages."),
        Key("width", \.width, .count, role: .width, "The channels inside of the first stage's bottlenecks; they double from stage to stage."),
        Key("groups", \.groups, .count, role: .widthDivisor, "How many groups of channels are normalized together; they divide the width."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.isEmpty || blocks.count > 6 {
            fields.report("found \(blocks.count) stages, expected 1 to 6", at: "blocks")
            blocks = [1]
        }
        if width % groups != 0 { fields.report("\(groups) groups do not divide the width \(width)", at: "groups") }
    }

    public var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), channels = width
        let stem = scope["stem"]
        backbone.add(StandardizedConvolution2D(input.channels, width, kernel: 7, stride: 2, initialization: initialization, in: stem["conv"]))
        backbone.add(NormalizedActivation(width, groups: groups, activation: .relu, in: stem["norm"]))
        backbone.add(Pooling(.maximum, window: 3, stride: 2, padding: .same, in: stem["pool"]))
        backbone.endStage("stem")
        for (number, count) in blocks.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            for block in 0..<count {
                let inside = width << number, stride = number > 0 && block == 0 ? 2 : 1
                backbone.add(StandardizedBottleneck(self, channels, inside: inside, stride: stride, hasDownsample: block == 0, in: scope["stages"][number]["blocks"][block]))
                channels = 4 * inside
            }
            backbone.endStage("stage\(number + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalEncoder(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .normal(deviation: 0.01), in: scope["head"]["fc"])
    }
}

/// Group norm and an activation.
private struct NormalizedActivation: Layer {
    private let norm: Normalization

    init(_ channels: Int, groups: Int, activation: Activation, in scope: Scope) {
        norm = Normalization(.group(groups: groups), channels, activation: activation, in: scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { norm(x) }
}

/// Three standardized convolutions with group norm, and a shortcut that is one where the shape changes.
private struct StandardizedBottleneck: Layer {
    private let convolutions: [StandardizedConvolution2D]
    private let norms: [Normalization]
    private let downsample: (convolution: StandardizedConvolution2D, norm: Normalization)?

    init(_ network: StandardizedResNetConfiguration, _ inputs: Int, inside: Int, stride: Int, hasDownsample: Bool, in scope: Scope) {
        func convolution(_ name: String, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, in place: Scope) -> StandardizedConvolution2D {
            StandardizedConvolution2D(
                inputs, outputs, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), initialization: network.initialization, in: place[name])
        }
        let group = NormalizationKind.group(groups: network.groups), outputs = 4 * inside
        if hasDownsample {
            let place = scope["downsample"]
            downsample = (convolution("conv", inputs, outputs, kernel: 1, stride: stride, in: place), Normalization(group, outputs, in: place["norm"]))
        } else { downsample = nil }
        convolutions = [
            convolution("conv1", inputs, inside, kernel: 1, in: scope), convolution("conv2", inside, inside, kernel: 3, stride: stride, in: scope),
            convolution("conv3", inside, outputs, kernel: 1, in: scope),
        ]
        norms = [inside, inside, outputs].enumerated().map { Normalization(group, $1, activation: .relu, in: scope["norm\($0 + 1)"]) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let shortcut = downsample.map { $0.norm($0.convolution(x)) } ?? x
        let inside = norms[1](convolutions[1](norms[0](convolutions[0](x))))
        return norms[2](convolutions[2](inside), residual: shortcut)
    }
}
