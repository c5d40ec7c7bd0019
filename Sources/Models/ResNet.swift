import Configuration
import Layers
import TensorCore

/// Residual networks of basic blocks, and their plain twins.
///
///     block:  y = ReLU(BN(conv3×3(ReLU(BN(conv3×3(x))))) + shortcut(x))
///
/// | depth | stages and their blocks | default width, shortcut, stem |
/// | --- | --- | --- |
/// | 6n + 2 (20, 32, 44, 56, 110) | 3 stages of n blocks | 16, A, 3×3: section 4.2 of the paper, for CIFAR-10 |
/// | 18 | 2, 2, 2, 2 | 64, B, by the image size: section 4.1, for ImageNet |
/// | 34 | 3, 4, 6, 3 | 64, B, by the image size |
///
/// The width doubles and the resolution halves with each stage after the first. The stem is a 3×3 convolution, or a 7×7 convolution
/// with stride 2 and a 3×3 max-pool with stride 2; `auto` takes the first for images of up to 64 pixels. Global average pooling and
/// one linear layer follow the last stage. Stages: `stem`, `stage1`, … .
///
/// Parameters as in torchvision: `conv1`, `bn1`, `layer1.0.conv1`, …, `layer2.0.downsample.0` and `.1`, `fc`.
/// Initialization: He normal by the outputs for convolutions, BN scales 1 (the last of each block 0 with `zero_init_residual`, as in
/// timm), `fc` uniform within ±1/√fan_in, biases 0.
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
public struct ResNetConfiguration: BackboneConfiguration {
    public static let family = "resnet"

    /// What carries the input past a block that changes its shape.
    public enum Shortcut: String, Codable, CaseIterable, Sendable {
        /// Every second row and column, and zeros for the additional channels, half before and half after; no parameters.
        case a = "A"
        /// A 1×1 convolution with batch norm.
        case b = "B"
    }

    public enum Stem: String, Codable, CaseIterable, Sendable {
        case auto
        case small = "3x3"
        case large = "7x7"
    }

    public var depth: Int
    /// The channels of the first stage.
    public var width: Int
    public var shortcut: Shortcut
    public var stem: Stem
    public var zeroInitializesResidual: Bool
    public var initialization: Initialization

    enum CodingKeys: String, CodingKey {
        case depth, width, shortcut, stem
        case zeroInitializesResidual = "zero_init_residual"
        case initialization
    }

    /// `depth` must be one of the table's.
    public init(depth: Int, width: Int? = nil, shortcut: Shortcut? = nil, stem: Stem? = nil) {
        let layout = ResidualLayout(depth: depth)!
        self.depth = depth
        self.width = width ?? layout.defaultWidth
        self.shortcut = shortcut ?? layout.defaultShortcut
        self.stem = stem ?? layout.defaultStem
        zeroInitializesResidual = false
        initialization = .residual
    }

    public init(from fields: inout FieldReader) {
        let layout = ResidualLayout(from: &fields)
        depth = layout.depth
        width = fields.integer("width", default: layout.defaultWidth, in: FieldReader.counts)
        shortcut = fields.choice("shortcut", default: layout.defaultShortcut)
        stem = fields.choice("stem", default: layout.defaultStem)
        zeroInitializesResidual = fields.boolean("zero_init_residual", default: false)
        initialization = fields.initialization("initialization", default: .residual)
    }

    public var stageNames: [String] { ResidualLayout(depth: depth)!.stageNames }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        ResidualBackbone(self, shortcut: shortcut, input: input, through: stage, in: scope)
    }

    public func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier {
        PooledClassifier(self, input: input, classes: classes, in: scope)
    }
}

/// The plain twin of a residual network: the same layers without shortcuts, whose training error grows with depth.
///
/// He et al. compare the two in figures 1, 4 and 6. Everything else is as in `ResNetConfiguration`.
public struct PlainConfiguration: BackboneConfiguration {
    public static let family = "plain"

    public var depth: Int
    public var width: Int
    public var stem: ResNetConfiguration.Stem
    public var initialization: Initialization

    /// `depth` must be one of those of `ResNetConfiguration`.
    public init(depth: Int, width: Int? = nil) {
        let twin = ResNetConfiguration(depth: depth, width: width)
        (self.depth, self.width, stem, initialization) = (depth, twin.width, twin.stem, twin.initialization)
    }

    public init(from fields: inout FieldReader) {
        let layout = ResidualLayout(from: &fields)
        depth = layout.depth
        width = fields.integer("width", default: layout.defaultWidth, in: FieldReader.counts)
        stem = fields.choice("stem", default: layout.defaultStem)
        initialization = fields.initialization("initialization", default: .residual)
    }

    public var stageNames: [String] { ResidualLayout(depth: depth)!.stageNames }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var twin = ResNetConfiguration(depth: depth, width: width, stem: stem)
        twin.initialization = initialization
        return ResidualBackbone(twin, shortcut: nil, input: input, through: stage, in: scope)
    }

    public func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier {
        PooledClassifier(self, input: input, classes: classes, in: scope)
    }
}

/// What the depth of a residual network says: its stages and the defaults of its kind.
struct ResidualLayout {
    let depth: Int
    /// The number of blocks of each stage.
    let blocks: [Int]

    init?(depth: Int) {
        self.depth = depth
        switch depth {
        case 18: blocks = [2, 2, 2, 2]
        case 34: blocks = [3, 4, 6, 3]
        case let depth where depth >= 8 && depth % 6 == 2: blocks = Array(repeating: (depth - 2) / 6, count: 3)
        default: return nil
        }
    }

    /// Reads `depth`; 20 stands in for a depth that there is not.
    init(from fields: inout FieldReader) {
        let depth = fields.requiredCount("depth", in: FieldReader.depths)
        if let layout = depth.flatMap(ResidualLayout.init(depth:)) {
            self = layout
        } else {
            if let depth { fields.report("expected 18, 34 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found \(depth)", at: "depth") }
            self.init(depth: 20)!
        }
    }

    var stageNames: [String] { ["stem"] + (1...blocks.count).map { "stage\($0)" } }
    private var isForSmallImages: Bool { blocks.count == 3 }
    var defaultWidth: Int { isForSmallImages ? 16 : 64 }
    var defaultShortcut: ResNetConfiguration.Shortcut { isForSmallImages ? .a : .b }
    var defaultStem: ResNetConfiguration.Stem { isForSmallImages ? .small : .auto }
}

struct ResidualBackbone: Backbone {
    private let convolution: Convolution2D
    private let norm: BatchNorm
    private let pool: Pooling?
    private let blocks: [BasicBlock]

    /// `shortcut` is nil in plain networks.
    init(
        _ configuration: ResNetConfiguration, shortcut: ResNetConfiguration.Shortcut?, input: ImageShape, through stage: String,
        in scope: Scope
    ) {
        let isLarge =
            switch configuration.stem {
            case .small: false
            case .large: true
            case .auto: max(input.height, input.width) > 64
            }
        convolution = Convolution2D(
            input.channels, configuration.width, kernel: isLarge ? 7 : 3, stride: isLarge ? 2 : 1, padding: .symmetric(isLarge ? 3 : 1),
            hasBias: false, initialization: configuration.initialization, in: scope["conv1"])
        norm = BatchNorm(configuration.width, hasReLU: true, in: scope["bn1"])
        pool = isLarge ? Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: scope["maxpool"]) : nil

        var blocks: [BasicBlock] = [], channels = configuration.width
        let layout = ResidualLayout(depth: configuration.depth)!
        let stageCount = configuration.stageNames.firstIndex(of: stage)
        precondition(stageCount != nil, "a cut after \(stage), which is not among \(configuration.stageNames)")
        for (stage, count) in layout.blocks.prefix(stageCount ?? 0).enumerated() {
            for block in 0..<count {
                let outputs = configuration.width << stage
                blocks.append(BasicBlock(
                    channels, outputs, stride: stage > 0 && block == 0 ? 2 : 1, shortcut: shortcut,
                    initialScale: configuration.zeroInitializesResidual ? 0 : 1, initialization: configuration.initialization,
                    in: scope["layer\(stage + 1)"][block]))
                channels = outputs
            }
        }
        self.blocks = blocks
    }

    func callAsFunction(_ images: Tensor) -> Tensor {
        var x = norm(convolution(images))
        if let pool { x = pool(x) }
        return blocks.reduce(x) { $1($0) }
    }
}

/// Two 3×3 convolutions with batch norm, and the shortcut past them (none in plain networks).
struct BasicBlock {
    private let firstConvolution: Convolution2D
    private let firstNorm: BatchNorm
    private let secondConvolution: Convolution2D
    private let secondNorm: BatchNorm
    private let downsample: (convolution: Convolution2D, norm: BatchNorm)?
    private let hasShortcut: Bool
    private let stride: Int
    private let additionalChannels: Int
    private let scope: Scope

    /// `initialScale` is that of the second batch norm.
    init(
        _ inputs: Int, _ outputs: Int, stride: Int, shortcut: ResNetConfiguration.Shortcut?, initialScale: Double = 1,
        initialization: Initialization = .residual, in scope: Scope
    ) {
        self.stride = stride
        self.scope = scope
        hasShortcut = shortcut != nil
        additionalChannels = outputs - inputs
        firstConvolution = Convolution2D(
            inputs, outputs, kernel: 3, stride: Size2D(stride, stride), padding: .symmetric(1), hasBias: false,
            initialization: initialization, in: scope["conv1"])
        firstNorm = BatchNorm(outputs, hasReLU: true, in: scope["bn1"])
        secondConvolution = Convolution2D(
            outputs, outputs, kernel: 3, padding: .symmetric(1), hasBias: false, initialization: initialization, in: scope["conv2"])
        secondNorm = BatchNorm(outputs, hasReLU: true, initialScale: shortcut == nil ? 1 : initialScale, in: scope["bn2"])
        guard shortcut == .b, stride != 1 || inputs != outputs else {
            downsample = nil
            return
        }
        let place = scope["downsample"]
        let convolution = Convolution2D(
            inputs, outputs, kernel: 1, stride: Size2D(stride, stride), hasBias: false, initialization: initialization, in: place[0])
        downsample = (convolution, BatchNorm(outputs, in: place[1]))
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        secondNorm(secondConvolution(firstNorm(firstConvolution(x))), residual: hasShortcut ? shortcut(x) : nil)
    }

    /// `[B, H, W, in]` → `[B, H/stride, W/stride, out]`, rounded up.
    private func shortcut(_ x: Tensor) -> Tensor {
        if let (convolution, norm) = downsample { return norm(convolution(x)) }
        return scope["shortcut"].record {
            var x = x
            if stride > 1 {
                x = x.sliced(axis: 1, 0..<x.shape[1], step: stride).sliced(axis: 2, 0..<x.shape[2], step: stride)
            }
            let before = additionalChannels / 2
            return additionalChannels == 0 ? x : x.padded(before: [0, 0, 0, before], after: [0, 0, 0, additionalChannels - before])
        }
    }
}

/// A convolutional network, the mean of its last features, and a linear head `fc`.
struct PooledClassifier: ImageClassifier {
    private let backbone: any Backbone
    private let head: Linear
    private let scope: Scope

    init(_ configuration: some BackboneConfiguration, input: ImageShape, classes: Int, in scope: Scope) {
        self.scope = scope
        let stage = configuration.stageNames[configuration.stageNames.count - 1]
        let channels = configuration.featureShape(input: input, after: stage)?[3] ?? 1
        backbone = configuration.makeBackbone(input: input, through: stage, in: scope)
        head = Linear(channels, classes, in: scope["fc"])
    }

    func callAsFunction(_ images: Tensor) -> Tensor {
        let features = backbone(images)
        return head(scope["avgpool"].record { features.globalAveragePool() })
    }
}
