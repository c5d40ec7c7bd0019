import Configuration
import Layers
import TensorCore

/// What residual networks and their plain twins have in common.
public protocol ResidualNetworkConfiguration: BackboneConfiguration {
    /// Its blocks.
    var layout: ResidualLayout { get }
    /// The channels of the first stage; of bottlenecks, those between the convolutions.
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
    /// What blocks have beside convolutions and norms.
    var blockOptions: ResidualBlockOptions { get }
    /// Attention between the stages.
    var attention: StageAttention { get set }
}

extension ResidualNetworkConfiguration {
    public func reportUnused(endingAfter stage: String, at fields: FieldReader) {
        attention.report(endingAfter: stage, of: stageNames, fields)
        guard let end = stageNames.firstIndex(of: stage) else { return }
        for dilated in blockOptions.dilatedStages where stageNames[(end + 1)...].contains(dilated) {
            fields.report("\(dilated) lies behind \(stage), after which the network is cut", at: "dilated_stages")
        }
    }
}

/// What blocks of a residual network may have beside convolutions and norms.
public struct ResidualBlockOptions: Equatable, Sendable {
    /// Into how many groups the 3×3 convolution of a bottleneck is split.
    public var groups = 1
    /// The channels of each of them in the first stage of a network that is 64 wide.
    public var widthPerGroup = 64
    /// Which convolution of a bottleneck steps.
    public var strideIn = ResNetConfiguration.StrideIn.second
    /// By how much squeeze and excitation narrows the channels; nil: there is none.
    public var reduction: Int?
    /// The stages that spread their windows where others halve their maps.
    public var dilatedStages: [String] = []

    /// Plain blocks.
    public init() {}
}

extension ResidualNetworkConfiguration {
    public var stageNames: [String] { layout.stageNames }

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
        ] + attentionOptions
    }

    /// Reports groups that do not divide the channels of the first stage; the others have multiples of them.
    fileprivate func checkGroups(_ fields: FieldReader) {
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first stage", at: "norm")
        }
        attention.check(stages: stageNames, fields)
    }
}

/// Residual networks of basic blocks or bottlenecks.
///
///     block:       y = f(N(conv3×3(f(N(conv3×3(x))))) + shortcut(x)),   N batch norm and f ReLU unless `norm` and `activation` say otherwise
///     bottleneck:  y = f(N(conv1×1(f(N(conv3×3(f(N(conv1×1(x)))))))) + shortcut(x)),   the last convolution 4 times as wide as the first
///
/// | depth | stages and their blocks | default width, shortcut, stem |
/// | --- | --- | --- |
/// | 6n + 2 (20, 32, 44, 56, 110) | 3 stages of n blocks | 16, A, 3×3: section 4.2 of the paper, for CIFAR-10 |
/// | 18 | 2, 2, 2, 2 | 64, B, by the image size: section 4.1, for ImageNet |
/// | 34 | 3, 4, 6, 3 | 64, B, by the image size |
/// | 50 | 3, 4, 6, 3 bottlenecks | 64, B, by the image size |
/// | 101 | 3, 4, 23, 3 bottlenecks | 64, B, by the image size |
/// | 152 | 3, 8, 36, 3 bottlenecks | 64, B, by the image size |
/// | 26, with `kind: imagenet` | 2, 2, 2, 2 bottlenecks, as in timm | 64, B, by the image size |
///
/// Depths 50 and 152 are also 6n + 2: a definition has to say `kind: imagenet` or `kind: cifar` with them.
///
/// A bottleneck's 3×3 convolution may be split into `groups` of `width_per_group` · 2^stage channels (ResNeXt, Wide ResNet-50-2). It is the one that
/// steps, as in torchvision; the paper's first one with `stride_in: 1x1`. Squeeze and excitation multiplies what a block adds, channel by channel,
/// by σ(W₂ f(W₁ mean(y))) with C / `reduction` values inside, rounded to multiples of 8 as in timm.
///
/// A stage among `dilated_stages` keeps the resolution of the one before it; from its second block on, 3×3 windows have twice the dilation they had before, so that
/// they see as much of the image as without it (torchvision's `replace_stride_with_dilation`, for basic blocks too).
///
/// The width doubles and the resolution halves with each stage after the first. The stem is a 3×3 convolution, or a 7×7 convolution
/// with stride 2 and a 3×3 max-pool with stride 2; `auto` takes the first for images of up to 64 pixels. Global average pooling and
/// one linear layer follow the last stage. Stages: `stem`, `stage1`, … .
///
/// Parameters as in torchvision: `conv1`, `bn1`, `layer1.0.conv1`, …, `layer2.0.downsample.0` and `.1`, `fc`; a norm of another kind has
/// batch norm's names, and without a norm the convolutions have biases; squeeze and excitation has timm's `se.fc1`, `se.fc2`. Initialization: He normal by the outputs for convolutions, for ReLU
/// whatever the activation is, norm scales 1 (the last of each block 0 with `zero_init_residual`, as in timm), `fc` uniform within
/// ±1/√fan_in, biases 0.
///
/// Errors: groups of a norm that do not divide the width; `zero_init_residual` without a norm.
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
/// Xie, Girshick, Dollár, Tu and He, "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017 (groups).
/// Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016 (widths).
/// Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
/// Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017 (dilated stages).
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
        /// 18, 34, 50, 101 or 152 layers; 26 in timm.
        case imagenet
    }

    /// Which convolution of a bottleneck steps.
    public enum StrideIn: String, CaseIterable, Sendable {
        /// The first, as in the paper.
        case first = "1x1"
        /// The second, as in torchvision and timm.
        case second = "3x3"
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

    /// What blocks have beside convolutions and norms.
    public var blockOptions = ResidualBlockOptions()
    /// Attention between the stages.
    public var attention = StageAttention()

    public var blockShortcut: Shortcut? { shortcut }
    public var lastScale: Double { zeroInitializesResidual ? 0 : 1 }
    public var layout: ResidualLayout { ResidualLayout(depth: depth, kind: kind)! }

    /// `depth` must be one of the table's; one that both series have means that of `Kind.cifar` unless `kind` says otherwise.
    public init(
        depth: Int, kind: Kind? = nil, width: Int? = nil, shortcut: Shortcut? = nil, stem: Stem? = nil, norm: NormalizationKind = .batch,
        activation: ActivationKind = .relu
    ) {
        let layout = ResidualLayout(depth: depth, kind: kind)!
        self.depth = depth
        self.kind = layout.neededKind
        self.width = width ?? layout.defaultWidth
        self.shortcut = shortcut ?? layout.defaultShortcut
        self.stem = stem ?? layout.defaultStem
        self.norm = norm
        self.activation = activation
    }

    /// A stand-in for the depth.
    public init() { self.init(depth: 20) }

    public static let documentation = "A residual network of basic blocks or bottlenecks."
    public static let paper: String? = "He, Zhang, Ren and Sun, CVPR 2016"
    public static let weightNames: [WeightNames] = [.timm, .torchvision]
    public static let options: [Key<ResNetConfiguration>] =
        [
            Key("kind", \.kind, .choice, decidesDefaults: true, use: .clarity,
                "Which of the paper's two networks is meant, where both have this depth."),
            .required("depth", \.depth, .residualDepth { Kind.complaint(about: $0, $1, Kind(of: $2)) }, missing: missingCount, depthText),
        ] + commonOptions + [
            Key("shortcut", \.shortcut, .choice, "What carries the input past a block that changes its shape."),
            Key("zero_init_residual", \.zeroInitializesResidual, .flag, paper: "Goyal et al., 2017 (arXiv:1706.02677)",
                "Whether the scale of the last norm of each block starts at 0."),
            Key("groups", \.blockOptions.groups, .count, writesDefault: false, paper: "Xie et al., CVPR 2017",
                "Into how many groups the 3×3 convolution of a bottleneck is split."),
            Key("width_per_group", \.blockOptions.widthPerGroup, .count, writesDefault: false,
                "The channels of each group in the first stage of a network that is 64 wide."),
            Key("stride_in", \.blockOptions.strideIn, .choice, writesDefault: false,
                "Which convolution of a bottleneck steps: the paper's first, or the second as in torchvision."),
            Key("reduction", \.blockOptions.reduction, .count, paper: "Hu, Shen and Sun, CVPR 2018",
                "By how much squeeze and excitation narrows the channels, such as 16, to a multiple of 8 as in timm; absent: there is none."),
            Key("dilated_stages", \.blockOptions.dilatedStages, .list(of: .text), writesDefault: false, paper: "Chen et al., 2017 (arXiv:1706.05587)",
                "The stages that spread the windows of their 3×3 convolutions where they would halve their maps, such as [stage3, stage4] for segmentation."),
        ]

    public mutating func setDependentDefaults() {
        // A depth that was refused has its stand-in here, which need not go with the kind.
        self = ResNetConfiguration(depth: depth, kind: ResidualLayout(depth: depth, kind: kind) == nil ? nil : kind)
    }

    /// More would fit no memory, and their products no integer.
    private static let widestBottleneck = 1 << 20

    /// ImageNet's networks that have the depths of CIFAR's came later, and are told apart by their kind.
    public var identity: ConfigurationNode {
        guard layout.isBottleneck, ResidualLayout(depth: depth, kind: .cifar) != nil else { return difference }
        return .map((difference.entries ?? []).map { ($0.key, $0.node) } + [("kind", .text(Kind.imagenet.rawValue))])
    }

    public mutating func check(_ fields: inout FieldReader) {
        checkGroups(fields)
        if zeroInitializesResidual, norm == .none {
            fields.report("found true with the norm none, expected a norm, whose scale can start at 0", at: "zero_init_residual")
        }
        for (key, isUsual) in [
            ("groups", blockOptions.groups == 1), ("width_per_group", blockOptions.widthPerGroup == 64), ("stride_in", blockOptions.strideIn == .second),
        ] where !isUsual && !layout.isBottleneck {
            fields.report("found with basic blocks, expected it with the bottlenecks of 50, 101 or 152 layers alone", at: key)
        }
        for (index, stage) in blockOptions.dilatedStages.enumerated() {
            let halving = Array(stageNames.dropFirst(2))
            if !halving.contains(stage) {
                fields.report("found '\(stage.shortened())', expected stages that halve their maps: \(halving.joined(separator: ", "))", at: "dilated_stages")
            } else if blockOptions.dilatedStages[..<index].contains(stage) {
                fields.report("found \(stage) twice", at: "dilated_stages")
            }
        }
        if layout.isBottleneck, shortcut == .a { fields.report("found A with bottlenecks, expected B", at: "shortcut") }
        if case .group(let groups) = norm, layout.isBottleneck, layout.innerWidth(width, stage: 0, blockOptions) % groups != 0 {
            fields.report("\(groups) groups do not divide the \(layout.innerWidth(width, stage: 0, blockOptions)) channels inside a bottleneck", at: "norm")
        }
        let widest = layout.innerWidth(width, stage: layout.blocks.count - 1, blockOptions)
        if layout.isBottleneck, widest > Self.widestBottleneck {
            fields.report("found \(grouped(widest)) channels inside the last bottlenecks, expected at most \(grouped(Self.widestBottleneck))", at: "groups")
        }
        if width * blockOptions.widthPerGroup < 64 {
            fields.report("expected at least one channel inside a group, found width \(width) times \(blockOptions.widthPerGroup) / 64", at: "width_per_group")
        }
    }
}

private let depthText = "How many layers with weights: 18, 34, 50, 101, 152, or 6n + 2 for small images."

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
        switch kind {
        case .imagenet where layout == nil:
            return ("found imagenet with depth \(depth), expected depth 18, 26, 34, 50, 101 or 152", "kind")
        case .cifar where layout == nil:
            return ("found cifar with depth \(depth), expected a depth of 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)", "kind")
        case nil where layout?.isAmbiguous == true:
            return (
                "\(depth) layers have one ResNet for CIFAR (6n + 2) and another one for ImageNet; say kind: cifar or kind: imagenet", "depth")
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
    /// Attention between the stages.
    public var attention = StageAttention()

    public var blockShortcut: ResNetConfiguration.Shortcut? { nil }
    public var lastScale: Double { 1 }
    public var blockOptions: ResidualBlockOptions { ResidualBlockOptions() }
    public var layout: ResidualLayout { ResidualLayout(depth: depth)! }

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
        [.required("depth", \.depth, .residualDepth { depth, layout, _ in
            layout?.isBottleneck == true ? ("there is no plain network of \(depth) layers, expected 18, 34 or 6n + 2 (8, 14, 20, …)", "depth") : nil
        }, missing: missingCount, "How many layers with weights: 18, 34, or 6n + 2 for small images.")] + commonOptions

    public mutating func setDependentDefaults() { self = PlainConfiguration(depth: depth) }

    public mutating func check(_ fields: inout FieldReader) { checkGroups(fields) }
}

/// What the depth of a residual network says: its stages and the defaults of its kind.
public struct ResidualLayout: Sendable {
    let depth: Int
    /// The number of blocks of each stage.
    let blocks: [Int]
    /// Whether blocks have three convolutions, and four times as many channels outside as inside.
    let isBottleneck: Bool

    private static let imageNet = [
        18: ([2, 2, 2, 2], false), 26: ([2, 2, 2, 2], true), 34: ([3, 4, 6, 3], false), 50: ([3, 4, 6, 3], true), 101: ([3, 4, 23, 3], true),
        152: ([3, 8, 36, 3], true),
    ]

    /// nil where there is no such network. Where there are two of a depth, CIFAR's is the one of no kind.
    init?(depth: Int, kind: ResNetConfiguration.Kind? = nil) {
        self.depth = depth
        if kind != .imagenet, depth >= 8, depth % 6 == 2 {
            (blocks, isBottleneck) = (Array(repeating: (depth - 2) / 6, count: 3), false)
        } else if kind != .cifar, let (blocks, isBottleneck) = Self.imageNet[depth] {
            (self.blocks, self.isBottleneck) = (blocks, isBottleneck)
        } else {
            return nil
        }
    }

    /// Whether the depth alone does not say which network of the paper is meant.
    var isAmbiguous: Bool { [50, 152].contains(depth) }

    /// The kind that has to be said beside the depth.
    var neededKind: ResNetConfiguration.Kind? { isForSmallImages ? isAmbiguous ? .cifar : nil : depth % 6 == 2 ? .imagenet : nil }

    /// The channels between the convolutions of a block, and behind them.
    func innerWidth(_ width: Int, stage: Int, _ options: ResidualBlockOptions) -> Int {
        isBottleneck ? (width << stage) * options.widthPerGroup / 64 * options.groups : width << stage
    }
    func outerWidth(_ width: Int, stage: Int) -> Int { (width << stage) * (isBottleneck ? 4 : 1) }

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
            "18, 34, 50, 101, 152 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)", schema: .integer(from: 8, to: 2_048),
            read: { fields, key in
                guard let depth = fields.integer(key, in: 1...2_048) else { return nil }
                let layout = ResidualLayout(depth: depth, kind: ResNetConfiguration.Kind(of: fields))
                if let complaint = complaint(depth, layout, fields) {
                    fields.report(complaint.sentence, at: complaint.key)
                } else if layout == nil {
                    fields.report("expected 18, 34, 50, 101, 152 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found \(depth)", at: key)
                }
                return layout == nil || fields.errors.hasAny(under: fields.path(of: key)) ? nil : depth
            }, write: { .scalar($0) })
    }
}
