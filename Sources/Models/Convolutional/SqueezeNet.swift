import Configuration
import Layers
import TensorCore

/// SqueezeNet: fire modules, which squeeze to few channels and expand by 1×1 and 3×3 convolutions side by side.
///
///     fire(s, e):  x → relu(conv1×1 to s) → [relu(conv1×1 to e), relu(conv3×3 to e)]
///
/// | version | first convolution | max-pools of 3, stride 2, after |
/// | --- | --- | --- |
/// | 1.0 | 7×7, stride 2, 96 channels | it, the third and the seventh fire |
/// | 1.1 | 3×3, stride 2, 64 channels | it, the second and the fourth fire |
///
/// The eight modules have s = 16, 16, 32, 32, 48, 48, 64, 64 and e = 4s. Behind them are dropout, a 1×1 convolution to the classes, ReLU and global
/// average pooling: there is no linear layer. Stages: `stem`, then `stage1`, `stage2`, `stage3`, each beginning with a pool.
///
/// Parameters as in torchvision: `features.0`, `features.3.squeeze`, `.expand1x1`, `.expand3x3`, …, `classifier.1`. Initialization: He uniform by the
/// inputs, the last convolution normal with σ = 0.01, biases 0.
///
/// Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5MB model size", 2016
/// (arXiv:1602.07360).
public struct SqueezeNetConfiguration: BackboneConfiguration {
    public static let family = "squeezenet"

    /// The authors' two releases.
    public enum Version: String, CaseIterable, Sendable {
        case first = "1.0"
        /// 2.4 times less computation.
        case second = "1.1"
    }

    /// Which of the authors' releases.
    public var version = Version.second
    /// The share of the last features that are dropped in training.
    public var dropout = 0.5
    /// How convolutions' weights start.
    public var initialization = Initialization.he(distribution: .uniform, fan: .in, gain: ActivationKind.relu.gain!)

    /// One of the authors' releases.
    public init(_ version: Version) { self.version = version }

    /// Version 1.1.
    public init() {}

    public static let documentation = "Fire modules of 1×1 and 3×3 convolutions."
    public static let paper: String? = "Iandola et al., 2016 (arXiv:1602.07360)"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<SqueezeNetConfiguration>] = [
        Key("version", \.version, .choice, "Which of the authors' releases."),
        Key("dropout", \.dropout, .rate, "The share of the last features that are dropped in training."),
        initializationOption(\.initialization),
    ]

    private static let squeezes = [16, 16, 32, 32, 48, 48, 64, 64]
    /// Before which modules there are pools.
    private var pools: [Int] { version == .first ? [0, 3, 7] : [0, 2, 4] }

    public var stageNames: [String] { ["stem", "stage1", "stage2", "stage3"] }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let least = version == .first ? 21 : 17
        if min(input.height, input.width) < least {
            fields.errors.report(
                "squeezenet \(version.rawValue) needs images of at least \(least)×\(least) pixels, found \(input.height)×\(input.width)",
                at: fields.node.mark, path: fields.path)
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        let features = scope["features"], end = stageNames.firstIndex(of: stage) ?? 3
        var backbone = LayerSequence(), inputs = version == .first ? 96 : 64, place = 2
        backbone.add(ConvolutionLayer(
            input.channels, inputs, kernel: version == .first ? 7 : 3, stride: 2, padding: .valid, norm: .none, initialization: initialization,
            in: (features[0], features[1])))
        backbone.endStage("stem")
        let ends = pools.dropFirst() + [Self.squeezes.count]
        for (stage, (first, last)) in zip(pools, ends).enumerated() where stage < end {
            backbone.add(Pooling(.maximum, window: 3, stride: 2, padding: .roundingUp(0), in: features[place]))
            for squeeze in Self.squeezes[first..<last] {
                place += 1
                backbone.add(FireModule(inputs, squeeze: squeeze, expand: 4 * squeeze, initialization, in: features[place]))
                inputs = 8 * squeeze
            }
            place += 1
            backbone.endStage("stage\(stage + 1)")
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder { ConvolutionalEncoder(self, input: input, in: scope) }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { lastConvolution(outputs, in: scope) }

    private func lastConvolution(_ outputs: Int, in scope: Scope) -> Convolution2D {
        Convolution2D(512, outputs, kernel: 1, initialization: .normal(deviation: 0.01), in: scope["classifier"][1])
    }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel {
        SqueezeNet(
            backbone: makeBackbone(input: input, through: lastStage, in: scope), dropout: Dropout(rate: dropout, in: scope["classifier"][0]),
            convolution: lastConvolution(classes, in: scope), scope: scope["classifier"])
    }
}

/// Classes are pooled; the pooled features are there for whoever asks.
private struct SqueezeNet: ImageModel {
    let backbone: any Backbone
    let dropout: Dropout
    let convolution: Convolution2D
    let scope: Scope

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        let stages = backbone(images)
        var outputs = stages.named(under: "features")
        outputs.add("features.pooled", scope.record { stages.last.globalAveragePool() })
        let maps = convolution(dropout(stages.last))
        outputs.add("logits", scope.record { maps.relu().globalAveragePool() })
        return outputs
    }
}

/// A 1×1 convolution to few channels, then a 1×1 and a 3×3 one side by side, with ReLU behind each.
private struct FireModule: Layer {
    private let squeeze: ConvolutionLayer
    private let expansions: Branches

    init(_ inputs: Int, squeeze: Int, expand: Int, _ initialization: Initialization, in scope: Scope) {
        func layer(_ inputs: Int, _ outputs: Int, _ kernel: Size2D, _ name: String) -> ConvolutionLayer {
            ConvolutionLayer(inputs, outputs, kernel: kernel, norm: .none, initialization: initialization, in: (scope[name], scope["\(name)_activation"]))
        }
        self.squeeze = layer(inputs, squeeze, 1, "squeeze")
        expansions = Branches([[layer(squeeze, expand, 1, "expand1x1")], [layer(squeeze, expand, 3, "expand3x3")]], in: scope)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { expansions(squeeze(x)) }
}
