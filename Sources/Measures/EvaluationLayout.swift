/// The tables that a task adds to the evaluation of a split, beside the measures: what they are called, and how they look.
public struct EvaluationLayout: Sendable, Equatable {
    /// The tables themselves.
    public var columns: [EvaluationColumn]
    /// What the axes of the plot's table count, the rows first.
    public var axes: [EvaluationAxis]
    /// What viewers draw unasked; nil for nothing.
    public var plot: EvaluationPlot?

    /// The tables of a split, none unless given.
    public init(columns: [EvaluationColumn] = [], axes: [EvaluationAxis] = [], plot: EvaluationPlot? = nil) {
        self.columns = columns
        self.axes = axes
        self.plot = plot
    }
}

/// A table: rows of equal shape.
public struct EvaluationColumn: Sendable, Equatable {
    /// The kind of numbers in a column.
    public enum Kind: Sendable { case integer, real }

    /// As the run file calls it.
    public let name: String
    /// What a plot writes at the axis.
    public let title: String
    /// For the run file.
    public let unit: String
    /// int64 or float32 in the file.
    public let kind: Kind
    /// The shape of a row; empty where it is a single number.
    public let rowShape: [Int]

    /// A table of rows of a given shape.
    public init(_ name: String, title: String, unit: String, kind: Kind = .integer, rowShape: [Int] = []) {
        self.name = name
        self.title = title
        self.unit = unit
        self.kind = kind
        self.rowShape = rowShape
    }
}

/// Places along an axis of a table, counted from 0.
public struct EvaluationAxis: Sendable, Equatable {
    /// As the run file calls it.
    public let name: String
    /// For people who read the run file.
    public let title: String
    /// For the run file.
    public let unit: String
    /// How many places the axis has.
    public let count: Int

    /// An axis of places numbered from 0.
    public init(_ name: String, title: String, unit: String, count: Int) {
        self.name = name
        self.title = title
        self.unit = unit
        self.count = count
    }
}

/// What a viewer draws unasked: one of the tables as an image, along the axes.
public struct EvaluationPlot: Sendable, Equatable {
    /// The name of the column that is drawn.
    public let table: String
    /// For people who read the run file.
    public let title: String

    /// Draws a column under a title.
    public init(of table: String, title: String) {
        self.table = table
        self.title = title
    }
}

/// The numbers of a table, row after row. NaN stands for no number, and equals itself.
public enum TableValues: Sendable, Equatable {
    case integers([Int64])
    case reals([Float])

    /// Whether both have the same numbers.
    public static func == (a: TableValues, b: TableValues) -> Bool {
        switch (a, b) {
        case (.integers(let a), .integers(let b)): a == b
        case (.reals(let a), .reals(let b)): a.elementsEqual(b) { $0 == $1 || $0.isNaN && $1.isNaN }
        default: false
        }
    }

    /// How many numbers there are.
    public var count: Int {
        switch self {
        case .integers(let values): values.count
        case .reals(let values): values.count
        }
    }

    /// The numbers of a column of integers; nil for another.
    public var integers: [Int64]? { if case .integers(let values) = self { values } else { nil } }
    /// The numbers of a column of reals; nil for another.
    public var reals: [Float]? { if case .reals(let values) = self { values } else { nil } }
}
