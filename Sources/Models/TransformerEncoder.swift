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
    /// Whether attention divides its scores by √d, d being the width of a head.
    public var scalesAttention: Bool
    /// The rate behind the positions and in every block.
    public var dropout: Double
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
        Key("position", \.position, .choice, "What tells tokens where they are."),
        Key("attention_scale", \.scalesAttention, .flag, "Whether attention divides its scores by √d, d being the width of a head."),
        Key("dropout", \.dropout, .rate, paper: "Srivastava et al., JMLR 15, 2014", "The share of activations that a step leaves out."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "How often the last block is left out; the rate rises from 0 linearly over depth."),
        Key("norm_epsilon", \.normEpsilon, .number(in: 1e-12...1), "The ε of every layer norm."),
        initializationOption(\.initialization),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if width % heads != 0 { fields.report("\(heads) heads do not divide the width \(width)", at: "heads") }
        if position == .sinCos, width % 4 != 0 || width < 8 {
            fields.report("sincos positions need a width that is a multiple of 4 and at least 8, found \(width)", at: "position")
        }
    }

    /// The width of a block's hidden layer.
    var hidden: Int { max(1, Int(Double(width) * mlpRatio)) }
}

/// Class token, positions, transformer blocks and the final norm: what ViT and hybrids do with tokens before they pool them.
///
///     z   = [class token; tokens] + positions
///     z  ← block_i(z),  i = 0 … depth − 1       stage block1, block2, …
///     LayerNorm(z)                              stage tokens
///
/// Shapes: tokens `[B, N, D]` for N = rows · columns patches → each stage `[B, P + N, D]`, with P = 1 where there is a class token, which comes
/// first, else 0. Parameters as in timm, in the scope itself: `cls_token`, `pos_embed`, `blocks.i.…`, `norm`.
public struct TransformerEncoder {
    private let classToken: ClassToken?
    private let position: PositionEmbedding
    private let dropout: Dropout
    private let blocks: [TransformerBlock]
    private let norm: LayerNorm
    private let rows: Int
    private let columns: Int
    /// The length `D` of a token.
    public let width: Int
    private let scope: Scope

    /// Declares the parameters for patches in `rows` and `columns`.
    public init(_ configuration: TransformerConfiguration, rows: Int, columns: Int, hasClassToken: Bool, in scope: Scope) {
        let epsilon = Float(configuration.normEpsilon), initialization = configuration.initialization
        (self.rows, self.columns) = (rows, columns)
        width = configuration.width
        self.scope = scope
        classToken = hasClassToken ? ClassToken(width: width, in: scope) : nil
        position = PositionEmbedding(
            configuration.position, rows: rows, columns: columns, prefixTokens: hasClassToken ? 1 : 0, width: width, in: scope)
        dropout = Dropout(rate: configuration.dropout, in: scope["pos_drop"])
        blocks = (0..<configuration.depth).map { index in
            TransformerBlock(
                width: configuration.width, heads: configuration.heads, hidden: configuration.hidden,
                scalesAttention: configuration.scalesAttention, dropout: configuration.dropout,
                dropPath: configuration.dropPath * Double(index) / Double(max(configuration.depth - 1, 1)),
                epsilon: epsilon, initialization: initialization, in: scope["blocks"][index])
        }
        norm = LayerNorm(width, epsilon: epsilon, in: scope["norm"])
    }

    /// Records one call: tokens `[B, N, D]` → every stage by name, the last of which is `tokens`.
    public func callAsFunction(_ tokens: Tensor) -> NamedOutputs {
        var stages = NamedOutputs(), z = dropout(position(classToken?(tokens) ?? tokens))
        for (index, block) in blocks.enumerated() {
            z = block(z)
            stages.add("block\(index + 1)", z)
        }
        stages.add("tokens", norm(z))
        return stages
    }

    /// The tokens of a stage `[B, P + N, D]` at their places, `[B, rows, columns, D]`; nil for anything else.
    public func featureMap(_ features: Tensor) -> Tensor? {
        guard features.isValid else { return features }
        let prefix = classToken == nil ? 0 : 1, count = rows * columns
        guard features.rank == 3, features.shape[1] == prefix + count else { return nil }
        return scope["map"].record {
            let patches = prefix == 0 ? features : features.sliced(axis: 1, prefix..<prefix + count)
            return patches.reshaped([features.shape[0], rows, columns, features.shape[2]])
        }
    }
}
