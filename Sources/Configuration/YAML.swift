import Foundation
import Yams

/// YAML text as `ConfigurationNode`s with their marks.
///
/// A definition is plain YAML: maps, lists and scalars. Anchors, aliases, merge keys and tags are refused, because a value that is
/// written elsewhere has no line of its own to point at.
public enum YAML {
    /// How many bytes a definition may have, with all the files that it extends: far more than a person writes, and read in a second.
    public static let largestByteCount = 2_000_000

    /// The contents of a file. Throws `.noInput` when it cannot be read and `.usage` when it is not a YAML map.
    ///
    /// - Parameter room: how many bytes it may have; less than it has is `.usage` too.
    public static func contents(of url: URL, name: String, room: inout Int) throws -> ConfigurationNode {
        let data: Data
        // A pipe or a device would be read without end.
        var status = stat()
        if stat(url.path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else { throw UserError(.noInput, "\(name): not a regular file") }
            // A file with holes can be larger than memory.
            room -= Int(status.st_size)
        }
        guard room >= 0 else { throw UserError(.usage, "\(name): a definition and what it extends may have \(grouped(largestByteCount)) bytes together; found more") }
        do { data = try Data(contentsOf: url) } catch {
            throw UserError(.noInput, "\(name): cannot be read: \(systemReason(error, at: url.path))")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw UserError(.usage, "\(name): not UTF-8 text") }
        let folder = url.standardizedFileURL.deletingLastPathComponent().path
        let root = try node(text) { SourceMark(file: name, line: $0, folder: folder) }
        guard root.entries?.isEmpty == false else {
            throw UserError(.usage, "\(name): expected a map with data, train and models, found \(root.kind)")
        }
        return root
    }

    /// Parses `text`; `mark` turns a line of it (from 1) into a place that a user knows.
    public static func node(_ text: String, mark: @escaping (Int) -> SourceMark) throws -> ConfigurationNode {
        if let node = JSONText.node(text, mark: mark) { return node }
        try refuseMultiplyingAliases(in: text, mark)
        let errors = ConfigurationErrors()
        do {
            // Nodes refer weakly to their anchors, which the parser owns. What kind of value a scalar is, a rule of the definition says and not YAML.
            let parser = try Parser(yaml: text, resolver: .basic)
            let root = try parser.singleRoot()
            return try withExtendedLifetime(parser) {
                let converted = root.map { Converter(mark: mark, errors: errors).convert($0, path: "", keyMark: mark(1)) }
                try errors.throwIfAny()
                return converted ?? ConfigurationNode(.null, mark: mark(1))
            }
        } catch let error as YamlError {
            let (sentence, line) = describe(error, text: text)
            throw UserError(.usage, "\(mark(line)): \(sentence)")
        }
    }

    /// Refuses a text with many aliases before it is parsed: the parser compares keys with all that their aliases stand for, which can double with each.
    /// The few that are left to it grow to no more than some thousands of values, and it knows their places better.
    private static func refuseMultiplyingAliases(in text: String, _ mark: (Int) -> SourceMark) throws {
        var aliases = 0, firstLine: Int?, hasAnchors = false, line = 1, last = UInt8(ascii: "\n"), sign: UInt8 = 0
        for byte in text.utf8 {
            // The sign of an alias or an anchor begins a word.
            if sign != 0, byte > 0x20 {
                if sign == UInt8(ascii: "&") { hasAnchors = true } else { aliases += 1 }
                firstLine = firstLine ?? line
            }
            let isSign = byte == UInt8(ascii: "*") || byte == UInt8(ascii: "&")
            sign = isSign && (last <= 0x20 || [UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ","), UInt8(ascii: ":")].contains(last)) ? byte : 0
            if byte == UInt8(ascii: "\n") { line += 1 }
            last = byte
        }
        guard hasAnchors, aliases > 30, let firstLine else { return }
        throw UserError(.usage, "\(mark(firstLine)): anchors (&) and aliases (*) are not read; write the value out")
    }

    private struct Converter {
        let mark: (Int) -> SourceMark
        let errors: ConfigurationErrors

        /// A scalar keeps its own line; a map, a list or nothing takes the line of its key.
        func convert(_ node: Node, path: String, keyMark: SourceMark) -> ConfigurationNode {
            let place = node.mark.map { mark($0.line) } ?? keyMark
            guard node.anchor == nil else {
                errors.report("anchors (&) and aliases (*) are not read; write the value out", at: place, path: path)
                return ConfigurationNode(.null, mark: place)
            }
            switch node {
            case .scalar(let scalar):
                refuseTag(scalar.tag, at: place, path: path)
                let quoted = scalar.style != .plain || scalar.tag.rawValue == Tag.Name.str.rawValue
                if !quoted, ["", "~", "null", "Null", "NULL"].contains(scalar.string) {
                    return ConfigurationNode(.null, mark: keyMark)
                }
                return ConfigurationNode(.scalar(scalar.string, quoted: quoted), mark: place)
            case .sequence(let sequence):
                refuseTag(sequence.tag, at: place, path: path)
                let items = sequence.enumerated().map { index, item in
                    convert(item, path: "\(path)[\(index)]", keyMark: item.mark.map { mark($0.line) } ?? keyMark)
                }
                return ConfigurationNode(.list(items), mark: keyMark)
            case .mapping(let mapping):
                refuseTag(mapping.tag, at: place, path: path)
                return ConfigurationNode(.map(entries(of: mapping, path: path, keyMark: keyMark)), mark: keyMark)
            case .alias:
                preconditionFailure("the parser resolves aliases")
            }
        }

        private func entries(of mapping: Node.Mapping, path: String, keyMark: SourceMark) -> [ConfigurationNode.Entry] {
            var lines: [String: SourceMark] = [:]
            var entries: [ConfigurationNode.Entry] = []
            for (keyNode, valueNode) in mapping {
                let place = keyNode.mark.map { mark($0.line) } ?? keyMark
                guard case .scalar(let key) = keyNode, keyNode.anchor == nil else {
                    errors.report("a key must be a plain name", at: place, path: path)
                    continue
                }
                let keyPath = path.isEmpty ? key.string : "\(path).\(key.string)"
                if let first = lines[key.string] {
                    errors.report("the key is written twice, first at \(first)", at: place, path: keyPath)
                    continue
                }
                lines[key.string] = place
                entries.append(.init(key: key.string, mark: place, node: convert(valueNode, path: keyPath, keyMark: place)))
            }
            return entries
        }

        private func refuseTag(_ tag: Tag, at place: SourceMark, path: String) {
            if !["", "!", Tag.Name.str.rawValue].contains(tag.rawValue) {
                errors.report("tags (\(tag.rawValue)) are not read", at: place, path: path)
            }
        }
    }

    // MARK: Syntax errors

    /// One sentence and the line (from 1) for an error of the parser.
    private static func describe(_ error: YamlError, text: String) -> (sentence: String, line: Int) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.indices.contains(mark.line - 1), lines[mark.line - 1].prefix(while: \.isWhitespace).contains("\t") {
                return ("a tab in the indentation; YAML is indented with spaces", mark.line)
            }
            if problem.contains("nesting level") { return ("nested too deeply", mark.line) }
            let during = context.map { "\($0.text.trimmingCharacters(in: .whitespaces)) that begins at line \($0.mark.line)" }
            return ("not valid YAML: \(problem)\(during.map { " (\($0))" } ?? "")", mark.line)
        case .composer(_, let problem, let mark, _) where problem.contains("another document"):
            return ("a second document (---) begins here; a definition is one document", mark.line)
        case .composer(_, let problem, let mark, _):
            return (problem.contains("alias") ? "anchors (&) and aliases (*) are not read; write the value out" : problem, mark.line)
        case .reader(let problem, let offset, _, _):
            let line = text.prefix(offset ?? 0).count { $0.isNewline } + 1
            return ("not valid YAML: \(problem)", line)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = duplicates.map { "'\($0)'" }.joined(separator: ", ")
            return ("\(keys) is written twice in one map; the first is here", context.mark.line)
        default:
            return ("not valid YAML: \(error)".replacingOccurrences(of: "\n", with: " "), 1)
        }
    }
}
