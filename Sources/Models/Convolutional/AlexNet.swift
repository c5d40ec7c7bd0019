import Configuration
import Layers
import TensorCore

/// AlexNet: five convolutions with overlapping max-pools, and three linear layers.
///
/// | variant | channels | groups | behind the first two convolutions | images |
/// | --- | --- | --- | --- | --- |
/// | `torchvision` | 64, 192, 384, 256, 256 | none | nothing: the network of "One weird trick" | 224 |
/// | `original` | 96, 256, 384, 384, 256 | two, in the second, fourth and fifth | local response norm | 227 |
/// | `ungrouped` | 96, 256, 384, 384, 256 | none | nothing, as courses show it, or with `norm: batch` | 227 |
///
/// The kernels are 11 (stride 4), 5, 3, 3, 3; max-pools of 3 with stride 2 follow the first, second and fifth. Stages: `stage1`, …, `stage5`, one for
/// each convolution with what follows it. A `norm` follows the first four convolutions; no paper has one.
///
/// Parameters: torchvision's names for `torchvision`: `features.0`, `.3`, `.6`, `.8`, `.10`, `classifier.1`, `.4`, `.6`; own ones for the others:
/// `conv1`, …, `conv5` with `bn1`, …, and `classifier.0`, `.3`, `.6`.
///
/// Initialization: torchvision's, PyTorch's uniform within ±1/√fan_in; for the others the paper's normal with σ = 0.01. Biases start at 0.
///
/// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012.
/// Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (arXiv:1404.5997).
public struct AlexNetConfiguration: BackboneConfiguration {
    public static let family = "alexnet"

    /// Whose listing.
    public enum Variant: String, CaseIterable, Sendable { case torchvision, original, ungrouped }

    /// Whose listing.
    public var variant = Variant.torchvision
    /// What follows the first four convolutions; nothing in the papers.
    public var norm = NormalizationKind.none
    /// The widths of the hidden linear layers.
    public var hidden = [4096, 4096]
    /// The share of hidden values that are dropped in training.
    public var dropout = 0.5
    /// How weights start.
    public var initialization = Initialization.torchLinear

    /// One of the variants.
    public init(_ variant: Variant, norm: NormalizationKind = .none) {
        (self.variant, self.norm) = (variant, norm)
        if variant != .torchvision { initialization = .normal(deviation: 0.01) }
    }

    /// torchvision's.
    public init() { self.init(.torchvision) }

    public static let documentation = "Five convolutions and three linear layers."
    public static let paper: String? = "Krizhevsky, Sutskever and Hinton, NIPS 2012"
    public static let weightNames: [WeightNames] = [.torchvision]
    public static let options: [Key<AlexNetConfiguration>] = [
        Key("variant", \.variant, .choice, decidesDefaults: true, "Whose listing: torchvision's, the paper's, or that of courses without groups."),
        Key("norm", \.norm, .normalization, "What follows the first four convolutions; the papers have nothing."),
        Key("hidden", \.hidden, .integers(in: 1...65_536), "The widths of the hidden linear layers; [] for none."),
        Key("dropout", \.dropout, .rate, "The share of hidden values that are dropped in training."),
        initializationOption(\.initialization),
    ]

    public mutating func setDependentDefaults() { self = AlexNetConfiguration(variant) }

    public mutating func check(_ fields: inout FieldReader) {
        if case .group(let groups) = norm, 32 % groups != 0 { fields.report("\(groups) groups do not divide 96, 256 and 384 channels", at: "norm") }
    }

    public var stageNames: [String] { (1...5).map { "stage\($0)" } }

    public func validate(input: ImageShape, at fields: FieldReader) {
        if min(input.height, input.width) < 63 {
            fields.errors.report(
                "alexnet needs images of at least 63×63 pixels, found \(input.height)×\(input.width)", at: fields.node.mark, path: fields.path)
        }
    }

    public func makeBackbone(input: ImageShape, through stage: String, in scope: Scope) -> any Backbone {
        var backbone = LayerSequence(), inputs = input.channels
        let isTorchvision = variant == .torchvision
        let channels = isTorchvision ? [64, 192, 384, 256, 256] : [96, 256, 384, 384, 256]
        let kernels: [Size2D] = [11, 5, 3, 3, 3]
        let groups = variant == .original ? [1, 2, 1, 2, 2] : [1, 1, 1, 1, 1], places = [0, 3, 6, 8, 10]
        for index in 0...(stageNames.firstIndex(of: stage) ?? 4) {
            let convolution = isTorchvision ? scope["features"][places[index]] : scope["conv\(index + 1)"]
            let norm = index < 4 ? norm : .none
            // What is normalized has no bias in newer networks; the listings of this one keep it.
            backbone.add(ConvolutionLayer(
                inputs, channels[index], kernel: kernels[index], stride: index == 0 ? 4 : 1, padding: index > 0 ? nil : isTorchvision ? .symmetric(2) : .valid,
                groups: groups[index], norm: norm, hasBias: true, initialization: initialization, in: (convolution, scope["bn\(index + 1)"])))
            // α of the paper is that of the whole sum.
            if variant == .original, index < 2 { backbone.add(LocalResponseNorm(size: 5, alpha: 5e-4, beta: 0.75, k: 2, in: scope["norm\(index + 1)"])) }
            if [0, 1, 4].contains(index) { backbone.add(Pooling(.maximum, window: 3, stride: 2, in: scope["pool\(index + 1)"])) }
            backbone.endStage(stageNames[index])
            inputs = channels[index]
        }
        return backbone
    }

    private func head(in scope: Scope) -> DenseHead {
        DenseHead(
            scope: scope["classifier"], side: 6, hidden: hidden, dropout: dropout, order: variant == .torchvision ? .dropoutFirst : .dropoutLast,
            initialization: initialization)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let backbone = makeBackbone(input: input, through: lastStage, in: scope), head = head(in: scope)
        return ConvolutionalEncoder(backbone, width: head.width(channels: 256), pool: head.pool(channels: 256))
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { head(in: scope).last(inputs: inputs, outputs: outputs) }
}
