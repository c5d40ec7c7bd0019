import Configuration
import Layers
import TensorCore

/// The vision transformer on images of any size, several of which are packed into one sequence; their tokens attend to their own image alone.
///
///     token  = W · (pixels of the patch) + b + position
///     z     ← transformer blocks, scores −∞ between images
///     image  = pooled tokens of the image                          → head
///
/// It takes what `data.size: native` gives: for each image of a batch a share of the sequence of its shard. A token has its pixels, its row and column, its
/// centre (x, y) from −1 to 1, and the number of its image in the sequence, −1 where there is none.
///
/// | position | what is added to a token |
/// | --- | --- |
/// | `factorized` | a trained vector of its row and one of its column (Dehghani et al., section 2.1) |
/// | `coordinates` | a perceptron of (x, y) |
/// | `none` | nothing |
///
/// Parameters: `patch_embed.proj`, `pos_embed_rows`, `pos_embed_columns` or `pos_embed.fc1`, `.fc2`, `blocks.i.…`, `norm`, with `pool: attention` also `attn_pool`,
/// `head`. Initialization as in `vit`.
///
/// Dehghani et al., "Patch n' Pack: NaViT, a Vision Transformer for any Aspect Ratio and Resolution", NeurIPS 2023.
public struct NaViTConfiguration: ModelConfiguration {
    public static let family = "navit"

    /// How the tokens of an image become one vector.
    public enum Pooling: String, CaseIterable, Sendable {
        /// Their mean.
        case mean
        /// A trained query attends to them, and a perceptron follows.
        case attention
    }

    /// What works on the tokens.
    public var transformer: TransformerConfiguration
    /// How the tokens of an image become one vector.
    public var pool = Pooling.attention
    /// How many rows and columns have trained positions of their own.
    public var sides = 64

    /// A transformer of this size.
    public init(_ transformer: TransformerConfiguration) { self.transformer = transformer }

    /// Stand-ins for what has to be given.
    public init() {
        var transformer = TransformerConfiguration()
        transformer.position = .factorized
        self.init(transformer)
    }

    public static let documentation = "The vision transformer on images of any size, packed into sequences."
    public static let takesSequences = true
    public static let paper: String? = "Dehghani et al., NeurIPS 2023"
    public static let options: [Key<NaViTConfiguration>] =
        TransformerConfiguration.options.filter { !["registers", "patch_dropout"].contains($0.description.name) }.map { key in
            key.description.name == "position" ? positionKey : key.beside(\.transformer).startingAt { Self() }
        } + [
            Key("pool", \.pool, .choice, "How the tokens of an image become one vector for the head."),
            Key("sides", \.sides, .integer(in: 1...4096), "How many rows and columns have trained positions of their own; what lies beyond has the last's."),
        ]

    private static let positionKey = Key<NaViTConfiguration>(
        "position", \.transformer.position, .choice(of: [.factorized, .coordinates, .none]), paper: "Dehghani et al., NeurIPS 2023",
        "What tells tokens where they are: a trained vector of the row and one of the column, or a perceptron of (x, y) (coordinates).")

    public mutating func check(_ fields: inout FieldReader) {
        transformer.check(&fields)
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if input.width != 1 || input.channels < 6 {
            fields.errors.report(
                "navit takes images in their own sizes, packed into sequences as data.size: native gives them; found images of \(input)",
                at: fields.node.mark, path: fields.path)
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { NaViT(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: transformer.initialization, in: scope["head"])
    }
}

/// Tokens of several images, the transformer on them, and one vector for each image; stages are the transformer's, of each image's share of the
/// sequence, `[B, L / B, D]`, the last with the images' numbers behind, `[B, L / B, D + 1]`.
private struct NaViT: ImageEncoder {
    private let projection: Linear
    private let position: PositionEmbedding.Kind
    private let tables: [Tensor]
    private let perceptron: (first: Linear, second: Linear)?
    private let blocks: [TransformerBlock]
    private let norm: TokenNorm
    private let pool: AttentionPooling?
    private let pixels: Int
    private let sides: Int
    let width: Int
    private let scope: Scope

    init(_ configuration: NaViTConfiguration, input: ImageShape, in scope: Scope) {
        let transformer = configuration.transformer, options = transformer.blockOptions
        (self.scope, width, position, sides) = (scope, transformer.width, transformer.position, configuration.sides)
        // Behind its pixels a token has five numbers.
        pixels = max(1, input.channels - 5)
        projection = Linear(pixels, width, initialization: .leCun(distribution: .normal), in: scope["patch_embed"]["proj"])
        tables = position == .factorized
            ? ["rows", "columns"].map { scope.parameter("pos_embed_\($0)", [configuration.sides, transformer.width], Initialization.transformer, role: .positionEmbedding) } : []
        perceptron = position == .coordinates
            ? (Linear(2, width, initialization: .transformer, in: scope["pos_embed"]["fc1"]), Linear(width, width, initialization: .transformer, in: scope["pos_embed"]["fc2"]))
            : nil
        blocks = (0..<transformer.depth).map { index in
            TransformerBlock(
                width: transformer.width, heads: transformer.heads, hidden: transformer.hidden, options: options, dropout: transformer.dropout,
                dropPath: transformer.dropPath * Double(index) / Double(max(transformer.depth - 1, 1)), initialization: transformer.initialization,
                in: scope["blocks"][index])
        }
        norm = TokenNorm(options.norm, transformer.width, epsilon: options.epsilon, in: scope["norm"])
        pool = configuration.pool == .attention
            ? AttentionPooling(width: width, heads: transformer.heads, hidden: transformer.hidden, initialization: transformer.initialization, in: scope["attn_pool"]) : nil
    }

    /// What a token has beside its pixels: `[1, L, 1]` each.
    private struct Places {
        let row, column, x, y, image: Tensor

        init(_ tokens: Tensor, after pixels: Int) {
            func part(_ index: Int) -> Tensor { tokens.sliced(axis: 2, pixels + index..<pixels + index + 1) }
            (row, column, x, y, image) = (part(0), part(1), part(2), part(3), part(4))
        }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = NamedOutputs()
        guard images.isValid else { return stages }
        let length = images.shape[0] * images.shape[1]
        let tokens = scope["tokens"].record { images.reshaped([1, length, images.shape[3]]) }
        let places = scope["tokens"].record { Places(tokens, after: pixels) }
        let embedded = projection(scope["tokens"].record { tokens.sliced(axis: 2, 0..<pixels) })
        var z = positioned(embedded, places)
        // 0 between tokens of one image; otherwise so low that a probability is 0.
        let bias = scope["mask"].record {
            (places.image.reshaped([1, 1, length, 1]) - places.image.reshaped([1, 1, 1, length])).square() * -1e9
        }
        for (index, block) in blocks.enumerated() {
            z = block(z, bias: bias, positions: nil)
            stages.add("block\(index + 1)", shares(z, images))
        }
        let normalized = norm(z)
        // The images' numbers go with the tokens to where they are pooled.
        let numbered = scope["tokens"].record { Tensor.concatenated([normalized.cast(to: .float32), places.image], axis: 2) }
        stages.add("tokens", shares(numbered, images))
        return stages
    }

    private func shares(_ tokens: Tensor, _ images: Tensor) -> Tensor {
        scope["tokens"].record { tokens.isValid ? tokens.reshaped([images.shape[0], images.shape[1], tokens.shape[2]]) : tokens }
    }

    private func positioned(_ tokens: Tensor, _ places: Places) -> Tensor {
        switch position {
        case .factorized:
            return scope["positions"].record {
                zip(tables, [places.row, places.column]).reduce(tokens) { sum, pair in
                    // One where the place is the table's, else zero.
                    let numbers = scope.graph.constant(HostTensor([1, 1, sides], (0..<sides).map(Float.init)))
                    let isPlace = ((pair.1.minimum(scope.graph.constant(HostTensor([1, 1, 1], [Float(sides - 1)]))) - numbers).square() * -1 + 1).relu()
                    return sum + isPlace.matmul(pair.0.reshaped([1, sides, width]), dtype: .float32).cast(to: sum.dtype)
                }
            }
        case .coordinates:
            let centres = scope["positions"].record { Tensor.concatenated([places.x, places.y], axis: 2) }
            let hidden = perceptron!.first(centres)
            let vectors = perceptron!.second(scope["positions"].record { hidden.activated(.gelu) })
            return scope["positions"].record { tokens + vectors }
        default: return tokens
        }
    }

    func pooled(_ features: Tensor) -> Tensor {
        guard features.isValid else { return features }
        let images = features.shape[0], length = images * features.shape[1]
        let parts = scope["pool"].record { () -> (tokens: Tensor, distance: Tensor) in
            let numbers = scope.graph.constant(HostTensor([1, images, 1], (0..<images).map(Float.init)))
            let sequence = features.reshaped([1, length, width + 1])
            let image = sequence.sliced(axis: 2, width..<width + 1).reshaped([1, 1, length])
            return (sequence.sliced(axis: 2, 0..<width), (numbers - image).square())
        }
        if let pool { return pool(parts.tokens, images: images, bias: scope["pool"].record { (parts.distance * -1e9).reshaped([1, 1, images, length]) }) }
        return scope["pool"].record {
            let isOwn = (parts.distance * -1 + 1).relu(), counts = isOwn.sum(axes: [2], keepsAxes: true)
            let one = scope.graph.constant(HostTensor([1, 1, 1], [Float(1)]))
            return (isOwn.matmul(parts.tokens, dtype: .float32) / counts.maximum(one)).reshaped([images, width])
        }
    }
}
