import Foundation

/// What a model takes an image for: its most probable classes, the first the most.
public struct ImagePrediction: Sendable, Equatable {
    /// Indices of classes.
    public let classes: [Int32]
    /// Of these classes, by the softmax of all logits; where an image may have several, by the logistic function of each.
    public let probabilities: [Float]

    /// The `count` most probable classes; of equal ones the first.
    ///
    /// - Parameter hasSeveralLabels: whether an image may have any number of classes.
    public init(_ logits: UnsafeBufferPointer<Float>, count: Int, hasSeveralLabels: Bool = false) {
        let largest = logits.max().map(Double.init) ?? 0
        let exponentials = logits.map { exp(Double($0) - largest) }, sum = exponentials.reduce(0, +)
        let order = exponentials.indices.sorted { (-exponentials[$0], $0) < (-exponentials[$1], $1) }.prefix(count)
        classes = order.map(Int32.init)
        probabilities = order.map { Float(hasSeveralLabels ? 1 / (1 + exp(-Double(logits[$0]))) : exponentials[$0] / sum) }
    }
}
