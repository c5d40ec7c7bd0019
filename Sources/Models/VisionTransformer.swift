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
/// Parameters as in timm: `patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.i.{norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2}`,
/// `norm`, `head`. Layer norms have ε = 10⁻⁶, GELU is exact. With `pool: mean` there is no class token, and the mean is taken over
/// normalized tokens.
/// Initialization: truncated normal with σ = 0.02 for linear layers, head and positions; LeCun normal for the patches; biases 0.
///
/// Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021; the sizes Ti and S are
/// from Touvron et al., "Training Data-Efficient Image Transformers", ICML 2021.
public struct VisionTransformerConfiguration: ModelConfiguration {
    public static let family = "vit"

    public var patch: Int
    public var transformer: TransformerConfiguration
    public var pool: TokenPooling

    private enum CodingKeys: String, CodingKey { case patch, pool }

    public init(patch: Int, _ transformer: TransformerConfiguration, pool: TokenPooling = .class) {
        self.patch = patch
        self.transformer = transformer
        self.pool = pool
    }

    public init(from fields: inout FieldReader) {
        patch = fields.requiredCount("patch") ?? 1
        transformer = TransformerConfiguration(from: &fields)
        pool = fields.choice("pool", default: .class)
    }

    // The transformer's options lie beside the patch in a definition.

    public init(from decoder: any Decoder) throws {
        transformer = try TransformerConfiguration(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        patch = try container.decode(Int.self, forKey: .patch)
        pool = try container.decode(TokenPooling.self, forKey: .pool)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(patch, forKey: .patch)
        try transformer.encode(to: encoder)
        try container.encode(pool, forKey: .pool)
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        reportPatch(patch, dividing: (input.height, input.width), of: "the image", at: fields)
    }

    public func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier {
        VisionTransformer(self, input: input, classes: classes, in: scope)
    }
}

/// Reports at `patch` when it does not divide both sides, and says which patches do.
func reportPatch(_ patch: Int, dividing size: (height: Int, width: Int), of what: String, at fields: FieldReader) {
    guard size.height % patch != 0 || size.width % patch != 0 else { return }
    let divisors = (1...max(min(size.height, size.width), 1)).filter { size.height % $0 == 0 && size.width % $0 == 0 }
    let list = divisors.map(String.init).joined(separator: ", ")
    fields.report("a patch of \(patch) does not divide \(what) of \(size.height)×\(size.width); these do: \(list)", at: "patch")
}

private struct VisionTransformer: ImageClassifier {
    private let patchEmbedding: PatchEmbedding
    private let encoder: TransformerEncoder

    init(_ configuration: VisionTransformerConfiguration, input: ImageShape, classes: Int, in scope: Scope) {
        let patch = configuration.patch
        patchEmbedding = PatchEmbedding(
            channels: input.channels, patch: patch, width: configuration.transformer.width, in: scope["patch_embed"])
        encoder = TransformerEncoder(
            configuration.transformer, rows: input.height / patch, columns: input.width / patch, pool: configuration.pool,
            classes: classes, in: scope)
    }

    func callAsFunction(_ images: Tensor) -> Tensor { encoder(patchEmbedding(images)) }
}
