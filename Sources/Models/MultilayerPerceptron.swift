import Configuration
import Layers
import TensorCore

/// A multilayer perceptron on pixels, of any depth and widths: `{mlp: {widths: [256, 128]}}`, or `{mlp: {width: 100, depth: 10}}` for ten
/// equal hidden layers.
///
///     x ← dropout(activation(W_i · x + b_i)) for each hidden layer;   logits = W · x + b
///
/// Parameters: `fc1`, `fc2`, … with `weight [out, in]` and `bias [out]`; the last is the head. Pixels are flattened row by row,
/// channels last. Initialization: He normal by the inputs, with the gain of the activation (that of ReLU for activations that have none).
public struct MLPConfiguration: ModelConfiguration {
    public static let family = "mlp"

    /// The widths of the hidden layers; nil where `width` and `depth` say them.
    public private(set) var widths: [Int]?
    /// The width of each of `depth` equal hidden layers.
    public private(set) var width: Int?
    public private(set) var depth: Int?
    public var activation: ActivationKind
    public var dropout: Double
    public var initialization: Initialization

    public init(
        widths: [Int], activation: ActivationKind = .relu, dropout: Double = 0, initialization: Initialization? = nil
    ) {
        self.widths = widths
        (width, depth) = (nil, nil)
        self.activation = activation
        self.dropout = dropout
        self.initialization = initialization ?? Self.defaultInitialization(activation)
    }

    /// Two hidden layers, 256 and 128 wide.
    public init() { self.init(widths: [256, 128]) }

    public static let documentation = "A multilayer perceptron on pixels."
    public static let options: [Key<MLPConfiguration>] = [
        Key("widths", \.widths, .integers(in: 1...65_536), "The widths of the hidden layers; or width and depth in their place."),
        Key("width", \.width, .count, role: .width, "The width of each of the equal hidden layers."),
        Key("depth", \.depth, .depth, "How many equal hidden layers there are."),
        Key("activation", \.activation, .choice, decidesDefaults: true, "What follows every layer but the last."),
        Key("dropout", \.dropout, .rate, paper: "Srivastava et al., JMLR 15, 2014", "The share of activations that a step leaves out."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { initialization = Self.defaultInitialization(activation) }

    public mutating func check(_ fields: inout FieldReader) {
        let isListed = fields.has("widths"), missing = ["width", "depth"].filter { !fields.has($0) }
        if isListed || missing.count == 2 {
            (width, depth) = (nil, nil)
        } else {
            (widths, width, depth) = (nil, width ?? 1, depth ?? 1)
        }
        if isListed, missing.count < 2 {
            fields.report("the hidden layers are given twice; expected either widths, or width and depth", at: "widths")
        } else if missing.count == 1 {
            fields.report("missing; expected an integer of at least 1", at: missing[0])
        }
        if isListed, let count = widths?.count, count > 2_048 { fields.report("expected at most 2048 layers, found \(count)", at: "widths") }
    }

    private static func defaultInitialization(_ activation: ActivationKind) -> Initialization {
        .he(distribution: .normal, fan: .in, gain: activation.gain ?? ActivationKind.relu.gain!)
    }

    /// The widths of all hidden layers.
    private var hiddenWidths: [Int] { widths ?? Array(repeating: width ?? 1, count: depth ?? 1) }

    public func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork? {
        MeanFieldNetwork(
            sizes: [input.count] + hiddenWidths + [classes], activation: activation, dropout: dropout, initialization: initialization)
    }

    public func makeClassifier(input: ImageShape, classes: Int, in scope: Scope) -> any ImageClassifier {
        PixelPerceptron(
            input: input, widths: hiddenWidths, classes: classes, activation: activation.activation, dropout: dropout,
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
