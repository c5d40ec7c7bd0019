import Layers
import TensorCore

/// Features of an image that are made by hand and not learned, with a linear map on them: an encoder without parameters that are trained.
struct FixedFeatures: ImageEncoder {
    /// As outputs call them.
    let name: String
    let width: Int
    let scope: Scope
    /// Images `[B, H, W, C]`, float32 → features of B samples.
    let compute: (Tensor) -> Tensor

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = NamedOutputs()
        outputs.add(name, scope[name].record { images.isValid ? compute(images.cast(to: .float32)) : images })
        return outputs
    }

    func pooled(_ features: Tensor) -> Tensor {
        guard features.isValid else { return features }
        return scope[name].record { features.reshaped([features.shape[0], width]) }
    }
}

/// A family of models with fixed features and a linear head `fc`, which starts at zero: the problem is convex, so the start decides nothing.
///
/// With `task: {classification: {loss: squared_hinge}}` it is a linear support vector machine.
public protocol FixedFeatureConfiguration: ModelConfiguration {
    /// Whether features have a gradient with respect to the image's pixels.
    var hasGradient: Bool { get }
}

extension FixedFeatureConfiguration {
    public var hasGradient: Bool { false }
    public static var widthPath: [String]? { nil }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer { Linear(inputs, outputs, initialization: .zeros, in: scope["fc"]) }
}

/// A family with buffers that are fitted to training images before the first step.
public protocol FittedConfiguration: ModelConfiguration {
    /// The names of the buffers that are fitted.
    var fittedBuffers: [String] { get }

    /// Gives the fitted buffers their values.
    ///
    /// - Parameters:
    ///   - weights: the model's.
    ///   - input: the shape of an image.
    ///   - seed: other seeds draw other numbers.
    ///   - count: how many training images there are.
    ///   - image: calls a function with the numbers of a training image `[height, width, channels]` as an evaluation sees it, valid during the call.
    /// - Throws: `UserError` when there are too few images, and what `image` throws.
    func fit(
        _ weights: ParameterStore, input: ImageShape, seed: UInt64, count: Int, image: (_ number: Int, _ body: (UnsafePointer<Float>) -> Void) throws -> Void) throws
}

/// An image with one channel in double precision: the mean of its channels.
struct GrayImage {
    let height: Int
    let width: Int
    let values: [Double]

    init(_ pixels: UnsafePointer<Float>, _ shape: ImageShape) {
        (height, width) = (shape.height, shape.width)
        let channels = shape.channels
        values = (0..<shape.height * shape.width).map { place in
            var sum = 0.0
            for channel in 0..<channels { sum += Double(pixels[place * channels + channel]) }
            return sum / Double(channels)
        }
    }

    subscript(row: Int, column: Int) -> Double { values[row * width + column] }
}
