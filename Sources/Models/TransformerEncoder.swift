import Configuration
import Layers
import TensorCore

/// The size of a transformer that works on a sequence of tokens: the part that ViT and hybrids share.
public struct TransformerConfiguration: Configurable {
    /// The length of a token.
    public var width: Int
    /// The number of blocks.
    public var depth: Int
    /// How many heads each attention has; they divide the width.
    public var heads: Int
    /// The width of a block's hidden layer over its own.
    public var mlpRatio: Double
    /// What tells tokens where they are.
    public var position: PositionEmbedding.Kind
    /// The standard deviation of learned positions at the start.
    var positionDeviation = 0.02
    /// How many learned tokens stand between the class token and the patches.
    public var registers = 0
    /// Whether attention divides its scores by √d, d being the width of a head.
    public var scalesAttention: Bool
    /// Whether queries, keys and values have biases.
    public var hasQueryKeyValueBias = true
    /// What normalizes each head's queries and keys.
    public var queryKeyNorm = QueryKeyNorm.none
    /// Whether tokens do not attend to themselves, and the scale of attention is trained.
    public var isAttentionLocal = false
    /// Where the norms of a block stand.
    public var block = TransformerBlock.Form.pre
    /// What normalizes tokens.
    public var norm = TokenNormKind.layer
    /// What is between the layers of a block's perceptron.
    public var mlp = MLPBlock.Kind.gelu
    /// Where the factors of the residual branches begin; nil: there are none.
    public var layerScale: Double?
    /// The rate behind the positions and in every block.
    public var dropout: Double
    /// The share of attention's probabilities that are dropped.
    public var attentionDropout = 0.0
    /// The share of an image's patches that a training step leaves out.
    public var patchDropout = 0.0
    /// The rate of the last block; it rises from 0 linearly over depth.
    public var dropPath: Double
    /// The ε of every layer norm.
    public var normEpsilon: Double
    /// How the weights of the linear layers start.
    public var initialization: Initialization

    /// A transformer of this size.
    public init(
        width: Int, depth: Int, heads: Int, mlpRatio: Double = 4, position: PositionEmbedding.Kind = .learned, dropout: Double = 0,
        dropPath: Double = 0
    ) {
        (self.width, self.depth, self.heads, self.mlpRatio) = (width, depth, heads, mlpRatio)
        (self.position, self.dropout, self.dropPath) = (position, dropout, dropPath)
        scalesAttention = true
        normEpsilon = 1e-6
        initialization = .transformer
    }

    /// Stand-ins for what has to be given.
    public init() { self.init(width: 8, depth: 1, heads: 1) }

    public static let options: [Key<TransformerConfiguration>] = [
        .required("width", \.width, .count, role: .width, missing: missingCount, "D: how many numbers a token has."),
        .required("depth", \.depth, .depth, missing: missingCount, "How many blocks there are."),
        .required("heads", \.heads, .count, role: .widthDivisor, paper: "Vaswani et al., NeurIPS 2017", missing: missingCount, "H: how many heads attention has; they divide the width."),
        Key("mlp_ratio", \.mlpRatio, .number(in: 0.01...1000), "The width of a block's hidden layer over its own."),
        Key("position", \.position, .choice,
            paper: "learned: Dosovitskiy et al., ICLR 2021; sincos: Beyer et al., 2022 (arXiv:2205.01580); sincos_mae: He et al., CVPR 2022; factorized and coordinates: Dehghani et al., NeurIPS 2023; "
                + "rotary: Su et al., 2021 (arXiv:2104.09864), Fang et al., 2023 (arXiv:2303.11331); relative: Liu et al., ICCV 2021",
            "What tells tokens where they are: a trained vector for each (learned), fixed waves of row and column (sincos, sincos_mae), a trained vector of the row and one of the column "
                + "(factorized), a perceptron of the place (coordinates), turned queries and keys (rotary), or a trained number for each distance that is added to the scores (relative)."),
        Key("registers", \.registers, .integer(in: 0...1024), paper: "Darcet et al., ICLR 2024", "How many learned tokens stand between the class token and the patches, for blocks to write to."),
        Key("qkv_bias", \.hasQueryKeyValueBias, .flag, "Whether queries, keys and values have biases."),
        Key("qk_norm", \.queryKeyNorm, .choice, paper: "Dehghani et al., ICML 2023", "What normalizes each head's queries and keys."),
        Key("local_attention", \.isAttentionLocal, .flag, paper: "Lee, Lee and Song, 2021 (arXiv:2112.13492)", "Whether tokens do not attend to themselves, and the scale of attention is trained."),
        Key("block", \.block, .choice, paper: "Vaswani et al., 2017; Liu et al., CVPR 2022; Dehghani et al., ICML 2023; Hassani et al., 2021 (arXiv:2104.05704)",
            "Where a block's norms stand: before its branches (pre), behind the sums (post), behind the branches (residual), before both branches side by side (parallel), or as compact transformers have them (compact)."),
        Key("norm", \.norm, .choice, paper: "Zhang and Sennrich, NeurIPS 2019", "What normalizes tokens: layer norm, or root mean square norm (rms)."),
        Key("mlp", \.mlp, .choice, paper: "Shazeer, 2020 (arXiv:2002.05202)", "What is between the layers of a block's perceptron: GELU, or one half of the values that gates the other (swiglu)."),
        Key("layer_scale", \.layerScale, .number(in: 1e-12...10), paper: "Touvron et al., ICCV 2021", "Where the trained factors of the residual branches begin; absent: there are none."),
        Key("attention_dropout", \.attentionDropout, .rate, "The share of attention's probabilities that a step leaves out."),
        Key("patch_dropout", \.patchDropout, .rate, writesDefault: false, paper: "Liu et al., WACV 2023 (arXiv:2208.07220)",
            "The share of each image's patches that a training step leaves out, so that the blocks work on fewer tokens; evaluation sees all."),
        Key("attention_scale", \.scalesAttention, .flag, "Whether attention divides its scores by √d, d being the width of a head."),
        Key("dropout", \.dropout, .rate, paper: "Srivastava et al., JMLR 15, 2014", "The share of activations that a step leaves out."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "How often the last block is left out; the rate rises from 0 linearly over depth."),
        Key("norm_epsilon", \.normEpsilon, .number(in: 1e-12...1), "The ε of every layer norm."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if width % heads != 0 { fields.report("\(heads) heads do not divide the width \(width)", at: "heads") }
        if mlp == .swiglu, hidden % 2 != 0 {
            fields.report("swiglu halves the hidden width, which is \(hidden) with the width \(width), expected an even number", at: "mlp")
        }
        if position == .sinCosMAE, width % 4 != 0 {
            fields.report("sincos_mae positions need a width that is a multiple of 4, found \(width)", at: "position")
        }
        if position == .rotary, width % heads == 0, width / heads % 4 != 0 {
            fields.report("rotary positions need a multiple of 4 channels a head, found \(width / heads)", at: "position")
        }
        if isAttentionLocal, !scalesAttention {
            fields.report("found false beside local_attention, whose scale is trained", at: "attention_scale")
        }
        if position == .sinCos, width % 4 != 0 || width < 8 {
            fields.report("sincos positions need a width that is a multiple of 4 and at least 8, found \(width)", at: "position")
        }
    }

    /// The width of a block's hidden layer.
    var hidden: Int { max(1, Int(Double(width) * mlpRatio)) }

    /// What blocks are made like.
    var blockOptions: TransformerBlock.Options {
        var options = TransformerBlock.Options()
        (options.form, options.norm, options.mlp, options.layerScale, options.epsilon) = (block, norm, mlp, layerScale, Float(normEpsilon))
        options.attention.isScaled = scalesAttention
        options.attention.hasBias = hasQueryKeyValueBias
        options.attention.queryKeyNorm = queryKeyNorm.kind
        options.attention.epsilon = Float(normEpsilon)
        options.attention.probabilityDropout = attentionDropout
        options.attention.isLocal = isAttentionLocal
        return options
    }
}

/// What normalizes each head's queries and keys, as definitions write it.
public enum QueryKeyNorm: String, CaseIterable, Sendable {
    case none, layer, rms

    var kind: TokenNormKind? { TokenNormKind(rawValue: rawValue) }
}

/// Class token, registers, positions, transformer blocks and the final norm: what ViT and hybrids do with tokens before they pool them.
///
///     z   = [class token; distillation token; registers; tokens] + positions      in training some patches may be left out here
///     z  ← block_i(z),  i = 0 … depth − 1       stage block1, block2, …
///     LayerNorm(z)                              stage tokens
///
/// Shapes: tokens `[B, N, D]` for N = rows · columns patches → each stage `[B, P + N, D]`, with P the number of class token, which comes
/// first, distillation token and registers; where a training step leaves patches out, N of the stages is smaller. Parameters as in timm, in the scope itself: `cls_token`, `dist_token`, `reg_token`, `pos_embed`, `blocks.i.…`, `norm`.
public struct TransformerEncoder {
    /// Beyond so many, attention alone would take days for an image.
    private static let mostTokens = 1 << 20

    private let classToken: ClassToken?
    private let distillationToken: ClassToken?
    private let registers: RegisterTokens?
    /// How many tokens stand for no place.
    public let prefixTokens: Int
    private let rotary: RotaryPositions?
    /// One for each block.
    private let biases: [RelativePositionBias]
    private let position: PositionEmbedding
    private let dropout: Dropout
    private let patchDropout: PatchDropout
    private let blocks: [TransformerBlock]
    private let norm: TokenNorm
    private let rows: Int
    private let columns: Int
    /// The length `D` of a token.
    public let width: Int
    private let scope: Scope

    /// Declares the parameters for patches in `rows` and `columns`.
    ///
    /// - Parameters:
    ///   - axes: along how many axes patches extend.
    ///   - depth: into how many planes of a volume the rows are divided.
    ///   - hasDistillationToken: whether a second token `dist_token` follows the class token.
    public init(
        _ configuration: TransformerConfiguration, rows: Int, columns: Int, axes: Int = 2, depth: Int = 1, hasClassToken: Bool,
        hasDistillationToken: Bool = false, in scope: Scope
    ) {
        let options = configuration.blockOptions, heads = configuration.heads, prefix = (hasClassToken ? 1 : 0) + (hasDistillationToken ? 1 : 0) + configuration.registers
        prefixTokens = prefix
        (self.rows, self.columns) = (rows, columns)
        width = configuration.width
        self.scope = scope
        classToken = hasClassToken ? ClassToken(width: width, in: scope) : nil
        distillationToken = hasDistillationToken ? ClassToken("dist_token", .transformer, width: width, in: scope) : nil
        let isTooLong = rows * columns > Self.mostTokens
        if isTooLong { scope.fail("\(rows) × \(columns) tokens: more than \(Self.mostTokens)") }
        let kind = isTooLong ? .none : configuration.position
        position = PositionEmbedding(
            kind, rows: rows, columns: columns, axes: axes, depth: depth, prefixTokens: prefix, width: width, deviation: configuration.positionDeviation, in: scope)
        registers = configuration.registers > 0 ? RegisterTokens(count: configuration.registers, width: width, in: scope) : nil
        rotary = kind == .rotary
            ? RotaryPositions(rows: rows, columns: columns, prefixTokens: prefix, headWidth: width / max(heads, 1), in: scope["rotary"]) : nil
        dropout = Dropout(rate: configuration.dropout, in: scope["pos_drop"])
        patchDropout = PatchDropout(rate: configuration.patchDropout, prefixTokens: prefix, in: scope["patch_drop"])
        blocks = (0..<configuration.depth).map { index in
            TransformerBlock(
                width: configuration.width, heads: heads, hidden: configuration.hidden, options: options, dropout: configuration.dropout,
                dropPath: configuration.dropPath * Double(index) / Double(max(configuration.depth - 1, 1)),
                initialization: configuration.initialization, in: scope["blocks"][index])
        }
        biases = kind != .relative ? [] : (0..<configuration.depth).map { index in
            RelativePositionBias(rows: rows, columns: columns, heads: heads, in: scope["blocks"][index]["attn"])
        }
        norm = TokenNorm(options.norm, width, epsilon: options.epsilon, in: scope["norm"])
    }

    /// Records one call: tokens `[B, N, D]` → every stage by name, the last of which is `tokens`.
    public func callAsFunction(_ tokens: Tensor) -> NamedOutputs {
        let (kept, subset) = patchDropout(dropout(position(withPrefix(tokens))))
        return stages(of: kept, subset)
    }

    /// Records one call on `count` patches of each image alone, drawn at random: tokens `[B, N, D]` → every stage of the prefix and those, and which they are.
    public func callAsFunction(_ tokens: Tensor, keeping count: Int) -> (stages: NamedOutputs, kept: TokenSubset)? {
        let all = dropout(position(withPrefix(tokens)))
        guard all.isValid else { return nil }
        let kept = scope["masking"].record { all.randomTokens(count, behind: prefixTokens, stream: scope["masking"].nextStream()) }
        return (stages(of: scope["masking"].record { kept.taken(of: all) }, kept), kept)
    }

    /// - Parameter subset: which tokens these are; nil: all.
    private func stages(of tokens: Tensor, _ subset: TokenSubset?) -> NamedOutputs {
        let positions = subset.flatMap { rotary?.taken(of: $0) } ?? rotary
        var stages = NamedOutputs(), z = tokens
        for (index, block) in blocks.enumerated() {
            z = block(z, bias: biases.isEmpty ? nil : bias(biases[index], of: subset), positions: positions)
            stages.add("block\(index + 1)", z)
        }
        stages.add("tokens", norm(z))
        return stages
    }

    private func withPrefix(_ tokens: Tensor) -> Tensor {
        var all = tokens
        if let registers, tokens.isValid {
            let first = registers(batch: tokens.shape[0])
            all = scope.record { Tensor.concatenated([first, tokens], axis: 1) }
        }
        all = distillationToken?(all) ?? all
        return classToken?(all) ?? all
    }

    /// A block's bias `[1, H, P + N, P + N]`, zero for tokens without a place; of a subset that of its tokens, `[B, H, K, K]`.
    private func bias(_ relative: RelativePositionBias, of subset: TokenSubset?) -> Tensor {
        let cells = relative()
        guard cells.isValid else { return cells }
        return scope.record {
            let all = prefixTokens == 0 ? cells : cells.padded(before: [0, 0, prefixTokens, prefixTokens], after: [0, 0, 0, 0])
            return subset?.taken(ofPairs: all) ?? all
        }
    }

    /// The tokens of a stage `[B, P + N, D]` at their places, `[B, rows, columns, D]`; nil for anything else.
    public func featureMap(_ features: Tensor) -> Tensor? {
        guard features.isValid else { return features }
        let prefix = prefixTokens, count = rows * columns
        guard features.rank == 3, features.shape[1] == prefix + count else { return nil }
        return scope["map"].record {
            let patches = prefix == 0 ? features : features.sliced(axis: 1, prefix..<prefix + count)
            return patches.reshaped([features.shape[0], rows, columns, features.shape[2]])
        }
    }
}
