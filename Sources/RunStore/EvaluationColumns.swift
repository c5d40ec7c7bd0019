import HDF5
import Measures

/// The datasets under `/evaluation/<split>`: a number for each measure, and the tables of the task.
struct EvaluationColumns {
    private enum Table {
        case integers(HDF5Column<Int64>)
        case reals(HDF5Column<Float>)
    }

    /// Each with the place of its measure among the run's.
    private let measures: [(place: Int, column: HDF5Column<Double>)]
    private let tables: [(name: String, table: Table)]

    private static func group(_ split: EvaluatedSplit) -> String { "/evaluation/\(split.rawValue)" }

    init(in file: borrowing HDF5Writer, _ split: EvaluatedSplit, measures: [Measure], _ layout: EvaluationLayout) throws {
        let group = Self.group(split)
        let places = measures.indices.filter { measures[$0].isOfEvaluation }
        self.measures = try places.map { ($0, try file.makeColumn("\(group)/\(measures[$0].name)", of: Double.self, rowsPerChunk: 1)) }
        var tables: [(String, Table)] = []
        for column in layout.columns {
            let path = "\(group)/\(column.name)", rows = layout.rowsPerChunk(of: column)
            switch column.kind {
            case .integer:
                tables.append((column.name, .integers(try file.makeColumn(path, of: Int64.self, rowShape: column.rowShape, rowsPerChunk: rows))))
            case .real:
                tables.append((column.name, .reals(try file.makeColumn(path, of: Float.self, rowShape: column.rowShape, rowsPerChunk: rows))))
            }
        }
        self.tables = tables
        for axis in layout.axes { try file.write((0..<axis.count).map { Int64($0) }, to: "\(group)/\(axis.name)") }
        let texts = places.map { measures[$0] }.map { ($0.name, "\(split.rawValue) \($0.title)", $0.unit) } + layout.columns.map { ($0.name, $0.title, $0.unit) }
            + layout.axes.map { ($0.name, $0.title, $0.unit) }
        for (name, title, units) in texts {
            try file.setAttribute("units", of: "\(group)/\(name)", to: units)
            try file.setAttribute("long_name", of: "\(group)/\(name)", to: title)
        }
        guard let plot = layout.plot else {
            if !texts.isEmpty { try file.setAttribute("NX_class", of: group, to: "NXcollection") }
            return
        }
        try file.setAttribute("NX_class", of: group, to: "NXdata")
        try file.write(plot.title, to: "\(group)/title")
        try file.setAttribute("signal", of: group, to: plot.table)
        try file.setAttribute("interpretation", of: "\(group)/\(plot.table)", to: "image")
        // Two numbers along an axis are to silx not places but a slope and an offset; without them it counts from 0 itself.
        let isTwo = layout.axes.contains { $0.count == 2 }
        try file.setAttribute("axes", of: group, to: isTwo ? layout.axes.map { _ in "." } : layout.axes.map(\.name))
    }

    func append(_ evaluation: EvaluationRecord) throws {
        for (name, table) in tables {
            switch (table, evaluation.tables[name]) {
            case (.integers(let column), .integers(let values)): try column.append(values)
            case (.reals(let column), .reals(let values)): try column.append(values.map { $0.isNaN ? .nan : $0 })
            // A salvaged file has none.
            case (_, nil): break
            case (.integers, .reals), (.reals, .integers): preconditionFailure("the table \(name) has numbers of another kind than its layout")
            }
        }
        for (place, column) in measures {
            // The sign and payload of a NaN depend on the processor; its being one is the content.
            guard let value = evaluation.values[place] else { continue }
            try column.append([value.isNaN ? .nan : value])
        }
    }

    /// The measures last, so that the last one's row stands for all others.
    func flush() throws {
        for (_, table) in tables {
            switch table {
            case .integers(let column): try column.flush()
            case .reals(let column): try column.flush()
            }
        }
        for (_, column) in measures { try column.flush() }
    }

    func close() throws {
        for (_, table) in tables {
            switch table {
            case .integers(let column): try column.close()
            case .reals(let column): try column.close()
            }
        }
        for (_, column) in measures { try column.close() }
    }

    // MARK: Reading

    /// The means, or nil when there is no evaluation yet.
    static func readValues(from file: HDF5Reader, _ split: EvaluatedSplit, measures: [Measure]) throws -> [Double?]? {
        // The last column is written last, and so read first: where it has its number, all have theirs.
        let columns = try measures.reversed().map { "\(group(split))/\($0.name)" }.map { file.exists($0) ? try file.read($0, as: Double.self) : nil }
        guard let last = columns.first(where: { $0 != nil }), let last, !last.isEmpty else { return nil }
        return columns.reversed().map { $0?.first }
    }

    /// The evaluation, or nil when there is none yet.
    static func read(from file: HDF5Reader, _ split: EvaluatedSplit, measures: [Measure]) throws -> EvaluationRecord? {
        guard let values = try readValues(from: file, split, measures: measures) else { return nil }
        var tables: [String: TableValues] = [:]
        for name in try tableNames(in: file, split, measures) {
            let path = "\(group(split))/\(name)"
            switch try file.elementType(of: path) {
            case .float32, .float64: tables[name] = .reals(try file.read(path, as: Float.self))
            default: tables[name] = .integers(try file.read(path, as: Int64.self))
            }
        }
        return EvaluationRecord(values: values, tables: tables)
    }

    /// The layouts of the splits that the file has.
    static func layouts(in file: HDF5Reader, measures: [Measure]) throws -> [EvaluatedSplit: EvaluationLayout] {
        var layouts: [EvaluatedSplit: EvaluationLayout] = [:]
        for split in EvaluatedSplit.allCases where file.exists(group(split)) { layouts[split] = try layout(in: file, split, measures) }
        return layouts
    }

    private static func layout(in file: HDF5Reader, _ split: EvaluatedSplit, _ measures: [Measure]) throws -> EvaluationLayout {
        let group = group(split)
        func text(_ attribute: String, _ name: String) throws -> String {
            try file.attributeStrings(attribute, of: "\(group)/\(name)")?.first ?? ""
        }
        var layout = EvaluationLayout()
        for name in try file.children(of: group) where name != "title" && name != ErrorPictures.name && name != Subgroups.name && !measures.contains(where: { $0.name == name }) {
            let path = "\(group)/\(name)", shape = try file.shape(of: path)
            if try file.isExtendible(path) {
                let kind: EvaluationColumn.Kind =
                    switch try file.elementType(of: path) {
                    case .float32, .float64: .real
                    default: .integer
                    }
                layout.columns.append(EvaluationColumn(
                    name, title: try text("long_name", name), unit: try text("units", name), kind: kind, rowShape: Array(shape.dropFirst())))
            } else {
                layout.axes.append(EvaluationAxis(name, title: try text("long_name", name), unit: try text("units", name), count: shape.first ?? 0))
            }
        }
        if let signal = try file.attributeStrings("signal", of: group)?.first, file.exists("\(group)/title") {
            layout.plot = EvaluationPlot(of: signal, title: try file.readString("\(group)/title"))
        }
        return layout
    }

    /// The datasets that grow, measures aside.
    private static func tableNames(in file: HDF5Reader, _ split: EvaluatedSplit, _ measures: [Measure]) throws -> [String] {
        try layout(in: file, split, measures).columns.map(\.name)
    }
}

extension EvaluationLayout {
    /// Up to a mebibyte a chunk, however long a row is.
    fileprivate func rowsPerChunk(of column: EvaluationColumn) -> Int {
        let elementByteCount = column.kind == .integer ? 8 : 4, rowByteCount = elementByteCount * max(column.rowShape.reduce(1, *), 1)
        let rowCount = plot?.table == column.name ? axes.first?.count ?? 8192 : 8192
        return max(1, min(rowCount, (1 << 20) / rowByteCount))
    }
}
