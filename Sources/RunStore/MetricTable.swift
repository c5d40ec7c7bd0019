import HDF5

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
    init()
    static var group: String { get }
    /// The first column counts the rows and is the axis of the plot.
    static var columns: [MetricColumn<Self>] { get }
    /// The columns that a viewer draws unasked, the first and what goes with it.
    static var plotted: [String] { get }
    /// What a viewer writes above that plot.
    static var plotTitle: String { get }
    static var rowsPerChunk: Int { get }
}

extension StepRecord: MetricRecord {
    static var group: String { "/metrics/train" }
    static var columns: [MetricColumn<StepRecord>] {
        [
            MetricColumn(name: "step", title: "training step", units: "step", field: .integer(\.step)),
            MetricColumn(name: "epoch", title: "epoch", units: "epoch", field: .integer(\.epoch)),
            MetricColumn(name: "loss", title: "training loss of the batch", units: "nat", field: .real(\.loss)),
            MetricColumn(name: "accuracy", title: "training accuracy of the batch", units: "1", field: .real(\.accuracy)),
            MetricColumn(name: "learning_rate", title: "learning rate", units: "1", field: .real(\.learningRate)),
            MetricColumn(name: "gradient_norm", title: "gradient L2 norm", units: "1", field: .real(\.gradientNorm)),
        ]
    }
    static var plotted: [String] { ["loss"] }
    static var plotTitle: String { "training loss of each batch" }
    static var rowsPerChunk: Int { 2048 }
}

extension EpochRecord: MetricRecord {
    static var group: String { "/metrics/epoch" }
    static var columns: [MetricColumn<EpochRecord>] {
        [
            MetricColumn(name: "epoch", title: "epoch", units: "epoch", field: .integer(\.epoch)),
            MetricColumn(name: "train_loss", title: "training loss", units: "nat", field: .real(\.trainLoss)),
            MetricColumn(name: "train_accuracy", title: "training accuracy", units: "1", field: .real(\.trainAccuracy)),
            MetricColumn(name: "val_loss", title: "validation loss", units: "nat", field: .optional(\.valLoss)),
            MetricColumn(name: "val_accuracy", title: "validation accuracy", units: "1", field: .optional(\.valAccuracy)),
        ]
    }
    static var plotted: [String] { ["train_loss", "val_loss"] }
    static var plotTitle: String { "training loss and validation loss of each epoch" }
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
    init(in file: borrowing HDF5Writer) throws {
        var columns: [Column] = []
        for column in Record.columns {
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
            if Record.plotted.dropFirst().contains(column.name) {
                // silx shows a further signal's name as it finds it; one of fixed length would be b'validation loss' in its legend.
                try file.setVariableAttribute("long_name", of: path, to: column.title)
            } else {
                try file.setAttribute("long_name", of: path, to: column.title)
            }
        }
        self.columns = columns
        try file.setAttribute("NX_class", of: Record.group, to: "NXdata")
        try file.write(Record.plotTitle, to: "\(Record.group)/title")
        try file.setAttribute("signal", of: Record.group, to: Record.plotted[0])
        if Record.plotted.count > 1 {
            try file.setAttribute("auxiliary_signals", of: Record.group, to: Array(Record.plotted.dropFirst()))
        }
        try file.setAttribute("axes", of: Record.group, to: [Record.columns[0].name])
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

    /// Reads the records back: as many as every column holds, which in a file that is being written can differ by the last few.
    static func read(from file: HDF5Reader, startingAt first: Int = 0) throws -> [Record] {
        let columns = Record.columns
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
        var records = [Record](repeating: Record(), count: count)
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
