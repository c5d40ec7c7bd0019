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
public struct MLPConfiguration: MeanFieldConfiguration {
    public static let family = "mlp"

    /// The widths of the hidden layers; nil where `width` and `depth` say them.
    public private(set) var widths: [Int]?
    /// The width of each of `depth` equal hidden layers.
    public private(set) var width: Int?
    /// The number of equal hidden layers; nil where `widths` lists them.
    public private(set) var depth: Int?
    /// Behind every hidden layer.
    public var activation: ActivationKind
    /// The rate behind every hidden layer.
    public var dropout: Double
    /// How weights start.
    public var initialization: Initialization

    /// A perceptron with hidden layers of the given widths, He-initialized unless said otherwise.
    public init(
        widths: [Int], activation: ActivationKind = .relu, dropout: Double = 0, initialization: Initialization? = nil
    ) {
        self.widths = widths
        (width, depth) = (nil, nil)
        self.activation = activation
        self.dropout = dropout
        self.initialization = initialization ?? .he(for: activation)
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

    public mutating func setDependentDefaults() { initialization = .he(for: activation) }

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

    /// The widths of all hidden layers.
    private var hiddenWidths: [Int] { widths ?? Array(repeating: width ?? 1, count: depth ?? 1) }

    public func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork? {
        MeanFieldNetwork(
            sizes: [input.count] + hiddenWidths + [classes], activation: activation, dropout: dropout, initialization: initialization)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        PixelPerceptron(
            input: input, widths: hiddenWidths, activation: activation.activation, dropout: dropout, initialization: initialization, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc\(hiddenWidths.count + 1)"])
    }
}

/// Flattened images, and linear layers with an activation and dropout after each.
///
/// Stages: `pixels` `[B, H·W·C]`, `hidden1`, `hidden2`, … `[B, width]`; the last is the vector for the head.
struct PixelPerceptron: ImageEncoder {
    private let layers: [Linear]
    private let dropouts: [Dropout]
    private let activation: Activation
    private let pixels: Int
    let width: Int
    private let scope: Scope

    init(input: ImageShape, widths: [Int], activation: Activation, dropout: Double, initialization: Initialization, in scope: Scope) {
        pixels = input.count
        let sizes = [pixels] + widths
        width = sizes[widths.count]
        self.activation = activation
        self.scope = scope
        layers = widths.indices.map { Linear(sizes[$0], sizes[$0 + 1], initialization: initialization, in: scope["fc\($0 + 1)"]) }
        dropouts = widths.indices.map { Dropout(rate: dropout, in: scope["drop\($0 + 1)"]) }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = NamedOutputs()
        stages.add("pixels", scope.record { images.reshaped([images.shape[0], pixels]) })
        for (index, layer) in layers.enumerated() {
            let sum = layer(stages.last)
            stages.add("hidden\(index + 1)", dropouts[index](scope.record { sum.activated(activation) }))
        }
        return stages
    }

    func pooled(_ features: Tensor) -> Tensor { features }
}
