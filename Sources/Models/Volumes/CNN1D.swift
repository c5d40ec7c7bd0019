import Configuration
import Layers
import TensorCore

/// A convolutional network along sequences, which are images of height 1.
///
///     layer i  convolution of `kernel` places, `widths[i]` channels, as many answers as places → norm → activation       stage i+1  [B, 1, L, widths[i]]
///     head     answer: sequence    the largest value or the mean over the places, and a linear layer: [B, classes]
///              answer: positions   a linear layer at each place: [B, 1, L, classes], for a class for each pixel
///
/// With `causal: true` an answer sees its own place and those before it alone. With `dilated: true` layer i sees every 2^i-th place, so that what an answer
/// sees doubles with each layer.
///
/// Parameters: `conv1`, `norm1`, `conv2`, …, `head`; weights `[out, in, kernel]` as PyTorch's. Without a norm convolutions have biases. Initialization: He
/// normal by the inputs, biases 0; the head uniform within ±1/√fan_in.
///
/// LeCun and Bengio, "Convolutional Networks for Images, Speech, and Time Series", 1995; causal and dilated: van den Oord et al., "WaveNet: A Generative
/// Model for Raw Audio", 2016 (arXiv:1609.03499).
public struct CNN1DConfiguration: ModelConfiguration {
    public static let family = "cnn1d"

    /// What is answered.
    public enum Answer: String, CaseIterable, Sendable { case sequence, positions }

    /// How places become one vector.
    public enum Pool: String, CaseIterable, Sendable { case max, mean }

    /// The channels of each layer.
    public var widths = [16]
    /// How many places a convolution sees.
    public var kernel = 4
    /// Whether answers see nothing behind their place.
    public var isCausal = false
    /// Whether layer i sees every 2^i-th place.
    public var isDilated = false
    /// What normalizes features.
    public var norm = NormalizationKind.none
    /// Behind every layer.
    public var activation = ActivationKind.relu
    /// What is answered.
    public var answer = Answer.sequence
    /// How places become one vector.
    public var pool = Pool.max

    /// One layer of 16 channels.
    public init() {}

    public static let documentation = "A convolutional network along sequences, for an answer for each or for every place."
    public static let paper: String? = "LeCun and Bengio, 1995; van den Oord et al., 2016 (arXiv:1609.03499)"
    public static let options: [Key<CNN1DConfiguration>] = [
        Key("widths", \.widths, .integers(in: 1...65_536), "The channels of each layer."),
        Key("kernel", \.kernel, .count, "How many places a convolution sees."),
        Key("causal", \.isCausal, .flag, "Whether an answer sees nothing that comes after its place."),
        Key("dilated", \.isDilated, .flag, paper: "van den Oord et al., 2016 (arXiv:1609.03499)", "Whether each layer sees places twice as far apart as the one before it."),
        Key("norm", \.norm, .normalization, "What normalizes features."),
        Key("activation", \.activation, .choice, "What follows every layer."),
        Key("answer", \.answer, .choice, "What is answered: a class for the sequence, or one for each of its positions."),
        Key("pool", \.pool, .choice, "How positions become one vector where the sequence is answered for."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if widths.isEmpty || widths.count > 24 { fields.report("expected 1 to 24 layers, found \(widths.count)", at: "widths") }
        if case .group(let groups) = norm, let width = widths.first(where: { $0 % groups != 0 }) {
            fields.report("\(groups) groups do not divide the \(width) channels of a layer", at: "norm")
        }
        if answer == .positions, pool != .max { fields.report("goes with answer: sequence; there is nothing to pool for positions", at: "pool") }
    }

    public var answersEachPixel: Bool { answer == .positions }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if input.height != 1 {
            fields.errors.report(
                "cnn1d takes sequences, images of height 1, such as those of sequences-1d; found images of \(input)", at: fields.node.mark, path: fields.path)
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { CNN1D(self, channels: input.channels, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]) }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        let encoder = CNN1D(self, channels: input.channels, in: scope), head = makeHead(inputs: encoder.width, outputs: classes, in: scope)
        return answer == .sequence ? EncodedModel(encoder, head: head) : PositionModel(encoder: encoder, head: head)
    }
}

private struct CNN1D: ImageEncoder {
    private let layers: [(convolution: Convolution1D, norm: Normalization)]
    private let pool: CNN1DConfiguration.Pool
    let width: Int
    private let scope: Scope

    init(_ network: CNN1DConfiguration, channels: Int, in scope: Scope) {
        (pool, width, self.scope) = (network.pool, network.widths[network.widths.count - 1], scope)
        layers = network.widths.enumerated().map { number, width in
            let convolution = Convolution1D(
                number == 0 ? channels : network.widths[number - 1], width, kernel: network.kernel, padding: network.isCausal ? .causal : .same,
                dilation: network.isDilated ? 1 << number : 1, hasBias: network.norm == .none,
                initialization: .he(distribution: .normal, fan: .in, gain: ActivationKind.relu.gain!), in: scope["conv\(number + 1)"])
            return (convolution, Normalization(network.norm, width, activation: network.activation.activation, in: scope["norm\(number + 1)"]))
        }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images
        for (number, layer) in layers.enumerated() {
            x = layer.norm(layer.convolution(x))
            outputs.add("stage\(number + 1)", x)
        }
        return outputs
    }

    func pooled(_ features: Tensor) -> Tensor {
        scope["pool"].record { pool == .max ? features.globalMaxPool() : features.globalAveragePool() }
    }
}

/// The head at each place.
private struct PositionModel: ImageModel {
    let encoder: CNN1D
    let head: any Layer

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = encoder(images)
        var outputs = stages.named(under: "features")
        outputs.add("logits", head(stages.last))
        return outputs
    }
}
