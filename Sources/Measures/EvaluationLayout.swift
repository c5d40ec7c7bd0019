/// The tables that a task adds to the evaluation of a split, beside the measures: what they are called, and how they look.
public struct EvaluationLayout: Sendable, Equatable {
    public var columns: [EvaluationColumn]
    /// What the axes of the plot's table count, the rows first.
    public var axes: [EvaluationAxis]
    public var plot: EvaluationPlot?

    public init(columns: [EvaluationColumn] = [], axes: [EvaluationAxis] = [], plot: EvaluationPlot? = nil) {
        self.columns = columns
        self.axes = axes
        self.plot = plot
    }
}

/// A table: rows of equal shape.
public struct EvaluationColumn: Sendable, Equatable {
    public enum Kind: Sendable { case integer, real }

    public let name: String
    /// What a plot writes at the axis.
    public let title: String
    public let unit: String
    /// int64 or float32 in the file.
    public let kind: Kind
    /// The shape of a row; empty where it is a single number.
    public let rowShape: [Int]

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
    public let name: String
    public let title: String
    public let unit: String
    public let count: Int

    public init(_ name: String, title: String, unit: String, count: Int) {
        self.name = name
        self.title = title
        self.unit = unit
        self.count = count
    }
}

/// What a viewer draws unasked: one of the tables as an image, along the axes.
public struct EvaluationPlot: Sendable, Equatable {
    public let table: String
    public let title: String

    public init(of table: String, title: String) {
        self.table = table
        self.title = title
    }
}

/// The numbers of a table, row after row.
public enum TableValues: Sendable, Equatable {
    case integers([Int64])
    case reals([Float])

    public var count: Int {
        switch self {
        case .integers(let values): values.count
        case .reals(let values): values.count
        }
    }

    public var integers: [Int64]? { if case .integers(let values) = self { values } else { nil } }
    public var reals: [Float]? { if case .reals(let values) = self { values } else { nil } }
}
