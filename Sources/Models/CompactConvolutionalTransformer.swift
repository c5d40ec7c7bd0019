import Configuration
import Layers
import TensorCore

/// The compact convolutional transformer: convolutions and pools make the tokens, and a weighted mean of all tokens goes to the head.
///
///     image → n × [k×k convolution → ReLU → 3×3 max-pool, stride 2] → tokens + positions → blocks → norm → sequence pooling → head
///
/// | name | width | depth | heads | MLP ratio |
/// | --- | --- | --- | --- | --- |
/// | CCT-2 | 128 | 2 | 2 | 1 |
/// | CCT-4 | 128 | 4 | 2 | 1 |
/// | CCT-6 | 256 | 6 | 4 | 2 |
/// | CCT-7 | 256 | 7 | 4 | 2 |
/// | CCT-14 | 384 | 14 | 6 | 3 |
///
/// CCT-7/3×1 has one convolution of 3×3; of several, all but the last have 64 channels. Convolutions of 7×7 have stride 2. Convolutions, queries, keys and
/// values have no biases. In a block the stream itself is normalized before the perceptron's branch is added to it (`block: compact`), as in the
/// authors' code.
///
/// Parameters: `tokenizer.i` for the convolutions, `pos_embed`, `blocks.i.…` and `norm` as in `vit`, `attention_pool`, `head`.
/// Initialization: He normal for convolutions, truncated normal with σ = 0.02 for linear layers, with σ = 0.2 for positions, biases 0.
///
/// Hassani, Walton, Shah, Abuduweili, Li and Shi, "Escaping the Big Data Paradigm with Compact Transformers", 2021 (arXiv:2104.05704).
public struct CompactConvolutionalTransformerConfiguration: ModelConfiguration {
    public static let family = "cct"

    /// How many convolutions make the tokens.
    public var convolutions = 1
    /// The side of their kernels.
    public var kernel = 3
    /// What works on the tokens.
    public var transformer: TransformerConfiguration
    /// How the tokens become one vector for the head.
    public var pool = TokenPooling.sequence

    /// One of the paper's networks, without what it drops in training.
    public init(convolutions: Int = 1, kernel: Int = 3, width: Int, depth: Int, heads: Int, mlpRatio: Double) {
        (self.convolutions, self.kernel) = (convolutions, kernel)
        transformer = TransformerConfiguration(width: width, depth: depth, heads: heads, mlpRatio: mlpRatio)
        transformer.block = .compact
        transformer.hasQueryKeyValueBias = false
        transformer.normEpsilon = 1e-5
        transformer.positionDeviation = 0.2
    }

    /// CCT-7/3×1.
    public init() { self.init(width: 256, depth: 7, heads: 4, mlpRatio: 2) }

    public static let documentation = "The compact convolutional transformer."
    public static let paper: String? = "Hassani et al., 2021 (arXiv:2104.05704)"
    public static let options: [Key<CompactConvolutionalTransformerConfiguration>] =
        [
            Key("convolutions", \.convolutions, .integer(in: 1...8), "How many convolutions make the tokens; each is followed by a max-pool that halves the image."),
            Key("kernel", \.kernel, .one(of: [3, 5, 7]), "The side of their kernels; 7×7 steps by 2."),
        ] + TransformerConfiguration.options.map { $0.beside(\.transformer).startingAt { Self() } } + [
            poolingOption(\.pool)
        ]

    public mutating func check(_ fields: inout FieldReader) { transformer.check(&fields) }

    /// Height and width of the tokens' grid.
    private func grid(_ input: ImageShape) -> Size2D {
        func length(_ side: Int) -> Int { (0..<convolutions).reduce(side) { length, _ in (length - 1) / stride / 2 + 1 } }
        return Size2D(length(input.height), length(input.width))
    }

    private var stride: Int { max(1, kernel / 2 - 1) }

    public func validate(input: ImageShape, at fields: FieldReader) {}

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        CompactConvolutionalTransformer(self, input: input, grid: grid(input), stride: stride, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: transformer.initialization, in: scope["head"])
    }
}

/// The tokenizer, and the transformer on its cells; stages are the transformer's.
private struct CompactConvolutionalTransformer: ImageEncoder {
    private let convolutions: [Convolution2D]
    private let pools: [Pooling]
    private let transformer: TransformerEncoder
    private let pool: TokenPool
    private let scope: Scope

    init(_ configuration: CompactConvolutionalTransformerConfiguration, input: ImageShape, grid: Size2D, stride: Int, in scope: Scope) {
        self.scope = scope
        let settings = configuration.transformer, place = scope["tokenizer"], kernel = configuration.kernel
        let channels = [input.channels] + [Int](repeating: 64, count: configuration.convolutions - 1) + [settings.width]
        convolutions = zip(channels, channels.dropFirst()).enumerated().map { index, ends in
            Convolution2D(
                ends.0, ends.1, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(kernel / 2, kernel / 2)), hasBias: false,
                initialization: .he(distribution: .normal, fan: .in, gain: ActivationKind.relu.gain!), in: place[index])
        }
        pools = convolutions.indices.map { Pooling(.maximum, window: 3, stride: 2, padding: .symmetric(1), in: place[$0]["pool"]) }
        transformer = TransformerEncoder(settings, rows: grid.height, columns: grid.width, hasClassToken: configuration.pool == .class, in: scope)
        pool = TokenPool(
            configuration.pool, width: settings.width, heads: settings.heads, hidden: settings.hidden, prefixTokens: transformer.prefixTokens,
            initialization: settings.initialization, in: scope)
    }

    var width: Int { transformer.width }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let cells = zip(convolutions, pools).reduce(images) { x, layers in
            let map = layers.0(x)
            return layers.1(scope["tokenizer"].record { map.relu() })
        }
        return transformer(scope["tokenizer"].record { cells.isValid ? cells.reshaped([cells.shape[0], cells.shape[1] * cells.shape[2], cells.shape[3]]) : cells })
    }

    func featureMap(_ features: Tensor) -> Tensor? { transformer.featureMap(features) }

    func pooled(_ features: Tensor) -> Tensor { pool(features) }
}
