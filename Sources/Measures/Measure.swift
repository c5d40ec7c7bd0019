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
    public let better: Direction
    /// Between which numbers it lies; nil where there are no such bounds.
    public let bounds: ClosedRange<Double>?

    public init(_ name: String, unit: String, better: Direction, bounds: ClosedRange<Double>? = nil) {
        self.name = name
        self.unit = unit
        self.better = better
        self.bounds = bounds
    }

    /// Whether it is a part of a whole.
    public var isShare: Bool { unit == "1" && bounds == 0...1 }

    /// The name as words.
    public var title: String { name.replacing("_", with: " ") }

    /// The name of every task's first measure, the loss that is differentiated.
    public static let lossName = "loss"
}

/// A measure in its making: the mean is `sum / count`.
public struct MeasureSum: Sendable, Equatable {
    public var sum: Double
    public var count: Double

    public init(sum: Double = 0, count: Double = 0) {
        self.sum = sum
        self.count = count
    }

    /// 0 of nothing.
    public var mean: Double { count == 0 ? 0 : sum / count }

    public static func += (left: inout MeasureSum, right: MeasureSum) {
        left.sum += right.sum
        left.count += right.count
    }
}

/// A value for each of some measures.
public struct MeasureValues: Sendable, Equatable {
    public let measures: [Measure]
    /// In the order of `measures`.
    public let values: [Double]

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
