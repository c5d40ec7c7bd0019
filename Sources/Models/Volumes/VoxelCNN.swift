import Configuration
import Layers
import TensorCore

/// VoxNet, a small convolutional network on voxels.
///
///     5×5×5 convolution of stride 2, `width` channels → leaky ReLU → dropout                       stage1   [B, 14, 14, 14, width] for 32 voxels a side
///     3×3×3 convolution, `width` channels → leaky ReLU → 2×2×2 max-pool → dropout                  stage2   [B, 6, 6, 6, width]
///     linear `hidden` → ReLU → dropout → linear
///
/// Convolutions do not pad. The slope of leaky ReLU is 0.1. Dropout is that of `dropout`, in its three places.
///
/// An image's channels are its depth (`Volume`).
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`: 921,736 for 40 classes. `fc1` sees the features channels first, as PyTorch flattens them.
/// Initialization: He normal by the inputs for convolutions, normal with σ = 0.01 for linear layers, biases 0.
///
/// Maturana and Scherer, "VoxNet: A 3D Convolutional Neural Network for Real-Time Object Recognition", IROS 2015. The paper has ReLU behind `fc1` and
/// its rates of dropout.
public struct VoxelCNNConfiguration: ModelConfiguration {
    public static let family = "voxel_cnn"

    /// The channels of both convolutions.
    public var width = 32
    /// The width of the layer before the last.
    public var hidden = 128
    /// The rates behind the first convolution, the pool, and the hidden layer.
    public var dropout = [0.2, 0.3, 0.4]
    /// How many of an image's channels lie at one depth.
    public var channels = 1

    /// The paper's.
    public init() {}

    public static let documentation = "VoxNet, a small convolutional network on voxels."
    public static let paper: String? = "Maturana and Scherer, IROS 2015"
    public static let options: [Key<VoxelCNNConfiguration>] = [
        Key("width", \.width, .count, role: .width, "The channels of both convolutions."),
        Key("hidden", \.hidden, .count, "The width of the layer before the last."),
        Key("dropout", \.dropout, .numbers(in: 0...0.99, "a list of three rates from 0 to 0.99"), "The rates of dropout behind the first convolution, the pool and the hidden layer."),
        Volume.channelsOption(\.channels),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if dropout.count != 3 {
            fields.report("found \(dropout.count) rates, expected three: behind the first convolution, the pool and the hidden layer", at: "dropout")
            dropout = [0, 0, 0]
        }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        Volume.validate(input, channels: channels, at: fields)
        let least = min(input.height, input.width, input.channels / channels)
        if least < 11 {
            fields.errors.report(
                "voxel_cnn needs volumes of at least 11 voxels a side, found \(input.channels / channels)×\(input.height)×\(input.width)",
                at: fields.node.mark, path: fields.path)
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { VoxelCNN(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .normal(deviation: 0.01), in: scope["fc2"])
    }
}

private struct VoxelCNN: ImageEncoder {
    private let network: VoxelCNNConfiguration
    private let convolutions: [Convolution3D]
    private let pool: Pooling3D
    private let dropouts: [Dropout]
    private let hidden: Linear
    private let scope: Scope

    init(_ network: VoxelCNNConfiguration, input: ImageShape, in scope: Scope) {
        (self.network, self.scope) = (network, scope)
        let he = Initialization.he(distribution: .normal, fan: .in, gain: ActivationKind.relu.gain!)
        convolutions = [
            Convolution3D(network.channels, network.width, kernel: 5, stride: 2, initialization: he, in: scope["conv1"]),
            Convolution3D(network.width, network.width, kernel: 3, initialization: he, in: scope["conv2"]),
        ]
        pool = Pooling3D(.maximum, window: 2, in: scope["pool"])
        dropouts = network.dropout.enumerated().map { Dropout(rate: $1, in: scope["drop\($0 + 1)"]) }
        func cells(_ length: Int) -> Int { max(1, ((length - 5) / 2 + 1 - 2) / 2) }
        let features = network.width * cells(input.height) * cells(input.width) * cells(input.channels / network.channels)
        hidden = Linear(features, network.hidden, initialization: .normal(deviation: 0.01), in: scope["fc1"])
    }

    var width: Int { network.hidden }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs()
        func convolved(_ number: Int, _ x: Tensor) -> Tensor {
            let sums = convolutions[number](x)
            return scope["conv\(number + 1)"].record { sums.activated(.leakyReLU(slope: 0.1)) }
        }
        outputs.add("stage1", dropouts[0](convolved(0, scope["volume"].record { images.volume(channels: network.channels) })))
        outputs.add("stage2", dropouts[1](pool(convolved(1, outputs.last))))
        return outputs
    }

    func pooled(_ features: Tensor) -> Tensor {
        guard features.isValid else { return features }
        let flat = scope["fc1"].record {  // [B, d, h, w, C] → [B, C · d · h · w]
            features.transposed([0, 4, 1, 2, 3]).reshaped([features.shape[0], features.shape.elementCount / features.shape[0]])
        }
        let sums = hidden(flat)
        return dropouts[2](scope["fc1"].record { sums.relu() })
    }
}
