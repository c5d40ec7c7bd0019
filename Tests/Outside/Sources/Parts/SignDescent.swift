import Harness

/// `{sign_descent: {learning_rate: 1e-3}}`: steps of one length against the sign of a running mean of the gradient.
public struct SignDescent: UpdateRule {
    public static let name = "sign_descent"
    public static let documentation = "Steps of one length, by the sign of a running mean of the gradient."

    public var learningRate = 1e-3
    public let slotNames = ["mean"]

    public init() {}

    public static let options: [Key<SignDescent>] = [
        Key("learning_rate", \.learningRate, .number(in: 0...), "The length of the longest step.")
    ]

    public func update(_ block: UpdatedBlock) {
        let means = block.slot(0)
        for i in 0..<block.count {
            means[i] = 0.9 * means[i] + 0.1 * block.gradients[i] * block.gradientScale
            block.values[i] -= block.learningRate * (means[i] > 0 ? 1 : -1)
        }
    }
}
