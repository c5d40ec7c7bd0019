import Configuration
import Layers
import TensorCore

/// A residual network of three-dimensional convolutions, for voxels and for frames in their order.
///
///     stem     3×7×7 convolution of stride 1×2×2, `width` channels → N → ReLU       [B, D, H/2, W/2, width]
///     stage i  blocks y = ReLU(N(conv3×3×3(ReLU(N(conv3×3×3(x))))) + shortcut(x)) of width · 2^(i−1) channels, N batch norm; from the second stage on the
///              first block steps by 2 along all axes, and its shortcut is a 1×1×1 convolution with a norm
///     head     the mean over all positions, and a linear layer
///
/// | depth | blocks of the four stages |
/// | --- | --- |
/// | 10 | 1, 1, 1, 1 |
/// | 18 | 2, 2, 2, 2: torchvision's r3d_18 |
/// | 34 | 3, 4, 6, 3 |
///
/// With `stem: 3x3x3` the first convolution does not step, for small volumes.
///
/// An image's channels are its depth: channel d · `channels` + c is channel c at depth d (`Volume`).
///
/// Parameters as in torchvision: `stem.0`, `stem.1`, `layer1.0.conv1.0`, `.conv1.1`, `.conv2.0`, `.conv2.1`, `layer2.0.downsample.0`, `.1`, `fc`.
/// Initialization: He normal by the outputs for convolutions, normal with σ = 0.01 for `fc`, biases 0.
///
/// Tran, Wang, Torresani, Ray, LeCun and Paluri, "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018.
/// Hara, Kataoka and Satoh, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR 2018 (depths 10 and 34).
public struct ResNet3DConfiguration: ModelConfiguration {
    public static let family = "resnet3d"

    /// The first layer.
    public enum Stem: String, CaseIterable, Sendable {
        case small = "3x3x3"
        case large = "3x7x7"
    }

    /// How many layers with weights.
    public var depth = 18
    /// The channels of the first stage.
    public var width = 64
    /// The first layer.
    public var stem = Stem.large
    /// How many of an image's channels lie at one depth.
    public var channels = 1
    /// How convolutions' weights start.
    public var initialization = Initialization.residual

    /// torchvision's r3d_18.
    public init() {}

    public static let documentation = "A residual network of three-dimensional convolutions, for voxels and for frames."
    public static let paper: String? = "Tran et al., CVPR 2018; Hara, Kataoka and Satoh, CVPR 2018"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<ResNet3DConfiguration>] = [
        Key("depth", \.depth, .one(of: [10, 18, 34]), "How many layers with weights."),
        Key("width", \.width, .count, role: .width, "The channels of the first stage; each stage has twice as many as the one before it."),
        Key("stem", \.stem, .choice, "The first convolution: 3x7x7 halves height and width, 3x3x3 keeps them, for small volumes."),
        Volume.channelsOption(\.channels),
        initializationOption(\.initialization),
    ]

    /// The blocks of each stage.
    fileprivate var blocks: [Int] { depth == 34 ? [3, 4, 6, 3] : [Int](repeating: depth == 10 ? 1 : 2, count: 4) }

    public func validate(input: ImageShape, at fields: FieldReader) { Volume.validate(input, channels: channels, at: fields) }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ResNet3D(self, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .normal(deviation: 0.01), in: scope["fc"])
    }
}

/// A 3-D convolution without bias and batch norm, in torchvision's names `0` and `1` of `scope`.
private struct NormalizedConvolution3D {
    private let convolution: Convolution3D
    private let norm: BatchNorm

    init(_ inputs: Int, _ outputs: Int, kernel: Size3D, stride: Size3D, isActivated: Bool, initialization: Initialization, in scope: Scope) {
        convolution = Convolution3D(
            inputs, outputs, kernel: kernel, stride: stride, padding: .symmetric(Size3D(kernel.depth / 2, kernel.height / 2, kernel.width / 2)),
            hasBias: false, initialization: initialization, in: scope[0])
        norm = BatchNorm(outputs, activation: isActivated ? .relu : .identity, in: scope[1])
    }

    func callAsFunction(_ x: Tensor, residual: Tensor? = nil) -> Tensor { norm(convolution(x), residual: residual) }
}

/// Two 3×3×3 convolutions, and the shortcut past them.
private struct Block3D: Layer {
    private let first: NormalizedConvolution3D
    private let second: NormalizedConvolution3D
    private let downsample: NormalizedConvolution3D?

    init(_ inputs: Int, _ outputs: Int, stride: Int, initialization: Initialization, in scope: Scope) {
        func layer(_ inputs: Int, kernel: Size3D, stride: Int, isActivated: Bool, _ place: Scope) -> NormalizedConvolution3D {
            NormalizedConvolution3D(
                inputs, outputs, kernel: kernel, stride: Size3D(side: stride), isActivated: isActivated, initialization: initialization, in: place)
        }
        first = layer(inputs, kernel: 3, stride: stride, isActivated: true, scope["conv1"])
        // The residual is added before ReLU.
        second = layer(outputs, kernel: 3, stride: 1, isActivated: true, scope["conv2"])
        downsample = stride == 1 && inputs == outputs ? nil : layer(inputs, kernel: 1, stride: stride, isActivated: false, scope["downsample"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor { second(first(x), residual: downsample?(x) ?? x) }
}

/// Stages `stem`, `stage1`, … , `stage4`, each `[B, d, h, w, c]`.
private struct ResNet3D: ImageEncoder {
    private let network: ResNet3DConfiguration
    private let stem: NormalizedConvolution3D
    private let stages: [[Block3D]]
    private let scope: Scope

    init(_ network: ResNet3DConfiguration, in scope: Scope) {
        (self.network, self.scope) = (network, scope)
        let isLarge = network.stem == .large, initialization = network.initialization
        stem = NormalizedConvolution3D(
            network.channels, network.width, kernel: isLarge ? Size3D(3, 7, 7) : 3, stride: isLarge ? Size3D(1, 2, 2) : 1, isActivated: true,
            initialization: initialization, in: scope["stem"])
        stages = network.blocks.enumerated().map { stage, count in
            let outputs = network.width << stage
            return (0..<count).map { block in
                let inputs = block > 0 || stage == 0 ? outputs : outputs / 2
                return Block3D(
                    inputs, outputs, stride: block == 0 && stage > 0 ? 2 : 1, initialization: initialization, in: scope["layer\(stage + 1)"][block])
            }
        }
    }

    var width: Int { network.width << (stages.count - 1) }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs()
        outputs.add("stem", stem(scope["volume"].record { images.volume(channels: network.channels) }))
        for (number, blocks) in stages.enumerated() { outputs.add("stage\(number + 1)", blocks.reduce(outputs.last) { $1($0) }) }
        return outputs
    }

    func pooled(_ features: Tensor) -> Tensor { scope["avgpool"].record { features.globalAveragePool() } }
}
