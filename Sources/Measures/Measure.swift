/// What a training, a validation or a test is measured by: a mean over samples of something that the task says, such as the accuracy.
///
/// It is kept as a pair, a sum and a count, so that it is exact over batches of unequal sizes (`MeasureSum`).
public struct Measure: Sendable, Hashable {
    /// Which of two values is the better one.
    public enum Direction: String, Sendable, CaseIterable { case larger, smaller }

    /// As columns of a run file and keys of a definition are called: `accuracy`, `pixel_accuracy`.
    public let name: String
    /// As `units` in a run file: `nat`, `pixel`; `1` for a share or a factor.
    public let unit: String
    /// Whether larger values are better, or smaller ones.
    public let better: Direction
    /// Between which numbers it lies; nil where there are no such bounds.
    public let bounds: ClosedRange<Double>?
    /// Whether it is measured in training, in evaluation, or in both. Where it is not, runs have neither a column nor a value of it.
    public var occasion: Occasion

    /// When something is measured.
    public enum Occasion: String, Sendable { case always, training, evaluation }

    /// A measure with its unit and direction.
    public init(_ name: String, unit: String, better: Direction, bounds: ClosedRange<Double>? = nil, occasion: Occasion = .always) {
        self.name = name
        self.unit = unit
        self.better = better
        self.bounds = bounds
        self.occasion = occasion
    }

    /// Whether training steps and epochs have a value of it.
    public var isOfTraining: Bool { occasion != .evaluation }
    /// Whether the validation and the test have a value of it.
    public var isOfEvaluation: Bool { occasion != .training }

    /// Whether it is a part of a whole.
    public var isShare: Bool { unit == "1" && bounds == 0...1 }

    /// The name as words.
    public var title: String { name.replacing("_", with: " ") }

    /// The name of every task's first measure, the loss that is differentiated.
    public static let lossName = "loss"
}

extension Sequence<Measure> {
    /// Whether the logits of a classification with these measures are margins, as those of hinge losses, whose softmax says nothing of probabilities: its loss is
    /// no likelihood, whose unit is nat.
    public var areOfMargins: Bool { first { $0.name == Measure.lossName }.map { $0.unit != "nat" } ?? false }
}

/// A measure in its making: the mean is `sum / count`.
public struct MeasureSum: Sendable, Equatable {
    /// What was summed.
    public var sum: Double
    /// What the sum is divided by.
    public var count: Double

    /// A sum over nothing unless given.
    public init(sum: Double = 0, count: Double = 0) {
        self.sum = sum
        self.count = count
    }

    /// 0 of nothing.
    public var mean: Double { count == 0 ? 0 : sum / count }

    /// Adds sums and counts.
    public static func += (left: inout MeasureSum, right: MeasureSum) {
        left.sum += right.sum
        left.count += right.count
    }
}

/// A value for each of some measures.
public struct MeasureValues: Sendable, Equatable {
    /// The measures, in the order of the values.
    public let measures: [Measure]
    /// In the order of `measures`; NaN for those that are not measured on this occasion.
    public let values: [Double]

    /// A value for each measure, in their order.
    public init(_ measures: [Measure], _ values: [Double]) {
        precondition(measures.count == values.count, "\(values.count) values for \(measures.count) measures")
        self.measures = measures
        self.values = values
    }

    /// nil where there is no measure of that name.
    public subscript(_ name: String) -> Double? {
        measures.firstIndex { $0.name == name }.map { values[$0] }
    }
}
