import Configuration
import Foundation

extension YAML {
    /// How a node is written; both read back as the same node.
    enum Style {
        /// Without quotes where they are not needed.
        case yaml
        /// Which is YAML too.
        case json
    }

    /// A node as text: whatever fits into a line is written on one, `{resnet: {depth: 20}}`.
    static func text(_ node: ConfigurationNode, _ style: Style, indentation: Int = 0) -> String {
        let space = String(repeating: " ", count: indentation)
        guard let entries = node.entries, !entries.isEmpty else { return space + line(node, style) }
        let inner = style == .json ? indentation + 2 : indentation
        let lines = entries.map { entry in
            let start = "\(String(repeating: " ", count: inner))\(scalar(entry.key, quoted: true, style)):"
            let line = "\(start) \(line(entry.node, style))"
            // Only maps are broken into lines; no definition has long lists.
            guard line.count > 110, entry.node.entries?.isEmpty == false else { return line }
            return switch style {
            case .yaml: "\(start)\n\(text(entry.node, style, indentation: inner + 2))"
            case .json: "\(start) \(text(entry.node, style, indentation: inner).drop { $0 == " " })"
            }
        }
        return switch style {
        case .yaml: lines.joined(separator: "\n")
        case .json: "\(space){\n\(lines.joined(separator: ",\n"))\n\(space)}"
        }
    }

    /// A node on one line.
    static func line(_ node: ConfigurationNode, _ style: Style = .yaml) -> String {
        switch node.value {
        case .null: "null"
        case .scalar(let text, let quoted): scalar(text, quoted: quoted, style)
        case .list(let items): "[\(items.map { line($0, style) }.joined(separator: ", "))]"
        case .map(let entries): "{\(entries.map { "\(scalar($0.key, quoted: true, style)): \(line($0.node, style))" }.joined(separator: ", "))}"
        }
    }

    /// A text in double quotes, with JSON's escapes, which are YAML's too; without them where YAML allows it.
    private static func scalar(_ text: String, quoted: Bool, _ style: Style) -> String {
        let isWord = text.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_.+\/\-]*/) != nil
        let isReserved = ["null", "true", "false", "yes", "no", "on", "off"].contains(text.lowercased())
        return !quoted || (style == .yaml && isWord && !isReserved) ? text : json(text)
    }

    /// The node of a value, with keys in alphabetical order.
    static func node(of value: some Encodable) -> ConfigurationNode {
        do { return try node(json(value)) { SourceMark(file: "", line: $0) } } catch {
            preconditionFailure("JSON is YAML: \(error)")
        }
    }

    /// JSON on one line, with keys in alphabetical order; numbers in their shortest form that reads back as the same.
    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
            preconditionFailure("what was read from a definition can be written: \(error)")
        }
    }
}
