import Configuration
import Layers
import TensorCore

/// GoogLeNet (Inception v1): modules of four branches, global average pooling, and two auxiliary heads in training.
///
///     module:  x → [conv1×1(x), conv3×3(conv1×1(x)), conv5×5(conv1×1(x)), conv1×1(maxpool3×3(x))]
///
/// | variant | third branch | behind convolutions | stem | last pool |
/// | --- | --- | --- | --- | --- |
/// | `torchvision` | 3×3 instead of 5×5 | batch norm (ε = 0.001), ReLU | no local response norm | 2×2 |
/// | `original` | 5×5 | bias, ReLU | local response norm before and behind its last two convolutions | 3×3 |
///
/// The stem is a 7×7 convolution of stride 2, a max-pool, a 1×1 and a 3×3 convolution; nine modules follow, with max-pools of stride 2 before 3a, 4a
/// and 5a. With `small_images` the first convolution does not step and the first pool is left out. Stages: `stem`, then `inception3a`, …,
/// `inception5b`, one for each module with the pool before it.
///
/// `auxiliary: true` adds heads on 4a and 4d, outputs `aux1` and `aux2`: average pooling to 4×4 (`original`: of 5×5 with stride 3), a 1×1 convolution
/// to 128 channels, a linear layer to 1024, ReLU, dropout of 0.7 and a linear layer. Each loss weighs 0.3.
///
/// Parameters as in torchvision: `conv1`, `conv2`, `conv3`, `inception3a.branch1`, `.branch2.0`, …, each with `conv` and `bn`, `aux1.conv`,
/// `aux1.fc1`, `aux1.fc2`, `fc`; the original has no `bn`. Initialization: torchvision's, truncated normal with σ = 0.01; for the original, of which
/// the paper does not say it, LeCun uniform as in the Caffe model of the same year. Biases start at 0 (there at 0.2).
///
/// Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich, "Going Deeper with Convolutions", CVPR 2015 (arXiv:1409.4842).
public struct GoogLeNetConfiguration: BackboneConfiguration {
    public static let family = "googlenet"

    /// Whose listing.
    public enum Variant: String, CaseIterable, Sendable { case torchvision, original }

    /// Whose listing.
    public var variant: Variant
    /// Whether there are auxiliary heads.
    public var hasAuxiliaryHeads: Bool
    /// The factor of all channels.
    public var widthMultiplier = 1.0
    /// Whether the stem halves the resolution once instead of three times.
    public var isForSmallImages = false
    /// The share of the pooled features that are dropped in training.
    public var dropout: Double
    /// The share of hidden values of the auxiliary heads that are dropped in training.
    public var auxiliaryDropout = 0.7
    /// How weights start.
    public var initialization: Initialization

    /// One of the variants.
    public init(_ variant: Variant, auxiliary: Bool = false) {
        (self.variant, hasAuxiliaryHeads) = (variant, auxiliary)
        dropout = variant == .torchvision ? 0.2 : 0.4
        initialization = variant == .torchvision ? .truncatedNormal(deviation: 0.01, bound: 2) : .leCun(distribution: .uniform)
    }

    /// torchvision's.
    public init() { self.init(.torchvision) }

    public static let documentation = "Inception modules of four branches, and auxiliary heads in training."
    public static let paper: String? = "Szegedy et al., CVPR 2015"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<GoogLeNetConfiguration>] = [
        Key("variant", \.variant, .choice, decidesDefaults: true, "Whose listing: torchvision's with batch norm, or the paper's."),
        Key("auxiliary", \.hasAuxiliaryHeads, .flag, "Whether two auxiliary heads are trained beside the main one, each with 0.3 of its loss."),
        widthMultiplierOption(\.widthMultiplier),
        Key("small_images", \.isForSmallImages, .flag, "Whether the first convolution and the first pool keep the resolution."),
        Key("dropout", \.dropout, .rate, "The share of the pooled features that are dropped in training."),
        Key("auxiliary_dropout", \.auxiliaryDropout, .rate, writesDefault: false, "The share of hidden values of the auxiliary heads that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = GoogLeNetConfiguration(variant) }

    /// The channels of each module's branches: 1×1; 3×3 and what is before it; 5×5 and what is before it; behind the pool.
    private static let modules: [(name: String, one: Int, three: (Int, Int), five: (Int, Int), pool: Int)] = [
        ("inception3a", 64, (96, 128), (16, 32), 32), ("inception3b", 128, (128, 192), (32, 96), 64), ("inception4a", 192, (96, 208), (16, 48), 64),
        ("inception4b", 160, (112, 224), (24, 64), 64), ("inception4c", 128, (128, 256), (24, 64), 64), ("inception4d", 112, (144, 288), (32, 64), 64),
        ("inception4e", 256, (160, 320), (32, 128), 128), ("inception5a", 256, (160, 320), (32, 128), 128), ("inception5b", 384, (192, 384), (48, 128), 128),
    ]

    public var stageNames: [String] { ["stem"] + Self.modules.map(\.name) }

    private var style: InceptionModule.Style {
        InceptionModule.Style(norm: variant == .torchvision ? .batch : .none, widthMultiplier: widthMultiplier, initialization: initialization)
    }

    public func reportUnused(endingAfter stage: String, at fields: FieldReader) {
        if hasAuxiliaryHeads { fields.report("a network that is cut has no auxiliary heads", at: "auxiliary") }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), channels = input.channels
        func add(_ step: InceptionModule.Step) {
            backbone.add(style.convolution(channels, step, in: scope))
            channels = style.channels(step.outputs)
        }
        func pool(_ number: Int, window: Size2D = 3) {
            backbone.add(Pooling(.maximum, window: window, stride: 2, padding: .roundingUp(0), in: scope["maxpool\(number)"]))
        }
        func normalize(_ number: Int) {
            if variant == .original { backbone.add(LocalResponseNorm(size: 5, alpha: 1e-4, beta: 0.75, k: 1, in: scope["norm\(number)"])) }
        }
        add(.init("conv1", 64, 7, stride: isForSmallImages ? 1 : 2, padding: .symmetric(3)))
        if !isForSmallImages { pool(1) }
        normalize(1)
        add(.init("conv2", 64, 1))
        add(.init("conv3", 192, 3))
        normalize(2)
        backbone.endStage("stem")
        for (index, module) in Self.modules.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            if let number = [0: 2, 2: 3, 7: 4][index] { pool(number, window: number == 4 && variant == .torchvision ? 2 : 3) }
            var branches = InceptionModule(channels, style, in: scope[module.name])
            branches.add(nil, .init("branch1", module.one, 1))
            branches.add(nil, .init("branch2.0", module.three.0, 1), .init("branch2.1", module.three.1, 3))
            branches.add(nil, .init("branch3.0", module.five.0, 1), .init("branch3.1", module.five.1, variant == .torchvision ? 3 : 5))
            branches.add(branches.maximum(stride: 1), .init("branch4.1", module.pool, 1))
            backbone.add(branches.layer)
            channels = branches.outputs
            backbone.endStage(module.name)
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { encoder(input: input, in: scope) }

    private func encoder(input: ImageShape, in scope: Scope) -> ConvolutionalEncoder {
        ConvolutionalEncoder(self, input: input, dropout: Dropout(rate: dropout, in: scope["dropout"]), in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc"])
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let encoder = encoder(input: input, in: scope)
        let model = EncodedModel(encoder, head: makeHead(inputs: encoder.width, outputs: classes, in: scope))
        guard hasAuxiliaryHeads else { return model }
        return AuxiliaryModel(model, heads: [("aux1", "inception4a"), ("aux2", "inception4d")].map { name, stage in
            // Where images are too small, recording the backbone fails and says so.
            let features = featureShape(input: input, after: stage) ?? [1, 1, 1, 1]
            return AuxiliaryModel.Head(name: name, stage: stage, weight: 0.3, layer: AuxiliaryHead(features, classes, variant, style, dropout: auxiliaryDropout, in: scope[name]))
        })
    }
}

/// Pooling to few places, a 1×1 convolution, and two linear layers.
private struct AuxiliaryHead: Layer {
    private let pool: any Layer
    private let convolution: ConvolutionLayer
    private let first: Linear
    private let second: Linear
    private let dropout: Dropout
    private let scope: Scope

    init(
        _ features: Shape, _ classes: Int, _ variant: GoogLeNetConfiguration.Variant, _ style: InceptionModule.Style, dropout rate: Double, in scope: Scope
    ) {
        let hidden = style.channels(1024), initialization = style.initialization
        /// How many windows there are along an axis.
        func count(_ length: Int) -> Int { variant == .torchvision ? 4 : max(length - 5, 0) / 3 + 1 }
        pool = variant == .torchvision
            ? AdaptiveAveragePooling(4, in: scope["pool"]) : Pooling(.average, window: 5, stride: 3, in: scope["pool"])
        convolution = style.convolution(features[3], .init("conv", 128, 1), in: scope)
        first = Linear(style.channels(128) * count(features[1]) * count(features[2]), hidden, initialization: initialization, in: scope["fc1"])
        second = Linear(hidden, classes, initialization: initialization, in: scope["fc2"])
        dropout = Dropout(rate: rate, in: scope["dropout"])
        self.scope = scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let maps = convolution(pool(x)), sums = first(scope.record { maps.flattenedChannelsFirst() })
        return second(dropout(scope["fc1"].record { sums.relu() }))
    }
}
