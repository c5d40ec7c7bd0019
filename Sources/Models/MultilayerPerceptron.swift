import Configuration
import Layers
import TensorCore

/// A multilayer perceptron on pixels, of any depth and widths.
///
///     x ← dropout(activation(W_i · x + b_i)) for each hidden layer;   logits = W · x + b
///
/// Parameters: `fc1`, `fc2`, … with `weight [out, in]` and `bias [out]`; the last is the head. Pixels are flattened row by row,
/// channels last. Initialization: He normal by the inputs, with the gain of the activation (that of ReLU for activations that have none).
public struct MLPConfiguration: ModelConfiguration {
    public static let family = "mlp"

    /// The widths of the hidden layers.
    public var widths: [Int]
    public var activation: ActivationKind
    public var dropout: Double
    public var initialization: Initialization

    public init(
        widths: [Int] = [256, 128], activation: ActivationKind = .relu, dropout: Double = 0, initialization: Initialization? = nil
    ) {
        self.widths = widths
        self.activation = activation
        self.dropout = dropout
        self.initialization = initialization ?? Self.defaultInitialization(activation)
    }

    public init(from fields: inout FieldReader) {
        widths = fields.integers("widths", in: FieldReader.counts) ?? [256, 128]
        if widths.count > FieldReader.depths.upperBound {
            fields.report("expected at most \(FieldReader.depths.upperBound) layers, found \(widths.count)", at: "widths")
        }
        activation = fields.choice("activation", default: .relu)
        dropout = fields.rate("dropout")
        initialization = fields.initialization("initialization", default: Self.defaultInitialization(activation))
    }

    private static func defaultInitialization(_ activation: ActivationKind) -> Initialization {
        .he(distribution: .normal, fan: .in, gain: activation.gain ?? ActivationKind.relu.gain!)
    }

    public func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier {
        PixelPerceptron(
            input: input, widths: widths, classes: classes, activation: activation.activation, dropout: dropout,
            initialization: initialization, layerName: { "fc\($0 + 1)" }, in: scope)
    }
}

/// Linear layers on flattened images, with an activation and dropout after all but the last.
struct PixelPerceptron: ImageClassifier {
    private let layers: [Linear]
    private let dropouts: [Dropout]
    private let activation: Activation
    private let pixels: Int
    private let scope: Scope

    init(
        input: ImageShape, widths: [Int], classes: Int, activation: Activation, dropout: Double, initialization: Initialization,
        layerName: (Int) -> String, in scope: Scope
    ) {
        pixels = input.height * input.width * input.channels
        let sizes = [pixels] + widths + [classes]
        self.activation = activation
        self.scope = scope
        layers = (0...widths.count).map {
            Linear(sizes[$0], sizes[$0 + 1], initialization: initialization, in: scope[layerName($0)])
        }
        dropouts = widths.indices.map { Dropout(rate: dropout, in: scope["drop\($0 + 1)"]) }
    }

    func callAsFunction(_ images: Tensor) -> Tensor {
        var x = scope.record { images.reshaped([images.shape[0], pixels]) }
        for (layer, dropout) in zip(layers, dropouts) {
            let sum = layer(x)
            x = dropout(scope.record { sum.activated(activation) })
        }
        return layers[layers.count - 1](x)
    }
}
