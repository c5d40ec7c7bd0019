import Configuration
import RunStore

/// One weights file: its arrays with their shapes, and how far training had come.
struct WeightsInspection {
    private struct Entry: Encodable {
        let name: String
        let shape: [Int]
        var count: Int { shape.reduce(1, *) }
    }

    private struct Report: Encodable {
        let path: String
        let parameters, buffers: [Entry]
        let parameterCount: Int
        let progress: [String: Double]
    }

    private let report: Report

    init(_ path: String) throws {
        let file = try WeightsReader(path)
        func entries(_ arrays: [WeightsReader.Entry]) -> [Entry] { arrays.map { Entry(name: $0.name, shape: $0.shape) } }
        report = Report(
            path: path, parameters: entries(file.parameters), buffers: entries(file.buffers),
            parameterCount: file.parameters.reduce(0) { $0 + $1.count }, progress: Self.numbers(in: file.notes))
    }

    /// The numbers under `/progress`.
    static func numbers(in notes: WeightsNotes) -> [String: Double] {
        notes.progress.compactMapValues { value in
            switch value {
            case .integer(let value): Double(value)
            case .real(let value): finite(value)
            }
        }
    }

    func rendered(width: Int?) throws -> (text: String, json: String) {
        let progress = report.progress.sorted { $0.key < $1.key }.map { name, value in
            (name.replacing("_", with: " "), value == value.rounded() && abs(value) < 1e15 ? grouped(Int(value)) : "\(value)")
        }
        let head = aligned([("weights", report.path), ("parameters", grouped(report.parameterCount))] + progress)
        var sections = [head, table("parameter", report.parameters, width)]
        if !report.buffers.isEmpty { sections.append(table("buffer", report.buffers, width)) }
        return (sections.joined(separator: "\n\n"), try json(report))
    }

    private func table(_ title: String, _ arrays: [Entry], _ width: Int?) -> String {
        var table = TextTable([TextTable.Column(title, .left), TextTable.Column("shape"), TextTable.Column("numbers")])
        for array in arrays { table.append([array.name, array.shape.map(String.init).joined(separator: "×"), grouped(array.count)]) }
        return table.text(width: width)
    }
}
