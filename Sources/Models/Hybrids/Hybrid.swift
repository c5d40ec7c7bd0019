import Configuration
import Layers
import TensorCore

/// A convolutional network up to one of its stages, whose features a transformer takes as tokens.
///
///     image → backbone → features [B, h, w, c] → p×p cells a token → transformer → head
///
/// With `tokens: {stages: [stage2, stage3]}` the features of several stages become tokens, which stand one stage behind the other and attend to all
/// others. Each stage has a projection and positions of its own, and a trained vector that tells it from the others:
///
///     token = W_stage · cells + b_stage + position + level_stage
///
/// Parameters: the network's own names under `backbone.` (timm's are `patch_embed.backbone.`, which files of weights may have), then timm's:
/// `patch_embed.proj [D, c, p, p]`, `cls_token`, `pos_embed`, `blocks.i.…`, `norm`, `head`; with several stages `patch_embed.STAGE.proj`, `.pos_embed`,
/// `.level_embed [1, 1, D]` in place of `patch_embed.proj` and `pos_embed`. Initialization as in the two parents, of level vectors as of positions.
///
/// After the hybrid of Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021,
/// section 3.1, whose backbone is one certain ResNet. Several stages after Zhu, Su, Lu, Li, Wang and Dai, "Deformable DETR: Deformable Transformers for
/// End-to-End Object Detection", ICLR 2021, section 4.1, whose encoder takes the maps of several stages with a level embedding each; attention here is over
/// all tokens, and no group norm follows the projections.
public struct HybridConfiguration: ModelConfiguration {
    public static let family = "hybrid"
    /// The keys that make a model's map a hybrid.
    static let keys = options.map(\.name)
    static let backboneKey = "backbone"

    /// The convolutional network, and where it is cut.
    public var backbone: BackboneDefinition
    /// How its features become tokens.
    public var tokens: HybridTokens
    /// What works on the tokens.
    public var transformer: TransformerConfiguration
    /// What comes behind the transformer.
    public var head: Head

    /// What is behind the transformer.
    public struct Head: Configurable {
        /// How the tokens become one vector.
        public var pool = TokenPooling.class
        /// Whether a second token with a head of its own stands beside the class token.
        public var hasDistillationToken = false

        /// On the class token.
        public init() {}

        public static let options: [Key<Head>] = [
            poolingOption(\.pool),
            Key("distillation", \.hasDistillationToken, .flag, writesDefault: false, paper: "Touvron et al., ICML 2021",
                "Whether a second token with a head of its own stands beside the class token; the logits are the mean of both heads'."),
        ]

        public mutating func check(_ fields: inout FieldReader) {
            if hasDistillationToken, pool != .class { fields.report("goes with pool: class", at: "distillation") }
        }
    }

    /// A hybrid of a network cut after a stage and a transformer; `patch` is the side of a square of cells that makes one token.
    public init(backbone: BackboneDefinition, patch: Int = 1, transformer: TransformerConfiguration, pool: TokenPooling = .class) {
        self.backbone = backbone
        tokens = HybridTokens()
        tokens.patch = patch
        self.transformer = transformer
        head = Head()
        head.pool = pool
    }

    /// Stand-ins for what has to be given.
    public init() {
        self.init(backbone: BackboneDefinition(ResNetConfiguration(depth: 8), cutAfter: "stem"), transformer: TransformerConfiguration())
    }

    public static let documentation = "A convolutional network up to one of its stages, whose features a transformer takes as tokens."
    public static let paper: String? = "Dosovitskiy et al., ICLR 2021, section 3.1"
    /// The transformer's: the backbone's is only the width of what goes into it.
    public static var widthPath: [String]? { ["transformer", "width"] }

    public static let options: [Key<HybridConfiguration>] = [
        .required(backboneKey, \.backbone, .backbone, missing: "missing; expected a convolutional network and the stage after which it is cut",
            "The convolutional network, and where it is cut."),
        Key("tokens", \.tokens, .map, "How features become tokens."),
        .required("transformer", \.transformer, .transformer, missing: "missing; expected width, depth and heads", "The transformer behind it."),
        Key("head", \.head, .map, "What is behind the transformer."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        let isKnown = !fields.errors.hasAny(under: fields.path(of: Self.backboneKey))
        if isKnown, let place = fields.fields("tokens") { tokens.check(cutAfter: backbone, at: place) }
        let ofOneGrid: [PositionEmbedding.Kind] = [.rotary, .relative]
        if tokens.hasSeveralStages, ofOneGrid.contains(transformer.position), let place = fields.fields("transformer") {
            let others = PositionEmbedding.Kind.allCases.filter { !ofOneGrid.contains($0) }.map(\.rawValue).joined(separator: ", ")
            place.report("\(transformer.position.rawValue) positions are those of one grid, but tokens come from several stages; expected one of \(others)", at: "position")
        }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        var fields = fields
        backbone.validate(input: input, at: fields)
        if tokens.isPadded { return }
        let place = fields.fields("tokens") ?? fields
        for (stage, patch, key) in tokens.parts(of: backbone) {
            guard let features = backbone.network.featureShape(input: input, after: stage) else { return }
            reportPatch(patch, dividing: (features[1], features[2]), of: "the feature map after \(stage)", hasPadding: true, key: key, at: place)
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { Hybrid(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        DistillationHead.make(inputs: inputs, outputs: outputs, isDistilled: head.hasDistillationToken, initialization: transformer.initialization, in: scope)
    }
}

/// The backbone, the features of one or several of its stages as tokens, and the transformer on them; stages are the backbone's, then the transformer's,
/// as `transformer.block1`, … where the backbone has stages of the same names.
private struct Hybrid: ImageEncoder {
    private let backbone: any Backbone
    private let levels: [HybridLevel]
    private let transformer: TransformerEncoder
    private let pool: TokenPool
    private let hasDistillationToken: Bool
    private let scope: Scope

    init(_ configuration: HybridConfiguration, input: ImageShape, in scope: Scope) {
        let definition = configuration.backbone, head = configuration.head, hasSeveralLevels = configuration.tokens.hasSeveralStages
        var settings = configuration.transformer
        self.scope = scope
        backbone = definition.network.makeBackbone(input: input, through: definition.cutAfter, in: scope["backbone"])
        levels = configuration.tokens.parts(of: definition).map { stage, patch, _ in
            // Where images are too small for the backbone, recording it fails and says so.
            let features = definition.network.featureShape(input: input, after: stage) ?? [1, 1, 1, 1]
            return HybridLevel(
                stage, features: features, patch: patch, isPadded: configuration.tokens.isPadded, settings, isOneOfSeveral: hasSeveralLevels,
                in: scope["patch_embed"])
        }
        // Several stages have positions of their own, and their tokens no common grid.
        if hasSeveralLevels { settings.position = .none }
        let grid = hasSeveralLevels ? Size2D(1, levels.reduce(0) { $0 + $1.count }) : levels[0].grid
        transformer = TransformerEncoder(
            settings, rows: grid.height, columns: grid.width, hasClassToken: head.pool == .class, hasDistillationToken: head.hasDistillationToken, in: scope)
        hasDistillationToken = head.hasDistillationToken
        pool = TokenPool(
            head.pool, width: transformer.width, heads: settings.heads, hidden: settings.hidden, prefixTokens: transformer.prefixTokens,
            initialization: settings.initialization, in: scope)
    }

    var width: Int { hasDistillationToken ? 2 * transformer.width : transformer.width }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = backbone(images)
        let parts = levels.map { $0(stages.required($0.stage, in: scope)) }
        let tokens = parts.count == 1 ? parts[0] : scope["patch_embed"].record { Tensor.concatenated(parts, axis: 1) }
        let blocks = transformer(tokens), areNamesTaken = blocks.names.contains { stages[$0] != nil }
        for entry in (areNamesTaken ? blocks.named(under: "transformer") : blocks).entries { stages.add(entry.name, entry.tensor) }
        return stages
    }

    /// Of tokens of several stages the last one's.
    func featureMap(_ features: Tensor) -> Tensor? {
        if let map = backbone.featureMap(features) { return map }
        guard levels.count > 1, let row = transformer.featureMap(features), row.isValid, let last = levels.last else { return transformer.featureMap(features) }
        return scope["map"].record {
            row.sliced(axis: 2, row.shape[2] - last.count..<row.shape[2]).reshaped([row.shape[0], last.grid.height, last.grid.width, row.shape[3]])
        }
    }

    func pooled(_ features: Tensor) -> Tensor {
        hasDistillationToken ? DistillationHead.input(features, in: scope["pool"]) : pool(features)
    }
}
