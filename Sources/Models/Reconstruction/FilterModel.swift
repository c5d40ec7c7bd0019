import Configuration
import Layers
import TensorCore

/// One small kernel on every channel of an image: a fixed one of image processing, or one that is learned, to be set beside it.
///
/// `weight` `[1, 1, size, size]` is a buffer where it is fixed, else a parameter that starts as the mean of the pixels. The image is mirrored at its border.
public struct FilterConfiguration: ModelConfiguration {
    public static let family = "filter"

    /// A fixed kernel; nil: one that is learned.
    public var kernel: ImageKernel?
    /// The side of a learned kernel.
    public var size = 3

    /// A learned kernel of 3×3.
    public init() {}

    public static let documentation = "One small kernel on every channel of an image: a fixed one of image processing, or a learned one."
    public static let paper: String? = "Gonzalez and Woods, \"Digital Image Processing\", chapter 3"
    public static let answersPixels = true
    public let answersImages = true
    public static var widthPath: [String]? { nil }
    public static let options: [Key<FilterConfiguration>] = [
        Key("kernel", \.kernel, .choice, "A fixed kernel; absent: one that is learned."),
        Key("size", \.size, .one(of: [1, 3, 5, 7, 9, 11, 13, 15]), writesDefault: false, "The side of a kernel that is learned."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if kernel != nil, fields.has("size") { fields.report("goes with a kernel that is learned", at: "size") }
    }

    public func validate(input: ImageShape, at fields: FieldReader) {
        let side = kernel?.side ?? size
        if side / 2 >= min(input.height, input.width) {
            fields.report("a kernel of \(side)×\(side) reaches beyond the mirrored border of images of \(input)", at: kernel == nil ? "size" : "kernel")
        }
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        let filter = Filter(self, in: scope)
        return ConvolutionalEncoder(filter, width: input.channels) { features in scope["avgpool"].record { features.globalAveragePool() } }
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, in: scope["head"]) }

    public func makeModel(input: ImageShape, classes: Int, in scope: Scope) -> any ImageModel { Filter(self, in: scope) }
}

private struct Filter: ImageModel, Backbone {
    private let weight: Tensor
    private let scope: Scope

    init(_ configuration: FilterConfiguration, in scope: Scope) {
        let side = configuration.kernel?.side ?? configuration.size, shape: Shape = [1, 1, side, side]
        self.scope = scope
        weight = configuration.kernel.map { scope.buffer("weight", shape, $0) }
            ?? scope.parameter("weight", shape, Initialization.constant(value: 1 / Double(side * side)))
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs()
        outputs.add("logits", scope.record { filtered(images) })
        return outputs
    }

    private func filtered(_ images: Tensor) -> Tensor {
        guard images.isValid else { return images }
        let channels = images.shape[3]
        return images.filtered(byEach: channels == 1 ? weight : Tensor.concatenated([Tensor](repeating: weight, count: channels), axis: 0))
    }
}
