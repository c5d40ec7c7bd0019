import Configuration
import Layers
import TensorCore

/// YOLO, version 1: convolutions with leaky ReLUs and max-pools, and two linear layers whose numbers a detection with `method: grid` takes as boxes.
///
/// | `size` | stages |
/// | --- | --- |
/// | `paper` | 24 convolutions: 7×7 with stride 2 to `width` channels, pool; 3×3 to 3w, pool; 1×1 2w, 3×3 4w, 1×1 4w, 3×3 8w, pool; four times 1×1 4w and 3×3 8w, then 1×1 8w, 3×3 16w, pool; twice 1×1 8w and 3×3 16w, then 3×3 16w, 3×3 16w with stride 2, 3×3 16w, 3×3 16w |
/// | `small` | for images of 32 pixels and more: 3×3 to `width`, pool; 3×3 2w, pool; 3×3 4w, pool; 3×3 8w, 1×1 4w |
///
/// Two linear layers follow: features, channels first → `hidden` numbers, leaky ReLU, dropout → the answer. Of 448×448 pixels, 7·7·30 numbers and without
/// norms the paper's has 271,703,550 parameters. Stages: `stage1`, …, each ended by its pool, and the convolutions behind the last pool.
///
/// Parameters: `conv1`, `norm1`, … in their order, `fc1`, `fc2`; convolutions have biases before norms too. Initialization: He normal by the inputs for
/// the leaky ReLU's slope, the answer normal with σ = 0.01, biases 0.
///
/// Redmon, Divvala, Girshick and Farhadi, "You Only Look Once: Unified, Real-Time Object Detection", CVPR 2016, figure 3 and section 2.2.
public struct YOLOConfiguration: BackboneConfiguration {
    public static let family = "yolo"

    /// Which network.
    public enum Size: String, CaseIterable, Sendable { case paper, small }

    /// Which network gives the other options their defaults.
    public private(set) var size = Size.paper
    /// The channels of the first convolution.
    public var width: Int
    /// What normalizes features; the paper has nothing.
    public var norm = NormalizationKind.none
    /// The width of the first linear layer.
    public var hidden: Int
    /// The share of its numbers that are dropped in training.
    public var dropout: Double
    /// How convolutions' weights and the first linear layer's start.
    public var initialization = Initialization.he(distribution: .normal, fan: .in, gain: (2 / (1 + 0.1 * 0.1)).squareRoot())

    /// One of the two networks.
    public init(size: Size) {
        self.size = size
        (width, hidden, dropout) = size == .paper ? (64, 4096, 0.5) : (16, 256, 0)
    }

    /// The paper's.
    public init() { self.init(size: .paper) }

    public static let documentation = "Convolutions with leaky ReLUs and two linear layers, whose answer is boxes of a grid's cells."
    public static let paper: String? = "Redmon, Divvala, Girshick and Farhadi, CVPR 2016"
    public static let options: [Key<YOLOConfiguration>] = [
        Key("size", \.size, .choice, decidesDefaults: true, "The paper's network for 448×448 pixels, or one for small images."),
        Key("width", \.width, .count, role: .width, "The channels of the first convolution."),
        Key("norm", \.norm, .normalization, "What normalizes features."),
        Key("hidden", \.hidden, .count, "The width of the first linear layer."),
        Key("dropout", \.dropout, .rate, "The share of its numbers that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = YOLOConfiguration(size: size) }

    public mutating func check(_ fields: inout FieldReader) {
        if width > 4_096 { fields.report("found \(grouped(width)) channels, of which later convolutions have 16 times as many; expected at most \(grouped(4_096))", at: "width") }
        if case .group(let groups) = norm, width % groups != 0 {
            fields.report("\(groups) groups do not divide the \(width) channels of the first convolution", at: "norm")
        }
    }

    private struct Step {
        let kernel: Int, channels: Int
        var stride = 1
    }

    private static let slope: Float = 0.1

    /// The convolutions of each stage, channels in multiples of the width.
    private var stages: [[Step]] {
        func pair(_ inner: Int, _ outer: Int) -> [Step] { [Step(kernel: 1, channels: inner), Step(kernel: 3, channels: outer)] }
        switch size {
        case .paper:
            let last = Step(kernel: 3, channels: 16)
            return [
                [Step(kernel: 7, channels: 1, stride: 2)], [Step(kernel: 3, channels: 3)], pair(2, 4) + pair(4, 8),
                (0..<4).flatMap { _ in pair(4, 8) } + pair(8, 16), pair(8, 16) + pair(8, 16) + [last, Step(kernel: 3, channels: 16, stride: 2), last, last],
            ]
        case .small:
            return [[Step(kernel: 3, channels: 1)], [Step(kernel: 3, channels: 2)], [Step(kernel: 3, channels: 4)], [Step(kernel: 3, channels: 8), Step(kernel: 1, channels: 4)]]
        }
    }

    /// By how much the network divides the image's sides.
    private var reduction: Int { size == .paper ? 64 : 8 }

    public var stageNames: [String] { stages.indices.map { "stage\($0 + 1)" } }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if min(input.height, input.width) < reduction {
            fields.errors.report(
                "its pools and strides need at least \(reduction)×\(reduction) pixels, found \(input.height)×\(input.width)",
                at: fields.node["size"]?.mark ?? fields.node.mark, path: fields.path(of: "size"))
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = input.channels, place = 0
        let stages = stages, last = stageNames.firstIndex(of: stage) ?? stages.count - 1
        for (number, steps) in stages.enumerated().prefix(last + 1) {
            for step in steps {
                place += 1
                backbone.add(ConvolutionLayer(
                    inputs, step.channels * width, kernel: Size2D(step.kernel, step.kernel), stride: step.stride, norm: norm, hasBias: true,
                    activation: .leakyReLU(slope: Self.slope), initialization: initialization, in: (scope["conv\(place)"], scope["norm\(place)"])))
                inputs = step.channels * width
            }
            if number < stages.count - 1 { backbone.add(Pooling(.maximum, window: 2, in: scope["pool\(number + 1)"])) }
            backbone.endStage(stageNames[number])
        }
        return backbone
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope)
        // Where images are too small, recording the backbone fails and says so.
        let features = featureShape(input: input, after: lastStage) ?? [1, 1, 1, 1], place = scope["fc1"]
        let linear = Linear(features.elementCount, hidden, initialization: initialization, in: place), dropout = Dropout(rate: dropout, in: scope["dropout"])
        return ConvolutionalEncoder(backbone, width: hidden) { features in
            let sum = linear(place.record { features.flattenedChannelsFirst() })
            return dropout(place.record { sum.leakyReLU(slope: Self.slope) })
        }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: .normal(deviation: 0.01), in: scope["fc2"])
    }
}
