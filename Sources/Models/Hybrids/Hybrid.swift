import Configuration
import Layers
import TensorCore

/// A convolutional network up to one of its stages, whose features a transformer takes as tokens.
///
///     image → backbone → features [B, h, w, c] → p×p cells a token → transformer → head
///
/// Parameters: the network's own names under `backbone.`, then timm's: `patch_embed.proj [D, c, p, p]`, `cls_token`, `pos_embed`,
/// `blocks.i.…`, `norm`, `head`. Initialization as in the two parents.
///
/// After the hybrid of Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021,
/// section 3.1, whose backbone is one certain ResNet.
public struct HybridConfiguration: ModelConfiguration {
    public static let family = "hybrid"
    /// The keys that make a model's map a hybrid.
    static let keys = options.map(\.name)
    static let backboneKey = "backbone"

    /// The convolutional network, and where it is cut.
    public var backbone: BackboneDefinition
    /// How its features become tokens.
    public var tokens: Tokens
    /// What works on the tokens.
    public var transformer: TransformerConfiguration
    /// What comes behind the transformer.
    public var head: Head

    /// How features become tokens.
    public struct Tokens: Configurable {
        /// The side of a square of feature cells that makes one token.
        public var patch = 1
        /// Whether feature maps that squares do not fill are continued with zeros.
        public var isPadded = false

        /// One cell, one token.
        public init() {}

        public static let options: [Key<Tokens>] = [
            Key("patch", \.patch, .count, "The side of a square of feature cells that makes one token."),
            paddingOption(\.isPadded, "Whether feature maps that squares do not fill are continued with zeros at the bottom and the right."),
        ]
    }

    /// What is behind the transformer.
    public struct Head: Configurable {
        /// How the tokens become one vector.
        public var pool = TokenPooling.class

        /// On the class token.
        public init() {}

        public static let options: [Key<Head>] = [poolingOption(\.pool)]
    }

    /// A hybrid of a network cut after a stage and a transformer; `patch` is the side of a square of cells that makes one token.
    public init(backbone: BackboneDefinition, patch: Int = 1, transformer: TransformerConfiguration, pool: TokenPooling = .class) {
        self.backbone = backbone
        tokens = Tokens()
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
        .required("transformer", \.transformer, .map, missing: "missing; expected width, depth and heads", "The transformer behind it."),
        Key("head", \.head, .map, "What is behind the transformer."),
    ]

    public func validate(input: ImageShape, at fields: FieldReader) {
        var fields = fields
        if let node = fields.node("backbone"),
            let (_, options, path) = FieldReader.variant(of: node, path: fields.path(of: "backbone"), errors: fields.errors)
        {
            backbone.network.validate(input: input, at: FieldReader(options, path: path, errors: fields.errors))
        }
        guard let features = backbone.network.featureShape(input: input, after: backbone.cutAfter) else { return }
        if tokens.isPadded { return }
        let place = fields.fields("tokens") ?? fields
        reportPatch(
            tokens.patch, dividing: (features[1], features[2]), of: "the feature map after \(backbone.cutAfter)", hasPadding: true, at: place)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { Hybrid(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: transformer.initialization, in: scope["head"])
    }
}

/// The backbone, its last features as tokens, and the transformer on them; stages are the backbone's, then the transformer's.
private struct Hybrid: ImageEncoder {
    private let backbone: any Backbone
    private let patchEmbedding: PatchEmbedding
    /// The side of the squares that a feature map is filled with; 1 where it stays as it is.
    private let filling: Int
    private let transformer: TransformerEncoder
    private let pool: TokenPool
    private let scope: Scope

    init(_ configuration: HybridConfiguration, input: ImageShape, in scope: Scope) {
        let definition = configuration.backbone, patch = configuration.tokens.patch, isPadded = configuration.tokens.isPadded
        self.scope = scope
        filling = isPadded ? patch : 1
        backbone = definition.network.makeBackbone(input: input, through: definition.cutAfter, in: scope["backbone"])
        // Where images are too small for the backbone, recording it fails and says so.
        let features = definition.network.featureShape(input: input, after: definition.cutAfter) ?? [1, 1, 1, 1]
        patchEmbedding = PatchEmbedding(
            channels: features[3], patch: patch, width: configuration.transformer.width, in: scope["patch_embed"])
        func patches(_ length: Int) -> Int { (isPadded ? length + patch - 1 : length) / patch }
        transformer = TransformerEncoder(
            configuration.transformer, rows: patches(features[1]), columns: patches(features[2]), hasClassToken: configuration.head.pool == .class, in: scope)
        pool = TokenPool(
            configuration.head.pool, width: transformer.width, heads: configuration.transformer.heads, hidden: configuration.transformer.hidden,
            prefixTokens: transformer.prefixTokens, initialization: configuration.transformer.initialization, in: scope)
    }

    var width: Int { transformer.width }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = backbone(images)
        let cells = scope["patch_embed"].record { stages.last.filled(bySquaresOf: filling) }
        for entry in transformer(patchEmbedding(cells)).entries { stages.add(entry.name, entry.tensor) }
        return stages
    }

    func featureMap(_ features: Tensor) -> Tensor? { backbone.featureMap(features) ?? transformer.featureMap(features) }

    func pooled(_ features: Tensor) -> Tensor { pool(features) }
}
