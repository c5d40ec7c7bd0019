import Configuration
import RunStore

/// An ensemble: its members, and what came of them together.
struct EnsembleInspection {
    private struct Member: Encodable {
        let run: String
        let isTaken: Bool
    }

    private struct Report: Encodable {
        let path, experiment, name, kind: String
        let parameters, multiplyAdds: Int
        let members: [Member]
        /// By the measures' names.
        let test: [String: Double]
        /// The same of a soup's validation; nil of an ensemble.
        let validation: [String: Double]?
    }

    private let file: EnsembleFile
    private let report: Report

    init(_ path: String) throws {
        let file = try EnsembleFile(reading: path)
        self.file = file
        func values(_ values: [EnsembleFile.Value]) -> [String: Double] {
            Dictionary(values.compactMap { value in finite(value.value).map { (value.measure, $0) } }, uniquingKeysWith: { first, _ in first })
        }
        report = Report(
            path: path, experiment: file.experiment, name: file.name, kind: file.kind.rawValue, parameters: file.parameters,
            multiplyAdds: file.multiplyAdds, members: file.members.map { Member(run: $0.run, isTaken: $0.isTaken) }, test: values(file.test),
            validation: file.validation.isEmpty ? nil : values(file.validation))
    }

    func rendered(width: Int?) throws -> (text: String, json: String) {
        func lines(_ split: String, _ values: [EnsembleFile.Value]) -> [(String, String)] {
            values.map { ("\(split) \($0.measure.replacing("_", with: " "))\($0.unit == "1" ? "" : " (\($0.unit))")", finite($0.value).map { decimals($0, 4) } ?? none) }
        }
        let head = aligned([
            (file.kind.rawValue, report.path), ("experiment", report.experiment), ("name", report.name), ("parameters", grouped(report.parameters)),
            ("MACs", grouped(report.multiplyAdds)),
        ] + lines("test", file.test) + lines("validation", file.validation))
        let hasOthers = file.members.contains { !$0.isTaken }
        var table = TextTable((["member"] + (hasOthers ? ["taken"] : [])).map { TextTable.Column($0, .left) })
        for member in file.members { table.append([member.run] + (hasOthers ? [member.isTaken ? "yes" : "no"] : [])) }
        return ([head, table.text(width: width)].joined(separator: "\n\n"), try json(report))
    }
}
