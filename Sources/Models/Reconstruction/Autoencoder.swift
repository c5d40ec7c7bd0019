import Configuration
import Layers
import TensorCore

/// An autoencoder of linear layers: pixels → widths → code → the same widths in reverse → pixels.
///
///     encoder    x ← activation(W · x + b) for each width, then the code (`ImageCode`)
///     decoder    x ← activation(W · x + b) for each width, the last first;   answer = W · x + b, [B, H, W, C]
///
/// With `widths: [1000, 500, 250]` and `code: 30` it is the network of Hinton and Salakhutdinov. `contraction` adds the squared Frobenius norm of the code's
/// derivatives by the pixels, ‖∂h/∂x‖², weighted: exact, of any number of layers.
///
/// Parameters: `encoder.fc1`, …, `code`, `decoder.fc1`, …, of which the last gives the pixels. Stages: `pixels`, `hidden1`, …, `code`. Initialization: He normal
/// by the inputs, with the gain of the activation, biases 0.
///
/// Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006; Rifai, Vincent, Muller, Glorot and Bengio,
/// "Contractive Auto-Encoders", ICML 2011.
public struct AutoencoderConfiguration: ModelConfiguration {
    public static let family = "autoencoder"

    /// The widths of the hidden layers between the pixels and the code.
    public var widths = [256, 64]
    /// Behind every hidden layer.
    public var activation = ActivationKind.relu
    /// The code in the middle.
    public var code = CodeOptions()
    /// By how much the derivatives of the code count.
    public var contraction = 0.0
    /// How weights start.
    public var initialization = Initialization.he(for: .relu)

    /// Two hidden layers on each side of 32 numbers.
    public init() {}

    public static let documentation = "An autoencoder of linear layers: plain, sparse, contractive or variational."
    public static let paper: String? = "Hinton and Salakhutdinov, Science 313, 2006"
    public static let answersPixels = true
    public static var widthPath: [String]? { nil }
    public static let options: [Key<AutoencoderConfiguration>] =
        [
            Key("widths", \.widths, .integers(in: 1...65_536), "The widths of the hidden layers from the pixels to the code; the decoder has them in reverse."),
            Key("activation", \.activation, .choice, decidesDefaults: true, "What follows every hidden layer."),
        ] + CodeOptions.options.map { $0.beside(\.code) } + [
            Key("contraction", \.contraction, .number(in: 0...), paper: "Rifai et al., ICML 2011", "By how much the sum of the squared derivatives of the code by the pixels counts in the training's loss."),
            initializationOption(\.initialization),
        ]

    public mutating func setDependentDefaults() { initialization = .he(for: activation) }

    public mutating func check(_ fields: inout FieldReader) {
        code.check(&fields)
        if widths.count > 64 { fields.report("expected at most 64 layers, found \(widths.count)", at: "widths") }
        guard contraction > 0 else { return }
        if code.isVariational { fields.report("goes with codes of one value, and variational codes have a distribution", at: "contraction") }
        for (kind, key) in [(activation, "activation"), (code.activation, "code_activation")] where !Self.smooth.contains(kind) {
            fields.report("found \(kind.rawValue), and contraction takes the slope of sigmoid, tanh or identity", at: key)
        }
    }

    private static let smooth: [ActivationKind] = [.sigmoid, .tanh, .identity]

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { AutoencoderPath(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"])
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        Autoencoder(self, input: input, channels: classes, in: scope)
    }
}

/// Pixels to the code; its stages are the outputs' features.
private struct AutoencoderPath: ImageEncoder {
    let layers: [Linear]
    let code: ImageCode
    let width: Int
    private let configuration: AutoencoderConfiguration
    private let pixels: Int
    private let scope: Scope

    init(_ configuration: AutoencoderConfiguration, input: ImageShape, in scope: Scope) {
        (self.configuration, self.scope, pixels, width) = (configuration, scope, input.count, configuration.code.size)
        let sizes = [input.count] + configuration.widths, place = scope["encoder"]
        layers = configuration.widths.indices.map { Linear(sizes[$0], sizes[$0 + 1], initialization: configuration.initialization, in: place["fc\($0 + 1)"]) }
        code = ImageCode(sizes[sizes.count - 1], configuration.code, numbers: input.count, initialization: configuration.initialization, in: scope)
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = NamedOutputs()
        stages.add("pixels", scope.record { images.isValid ? images.reshaped([images.shape[0], pixels]) : images })
        for (index, layer) in layers.enumerated() {
            let sum = layer(stages.last)
            stages.add("hidden\(index + 1)", scope["encoder"].record { sum.activated(configuration.activation.activation) })
        }
        code(stages.last, adding: &stages)
        if configuration.contraction > 0, images.isValid, images.graph.mode == .training {
            stages.addPenalty("contraction", unit: "1", weight: configuration.contraction, scope["contraction"].record { squaredDerivatives(stages) })
        }
        return stages
    }

    func pooled(_ features: Tensor) -> Tensor { features }

    /// ‖∂h/∂x‖² of each image, from the code down: `[B, code, n]` becomes the derivatives by what is one layer nearer to the pixels.
    private func squaredDerivatives(_ stages: NamedOutputs) -> Tensor {
        func slope(_ kind: ActivationKind, _ y: Tensor) -> Tensor? {
            let values = y.cast(to: .float32)
            switch kind {
            case .sigmoid: return values * (1 - values)
            case .tanh: return 1 - values.square()
            default: return nil
            }
        }
        let values = stages.entries.map(\.tensor), batch = values[0].shape[0], weights = layers.map(\.weight) + [code.weight]
        func broadcast(_ weight: Tensor) -> Tensor { weight.reshaped([1, weight.shape[0], weight.shape[1]]).broadcast(to: [batch, weight.shape[0], weight.shape[1]]) }
        var derivatives = broadcast(weights[weights.count - 1])
        if let slope = slope(configuration.code.activation, values[values.count - 1]) { derivatives = derivatives * slope.reshaped([batch, width, 1]) }
        for index in layers.indices.reversed() {
            if let slope = slope(configuration.activation, values[index + 1]) { derivatives = derivatives * slope.reshaped([batch, 1, slope.shape[1]]) }
            derivatives = derivatives.linear(weight: weights[index].transposed([1, 0]))
        }
        return derivatives.cast(to: .float32).square().sum(axes: [1, 2])
    }
}

/// Outputs: the encoder's stages as `features.…`, the last of which is the code, and `logits` `[B, H, W, C]`.
private struct Autoencoder: ImageModel {
    private let path: AutoencoderPath
    private let layers: [Linear]
    private let activation: Activation
    private let shape: [Int]
    private let scope: Scope

    init(_ configuration: AutoencoderConfiguration, input: ImageShape, channels: Int, in scope: Scope) {
        path = AutoencoderPath(configuration, input: input, in: scope)
        shape = [input.height, input.width, channels]
        (activation, self.scope) = (configuration.activation.activation, scope["decoder"])
        let sizes = [configuration.code.size] + configuration.widths.reversed() + [shape.reduce(1, *)], place = scope["decoder"]
        layers = (1..<sizes.count).map { Linear(sizes[$0 - 1], sizes[$0], initialization: configuration.initialization, in: place["fc\($0)"]) }
    }

    var backbone: (any Backbone)? { path }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = path(images)
        var outputs = stages.named(under: "features"), x = stages.last
        for (index, layer) in layers.enumerated() {
            let sum = layer(x)
            x = index == layers.count - 1 ? sum : scope.record { sum.activated(activation) }
        }
        outputs.add("logits", scope.record { x.isValid ? x.reshaped(Shape([x.shape[0]] + shape)) : x })
        return outputs
    }
}
