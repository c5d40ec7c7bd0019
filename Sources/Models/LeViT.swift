import Configuration
import Layers
import TensorCore

/// LeViT: a transformer in the shape of a CNN, made for speed: few tokens, batch norm in place of layer norm, and attention that shrinks the map.
///
///     block:       x ← x + P(f(softmax(q kᵀ / √d + bias) v)),  [q, k, v] = N(W x);   x ← x + N(W f(N(W x)))      f hard swish, N batch norm
///     downsample:  x ← P(f(softmax(q kᵀ / √d + bias) v)),  q of every second row and column;   x ← x + N(W f(N(W x)))
///
/// | size | width | heads | blocks | d | drop path |
/// | --- | --- | --- | --- | --- | --- |
/// | `128s` | 128, 256, 384 | 4, 6, 8 | 2, 3, 4 | 16 | 0 |
/// | `128` | 128, 256, 384 | 4, 8, 12 | 4, 4, 4 | 16 | 0 |
/// | `192` | 192, 288, 384 | 3, 5, 6 | 4, 4, 4 | 32 | 0 |
/// | `256` | 256, 384, 512 | 4, 6, 8 | 4, 4, 4 | 32 | 0 |
/// | `384` | 384, 512, 768 | 6, 9, 12 | 4, 4, 4 | 32 | 0.1 |
///
/// The stem has 3×3 convolutions of stride 2, one for each halving up to `patch`, whose channels double up to the first width, with hard swish between
/// them. Values are twice as wide as keys, in a downsampling four times, which has a head for every d channels of its input. The bias is a trained number for each head and
/// each distance |Δ row|, |Δ column|. The mean over all cells goes to two heads, each a batch norm and a linear layer, the second of which was taught by
/// another network; the logits are the mean of both. Stages: `stem`, then `stage1`, …, each a feature map.
///
/// Parameters as in timm: `stem.conv1.linear`, `stem.conv1.bn`, …; `stages.0.blocks.0.attn.attention_biases [heads, cells]`, `.attn.qkv.linear`, `.attn.qkv.bn`,
/// `.attn.proj.ln.linear`, `.attn.proj.ln.bn`, `.mlp.ln1`, `.mlp.ln2`; `stages.1.downsample.attn_downsample.attention_biases`, `.kv`, `.q.ln`, `.proj.ln`,
/// `stages.1.downsample.mlp`; `head.bn`, `head.linear`, `head_dist`.
/// Initialization: PyTorch's for convolutions and linear layers, the heads truncated normal with σ = 0.02; the last norm of every residual branch begins with
/// the scale 0; biases 0.
///
/// Graham, El-Nouby, Touvron, Stock, Joulin, Jégou and Douze, "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", ICCV 2021.
public struct LeViTConfiguration: BackboneConfiguration {
    public static let family = "levit"

    /// The sizes of the paper.
    public enum Size: String, CaseIterable, Sendable {
        case s128 = "128s", m128 = "128", m192 = "192", m256 = "256", m384 = "384"
    }

    /// Which of the paper's networks gives the other options their defaults.
    public private(set) var size: Size
    /// The channels of each stage.
    public var widths: [Int]
    /// How many heads attention has in each stage.
    public var heads: [Int]
    /// How many blocks each stage has.
    public var blocks: [Int]
    /// The channels of a query and of a key.
    public var keyWidth: Int
    /// By how much the stem reduces the resolution.
    public var patch = 16
    /// The width of a perceptron's hidden layer over its own.
    public var mlpRatio = 2.0
    /// Whether a second head stands beside the first.
    public var hasDistillationHead = true
    /// The rate of every block.
    public var dropPath: Double
    /// How the weights of all but the heads start.
    public var initialization = Initialization.torchLinear

    /// One of the paper's networks.
    public init(_ size: Size) {
        self.size = size
        (widths, heads, blocks, keyWidth) =
            switch size {
            case .s128: ([128, 256, 384], [4, 6, 8], [2, 3, 4], 16)
            case .m128: ([128, 256, 384], [4, 8, 12], [4, 4, 4], 16)
            case .m192: ([192, 288, 384], [3, 5, 6], [4, 4, 4], 32)
            case .m256: ([256, 384, 512], [4, 6, 8], [4, 4, 4], 32)
            case .m384: ([384, 512, 768], [6, 9, 12], [4, 4, 4], 32)
            }
        dropPath = size == .m384 ? 0.1 : 0
    }

    /// LeViT-128S.
    public init() { self.init(.s128) }

    public static let documentation = "A transformer in the shape of a CNN, with batch norm and attention that shrinks the map."
    public static let paper: String? = "Graham et al., ICCV 2021"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<LeViTConfiguration>] = [
        Key("size", \.size, .choice, decidesDefaults: true, "Which of the paper's networks gives the other options their defaults."),
        Key("widths", \.widths, .integers(in: 1...65_536), "The channels of each stage; attention halves the resolution between stages."),
        Key("heads", \.heads, .integers(in: 1...65_536), "How many heads attention has in each stage."),
        Key("blocks", \.blocks, .integers(in: 1...1024), "How many blocks each stage has."),
        Key("key_width", \.keyWidth, .integer(in: 1...4096), "The channels of a query and of a key; values have twice as many, four times as many between stages."),
        Key("patch", \.patch, .one(of: [1, 2, 4, 8, 16, 32]), "By how much the stem reduces the resolution, by halves; less than 16 for small images."),
        Key("mlp_ratio", \.mlpRatio, .number(in: 0.01...1000), "The width of a perceptron's hidden layer over its own."),
        Key("distillation", \.hasDistillationHead, .flag, paper: "Touvron et al., ICML 2021", "Whether a second head stands beside the first; the logits are the mean of both."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016", "How often a block is left out, the same for all."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = LeViTConfiguration(size) }

    public mutating func check(_ fields: inout FieldReader) {
        if widths.isEmpty || widths.count > 6 {
            fields.report("found \(widths.count) stages, expected 1 to 6", at: "widths")
            widths = [keyWidth]
        }
        for (key, what, property) in [("heads", "numbers of heads", \LeViTConfiguration.heads), ("blocks", "numbers of blocks", \.blocks)]
        where self[keyPath: property].count != widths.count {
            fields.report("found \(self[keyPath: property].count) \(what), expected \(widths.count), one for each stage of widths", at: key)
            self[keyPath: property] = widths.map { _ in 1 }
        }
        for (stage, width) in widths.dropLast().enumerated() where width % keyWidth != 0 {
            fields.report(
                "keys of \(keyWidth) channels do not divide the width \(width) of stage \(stage + 1), behind which attention has a head for every \(keyWidth)",
                at: "key_width")
        }
        let step = 1 << max(convolutions - 1, 0)
        if widths[0] % step != 0 {
            fields.report("the \(convolutions) convolutions of the stem double their channels up to the first width, which must be a multiple of \(step), found \(widths[0])", at: "widths")
        }
    }

    /// How many convolutions the stem has: one that keeps the resolution where the patch is 1.
    private var convolutions: Int { max(1, patch.trailingZeroBitCount) }

    public var stageNames: [String] { ["stem"] + widths.indices.map { "stage\($0 + 1)" } }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), map = Size2D(input.height, input.width), inputs = input.channels
        for index in 0..<convolutions {
            let place = scope["stem"]["conv\(index + 1)"], outputs = max(1, widths[0] >> (convolutions - 1 - index)), isLast = index == convolutions - 1
            backbone.add(ConvolutionLayer(
                inputs, outputs, kernel: 3, stride: patch > 1 ? 2 : 1, activation: isLast ? .identity : .hardSwish, initialization: initialization,
                in: (place["linear"], place["bn"])))
            if patch > 1 { map = Self.halved(map) }
            inputs = outputs
        }
        backbone.endStage("stem")
        for (number, width) in widths.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            let place = scope["stages"][number]
            if number > 0 {
                let downsample = place["downsample"], heads = max(1, inputs / keyWidth)
                backbone.add(LeViTAttention(
                    inputs, width, heads: heads, keyWidth: keyWidth, valueWidth: 4 * keyWidth, map: map, stride: 2, initialization, in: downsample["attn_downsample"]))
                // The perceptrons between stages are twice as wide inside whatever those of blocks are.
                backbone.add(NormalizedResidual(
                    NormalizedPerceptron(width, hidden: 2 * width, initialization, in: downsample["mlp"]), dropPath: dropPath, in: (downsample, "drop_path")))
                map = Self.halved(map)
            }
            for block in 0..<blocks[number] {
                let block = place["blocks"][block], hidden = max(1, Int(Double(width) * mlpRatio))
                backbone.add(NormalizedResidual(
                    LeViTAttention(
                        width, width, heads: heads[number], keyWidth: keyWidth, valueWidth: 2 * keyWidth, map: map, initialScale: 0, initialization, in: block["attn"]),
                    dropPath: dropPath, in: (block, "drop_path1")))
                backbone.add(NormalizedResidual(
                    NormalizedPerceptron(width, hidden: hidden, initialization, in: block["mlp"]), dropPath: dropPath, in: (block, "drop_path2")))
            }
            inputs = width
            backbone.endStage("stage\(number + 1)")
        }
        return backbone
    }

    private static func halved(_ map: Size2D) -> Size2D { Size2D((map.height + 1) / 2, (map.width + 1) / 2) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope)
        return ConvolutionalEncoder(backbone, width: widths[widths.count - 1]) { features in scope["pool"].record { features.globalAveragePool() } }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        let first = NormalizedHead(inputs, outputs, in: scope["head"])
        return hasDistillationHead ? MeanHead(first, NormalizedHead(inputs, outputs, in: scope["head_dist"]), in: scope) : first
    }
}

/// Two normalized linear layers with hard swish between them; the last norm begins with the scale 0.
private struct NormalizedPerceptron: Layer {
    private let first, second: NormalizedLinear

    init(_ width: Int, hidden: Int, _ initialization: Initialization, in scope: Scope) {
        first = NormalizedLinear(width, hidden, activation: .hardSwish, initialization, in: scope["ln1"])
        second = NormalizedLinear(hidden, width, initialScale: 0, initialization, in: scope["ln2"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { second(first(x)) }
}

/// x + DropPath(layer(x)).
private struct NormalizedResidual: Layer {
    private let layer: any Layer
    private let dropPath: DropPath
    private let scope: Scope

    init(_ layer: some Layer, dropPath rate: Double, in place: (scope: Scope, name: String)) {
        self.layer = layer
        dropPath = DropPath(rate: rate, in: place.scope[place.name])
        scope = place.scope
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let branch = dropPath(layer(x))
        return scope.record { x + branch }
    }
}

/// A batch norm and a linear layer.
private struct NormalizedHead: Layer {
    private let norm: BatchNorm
    private let linear: Linear

    init(_ inputs: Int, _ outputs: Int, in scope: Scope) {
        norm = BatchNorm(inputs, in: scope["bn"])
        linear = Linear(inputs, outputs, initialization: .transformer, in: scope["linear"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { linear(norm(x)) }
}

/// The mean of two heads on the same vector.
private struct MeanHead: Layer {
    private let first, second: NormalizedHead
    private let scope: Scope

    init(_ first: NormalizedHead, _ second: NormalizedHead, in scope: Scope) { (self.first, self.second, self.scope) = (first, second, scope) }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let logits = (first(x), second(x))
        return scope.record { (logits.0 + logits.1) / 2 }
    }
}
