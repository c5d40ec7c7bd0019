import Foundation

/// What a model takes an image for: its most probable classes, the first the most.
public struct ImagePrediction: Sendable, Equatable {
    /// Indices of classes.
    public let classes: [Int32]
    /// Of these classes, what `kind` says.
    public let scores: [Float]

    /// What a logit becomes.
    public enum Kind: Sendable {
        /// By the softmax of all logits.
        case probability
        /// By the logistic function of each, as an image may have any number of classes.
        case ownProbability
        /// The logit itself, of a hinge loss, whose softmax says nothing of probabilities.
        case margin

        /// As tables call it.
        public var name: String { self == .margin ? "margin" : "probability" }
    }

    /// The most probable classes; of equal ones the first.
    ///
    /// - Parameters:
    ///   - count: how many; nil: one, and where an image may have several all whose probability is above one half.
    ///   - kind: what logits become.
    public init(_ logits: UnsafeBufferPointer<Float>, count: Int?, as kind: Kind = .probability) {
        let count = count ?? max(1, kind == .ownProbability ? logits.count { $0 > 0 } : 1)
        let largest = logits.max().map(Double.init) ?? 0
        let exponentials = logits.map { exp(Double($0) - largest) }, sum = exponentials.reduce(0, +)
        let order = exponentials.indices.sorted { (-exponentials[$0], $0) < (-exponentials[$1], $1) }.prefix(count)
        classes = order.map(Int32.init)
        scores = order.map { place in
            switch kind {
            case .probability: Float(exponentials[place] / sum)
            case .ownProbability: Float(1 / (1 + exp(-Double(logits[place]))))
            case .margin: logits[place]
            }
        }
    }
}
