import Configuration
import Layers
import TensorCore

/// A vision transformer whose tokens a convolutional decoder brings back to the pixels (SETR).
///
///     image → p×p patches → transformer blocks → tokens as a map [B, H / p, W / p, D] → decoder → [B, H, W, classes]
///
/// | `decoder` | what it does; a conv is followed by a norm and ReLU, the last 1×1 convolution gives scores |
/// | --- | --- |
/// | `naive` | conv1×1, scores, and bilinear interpolation to the image |
/// | `pup` | progressive upsampling: log₂ p times a conv3×3 and bilinear interpolation to twice the size, then scores |
/// | `mla` | multi-level aggregation: the tokens of four blocks at a quarter, a half, three quarters and all of the depth; conv1×1 of each, sums from the last to the first, conv3×3, conv3×3 to half the channels, interpolation to a quarter of the image, joined, scores, interpolation |
///
/// Scores of images that patches do not fill (`pad: true`) are cut. With `auxiliary: [4, 8]` the tokens of these blocks have a decoder like `naive`, trained
/// beside the main one with 0.4 of its loss, as in the paper. The authors' code differs, each with a key: every auxiliary decoder has a norm of its own, and with
/// `pup` a 3×3 convolution in the place of the 1×1 one and scores at four times the map's size (`auxiliary_decoder: published`); decoders have biases before their
/// norms, which change nothing (`decoder_bias: true`); and there is a class token, which no decoder sees (`class_token: true`).
///
/// The paper's 318.31 M parameters of SETR-PUP are those of 512×512 pixels and 150 classes with `auxiliary: [10, 15, 20, 24]`, 317,922,542, and five
/// convolutions of 76,950 that the authors' code has and does not use; its 305.67 M of the naive one are 305,361,496 with `auxiliary: [10, 15, 20]`, and four.
///
/// Parameters: the transformer's are those of `vit`, so that its files of weights fit; `decoder.i.conv`, `.norm`, of `mla` `decoder.LEVEL.norm0`, `.conv1`, `.norm1` …,
/// `decoder.head`, `auxiliary.BLOCK.…`. Initialization: the transformer's as of `vit`, He normal by the outputs for convolutions.
///
/// Zheng et al., "Rethinking Semantic Segmentation from a Sequence-to-Sequence Perspective with Transformers", CVPR 2021.
public struct SETRConfiguration: ModelConfiguration {
    public static let family = "setr"

    /// How tokens come back to the pixels.
    public enum Decoder: String, CaseIterable, Sendable { case naive, pup, mla }

    /// What decoders of blocks are: like `naive`, or as in the authors' code.
    public enum AuxiliaryDecoder: String, CaseIterable, Sendable { case naive, published }

    /// Patches and transformer.
    public var encoder: VisionTransformerConfiguration
    /// How tokens come back to the pixels.
    public var decoder = Decoder.pup
    /// The channels of the decoder's convolutions.
    public var channels = 256
    /// What normalizes the decoder's features.
    public var norm = NormalizationKind.batch
    /// Whether the decoders' convolutions have biases, before a norm too.
    public var hasDecoderBias = false
    /// The blocks, from 1, that have a decoder of their own.
    public var auxiliaryBlocks: [Int] = []
    /// What decoders of blocks are.
    public var auxiliaryDecoder = AuxiliaryDecoder.naive
    /// Whether a class token stands before the patches.
    public var hasClassToken: Bool {
        get { encoder.pool == .class }
        set { encoder.pool = newValue ? .class : .mean }
    }
    /// How the decoder's weights start.
    public var initialization = Initialization.residual

    /// A decoder on a transformer without a class token.
    public init(_ encoder: VisionTransformerConfiguration, decoder: Decoder = .pup) {
        (self.encoder, self.decoder) = (encoder, decoder)
        self.encoder.pool = .mean
    }

    /// Stand-ins for what has to be given.
    public init() { self.init(VisionTransformerConfiguration()) }

    public static let documentation = "A vision transformer whose tokens a convolutional decoder brings back to the pixels."
    public static let paper: String? = "Zheng et al., CVPR 2021"
    public static let answersPixels = true
    /// What the transformer has for an answer for the whole image.
    private static let ownOfClassifiers = ["pool", "distillation", "patch_dropout"]
    public static let options: [Key<SETRConfiguration>] =
        VisionTransformerConfiguration.options.filter { !ownOfClassifiers.contains($0.name) }.map { $0.beside(\.encoder) } + [
            Key("decoder", \.decoder, .choice, "How tokens come back to the pixels: interpolated scores (naive), in steps of twice the size (pup), or from four blocks (mla)."),
            Key("decoder_channels", \.channels, .count, "The channels of the decoder's convolutions."),
            Key("decoder_norm", \.norm, .normalization, "What normalizes the decoder's features."),
            Key("auxiliary", \.auxiliaryBlocks, .integers(in: 1...2_048), writesDefault: false,
                "Blocks, from 1, whose tokens have a decoder of their own, which is trained beside the main one with 0.4 of its loss."),
            Key("auxiliary_decoder", \.auxiliaryDecoder, .choice, writesDefault: false,
                "What these decoders are: a 1×1 convolution (naive), or as in the authors' code, with a norm of their own and for pup a 3×3 convolution (published)."),
            Key("decoder_bias", \.hasDecoderBias, .flag, writesDefault: false, "Whether the decoders' convolutions have biases before a norm too, as in the authors' code."),
            Key("class_token", \.hasClassToken, .flag, writesDefault: false, "Whether a class token stands before the patches, as in the authors' code; no decoder sees it."),
        ]

    public mutating func check(_ fields: inout FieldReader) {
        encoder.check(&fields)
        let depth = encoder.transformer.depth, isKnown = !fields.errors.hasAny(under: fields.path(of: "depth"))
        if case .group(let groups) = norm, channels % groups != 0 || decoder == .mla && max(channels / 2, 1) % groups != 0 {
            fields.report("\(groups) groups do not divide the \(channels) channels of the decoder\(decoder == .mla ? ", or half of them" : "")", at: "decoder_norm")
        }
        if isKnown, decoder == .mla, depth < 4 { fields.report("mla takes the tokens of four blocks, found a depth of \(depth)", at: "decoder") }
        if isKnown, let block = auxiliaryBlocks.first(where: { $0 > depth }) {
            fields.report("found block \(block) of \(depth)", at: "auxiliary")
        } else if Set(auxiliaryBlocks).count < auxiliaryBlocks.count {
            fields.report("found a block twice", at: "auxiliary")
        }
        if auxiliaryDecoder == .published {
            if auxiliaryBlocks.isEmpty, !fields.errors.hasAny(under: fields.path(of: "auxiliary")) { fields.report("goes with auxiliary, the blocks that have such decoders", at: "auxiliary_decoder") }
            if decoder == .mla { fields.report("published goes with decoder: naive or pup", at: "auxiliary_decoder") }
        }
        if fields.errors.hasAny(under: fields.path(of: "auxiliary")) { auxiliaryBlocks = [] }
    }

    public var layerOrder: LayerOrder { encoder.layerOrder }

    public func validate(input: ImageShape, at fields: FieldReader) { encoder.validate(input: input, at: fields) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { encoder.makeEncoder(input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { encoder.makeHead(inputs: inputs, outputs: outputs, in: scope) }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        SETR(self, input: input, classes: classes, in: scope)
    }

    /// The blocks, from 1, whose tokens `mla` takes; the last are the transformer's normalized ones.
    fileprivate var levels: [Int] { (1...4).map { ($0 * encoder.transformer.depth + 3) / 4 } }
}

/// The whole network. Outputs: the transformer's stages as `features.block1` and so on, `logits` `[B, H, W, classes]`, and of auxiliary decoders `aux1`, ….
private struct SETR: ImageModel {
    private let encoder: any ImageEncoder
    private let decoder: any TokenDecoder
    private let auxiliaries: [(block: Int, decoder: NaiveDecoder)]
    private let size: Size2D
    private let scope: Scope

    init(_ network: SETRConfiguration, input: ImageShape, classes: Int, in scope: Scope) {
        encoder = network.encoder.makeEncoder(input: input, in: scope)
        let patch = network.encoder.patch, place = scope["decoder"]
        func filled(_ side: Int) -> Int { (side + patch - 1) / patch * patch }
        let whole = Size2D(filled(input.height), filled(input.width))
        switch network.decoder {
        case .naive: decoder = NaiveDecoder(network, to: whole, classes: classes, in: place)
        case .pup: decoder = ProgressiveDecoder(network, to: whole, classes: classes, in: place)
        case .mla: decoder = AggregatingDecoder(network, to: whole, classes: classes, in: place)
        }
        auxiliaries = network.auxiliaryBlocks.map { ($0, NaiveDecoder(network, isOfBlock: true, to: whole, classes: classes, in: scope["auxiliary"][$0])) }
        size = Size2D(input.height, input.width)
        self.scope = scope
    }

    var backbone: (any Backbone)? { encoder }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = encoder(images)
        func map(_ name: String) -> Tensor {
            let tokens = stages.required(name, in: scope)
            return encoder.featureMap(tokens) ?? scope.fail("the tokens of \(name) have no places")
        }
        func cut(_ scores: Tensor) -> Tensor { scope.record { scores.beginning(of: size) } }
        var outputs = stages.named(under: "features")
        outputs.add("logits", cut(decoder(map)))
        for (index, (block, decoder)) in auxiliaries.enumerated() {
            outputs.add("aux\(index + 1)", cut(decoder.scores(of: map("block\(block)"))), auxiliaryWeight: 0.4)
        }
        return outputs
    }
}

/// What makes scores `[B, H, W, classes]` of a transformer's stages, each a map `[B, h, w, D]`.
private protocol TokenDecoder {
    func callAsFunction(_ map: (_ stage: String) -> Tensor) -> Tensor
}

/// The decoder's convolution, its norm and ReLU.
private func convolution(_ inputs: Int, _ outputs: Int, kernel: Size2D, _ network: SETRConfiguration, in scopes: (Scope, Scope)) -> ConvolutionLayer {
    ConvolutionLayer(inputs, outputs, kernel: kernel, norm: network.norm, hasBias: network.hasDecoderBias, initialization: network.initialization, in: scopes)
}

private struct NaiveDecoder: TokenDecoder {
    /// nil where tokens are normalized already, or are not.
    private let norm: TokenNorm?
    private let layer: ConvolutionLayer
    /// How many times larger than the map scores are computed.
    private let factor: Int
    private let head: Convolution2D
    private let size: Size2D
    private let scope: Scope

    init(_ network: SETRConfiguration, isOfBlock: Bool = false, to size: Size2D, classes: Int, in scope: Scope) {
        let transformer = network.encoder.transformer, isPublished = isOfBlock && network.auxiliaryDecoder == .published, isWide = isPublished && network.decoder == .pup
        norm = isPublished ? TokenNorm(transformer.norm, transformer.width, epsilon: Float(transformer.normEpsilon), in: scope["norm0"]) : nil
        layer = convolution(transformer.width, network.channels, kernel: isWide ? 3 : 1, network, in: (scope[0]["conv"], scope[0]["norm"]))
        factor = isWide ? 4 : 1
        head = Convolution2D(network.channels, classes, kernel: 1, initialization: network.initialization, in: scope["head"])
        (self.size, self.scope) = (size, scope)
    }

    func scores(of map: Tensor) -> Tensor {
        let features = layer(norm?(map) ?? map)
        guard features.isValid else { return features }
        let scores = head(factor == 1 ? features : scope[0].record { features.resized(to: Size2D(factor * features.shape[1], factor * features.shape[2]), .bilinear) })
        return scope.record { scores.resized(to: size, .bilinear) }
    }

    func callAsFunction(_ map: (String) -> Tensor) -> Tensor { scores(of: map("tokens")) }
}

private struct ProgressiveDecoder: TokenDecoder {
    private let layers: [ConvolutionLayer]
    private let head: Convolution2D
    private let size: Size2D
    private let scope: Scope

    init(_ network: SETRConfiguration, to size: Size2D, classes: Int, in scope: Scope) {
        // The last step is shorter where the patch is no power of two.
        var count = 0
        while 1 << count < network.encoder.patch { count += 1 }
        layers = (0..<max(count, 1)).map { step in
            let inputs = step == 0 ? network.encoder.transformer.width : network.channels
            return convolution(inputs, network.channels, kernel: 3, network, in: (scope[step]["conv"], scope[step]["norm"]))
        }
        head = Convolution2D(network.channels, classes, kernel: 1, initialization: network.initialization, in: scope["head"])
        (self.size, self.scope) = (size, scope)
    }

    func callAsFunction(_ map: (String) -> Tensor) -> Tensor {
        var x = map("tokens")
        for (step, layer) in layers.enumerated() {
            let y = layer(x)
            guard y.isValid else { return y }
            let isLast = step == layers.count - 1
            x = scope[step].record { y.resized(to: isLast ? size : Size2D(2 * y.shape[1], 2 * y.shape[2]), .bilinear) }
        }
        return head(x)
    }
}

private struct AggregatingDecoder: TokenDecoder {
    private struct Level {
        let stage: String
        /// The last level's is the transformer's own.
        let norm: TokenNorm?
        let first, second, third: ConvolutionLayer
        let scope: Scope
    }

    private let levels: [Level]
    private let head: Convolution2D
    private let size: Size2D
    private let scope: Scope

    init(_ network: SETRConfiguration, to size: Size2D, classes: Int, in scope: Scope) {
        let transformer = network.encoder.transformer, width = transformer.width, channels = network.channels, half = max(channels / 2, 1)
        levels = network.levels.enumerated().map { index, block in
            let place = scope[index], isLast = index == 3
            func layer(_ number: Int, _ inputs: Int, _ outputs: Int, _ kernel: Size2D) -> ConvolutionLayer {
                convolution(inputs, outputs, kernel: kernel, network, in: (place["conv\(number)"], place["norm\(number)"]))
            }
            return Level(
                stage: isLast ? "tokens" : "block\(block)",
                norm: isLast ? nil : TokenNorm(transformer.norm, width, epsilon: Float(transformer.normEpsilon), in: place["norm0"]),
                first: layer(1, width, channels, 1), second: layer(2, channels, channels, 3), third: layer(3, channels, half, 3), scope: place)
        }
        head = Convolution2D(4 * half, classes, kernel: 1, initialization: network.initialization, in: scope["head"])
        (self.size, self.scope) = (size, scope)
    }

    func callAsFunction(_ map: (String) -> Tensor) -> Tensor {
        var sum: Tensor?, maps: [Tensor] = []
        for level in levels.reversed() {
            let tokens = map(level.stage)
            let features = level.first(level.norm?(tokens) ?? tokens)
            let all = sum.map { sum in level.scope.record { sum + features } } ?? features
            sum = all
            let y = level.third(level.second(all))
            guard y.isValid else { return y }
            let quarter = Size2D(max(y.shape[1], size.height / 4), max(y.shape[2], size.width / 4))
            maps.insert(level.scope.record { y.resized(to: quarter, .bilinear) }, at: 0)
        }
        let joined = maps
        let scores = head(scope.record { Tensor.concatenated(joined, axis: 3) })
        return scope.record { scores.resized(to: size, .bilinear) }
    }
}
