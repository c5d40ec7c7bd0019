import HDF5
import Measures

/// One column of a table of metrics: a one-dimensional dataset, and the field of a record that it holds.
struct MetricColumn<Record> {
    enum Field {
        case integer(WritableKeyPath<Record, Int>)
        case real(WritableKeyPath<Record, Double>)
        /// Stored as NaN where there is no value.
        case optional(WritableKeyPath<Record, Double?>)
    }

    let name: String
    /// What a plot writes at the axis.
    let title: String
    /// `1` for a share or a factor.
    let units: String
    let field: Field
}

/// A record whose fields are columns of a group in the run file.
protocol MetricRecord {
    init(measureCount: Int)
    static var group: String { get }
    /// The first column counts the rows and is the axis of the plot.
    static func columns(_ measures: [Measure]) -> [MetricColumn<Self>]
    /// The columns that a viewer draws unasked, the first and what goes with it.
    static func plotted(_ measures: [Measure]) -> [String]
    /// What a viewer writes above that plot.
    static func plotTitle(_ measures: [Measure]) -> String
    static var rowsPerChunk: Int { get }
}

extension StepRecord: MetricRecord {
    static var group: String { "/metrics/train" }
    static let counters = ["step", "epoch"], others = ["learning_rate", "gradient_norm"]

    static func columns(_ measures: [Measure]) -> [MetricColumn<StepRecord>] {
        [
            MetricColumn(name: "step", title: "training step", units: "step", field: .integer(\.step)),
            MetricColumn(name: "epoch", title: "epoch", units: "epoch", field: .integer(\.epoch)),
        ] + measures.enumerated().filter(\.element.isOfTraining).map { index, measure in
            MetricColumn(name: measure.name, title: "training \(measure.title) of the batch", units: measure.unit, field: .real(\.values[index]))
        } + [
            MetricColumn(name: "learning_rate", title: "learning rate", units: "1", field: .real(\.learningRate)),
            MetricColumn(name: "gradient_norm", title: "gradient L2 norm", units: "1", field: .real(\.gradientNorm)),
        ]
    }
    static func plotted(_ measures: [Measure]) -> [String] { [measures.first?.name ?? "learning_rate"] }
    static func plotTitle(_ measures: [Measure]) -> String { "training \(measures.first?.title ?? "learning rate") of each batch" }
    static var rowsPerChunk: Int { 2048 }
}

extension EpochRecord: MetricRecord {
    static var group: String { "/metrics/epoch" }
    static func columns(_ measures: [Measure]) -> [MetricColumn<EpochRecord>] {
        [MetricColumn(name: "epoch", title: "epoch", units: "epoch", field: .integer(\.epoch))]
            + measures.enumerated().filter(\.element.isOfTraining).map { index, measure in
                MetricColumn(name: "train_\(measure.name)", title: "training \(measure.title)", units: measure.unit, field: .real(\.training[index]))
            }
            + measures.enumerated().filter(\.element.isOfEvaluation).map { index, measure in
                MetricColumn(
                    name: "val_\(measure.name)", title: "validation \(measure.title)", units: measure.unit, field: .optional(\.validation[index]))
            }
    }
    static func plotted(_ measures: [Measure]) -> [String] { measures.first.map { ["train_\($0.name)", "val_\($0.name)"] } ?? ["epoch"] }
    static func plotTitle(_ measures: [Measure]) -> String {
        measures.first.map { "training \($0.title) and validation \($0.title) of each epoch" } ?? "epochs"
    }
    static var rowsPerChunk: Int { 1280 }
}

/// The datasets of a table, open for appending.
struct MetricTable<Record: MetricRecord> {
    private enum Column {
        case integer(WritableKeyPath<Record, Int>, HDF5Column<Int64>)
        case real((Record) -> Double, HDF5Column<Double>)
    }

    private let columns: [Column]

    /// Creates the group with its datasets and attributes.
    init(in file: borrowing HDF5Writer, measures: [Measure]) throws {
        var columns: [Column] = []
        let all = Record.columns(measures), plotted = Record.plotted(measures)
        for column in all {
            let path = "\(Record.group)/\(column.name)"
            switch column.field {
            case .integer(let field):
                columns.append(.integer(field, try file.makeColumn(path, of: Int64.self, rowsPerChunk: Record.rowsPerChunk)))
            case .real(let field):
                let made = try file.makeColumn(path, of: Double.self, rowsPerChunk: Record.rowsPerChunk)
                columns.append(.real({ $0[keyPath: field] }, made))
            case .optional(let field):
                let made = try file.makeColumn(path, of: Double.self, rowsPerChunk: Record.rowsPerChunk)
                columns.append(.real({ $0[keyPath: field] ?? .nan }, made))
            }
            try file.setAttribute("units", of: path, to: column.units)
            if plotted.dropFirst().contains(column.name) {
                // silx shows a further signal's name as it finds it; one of fixed length would be b'validation loss' in its legend.
                try file.setVariableAttribute("long_name", of: path, to: column.title)
            } else {
                try file.setAttribute("long_name", of: path, to: column.title)
            }
        }
        self.columns = columns
        try file.setAttribute("NX_class", of: Record.group, to: "NXdata")
        try file.write(Record.plotTitle(measures), to: "\(Record.group)/title")
        try file.setAttribute("signal", of: Record.group, to: plotted[0])
        if plotted.count > 1 {
            try file.setAttribute("auxiliary_signals", of: Record.group, to: Array(plotted.dropFirst()))
        }
        try file.setAttribute("axes", of: Record.group, to: [all[0].name])
    }

    func append(_ records: [Record]) throws {
        for column in columns {
            switch column {
            case .integer(let field, let dataset): try dataset.append(records.map { Int64($0[keyPath: field]) })
            // The sign and payload of a NaN depend on the processor; its being one is the content.
            case .real(let value, let dataset): try dataset.append(records.map(value).map { $0.isNaN ? .nan : $0 })
            }
        }
    }

    func flush() throws {
        for column in columns {
            switch column {
            case .integer(_, let dataset): try dataset.flush()
            case .real(_, let dataset): try dataset.flush()
            }
        }
    }

    func close() throws {
        for column in columns {
            switch column {
            case .integer(_, let dataset): try dataset.close()
            case .real(_, let dataset): try dataset.close()
            }
        }
    }

    /// Reads the records back: as many as every column holds, which in a file that is being written can differ by the last few. A measure
    /// without a column has no value.
    static func read(from file: HDF5Reader, measures: [Measure], startingAt first: Int = 0) throws -> [Record] {
        let columns = Record.columns(measures).filter { column in
            if case .integer = column.field { return true }
            return file.exists("\(Record.group)/\(column.name)")
        }
        let stored: [StoredColumn] = try columns.map { column in
            let path = "\(Record.group)/\(column.name)"
            switch column.field {
            case .integer: return .integers(try file.readColumn(path, from: first, as: Int64.self))
            case .real, .optional: return .reals(try file.readColumn(path, from: first, as: Double.self))
            }
        }
        let counts = stored.map { values in
            switch values {
            case .integers(let values): values.count
            case .reals(let values): values.count
            }
        }
        let count = counts.min() ?? 0
        guard file.isBeingWritten || counts.allSatisfy({ $0 == count }) else {
            throw file.error("the columns of \(Record.group) have different lengths, from \(first + count) to \(first + (counts.max() ?? 0))")
        }
        var records = [Record](repeating: Record(measureCount: measures.count), count: count)
        for (column, values) in zip(columns, stored) {
            for row in records.indices {
                switch (column.field, values) {
                case (.integer(let field), .integers(let values)): records[row][keyPath: field] = Int(values[row])
                case (.real(let field), .reals(let values)): records[row][keyPath: field] = values[row]
                case (.optional(let field), .reals(let values)): records[row][keyPath: field] = values[row].isNaN ? nil : values[row]
                default: preconditionFailure("a column's numbers are of the kind of its field")
                }
            }
        }
        return records
    }
}

/// A column as it is read.
private enum StoredColumn { case integers([Int64]), reals([Double]) }
