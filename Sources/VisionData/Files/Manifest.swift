import Configuration
import Foundation

/// A list of image files: a CSV file (RFC 4180) or TSV file whose first line names the columns `path`, `label`, and if it likes `split` (train, val or
/// test) and `group`, and any others, by which a test can be looked at (`ImageDataset.groups(by:of:)`). Paths are relative to the list. Images of one group never come into two splits.
struct Manifest {
    struct Row: Equatable {
        let path: String
        let label: String
        let split: Split?
        let group: String?
    }

    let rows: [Row]

    /// - Throws: `.data` with the file and the line.
    init(_ file: String) throws {
        let bytes = try ImageFiles.bytes(of: file)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UserError(.data, "\(file): is not UTF-8 text") }
        let records = try Self.records(text, separator: file.lowercased().hasSuffix(".tsv") ? "\t" : ",", file)
        guard let header = records.first else { throw UserError(.data, "\(file): is empty, expected a line that names the columns path and label") }
        let names = header.fields.map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
        func column(_ name: String) -> Int? { names.firstIndex(of: name) }
        guard let path = column("path"), let label = column("label") else {
            throw UserError(.data, "\(file):1: found the columns \(names.joined(separator: ", ").shortened()), expected path and label, with \(file.lowercased().hasSuffix(".tsv") ? "tabs" : "commas") between them")
        }
        for name in ["path", "label", "split", "group"] where names.count(where: { $0 == name }) > 1 {
            throw UserError(.data, "\(file):1: names the column \(name) twice")
        }
        let split = column("split"), group = column("group")
        var seen: [String: Int] = [:]
        rows = try records.dropFirst().map { line, fields in
            func fail(_ sentence: String) -> UserError { UserError(.data, "\(file):\(line): \(sentence)") }
            guard fields.count == names.count else { throw fail("found \(fields.count) fields, expected \(names.count)") }
            let fields = fields.map { $0.trimmingCharacters(in: .whitespaces) }
            guard !fields[path].isEmpty else { throw fail("the path is empty") }
            guard !fields[label].isEmpty else { throw fail("the label is empty") }
            if let earlier = seen.updateValue(line, forKey: fields[path]) { throw fail("names \(fields[path].shortened()) again, after line \(earlier)") }
            let part = try split.map { place -> Split in
                switch fields[place].lowercased() {
                case "train", "training": .train
                case "val", "valid", "validation": .validation
                case "test": .test
                default: throw fail("found the split '\(fields[place].shortened())', expected train, val or test")
                }
            }
            return Row(path: fields[path], label: fields[label], split: part, group: group.map { fields[$0] })
        }
        guard !rows.isEmpty else { throw UserError(.data, "\(file): lists no images") }
        let splits = Dictionary(grouping: rows.filter { $0.group != nil && $0.split != nil }) { $0.group! }
        if let torn = splits.filter({ Set($0.value.map(\.split)).count > 1 }).keys.min() {
            throw UserError(.data, "\(file): the group '\(torn.shortened())' is in two splits")
        }
    }

    /// The lines with their numbers; a quoted field may hold separators, line ends and doubled quotes.
    static func records(_ text: String, separator: Character, _ file: String) throws -> [(line: Int, fields: [String])] {
        var records: [(line: Int, fields: [String])] = [], fields: [String] = [], field = "", isQuoted = false, wasQuoted = false
        var line = 1, start = 1
        var characters = text.makeIterator(), next = characters.next()
        if next == "\u{FEFF}" { next = characters.next() }
        func endRecord() {
            fields.append(field)
            if fields != [""] { records.append((start, fields)) }
            (fields, field, wasQuoted) = ([], "", false)
        }
        while let character = next {
            next = characters.next()
            if isQuoted {
                if character == "\"" {
                    if next == "\"" {
                        field.append("\"")
                        next = characters.next()
                    } else { isQuoted = false }
                } else {
                    if character.isNewline { line += 1 }
                    field.append(character)
                }
            } else if character == "\"" && field.isEmpty && !wasQuoted && separator == "," {
                (isQuoted, wasQuoted) = (true, true)
            } else if character == separator {
                fields.append(field)
                (field, wasQuoted) = ("", false)
            } else if character.isNewline {
                endRecord()
                line += 1
                start = line
            } else {
                if wasQuoted { throw UserError(.data, "\(file):\(line): text behind a quoted field") }
                field.append(character)
            }
        }
        if isQuoted { throw UserError(.data, "\(file):\(start): a quote is never closed") }
        if !field.isEmpty || !fields.isEmpty { endRecord() }
        return records
    }
}
