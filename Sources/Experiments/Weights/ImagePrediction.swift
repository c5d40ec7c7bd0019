import Foundation

/// What a model takes an image for: its most probable classes, the first the most.
public struct ImagePrediction: Sendable, Equatable {
    /// Indices of classes.
    public let classes: [Int32]
    /// Of these classes, by the softmax of all logits; where an image may have several, by the logistic function of each.
    public let probabilities: [Float]

    /// The most probable classes; of equal ones the first.
    ///
    /// - Parameters:
    ///   - count: how many; nil: one, and where an image may have several all whose probability is above one half.
    ///   - hasSeveralLabels: whether an image may have any number of classes.
    public init(_ logits: UnsafeBufferPointer<Float>, count: Int?, hasSeveralLabels: Bool = false) {
        let count = count ?? max(1, hasSeveralLabels ? logits.count { $0 > 0 } : 1)
        let largest = logits.max().map(Double.init) ?? 0
        let exponentials = logits.map { exp(Double($0) - largest) }, sum = exponentials.reduce(0, +)
        let order = exponentials.indices.sorted { (-exponentials[$0], $0) < (-exponentials[$1], $1) }.prefix(count)
        classes = order.map(Int32.init)
        probabilities = order.map { Float(hasSeveralLabels ? 1 / (1 + exp(-Double(logits[$0]))) : exponentials[$0] / sum) }
    }
}
