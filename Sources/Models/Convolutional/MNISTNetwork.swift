import Configuration
import Layers
import TensorCore

/// The convolutional network for MNIST of the course 2IMM10 (Deep Learning, Eindhoven).
///
///     5×5 convolution, 6 channels → ReLU                         stage1   [B, H − 4, W − 4, 6]
///     5×5 convolution, 12 channels → ReLU → 2×2 max-pool         stage2   [B, H/2 − 4, W/2 − 4, 12]
///     5×5 convolution, 12 channels → ReLU → 2×2 max-pool         stage3   [B, H/4 − 4, W/4 − 4, 12]
///     linear 256 → ReLU → linear classes
///
/// Convolutions do not pad: 28×28 images become 3 · 3 · 12 = 108 features, channels first.
///
/// Parameters: `conv1`, `conv2`, `conv3`, `fc1`, `fc2`. Initialization: Glorot uniform (the notes leave it to the library, whose start that is),
/// biases 0.
public struct MNISTNetworkConfiguration: BackboneConfiguration {
    public static let family = "mnist_cnn"

    /// How weights start.
    public var initialization = Initialization.xavier(distribution: .uniform, gain: 1)

    /// As the notes have it.
    public init() {}

    public static let documentation = "Three 5×5 convolutions and two linear layers, for MNIST."
    public static let paper: String? = "Lecture notes of 2IMM10, Deep Learning, Eindhoven University of Technology"
    public static let options: [Key<MNISTNetworkConfiguration>] = [initializationOption(\.initialization)]

    public var stageNames: [String] { ["stage1", "stage2", "stage3"] }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if min(input.height, input.width) < 20 {
            fields.errors.report(
                "mnist_cnn needs images of at least 20×20 pixels, found \(input.height)×\(input.width)", at: fields.node.mark, path: fields.path)
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = input.channels
        for (index, outputs) in [6, 12, 12].enumerated().prefix((stageNames.firstIndex(of: stage) ?? 2) + 1) {
            let place = scope["conv\(index + 1)"]
            backbone.add(ConvolutionLayer(
                inputs, outputs, kernel: 5, padding: .valid, norm: .none, initialization: initialization, in: (place, place["relu"])))
            if index > 0 { backbone.add(Pooling(.maximum, window: 2, in: scope["pool\(index)"])) }
            backbone.endStage(stageNames[index])
            inputs = outputs
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), width = 256
        // Where images are too small, recording the backbone fails and says so.
        let features = featureShape(input: input, after: lastStage)?.elementCount ?? 1
        let hidden = Linear(features, width, initialization: initialization, in: scope["fc1"])
        return ConvolutionalEncoder(backbone, width: width) { features in  // [B, h, w, 12]
            let sums = hidden(scope["fc1"].record { features.flattenedChannelsFirst() })
            return scope["fc1"].record { sums.relu() }
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc2"])
    }
}
