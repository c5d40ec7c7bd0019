import Configuration
import Layers
import TensorCore

/// An autoencoder of convolutions: maps are halved down to a code, and doubled again by transposed convolutions.
///
///     level i = 1 … depth    3×3 convolution with stride 2 to width · 2^(i−1) channels, norm, activation
///     code                   of the last map, channels last (`ImageCode`);  a linear layer from it to a map of the same size, activation
///     level i = depth … 1    3×3 transposed convolution with stride 2 to the channels of the level above, of the image's in the end; norm and activation but there
///
/// A side of n is halved to ⌈n / 2⌉, and comes back as it was.
///
/// Parameters: `encoder.i.conv`, `.norm`, `code`, `decoder.fc`, `decoder.i.conv`, `.norm`, i counted in the order of the layers. Stages: `map1`, …, `code`.
/// Initialization: He normal by the inputs with the gain of the activation, biases 0.
///
/// Masci, Meier, Cireşan and Schmidhuber, "Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction", ICANN 2011; with strides in the place
/// of pools (Radford, Metz and Chintala, ICLR 2016).
public struct ConvolutionalAutoencoderConfiguration: ModelConfiguration {
    public static let family = "conv_autoencoder"

    /// The channels of the first level.
    public var width = 16
    /// How often maps are halved.
    public var depth = 2
    /// What normalizes features.
    public var norm = NormalizationKind.none
    /// Behind every convolution.
    public var activation = ActivationKind.relu
    /// The code in the middle.
    public var code = CodeOptions()
    /// How weights start.
    public var initialization = Initialization.he(for: .relu)

    /// 16 and 32 channels, and 32 numbers.
    public init() {}

    public static let documentation = "An autoencoder of convolutions: plain, sparse or variational."
    public static let paper: String? = "Masci, Meier, Cireşan and Schmidhuber, ICANN 2011"
    public static let answersPixels = true
    public static let options: [Key<ConvolutionalAutoencoderConfiguration>] =
        [
            Key("width", \.width, .count, role: .width, "The channels of the first level; each level has twice as many as the one before it."),
            Key("depth", \.depth, .integer(in: 1...8), "How often maps are halved, and doubled again."),
            Key("norm", \.norm, .normalization, "What normalizes features."),
            Key("activation", \.activation, .choice, decidesDefaults: true, "What follows every convolution."),
        ] + CodeOptions.options.map { $0.beside(\.code) } + [initializationOption(\.initialization)]

    public mutating func setDependentDefaults() { initialization = .he(for: activation) }

    public mutating func check(_ fields: inout FieldReader) {
        code.check(&fields)
        if width << (depth - 1) > 65_536 {
            fields.report("the last of \(depth) levels would have \(grouped(width << (depth - 1))) channels, expected at most \(grouped(65_536))", at: "width")
        }
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first level", at: "norm")
        }
    }

    /// The channels of a level, from 1.
    fileprivate func channels(_ level: Int) -> Int { width << (level - 1) }

    /// The size of the map of each level; that of the image first.
    fileprivate func sizes(_ input: ImageShape) -> [Size2D] {
        (0..<depth).reduce(into: [Size2D(input.height, input.width)]) { sizes, _ in
            let last = sizes[sizes.count - 1]
            sizes.append(Size2D((last.height + 1) / 2, (last.width + 1) / 2))
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalPath(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["head"])
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        ConvolutionalAutoencoder(self, input: input, channels: classes, in: scope)
    }
}

/// The image to the code.
private struct ConvolutionalPath: ImageEncoder {
    private let layers: [ConvolutionLayer]
    private let code: ImageCode
    let width: Int
    private let scope: Scope

    init(_ configuration: ConvolutionalAutoencoderConfiguration, input: ImageShape, in scope: Scope) {
        let last = configuration.sizes(input)[configuration.depth]
        width = configuration.code.size
        self.scope = scope
        layers = (1...configuration.depth).map { level in
            let place = scope["encoder"][level]
            return ConvolutionLayer(
                level == 1 ? input.channels : configuration.channels(level - 1), configuration.channels(level), kernel: 3, stride: 2, norm: configuration.norm, hasBias: true,
                activation: configuration.activation.activation, initialization: configuration.initialization, in: (place["conv"], place["norm"]))
        }
        code = ImageCode(
            last.height * last.width * configuration.channels(configuration.depth), configuration.code, numbers: input.count,
            initialization: configuration.initialization, in: scope)
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var stages = NamedOutputs()
        for (index, layer) in layers.enumerated() { stages.add("map\(index + 1)", layer(index == 0 ? images : stages.last)) }
        let map = stages.last
        code(scope.record { map.isValid ? map.reshaped([map.shape[0], map.shape.dropFirst().reduce(1, *)]) : map }, adding: &stages)
        return stages
    }

    func pooled(_ features: Tensor) -> Tensor { features }
}

/// Outputs: the encoder's stages as `features.…`, the last of which is the code, and `logits` `[B, H, W, C]`.
private struct ConvolutionalAutoencoder: ImageModel {
    private let path: ConvolutionalPath
    private let linear: Linear
    private let layers: [(convolution: TransposedConvolution2D, norm: Normalization?)]
    private let activation: Activation
    private let map: [Int]
    private let scope: Scope

    init(_ configuration: ConvolutionalAutoencoderConfiguration, input: ImageShape, channels: Int, in scope: Scope) {
        path = ConvolutionalPath(configuration, input: input, in: scope)
        let depth = configuration.depth, sizes = configuration.sizes(input), place = scope["decoder"]
        map = [sizes[depth].height, sizes[depth].width, configuration.channels(depth)]
        let activation = configuration.activation.activation
        (self.activation, self.scope) = (activation, place)
        linear = Linear(configuration.code.size, map.reduce(1, *), initialization: configuration.initialization, in: place["fc"])
        layers = (1...depth).map { number in
            let level = depth - number, outputs = level == 0 ? channels : configuration.channels(level)
            let (from, to) = (sizes[level + 1], sizes[level])
            let odd = Size2D(to.height - (2 * from.height - 1), to.width - (2 * from.width - 1))
            return (
                TransposedConvolution2D(
                    configuration.channels(level + 1), outputs, kernel: 3, stride: 2, padding: 1, outputPadding: odd, initialization: configuration.initialization,
                    in: place[number]["conv"]),
                level == 0 ? nil : Normalization(configuration.norm, outputs, activation: activation, in: place[number]["norm"])
            )
        }
    }

    var backbone: (any Backbone)? { path }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = path(images)
        var outputs = stages.named(under: "features")
        let sum = linear(stages.last)
        var x = scope.record { sum.isValid ? sum.activated(activation).reshaped(Shape([sum.shape[0]] + map)) : sum }
        for layer in layers {
            x = layer.convolution(x)
            x = layer.norm?(x) ?? x
        }
        outputs.add("logits", x)
        return outputs
    }
}
