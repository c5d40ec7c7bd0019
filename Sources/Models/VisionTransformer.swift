import Configuration
import Layers
import TensorCore

/// The vision transformer, of any size.
///
///     image → p×p patches → linear map → [class token] + positions → pre-norm transformer blocks → norm → head
///
/// | name | width | depth | heads |
/// | --- | --- | --- | --- |
/// | ViT-Ti | 192 | 12 | 3 |
/// | ViT-S | 384 | 12 | 6 |
/// | ViT-B | 768 | 12 | 12 |
/// | ViT-L | 1024 | 24 | 16 |
///
/// `stem: convolutions` puts a `ConvolutionalStem` in place of the linear map, for the same number of tokens. In Xiao et al. it replaces
/// one transformer block, which keeps the multiply-adds equal; here the depth is what the definition says.
///
/// `stem: shifted_patch` lets each patch see half of its neighbours too (`ShiftedPatchTokenization`); with `local_attention` this is Lee et al.'s ViT for small
/// data sets.
///
/// With `dimensions: 1` patches are p places of a sequence, an image of height 1; with `dimensions: 3` cubes of p × p × p voxels, the depth being an image's
/// channels. Both have a linear map, and weights `[D, C, p]` and `[D, 1, p, p, p]`.
///
/// With `pad: true` images that patches do not fill are continued with zeros at the bottom and the right.
///
/// With `distillation: true` a second token stands beside the class token and has a head of its own; the logits are the mean of both (DeiT).
///
/// Parameters as in timm: `patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.i.{norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2}`,
/// `norm`, `head`, with distillation also `dist_token` and `head_dist`; of a convolutional stem also `patch_embed.stem.i.{conv, bn}`, of shifted patches `patch_embed.norm`. Layer norms have ε = 10⁻⁶, GELU is exact. With
/// `pool: mean` there is no class token, and the mean is taken over normalized tokens.
/// Initialization: truncated normal with σ = 0.02 for linear layers, head and positions; LeCun normal for the patches, He normal for a
/// stem's convolutions; biases 0.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021; the sizes Ti and S are
/// from Touvron et al., "Training Data-Efficient Image Transformers", ICML 2021, the stems from Xiao et al., "Early Convolutions Help
/// Transformers See Better", NeurIPS 2021, and Lee, Lee and Song, "Vision Transformer for Small-Size Datasets", 2021 (arXiv:2112.13492).
public struct VisionTransformerConfiguration: ModelConfiguration {
    public static let family = "vit"

    /// What makes tokens of an image.
    public enum Stem: String, CaseIterable, Sendable {
        case patchify, convolutions
        case shiftedPatch = "shifted_patch"
    }

    /// The side of a square of pixels that makes one token.
    public var patch: Int
    /// What makes tokens of an image.
    public var stem: Stem
    /// Whether images that patches do not fill are continued with zeros.
    public var isPadded = false
    /// Along how many axes patches extend.
    public var dimensions = 2
    /// What works on the tokens.
    public var transformer: TransformerConfiguration
    /// How the tokens become one vector for the head.
    public var pool: TokenPooling
    /// Whether a second token with a head of its own stands beside the class token.
    public var hasDistillationToken = false

    /// A transformer on patches of an image.
    public init(patch: Int, stem: Stem = .patchify, _ transformer: TransformerConfiguration, pool: TokenPooling = .class) {
        self.patch = patch
        self.stem = stem
        self.transformer = transformer
        self.pool = pool
    }

    /// Stand-ins for what has to be given.
    public init() { self.init(patch: 1, TransformerConfiguration()) }

    public static let documentation = "The vision transformer, of any size."
    public static let paper: String? = "Dosovitskiy et al., ICLR 2021"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<VisionTransformerConfiguration>] =
        [
            .required("patch", \.patch, .count, missing: missingCount, "The side of a square of pixels that makes one token."),
            Key("stem", \.stem, .choice, paper: "Xiao et al., NeurIPS 2021; Lee et al., 2021 (arXiv:2112.13492)",
                "What makes tokens of an image: a linear map of each patch, convolutions that overlap, or a linear map of each patch and of the image moved by half a patch four ways (shifted_patch)."),
            paddingOption(\.isPadded, "Whether images that patches do not fill are continued with zeros at the bottom and the right, as timm's dynamic_img_pad does."),
            Key("dimensions", \.dimensions, .integer(in: 1...3), writesDefault: false,
                "Along how many axes patches extend: 2 in images, 1 in sequences, which are images of height 1, 3 in voxels, whose depth is an image's channels."),
        ] + TransformerConfiguration.options.map { $0.beside(\.transformer) } + [
            poolingOption(\.pool),
            Key("distillation", \.hasDistillationToken, .flag, paper: "Touvron et al., ICML 2021", "Whether a second token with a head of its own stands beside the class token; the logits are the mean of both heads'."),
        ]

    public mutating func check(_ fields: inout FieldReader) {
        transformer.check(&fields)
        if hasDistillationToken, pool != .class { fields.report("goes with pool: class", at: "distillation") }
        if dimensions != 2 {
            if stem != .patchify { fields.report("goes with stem: patchify; patches of \(dimensions) dimensions have a linear map", at: "dimensions") }
            if isPadded { fields.report("goes with patches of images, of two dimensions", at: "pad") }
        }
        if dimensions == 3, ![.learned, .none].contains(transformer.position) {
            fields.report("patches of 3 dimensions have learned positions or none, found \(transformer.position.rawValue)", at: "position")
        }
        let isKnown = ["patch", "width"].allSatisfy { !fields.errors.hasAny(under: fields.path(of: $0)) }
        if isKnown, stem == .convolutions, let misfit = ConvolutionalStem.misfit(patch: patch, width: transformer.width) {
            fields.report(misfit, at: "stem")
        }
        if isKnown, stem == .shiftedPatch, patch < 2 {
            fields.report("patches move by half of their side, which takes a patch of at least 2, found \(patch)", at: "stem")
        }
    }

    public var layerOrder: LayerOrder {
        let stem = ["patch_embed", "cls_token", "dist_token", "reg_token", "pos_embed", "pos_embed_rows", "pos_embed_columns"]
        return LayerOrder([stem, ["blocks.#"], ["norm+"]])
    }

    public func validate(input: ImageShape, at fields: FieldReader) { validate(input: input, hasPadding: true, at: fields) }

    /// - Parameter hasPadding: whether there is a key `pad`, which a model made of this one may lack.
    func validate(input: ImageShape, hasPadding: Bool, at fields: FieldReader) {
        if isPadded { return }
        if dimensions == 1, input.height != 1 {
            fields.report("patches of one dimension are those of sequences, images of height 1; found images of \(input)", at: "dimensions")
            return
        }
        if dimensions == 3, [input.height, input.width, input.channels].contains(where: { $0 % patch != 0 }) {
            fields.report("a patch of \(patch) does not divide the voxels of \(input.channels)×\(input.height)×\(input.width)", at: "patch")
            return
        }
        reportPatch(
            patch, dividing: (dimensions == 1 ? patch : input.height, input.width), of: "the image", onlyPowersOfTwo: stem == .convolutions, hasPadding: hasPadding, at: fields)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        VisionTransformer(self, input: input, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        DistillationHead.make(inputs: inputs, outputs: outputs, isDistilled: hasDistillationToken, initialization: transformer.initialization, in: scope)
    }
}

/// The key `pool`.
func poolingOption<Root>(_ property: WritableKeyPath<Root, TokenPooling> & Sendable) -> Key<Root> {
    Key("pool", property, .choice, paper: "attention: Zhai et al., CVPR 2022; sequence: Hassani et al., 2021 (arXiv:2104.05704)",
        "How the tokens become one vector for the head.")
}

/// The key `pad`.
func paddingOption<Root>(_ property: WritableKeyPath<Root, Bool> & Sendable, _ documentation: String) -> Key<Root> {
    Key("pad", property, .flag, writesDefault: false, documentation)
}

extension Tensor {
    /// A map `[B, H, W, C]` continued with zeros at the bottom and the right, until squares of a side fill it.
    func filled(bySquaresOf side: Int) -> Tensor {
        guard isValid else { return self }
        return padded(before: [0, 0, 0, 0], after: [0, (side - shape[1] % side) % side, (side - shape[2] % side) % side, 0])
    }
}

/// Reports at `key` when the patch does not divide both sides, and says which patches do, or which powers of two from 2 up.
///
/// - Parameter hasPadding: whether there is a key `pad` beside it.
func reportPatch(
    _ patch: Int, dividing size: (height: Int, width: Int), of what: String, onlyPowersOfTwo: Bool = false, hasPadding: Bool = false, key: String = "patch",
    at fields: FieldReader
) {
    guard size.height % patch != 0 || size.width % patch != 0 else { return }
    var divisors = (1...max(min(size.height, size.width), 1)).filter { size.height % $0 == 0 && size.width % $0 == 0 }
    if onlyPowersOfTwo { divisors = divisors.filter { $0 > 1 && $0.nonzeroBitCount == 1 } }
    let list = divisors.map(String.init).joined(separator: ", ")
    let advice = list.isEmpty ? "no power of two does" : onlyPowersOfTwo ? "these powers of two do: \(list)" : "these do: \(list)"
    let padding = hasPadding ? "; pad: true fills it up with zeros" : ""
    fields.report("a patch of \(patch) does not divide \(what) of \(size.height)×\(size.width); \(advice)\(padding)", at: key)
}

/// Patches as tokens, and the transformer on them; stages are the transformer's.
struct VisionTransformer: ImageEncoder {
    private let tokens: any Layer
    let transformer: TransformerEncoder
    private let pool: TokenPool
    private let hasDistillationToken: Bool
    /// The side of the squares that an image is filled with; 1 where it stays as it is.
    private let filling: Int
    private let scope: Scope

    init(_ configuration: VisionTransformerConfiguration, input: ImageShape, in scope: Scope) {
        let patch = configuration.patch, width = configuration.transformer.width, place = scope["patch_embed"]
        self.scope = scope
        filling = configuration.isPadded ? patch : 1
        tokens =
            switch configuration.stem {
            case .patchify: PatchEmbedding(channels: input.channels, patch: patch, width: width, axes: configuration.dimensions, in: place)
            case .convolutions: ConvolutionalStem(channels: input.channels, patch: patch, width: width, in: place)
            case .shiftedPatch:
                ShiftedPatchTokenization(
                    channels: input.channels, patch: patch, width: width, epsilon: Float(configuration.transformer.normEpsilon),
                    initialization: configuration.transformer.initialization, in: place)
            }
        func patches(_ length: Int) -> Int { (configuration.isPadded ? length + patch - 1 : length) / patch }
        let depth = configuration.dimensions == 3 ? max(1, patches(input.channels)) : 1, rows = configuration.dimensions == 1 ? 1 : patches(input.height) * depth
        transformer = TransformerEncoder(
            configuration.transformer, rows: rows, columns: patches(input.width), axes: configuration.dimensions, depth: depth, hasClassToken: configuration.pool == .class,
            hasDistillationToken: configuration.hasDistillationToken, in: scope)
        hasDistillationToken = configuration.hasDistillationToken
        pool = TokenPool(
            configuration.pool, width: transformer.width, heads: configuration.transformer.heads, hidden: configuration.transformer.hidden,
            prefixTokens: transformer.prefixTokens, initialization: configuration.transformer.initialization, in: scope)
    }

    var width: Int { hasDistillationToken ? 2 * transformer.width : transformer.width }

    func callAsFunction(_ images: Tensor) -> NamedOutputs { transformer(tokens(scope["patch_embed"].record { images.filled(bySquaresOf: filling) })) }

    /// The stages of `count` patches of each image alone, drawn at random, and which they are; nil for images that do not fit.
    func callAsFunction(_ images: Tensor, keeping count: Int) -> (stages: NamedOutputs, kept: TokenSubset)? {
        transformer(tokens(scope["patch_embed"].record { images.filled(bySquaresOf: filling) }), keeping: count)
    }

    func featureMap(_ features: Tensor) -> Tensor? { transformer.featureMap(features) }

    func pooled(_ features: Tensor) -> Tensor {
        hasDistillationToken ? DistillationHead.input(features, in: scope["pool"]) : pool(features)
    }
}
