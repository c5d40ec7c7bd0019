import Configuration
import Layers
import TensorCore

/// CoAtNet: stages of inverted residuals, then stages of attention over all cells with a relative position bias; the resolution halves from stage to stage.
///
///     convolution:  x ← shortcut(x) + conv1×1(S(f(N(depthwise3×3(f(N(conv1×1(N(x)))))))))     N batch norm, f GELU, S squeeze and excitation
///     attention:    x ← shortcut(x) + Attention(LN(x));  x ← x + MLP(LN(x))                  scores with a bias by the distance of two cells
///
/// CoAtNet-0 has the blocks 2, 3, 5, 2, two stages of each kind, and 96 channels in the first, which double. The first block of a stage halves the
/// resolution: by the stride of its depthwise convolution, or by a 2×2 average pool behind its norm; the shortcut is a 2×2 average pool and, where the
/// channels change, a 1×1 convolution. Windows at the border of an odd map average the cells that there are. The stem is two 3×3 convolutions, the first
/// of which halves the image. Global average pooling, a layer norm, a linear layer with tanh and another one end it. Layer norms have ε = 10⁻⁶, GELU is
/// exact. Stages: `stem`, then `stage1`, …, each a feature map.
///
/// Parameters as in timm's `coatnet_0_224`: `stem.conv1`, `stem.norm1`, `stem.conv2`; `stages.0.blocks.0.shortcut.expand`, `.pre_norm`, `.conv1_1x1`,
/// `.norm1`, `.conv2_kxk`, `.norm2`, `.se.fc1`, `.se.fc2`, `.conv3_1x1`; `stages.2.blocks.0.norm1.norm`, `stages.2.blocks.1.norm1`, `.attn.qkv` (query, key
/// and value of the first head, of the second, …), `.attn.rel_pos.relative_position_bias_table`, `.attn.proj`, `.norm2`, `.mlp.fc1`, `.mlp.fc2`;
/// `head.norm`, `head.pre_logits.fc`, `head.fc`.
/// Initialization: He normal by the outputs for convolutions, of a depthwise one by the single output of a filter; Xavier uniform in blocks of attention;
/// PyTorch's for the head; biases 0.
///
/// Dai, Liu, Le and Tan, "CoAtNet: Marrying Convolution and Attention for All Data Sizes", NeurIPS 2021. As in timm, squeeze and excitation follows the
/// second norm, the stride is that of the depthwise convolution, and the head has a hidden layer.
public struct CoAtNetConfiguration: BackboneConfiguration {
    public static let family = "coatnet"

    /// How many blocks each stage has.
    public var blocks = [2, 3, 5, 2]
    /// How many of the stages are convolutions.
    public var convolutionStages = 2
    /// The channels of the first stage.
    public var width = 96
    /// The channels of the stem.
    public var stemWidth = 64
    /// By how much the stem reduces the resolution.
    public var stemStride = 2
    /// The channels of a head.
    public var headWidth = 32
    /// The channels inside a convolution block over its outputs.
    public var expansion = 4.0
    /// The width of an attention block's hidden layer over its own.
    public var mlpRatio = 4.0
    /// The share of attention's probabilities that are dropped.
    public var attentionDropout = 0.0
    /// The rate of the last block; it rises from 0 linearly over depth.
    public var dropPath = 0.2
    /// How convolutions' weights start.
    public var initialization = Initialization.residual
    /// How the weights of attention blocks start.
    public var attentionInitialization = Initialization.xavier(distribution: .uniform, gain: 1)

    /// CoAtNet-0.
    public init() {}

    public static let documentation = "Stages of inverted residuals, then of attention over all cells with a relative position bias."
    public static let paper: String? = "Dai, Liu, Le and Tan, NeurIPS 2021"
    public static let weightNames: [WeightNames] = [.timm]
    public static let options: [Key<CoAtNetConfiguration>] = [
        Key("blocks", \.blocks, .integers(in: 1...1024), "How many blocks each stage has; the resolution halves in the first block of each."),
        Key("convolution_stages", \.convolutionStages, .integer(in: 0...6), paper: "Dai, Liu, Le and Tan, NeurIPS 2021, section 2.2", "How many of the stages, from the first, are convolutions; the others are attention."),
        Key("width", \.width, .count, role: .width, "The channels of the first stage; they double from stage to stage."),
        Key("stem_width", \.stemWidth, .count, "The channels of the stem."),
        Key("stem_stride", \.stemStride, .integer(in: 1...2), "By how much the stem reduces the resolution; 1 for small images."),
        Key("head_width", \.headWidth, .count, role: .widthDivisor, "How many channels a head of attention has; it divides the channels of each stage of attention."),
        Key("expansion", \.expansion, .number(in: 0.01...1000), paper: "Sandler et al., CVPR 2018", "The channels inside a convolution block over its outputs."),
        Key("mlp_ratio", \.mlpRatio, .number(in: 0.01...1000), "The width of an attention block's hidden layer over its own."),
        Key("attention_dropout", \.attentionDropout, .rate, "The share of attention's probabilities that a step leaves out."),
        Key("drop_path", \.dropPath, .rate, paper: "Huang et al., \"Deep Networks with Stochastic Depth\", ECCV 2016",
            "How often the last block is left out; the rate rises from 0 linearly over depth."),
        initializationOption(\.initialization),
        Key("attention_initialization", \.attentionInitialization, .initialization, "How the weights of attention blocks start."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if blocks.isEmpty || blocks.count > 6 {
            fields.report("found \(blocks.count) stages, expected 1 to 6", at: "blocks")
            (blocks, convolutionStages) = ([1], min(convolutionStages, 1))
        }
        if convolutionStages > blocks.count {
            fields.report("found \(convolutionStages) stages of convolutions, expected at most the \(blocks.count) that there are", at: "convolution_stages")
            convolutionStages = 0
        }
        for stage in convolutionStages..<blocks.count where (width << stage) % headWidth != 0 {
            fields.report("heads of \(headWidth) channels do not divide the width \(width << stage) of stage \(stage + 1)", at: "head_width")
        }
    }

    public var stageNames: [String] { ["stem"] + blocks.indices.map { "stage\($0 + 1)" } }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), index = 0, inputs = stemWidth
        let stem = scope["stem"], last = max(blocks.reduce(0, +) - 1, 1)
        func reduced(_ map: Size2D, by stride: Int) -> Size2D { Size2D((map.height - 1) / stride + 1, (map.width - 1) / stride + 1) }
        var map = reduced(Size2D(input.height, input.width), by: stemStride)
        backbone.add(ConvolutionLayer(
            input.channels, stemWidth, kernel: 3, stride: stemStride, activation: .gelu, initialization: initialization, in: (stem["conv1"], stem["norm1"])))
        backbone.add(Convolution2D(
            stemWidth, stemWidth, kernel: 3, padding: .symmetric(1), hasBias: false, initialization: initialization, in: stem["conv2"]))
        backbone.endStage("stem")
        for (number, count) in blocks.prefix(stageNames.firstIndex(of: stage) ?? 0).enumerated() {
            let outputs = width << number
            map = reduced(map, by: 2)
            for block in 0..<count {
                let place = scope["stages"][number]["blocks"][block], rate = dropPath * Double(index) / Double(last), stride = block == 0 ? 2 : 1
                if number < convolutionStages {
                    backbone.add(ConvolutionBlock(self, inputs, outputs, stride: stride, dropPath: rate, in: place))
                } else {
                    backbone.add(AttentionBlock(self, inputs, outputs, map: map, stride: stride, dropPath: rate, in: place))
                }
                inputs = outputs
                index += 1
            }
            backbone.endStage("stage\(number + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), width = width << (blocks.count - 1), head = scope["head"]
        let norm = LayerNorm(width, in: head["norm"]), hidden = Linear(width, width, in: head["pre_logits"]["fc"])
        return ConvolutionalEncoder(backbone, width: width) { features in
            let vector = hidden(norm(head["global_pool"].record { features.globalAveragePool() }))
            return head["pre_logits"]["act"].record { vector.activated(.tanh) }
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]["fc"]) }
}

/// A 2×2 average pool of stride 2, and a 1×1 convolution where the channels change.
private struct Shortcut: Layer {
    private let pool: Pooling
    private let expansion: Convolution2D?

    init(_ inputs: Int, _ outputs: Int, _ initialization: Initialization, in scope: Scope) {
        pool = .halving(in: scope["pool"])
        expansion = inputs == outputs ? nil : Convolution2D(inputs, outputs, kernel: 1, initialization: initialization, in: scope["expand"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let pooled = pool(x)
        return expansion?(pooled) ?? pooled
    }
}

extension Pooling {
    /// The mean of squares of 2×2 cells, at the border of an odd map of those that there are.
    fileprivate static func halving(in scope: Scope) -> Pooling { Pooling(.average, window: 2, padding: .same, countsPadding: false, in: scope) }
}

/// An inverted residual behind a norm of its own.
private struct ConvolutionBlock: Layer {
    private let layers: [any Layer]
    private let shortcut: Shortcut?
    private let dropPath: DropPath
    private let scope: Scope

    init(_ network: CoAtNetConfiguration, _ inputs: Int, _ outputs: Int, stride: Int, dropPath rate: Double, in scope: Scope) {
        let initialization = network.initialization, hidden = scaledChannels(outputs, by: network.expansion)
        self.scope = scope
        shortcut = stride > 1 || inputs != outputs ? Shortcut(inputs, outputs, initialization, in: scope["shortcut"]) : nil
        // A filter of a depthwise convolution has one output.
        let depthwise = if case .he(let distribution, .out, let gain) = initialization { Initialization.he(distribution: distribution, fan: .in, gain: gain) } else { initialization }
        layers = [
            BatchNorm(inputs, in: scope["pre_norm"]),
            ConvolutionLayer(inputs, hidden, kernel: 1, activation: .gelu, initialization: initialization, in: (scope["conv1_1x1"], scope["norm1"])),
            ConvolutionLayer(
                hidden, hidden, kernel: 3, stride: stride, groups: hidden, activation: .gelu, initialization: depthwise, in: (scope["conv2_kxk"], scope["norm2"])),
            SqueezeExcitation(hidden, inner: max(1, outputs / 4), activation: .silu, initialization: initialization, in: scope["se"]),
            Convolution2D(hidden, outputs, kernel: 1, initialization: initialization, in: scope["conv3_1x1"]),
        ]
        dropPath = DropPath(rate: rate, in: scope["drop_path"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let kept = shortcut?(x) ?? x, inside = dropPath(layers.reduce(x) { $1($0) })
        return scope.record { inside + kept }
    }
}

/// Attention over all cells and a perceptron, each behind a norm.
private struct AttentionBlock: Layer {
    private let shortcut: Shortcut?
    private let attentionNorm, mlpNorm: LayerNorm
    private let pool: Pooling?
    private let attention: CellAttention
    private let hidden, last: Convolution2D
    private let attentionDropPath, mlpDropPath: DropPath
    private let scope: Scope

    init(_ network: CoAtNetConfiguration, _ inputs: Int, _ outputs: Int, map: Size2D, stride: Int, dropPath rate: Double, in scope: Scope) {
        let isSmaller = stride > 1, initialization = network.attentionInitialization, place = scope["norm1"], mlp = scope["mlp"]
        self.scope = scope
        shortcut = isSmaller ? Shortcut(inputs, outputs, initialization, in: scope["shortcut"]) : nil
        attentionNorm = LayerNorm(inputs, in: isSmaller ? place["norm"] : place)
        pool = isSmaller ? .halving(in: place["down"]) : nil
        attention = CellAttention(
            inputs, outputs, map: map, headWidth: network.headWidth, probabilityDropout: network.attentionDropout, initialization, in: scope["attn"])
        attentionDropPath = DropPath(rate: rate, in: scope["drop_path1"])
        mlpNorm = LayerNorm(outputs, in: scope["norm2"])
        let width = max(1, Int(Double(outputs) * network.mlpRatio))
        hidden = Convolution2D(outputs, width, kernel: 1, initialization: initialization, in: mlp["fc1"])
        last = Convolution2D(width, outputs, kernel: 1, initialization: initialization, in: mlp["fc2"])
        mlpDropPath = DropPath(rate: rate, in: scope["drop_path2"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        scope.graph.recordSegment {
            let normalized = attentionNorm(x), attended = attentionDropPath(attention(pool?(normalized) ?? normalized)), kept = shortcut?(x) ?? x
            let middle = scope.record { kept + attended }
            let wide = hidden(mlpNorm(middle))
            let transformed = mlpDropPath(last(scope["mlp"].record { wide.activated(.gelu) }))
            return scope.record { middle + transformed }
        }
    }
}

/// Multi-head attention over all cells of a map, its projections 1×1 convolutions, its scores with a relative position bias.
///
/// Shapes: `[B, H, W, in]` → `[B, H, W, out]`; the channels of `qkv` are query, key and value of one head after the other.
private struct CellAttention: Layer {
    private let queryKeyValue, projection: Convolution2D
    private let bias: RelativePositionBias
    private let headWidth, heads: Int
    private let probabilityDropout: Double
    private let scope: Scope

    init(_ inputs: Int, _ outputs: Int, map: Size2D, headWidth: Int, probabilityDropout: Double, _ initialization: Initialization, in scope: Scope) {
        (self.headWidth, heads, self.probabilityDropout, self.scope) = (headWidth, max(1, outputs / headWidth), probabilityDropout, scope)
        queryKeyValue = Convolution2D(inputs, 3 * outputs, kernel: 1, initialization: initialization, in: scope["qkv"])
        bias = RelativePositionBias(rows: map.height, columns: map.width, heads: heads, in: scope["rel_pos"])
        projection = Convolution2D(outputs, outputs, kernel: 1, initialization: initialization, in: scope["proj"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let packed = queryKeyValue(x), relative = bias()
        guard packed.isValid, relative.isValid else { return packed }
        let (batch, rows, columns) = (packed.shape[0], packed.shape[1], packed.shape[2])
        let attended = scope.record {
            let grouped = packed.reshaped([batch, rows * columns, heads, 3 * headWidth])
            let parts = (0..<3).map { grouped.sliced(axis: 3, $0 * headWidth..<($0 + 1) * headWidth) }
            return Tensor.attention(
                query: parts[0], key: parts[1], value: parts[2], bias: relative,
                dropout: probabilityDropout > 0 ? (Float(probabilityDropout), scope["attn_drop"].nextStream()) : nil
            ).reshaped([batch, rows, columns, heads * headWidth])
        }
        return projection(attended)
    }
}
