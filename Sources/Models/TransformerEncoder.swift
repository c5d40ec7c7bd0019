import Configuration
import Layers
import TensorCore

/// The size of a transformer that works on a sequence of tokens: the part that ViT and hybrids share.
public struct TransformerConfiguration: Codable, Equatable, Sendable {
    public var width: Int
    public var depth: Int
    public var heads: Int
    /// The width of a block's hidden layer over its own.
    public var mlpRatio: Double
    public var position: PositionEmbedding.Kind
    /// Whether attention divides its scores by √d, d being the width of a head.
    public var scalesAttention: Bool
    public var dropout: Double
    /// The rate of the last block; it rises from 0 linearly over depth.
    public var dropPath: Double
    /// The ε of every layer norm.
    public var normEpsilon: Double
    /// How the weights of the linear layers start.
    public var initialization: Initialization

    enum CodingKeys: String, CodingKey {
        case width, depth, heads
        case mlpRatio = "mlp_ratio"
        case position
        case scalesAttention = "attention_scale"
        case dropout
        case dropPath = "drop_path"
        case normEpsilon = "norm_epsilon"
        case initialization
    }

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

    public init(from fields: inout FieldReader) {
        width = fields.requiredCount("width") ?? 8
        depth = fields.requiredCount("depth", in: FieldReader.depths) ?? 1
        heads = fields.requiredCount("heads") ?? 1
        mlpRatio = fields.number("mlp_ratio", default: 4, in: 0.01...1000)
        position = fields.choice("position", default: .learned)
        scalesAttention = fields.boolean("attention_scale", default: true)
        dropout = fields.rate("dropout")
        dropPath = fields.rate("drop_path")
        normEpsilon = fields.number("norm_epsilon", default: 1e-6, in: 1e-12...1)
        initialization = fields.initialization("initialization", default: .transformer)
        if width % heads != 0 { fields.report("\(heads) heads do not divide the width \(width)", at: "heads") }
        if position == .sinCos, width % 4 != 0 || width < 8 {
            fields.report("sincos positions need a width that is a multiple of 4 and at least 8, found \(width)", at: "position")
        }
    }

    /// The width of a block's hidden layer.
    var hidden: Int { max(1, Int(Double(width) * mlpRatio)) }
}

/// Class token, positions, transformer blocks, final norm, pooling and head.
///
///     z   = [class token; tokens] + positions
///     z  ← block_i(z),  i = 0 … depth − 1
///     logits = W · pool(LayerNorm(z)) + b
///
/// Shapes: tokens `[B, rows · columns, D]` → logits `[B, classes]`. Parameters as in timm, in the scope itself: `cls_token` (only where
/// the class token is pooled), `pos_embed`, `blocks.i.…`, `norm`, `head`. Under mean pooling every token is normalized first.
struct TransformerEncoder {
    private let classToken: ClassToken?
    private let position: PositionEmbedding
    private let dropout: Dropout
    private let blocks: [TransformerBlock]
    private let norm: LayerNorm
    private let pool: TokenPooling
    private let head: Linear
    private let scope: Scope

    init(_ configuration: TransformerConfiguration, rows: Int, columns: Int, pool: TokenPooling, classes: Int, in scope: Scope) {
        let width = configuration.width, epsilon = Float(configuration.normEpsilon), initialization = configuration.initialization
        self.pool = pool
        self.scope = scope
        classToken = pool == .class ? ClassToken(width: width, in: scope) : nil
        position = PositionEmbedding(
            configuration.position, rows: rows, columns: columns, prefixTokens: pool == .class ? 1 : 0, width: width, in: scope)
        dropout = Dropout(rate: configuration.dropout, in: scope["pos_drop"])
        blocks = (0..<configuration.depth).map { index in
            TransformerBlock(
                width: width, heads: configuration.heads, hidden: configuration.hidden, scalesAttention: configuration.scalesAttention,
                dropout: configuration.dropout, dropPath: configuration.dropPath * Double(index) / Double(max(configuration.depth - 1, 1)),
                epsilon: epsilon, initialization: initialization, in: scope["blocks"][index])
        }
        norm = LayerNorm(width, epsilon: epsilon, in: scope["norm"])
        head = Linear(width, classes, initialization: initialization, in: scope["head"])
    }

    func callAsFunction(_ tokens: Tensor) -> Tensor {
        let sequence = dropout(position(classToken?(tokens) ?? tokens))
        let normalized = norm(blocks.reduce(sequence) { $1($0) })
        return head(scope["pool"].record { pool(normalized) })
    }
}
