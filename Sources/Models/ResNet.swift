import Configuration
import Layers
import TensorCore

/// What residual networks and their plain twins have in common.
public protocol ResidualNetworkConfiguration: BackboneConfiguration {
    /// How many layers with weights.
    var depth: Int { get }
    /// The channels of the first stage.
    var width: Int { get set }
    /// The first layers.
    var stem: ResNetConfiguration.Stem { get set }
    /// What normalizes features.
    var norm: NormalizationKind { get set }
    /// The activation after the stem, inside a block and at its end.
    var activation: ActivationKind { get set }
    /// How convolutions' weights start.
    var initialization: Initialization { get set }

    /// What carries the input past a block; nil in plain networks.
    var blockShortcut: ResNetConfiguration.Shortcut? { get }
    /// Where the scale of the last norm of each block starts.
    var lastScale: Double { get }
}

extension ResidualNetworkConfiguration {
    public var stageNames: [String] { ResidualLayout(depth: depth)!.stageNames }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        ResidualBackbone(self, input: input, through: stage, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        ConvolutionalEncoder(self, input: input, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["fc"]) }

    /// What both kinds have but the depth.
    fileprivate static var commonOptions: [Key<Self>] {
        [
            Key("width", \Self.width, .count, role: .width, "The channels of the first stage."),
            Key("stem", \Self.stem, .choice, "The first convolution; auto: 3×3 for images of up to 64 pixels."),
            Key("norm", \Self.norm, .normalization, "What normalizes features."),
            Key("activation", \Self.activation, .choice, "What follows the stem, stands inside a block and at its end."),
            initializationOption(\Self.initialization),
        ]
    }

    /// Reports groups that do not divide the channels of the first stage; the others have multiples of them.
    fileprivate func checkGroups(_ fields: FieldReader) {
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first stage", at: "norm")
        }
    }
}

/// Residual networks of basic blocks, and their plain twins.
///
///     block:  y = f(N(conv3×3(f(N(conv3×3(x))))) + shortcut(x)),   N batch norm and f ReLU unless `norm` and `activation` say otherwise
///
/// | depth | stages and their blocks | default width, shortcut, stem |
/// | --- | --- | --- |
/// | 6n + 2 (20, 32, 44, 56, 110) | 3 stages of n blocks | 16, A, 3×3: section 4.2 of the paper, for CIFAR-10 |
/// | 18 | 2, 2, 2, 2 | 64, B, by the image size: section 4.1, for ImageNet |
/// | 34 | 3, 4, 6, 3 | 64, B, by the image size |
///
/// Depths 50 and 152 are 6n + 2 and also name bottleneck networks for ImageNet, which are not among the models: a definition has to say
/// `kind: cifar` with them.
///
/// The width doubles and the resolution halves with each stage after the first. The stem is a 3×3 convolution, or a 7×7 convolution
/// with stride 2 and a 3×3 max-pool with stride 2; `auto` takes the first for images of up to 64 pixels. Global average pooling and
/// one linear layer follow the last stage. Stages: `stem`, `stage1`, … .
///
/// Parameters as in torchvision: `conv1`, `bn1`, `layer1.0.conv1`, …, `layer2.0.downsample.0` and `.1`, `fc`; a norm of another kind has
/// batch norm's names, and without a norm the convolutions have biases. Initialization: He normal by the outputs for convolutions, for ReLU
/// whatever the activation is, norm scales 1 (the last of each block 0 with `zero_init_residual`, as in timm), `fc` uniform within
/// ±1/√fan_in, biases 0.
///
/// Errors: groups of a norm that do not divide the width; `zero_init_residual` without a norm.
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
public struct ResNetConfiguration: ResidualNetworkConfiguration {
    public static let family = "resnet"

    /// What carries the input past a block that changes its shape.
    public enum Shortcut: String, CaseIterable, Sendable {
        /// Every second row and column, and zeros for the additional channels, half before and half after; no parameters.
        case a = "A"
        /// A 1×1 convolution with a norm.
        case b = "B"
    }

    /// The first layers: one convolution, and a max-pool behind the large one.
    public enum Stem: String, CaseIterable, Sendable {
        case auto
        case small = "3x3"
        case large = "7x7"
    }

    /// The two series of networks in the paper.
    public enum Kind: String, CaseIterable, Sendable {
        /// 6n + 2 layers, for small images.
        case cifar
        /// 18, 34, 50, 101 or 152 layers.
        case imagenet
    }

    /// How many layers with weights: one of the table's.
    public var depth: Int
    /// Which of the two networks of this depth is meant; nil where the depth alone says it.
    public private(set) var kind: Kind?
    /// The channels of the first stage.
    public var width: Int
    /// What carries the input past a block that changes its shape.
    public var shortcut: Shortcut
    /// The first layers.
    public var stem: Stem
    /// What normalizes features.
    public var norm: NormalizationKind
    /// The activation after the stem, inside a block and at its end.
    public var activation: ActivationKind
    /// Whether the scale of the last norm of each block starts at 0.
    public var zeroInitializesResidual = false
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    public var blockShortcut: Shortcut? { shortcut }
    public var lastScale: Double { zeroInitializesResidual ? 0 : 1 }

    /// `depth` must be one of the table's; one that both series have means that of `Kind.cifar`.
    public init(
        depth: Int, width: Int? = nil, shortcut: Shortcut? = nil, stem: Stem? = nil, norm: NormalizationKind = .batch,
        activation: ActivationKind = .relu
    ) {
        let layout = ResidualLayout(depth: depth)!
        self.depth = depth
        kind = layout.isAmbiguous ? .cifar : nil
        self.width = width ?? layout.defaultWidth
        self.shortcut = shortcut ?? layout.defaultShortcut
        self.stem = stem ?? layout.defaultStem
        self.norm = norm
        self.activation = activation
    }

    /// A stand-in for the depth.
    public init() { self.init(depth: 20) }

    public static let documentation = "A residual network of basic blocks."
    public static let paper: String? = "He, Zhang, Ren and Sun, CVPR 2016"
    public static let options: [Key<ResNetConfiguration>] =
        [
            Key("kind", \.kind, .choice, decidesDefaults: true, use: .clarity,
                "Which of the paper's two networks is meant, where both have this depth."),
            .required("depth", \.depth, .residualDepth { Kind.complaint(about: $0, $1, Kind(of: $2)) }, missing: missingCount, depthText),
        ] + commonOptions + [
            Key("shortcut", \.shortcut, .choice, "What carries the input past a block that changes its shape."),
            Key("zero_init_residual", \.zeroInitializesResidual, .flag, paper: "Goyal et al., 2017 (arXiv:1706.02677)",
                "Whether the scale of the last norm of each block starts at 0."),
        ]

    public mutating func setDependentDefaults() { self = ResNetConfiguration(depth: depth) }

    public mutating func check(_ fields: inout FieldReader) {
        checkGroups(fields)
        if zeroInitializesResidual, norm == .none {
            fields.report("found true with the norm none, expected a norm, whose scale can start at 0", at: "zero_init_residual")
        }
    }
}

private let depthText = "How many layers with weights: 18, 34, or 6n + 2 for small images."

extension ResNetConfiguration.Kind {
    /// The kind that is written; nil where it is not given or not understood.
    fileprivate init?(of fields: FieldReader) {
        guard case .scalar(let text, _)? = fields.node["kind"]?.value, let kind = Self(rawValue: text) else { return nil }
        self = kind
    }

    /// What is wrong with a depth, whose layout is nil when no model has it, beside this kind.
    fileprivate static func complaint(
        about depth: Int, _ layout: ResidualLayout?, _ kind: Self?
    ) -> (sentence: String, key: String)? {
        let isImageNetDepth = ResidualLayout.isImageNetDepth(depth)
        switch kind {
        case .imagenet where !isImageNetDepth:
            return ("found imagenet with depth \(depth), expected depth 18 or 34", "kind")
        case .imagenet where layout?.isForSmallImages != false:
            return (
                "ImageNet's ResNet-\(depth) is built of bottleneck blocks and is not among the models; ResNet-18 and 34 are", "kind")
        case .cifar where layout?.isForSmallImages == false:
            return ("found cifar with depth \(depth), expected a depth of 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)", "kind")
        case nil where layout?.isAmbiguous == true:
            return (
                "\(depth) layers have one ResNet for CIFAR (6n + 2) and another one for ImageNet; say kind: cifar (imagenet is not among the models)",
                "depth")
        default:
            return nil
        }
    }
}

/// The plain twin of a residual network: the same layers without shortcuts, whose training error grows with depth.
///
/// He et al. compare the two in figures 1, 4 and 6. Everything else is as in `ResNetConfiguration`.
public struct PlainConfiguration: ResidualNetworkConfiguration {
    public static let family = "plain"

    /// How many layers with weights: one of the table's.
    public var depth: Int
    /// The channels of the first stage.
    public var width: Int
    /// The first layers.
    public var stem: ResNetConfiguration.Stem
    /// What normalizes features.
    public var norm: NormalizationKind
    /// The activation after the stem, inside a block and at its end.
    public var activation: ActivationKind
    /// How convolutions' weights start.
    public var initialization: Initialization

    public var blockShortcut: ResNetConfiguration.Shortcut? { nil }
    public var lastScale: Double { 1 }

    /// `depth` must be one of those of `ResNetConfiguration`.
    public init(depth: Int, width: Int? = nil) {
        let twin = ResNetConfiguration(depth: depth, width: width)
        (self.depth, self.width, stem) = (depth, twin.width, twin.stem)
        (norm, activation, initialization) = (twin.norm, twin.activation, twin.initialization)
    }

    /// A stand-in for the depth.
    public init() { self.init(depth: 20) }

    public static let documentation = "The plain twin of a residual network: the same layers without shortcuts."
    public static let paper: String? = "He, Zhang, Ren and Sun, CVPR 2016"
    public static let options: [Key<PlainConfiguration>] =
        [.required("depth", \.depth, .residualDepth { _, _, _ in nil }, missing: missingCount, depthText)] + commonOptions

    public mutating func setDependentDefaults() { self = PlainConfiguration(depth: depth) }

    public mutating func check(_ fields: inout FieldReader) { checkGroups(fields) }
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

    /// The depths of ImageNet's networks, those of bottleneck blocks included, which are not among the models.
    private static let imageNetDepths = [18, 34, 50, 101, 152]

    /// Whether the depth alone does not say which network of the paper is meant.
    var isAmbiguous: Bool { isForSmallImages && Self.imageNetDepths.contains(depth) }

    static func isImageNetDepth(_ depth: Int) -> Bool { imageNetDepths.contains(depth) }

    var stageNames: [String] { ["stem"] + (1...blocks.count).map { "stage\($0)" } }
    var isForSmallImages: Bool { blocks.count == 3 }
    var defaultWidth: Int { isForSmallImages ? 16 : 64 }
    var defaultShortcut: ResNetConfiguration.Shortcut { isForSmallImages ? .a : .b }
    var defaultStem: ResNetConfiguration.Stem { isForSmallImages ? .small : .auto }
}

extension OptionKind where Value == Int {
    /// A depth of which there is a network.
    ///
    /// - Parameter complaint: what is wrong with a depth, whether it has a layout or not, and at which key.
    fileprivate static func residualDepth(
        _ complaint: @escaping @Sendable (Int, ResidualLayout?, FieldReader) -> (sentence: String, key: String)?
    ) -> Self {
        OptionKind(
            "18, 34 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)", schema: .integer(from: 8, to: 2_048),
            read: { fields, key in
                guard let depth = fields.integer(key, in: 1...2_048) else { return nil }
                let layout = ResidualLayout(depth: depth)
                if let complaint = complaint(depth, layout, fields) {
                    fields.report(complaint.sentence, at: complaint.key)
                } else if layout == nil {
                    fields.report("expected 18, 34 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found \(depth)", at: key)
                }
                return layout == nil ? nil : depth
            }, write: { .scalar($0) })
    }
}
