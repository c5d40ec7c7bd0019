import Configuration
import Layers
import TensorCore

/// LeNet-5 with tanh and average pooling.
///
///     5×5 convolution, 6 channels, padding 2 → tanh → 2×2 average pooling     stage1   [B, H/2, W/2, 6]
///     5×5 convolution, 16 channels → tanh → 2×2 average pooling               stage2   [B, H/4 − 2, W/4 − 2, 16]
///     linear 120 → tanh → linear 84 → tanh → linear classes
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`, `fc3`. `fc1` sees the features channels first, as PyTorch flattens them.
/// Initialization: LeCun uniform (variance 1/fan_in), biases 0.
///
/// Deviates from the paper as is usual: the second convolution sees all six channels, pooling has no trained factors, the output is
/// linear instead of radial basis functions, and 28×28 images are padded in the first convolution instead of beforehand.
///
/// LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86 (1998).
public struct LeNet5Configuration: BackboneConfiguration {
    public static let family = "lenet5"

    /// How weights start.
    public var initialization: Initialization

    private static let defaultInitialization = Initialization.leCun(distribution: .uniform)

    /// As the paper has it.
    public init() { initialization = Self.defaultInitialization }

    public static let documentation = "LeNet-5 with tanh and average pooling."
    public static let paper: String? = "LeCun, Bottou, Bengio and Haffner, 1998"
    public static let options: [Key<LeNet5Configuration>] = [initializationOption(\.initialization)]

    public var stageNames: [String] { ["stage1", "stage2"] }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if min(input.height, input.width) < 12 {
            fields.errors.report(
                "lenet5 needs images of at least 12×12 pixels, found \(input.height)×\(input.width)", at: fields.node.mark,
                path: fields.path)
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        LeNet5Backbone(channels: input.channels, through: stage, initialization: initialization, in: scope)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope)
        let featureCount = featureShape(input: input, after: lastStage)?.elementCount ?? 1, sizes = [featureCount, 120, 84]
        let layers = (1...2).map { Linear(sizes[$0 - 1], sizes[$0], initialization: initialization, in: scope["fc\($0)"]) }
        return ConvolutionalEncoder(backbone, width: sizes[2]) { features in  // [B, h, w, 16]
            var x = scope.record { features.transposed([0, 3, 1, 2]).reshaped([features.shape[0], featureCount]) }
            for layer in layers {
                let sum = layer(x)
                x = scope.record { sum.tanh() }
            }
            return x
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc3"])
    }
}

/// The convolutions with what follows them; stages as above.
private struct LeNet5Backbone: Backbone {
    private let stages: [(convolution: Convolution2D, pool: Pooling)]
    private let scope: Scope

    init(channels: Int, through stage: String, initialization: Initialization, in scope: Scope) {
        self.scope = scope
        let sizes: [(inputs: Int, outputs: Int, padding: Padding2D)] = [(channels, 6, .symmetric(2)), (6, 16, .valid)]
        stages = sizes.prefix(stage == "stage1" ? 1 : 2).enumerated().map { index, size in
            let convolution = Convolution2D(
                size.inputs, size.outputs, kernel: 5, padding: size.padding, initialization: initialization,
                in: scope["conv\(index + 1)"])
            return (convolution, Pooling(.average, window: 2, in: scope["pool\(index + 1)"]))
        }
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs(), x = images
        for (index, stage) in stages.enumerated() {
            let sum = stage.convolution(x)
            x = stage.pool(scope.record { sum.tanh() })
            outputs.add("stage\(index + 1)", x)
        }
        return outputs
    }
}
