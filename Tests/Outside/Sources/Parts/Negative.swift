import Harness

/// `{negative: {probability: 0.5}}`: turns light into dark.
public struct Negative: ImageAugmentation {
    public static let name = "negative"
    public static let documentation = "Turns light into dark."

    public var probability = 0.5

    public init() {}

    public static let options: [Key<Negative>] = [
        Key("probability", \.probability, .number(in: 0...1), "How often an image is changed.")
    ]

    public func apply(to image: UnsafeMutableBufferPointer<Float>, shape: ImageShape, draws: inout PhiloxDraws) {
        guard draws.bernoulli(Float(probability)) else { return }
        for i in image.indices { image[i] = -image[i] }
    }
}
