import Configuration
import Layers
import TensorCore

/// A vision transformer that sees a few patches of an image, and a small decoder that finds the others: pre-training without labels (MAE).
///
///     image → patches, of which a share `mask` is hidden → transformer on the rest → linear map to the decoder's width
///           → a trained vector for each hidden patch, positions → transformer blocks → norm → p · p · C pixels of each patch
///
/// Which patches are hidden is drawn for each image and step anew, in evaluations always alike. With `normalize_patches`, errors are divided by the standard
/// deviation of their patch, so that a patch's pixels are predicted less its mean, as the paper's best models do.
///
/// Outputs: the transformer's stages of the patches that are seen as `features.block1`, …, `features.tokens`; `logits` `[B, H, W, C]`; `hidden` `[B, H, W, 1]`, 1 for
/// pixels that were hidden; with `normalize_patches` also `deviation` `[B, H, W, 1]`.
///
/// Parameters: the transformer's are those of `vit`, whose `train.init_from` takes them; `decoder.embed`, `decoder.mask_token`, `decoder.blocks.i.…`, `decoder.norm`,
/// `decoder.pred`. Positions are `sincos_mae` unless said otherwise, the decoder's always.
///
/// He, Chen, Xie, Li, Dollár and Girshick, "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
public struct MaskedAutoencoderConfiguration: ModelConfiguration {
    public static let family = "mae"

    /// Patches and transformer.
    public var encoder: VisionTransformerConfiguration
    /// The share of the patches that is hidden.
    public var mask = 0.75
    /// The width of the decoder.
    public var decoderWidth = 64
    /// How many blocks the decoder has.
    public var decoderDepth = 2
    /// How many heads the decoder's attention has.
    public var decoderHeads = 4
    /// Whether pixels are predicted less their patch's mean and over its standard deviation.
    public var normalizesPatches = true

    /// Stand-ins for what has to be given.
    public init() {
        encoder = VisionTransformerConfiguration()
        encoder.transformer.position = .sinCosMAE
    }

    public static let documentation = "A vision transformer that sees a few patches of an image, and a small decoder that finds the others."
    public static let paper: String? = "He et al., CVPR 2022"
    public static let answersPixels = true
    public let answersImages = true
    /// What the transformer has for an answer for the image, and what is not for patches of images.
    private static let left = ["pool", "distillation", "patch_dropout", "pad", "dimensions", "position"]
    public static let options: [Key<MaskedAutoencoderConfiguration>] =
        VisionTransformerConfiguration.options.filter { !left.contains($0.name) }.map { $0.beside(\.encoder) } + [
            Key("position", \.encoder.transformer.position, .choice, "What tells tokens where they are, as of vit; the paper's are fixed waves of row and column (sincos_mae)."),
            Key("mask", \.mask, .number(in: 0.01...0.99), "The share of an image's patches that the transformer does not see."),
            Key("decoder_width", \.decoderWidth, .count, "The width of the decoder; a multiple of 4 that its heads divide."),
            Key("decoder_depth", \.decoderDepth, .integer(in: 0...64), "How many blocks the decoder has."),
            Key("decoder_heads", \.decoderHeads, .count, "How many heads the decoder's attention has."),
            Key("normalize_patches", \.normalizesPatches, .flag, "Whether pixels are predicted less the mean of their patch and over its standard deviation."),
        ]

    public mutating func check(_ fields: inout FieldReader) {
        encoder.check(&fields)
        if decoderWidth % 4 != 0 { fields.report("sine-cosine positions need a width that is a multiple of 4, found \(decoderWidth)", at: "decoder_width") }
        if decoderWidth % decoderHeads != 0 { fields.report("\(decoderHeads) heads do not divide the width \(decoderWidth)", at: "decoder_heads") }
        if encoder.transformer.position == .relative { fields.report("goes with transformers that see all patches; expected another kind of positions", at: "position") }
    }

    public var layerOrder: LayerOrder { encoder.layerOrder }

    public func validate(input: ImageShape, at fields: FieldReader) {
        encoder.validate(input: input, hasPadding: false, at: fields)
        let count = (input.height / encoder.patch) * (input.width / encoder.patch)
        if !fields.errors.hasAny(under: fields.path(of: "patch")), seen(of: count) >= count {
            fields.report("hides none of the \(count) patches of images of \(input); expected a larger share, or smaller patches", at: "mask")
        }
    }

    /// How many patches the transformer sees.
    fileprivate func seen(of count: Int) -> Int { max(1, Int(Double(count) * (1 - mask))) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { encoder.makeEncoder(input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { encoder.makeHead(inputs: inputs, outputs: outputs, in: scope) }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        MaskedAutoencoder(self, input: input, channels: classes, in: scope)
    }
}

private struct MaskedAutoencoder: ImageModel {
    private let encoder: VisionTransformer
    private let embedding: Linear
    private let maskToken: Tensor
    private let position: PositionEmbedding
    private let blocks: [TransformerBlock]
    private let norm: TokenNorm
    private let prediction: Linear
    private let patch: Int
    private let rows: Int
    private let columns: Int
    private let channels: Int
    /// How many patches are seen.
    private let seen: Int
    private let normalizesPatches: Bool
    private let scope: Scope

    init(_ configuration: MaskedAutoencoderConfiguration, input: ImageShape, channels: Int, in scope: Scope) {
        encoder = VisionTransformer(configuration.encoder, input: input, in: scope)
        let place = scope["decoder"], width = configuration.decoderWidth, transformer = configuration.encoder.transformer
        self.scope = place
        patch = configuration.encoder.patch
        (rows, columns, self.channels) = (input.height / patch, input.width / patch, channels)
        seen = configuration.seen(of: rows * columns)
        normalizesPatches = configuration.normalizesPatches
        embedding = Linear(transformer.width, width, initialization: transformer.initialization, in: place["embed"])
        maskToken = place.parameter("mask_token", [width], Initialization.transformer)
        position = PositionEmbedding(.sinCosMAE, rows: rows, columns: columns, prefixTokens: encoder.transformer.prefixTokens, width: width, in: place)
        var options = TransformerBlock.Options()
        options.epsilon = Float(transformer.normEpsilon)
        options.attention.epsilon = Float(transformer.normEpsilon)
        blocks = (0..<configuration.decoderDepth).map { index in
            TransformerBlock(
                width: width, heads: configuration.decoderHeads, hidden: 4 * width, options: options, dropout: 0, dropPath: 0, initialization: transformer.initialization,
                in: place["blocks"][index])
        }
        norm = TokenNorm(.layer, width, epsilon: options.epsilon, in: place["norm"])
        prediction = Linear(width, patch * patch * channels, initialization: transformer.initialization, in: place["pred"])
    }

    var backbone: (any Backbone)? { encoder }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        guard let (stages, kept) = encoder(images, keeping: seen) else {
            var outputs = NamedOutputs()
            outputs.add("logits", images.isValid ? scope.fail("the patches do not fit") : images)
            return outputs
        }
        var outputs = stages.named(under: "features")
        let prefix = encoder.transformer.prefixTokens, count = prefix + rows * columns, visible = embedding(stages.last)
        let (all, isKept) = scope.record { kept.restored(visible, among: count, filling: maskToken) }
        var x = position(all)
        for block in blocks { x = block(x) }
        let pixels = prediction(norm(x))
        guard pixels.isValid else {
            outputs.add("logits", pixels)
            return outputs
        }
        scope.record {
            let batch = pixels.shape[0], patches = pixels.sliced(axis: 1, prefix..<count)
            let map = patches.reshaped([batch, rows, columns, patch, patch * channels]).transposed([0, 1, 3, 2, 4])
            let answer = map.reshaped([batch, rows * patch, columns * patch, channels])
            let hidden = 1 - isKept.sliced(axis: 1, prefix..<count)
            if normalizesPatches {
                let (mean, deviation) = patchStatistics(images.cast(to: .float32))
                outputs.add("logits", answer.cast(to: .float32) * deviation + mean)
                outputs.add("deviation", deviation)
            } else {
                outputs.add("logits", answer)
            }
            outputs.add("hidden", enlarged(hidden.reshaped([batch, rows, 1, columns, 1])))
        }
        return outputs
    }

    /// A number for each patch `[B, rows, 1, columns, 1]` at each of its pixels, `[B, H, W, 1]`.
    private func enlarged(_ values: Tensor) -> Tensor {
        let batch = values.shape[0]
        return values.broadcast(to: [batch, rows, patch, columns, patch]).reshaped([batch, rows * patch, columns * patch, 1])
    }

    /// The mean of each patch and its standard deviation, of n − 1 and with 10⁻⁶ under the root, at each of its pixels.
    private func patchStatistics(_ images: Tensor) -> (mean: Tensor, deviation: Tensor) {
        let batch = images.shape[0], numbers = patch * patch * channels
        let patches = images.reshaped([batch, rows, patch, columns, patch * channels]), mean = patches.mean(axes: [2, 4], keepsAxes: true)
        let variance = (patches - mean).square().sum(axes: [2, 4], keepsAxes: true) / Float(max(numbers - 1, 1))
        return (enlarged(mean), enlarged((variance + 1e-6).sqrt()))
    }
}
