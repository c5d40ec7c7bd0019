import Foundation

extension YAML {
    /// How a node is written; both read back as the same node.
    public enum Style {
        /// Without quotes where they are not needed.
        case yaml
        /// Which is YAML too.
        case json
    }

    /// A node as text: whatever fits into a line is written on one, `{resnet: {depth: 20}}`.
    public static func text(_ node: ConfigurationNode, _ style: Style, indentation: Int = 0) -> String {
        let space = String(repeating: " ", count: indentation)
        guard let entries = node.entries, !entries.isEmpty else { return space + line(node, style) }
        let inner = style == .json ? indentation + 2 : indentation
        let lines = entries.map { self.entry($0.key, $0.node, style, indentation: inner) }
        return switch style {
        case .yaml: lines.joined(separator: "\n")
        case .json: "\(space){\n\(lines.joined(separator: ",\n"))\n\(space)}"
        }
    }

    /// An entry of a map, on one line or on several.
    public static func entry(_ key: String, _ node: ConfigurationNode, _ style: Style, indentation: Int) -> String {
        let start = "\(String(repeating: " ", count: indentation))\(scalar(key, quoted: true, style)):"
        let line = "\(start) \(line(node, style))"
        // Only maps are broken into lines; no definition has long lists.
        guard line.count > 110, node.entries?.isEmpty == false else { return line }
        return switch style {
        case .yaml: "\(start)\n\(text(node, style, indentation: indentation + 2))"
        case .json: "\(start) \(text(node, style, indentation: indentation).drop { $0 == " " })"
        }
    }

    /// A node on one line.
    public static func line(_ node: ConfigurationNode, _ style: Style = .yaml) -> String {
        switch node.value {
        case .null: "null"
        case .scalar(let text, let quoted): scalar(text, quoted: quoted, style)
        case .list(let items): "[\(items.map { line($0, style) }.joined(separator: ", "))]"
        case .map(let entries): "{\(entries.map { "\(scalar($0.key, quoted: true, style)): \(line($0.node, style))" }.joined(separator: ", "))}"
        }
    }

    /// A text in double quotes, with JSON's escapes, which are YAML's too; without them where YAML allows it.
    private static func scalar(_ text: String, quoted: Bool, _ style: Style) -> String {
        if !quoted || style == .yaml && isWord(text) { return text }
        // Most texts need no escapes, and asking the encoder about each takes a hundred times as long.
        let isPlain = text.utf8.allSatisfy { (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        return isPlain ? "\"\(text)\"" : escaped(text)
    }

    /// Whether YAML reads a text as itself without quotes: a letter or '_', then letters, digits and some signs, and not null, true or the like.
    fileprivate static func isWord(_ text: String) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_") }
        guard let first = text.utf8.first, isLetter(first) else { return false }
        guard text.utf8.allSatisfy({ isLetter($0) || (0x30...0x39).contains($0) || [0x2E, 0x2B, 0x2F, 0x2D].contains($0) }) else { return false }
        return !["null", "true", "false", "yes", "no", "on", "off"].contains(text.lowercased())
    }

    private static func escaped(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(text), as: UTF8.self) } catch {
            preconditionFailure("a text can be written: \(error)")
        }
    }
}

extension ConfigurationNode {
    /// The same with quotes around words that were written without them, which mean the same: JSON has none without.
    public var withQuotedWords: ConfigurationNode {
        var copy = self
        switch value {
        case .scalar(let text, quoted: false) where YAML.isWord(text): copy.value = .scalar(text, quoted: true)
        case .list(let items): copy.value = .list(items.map(\.withQuotedWords))
        case .map(let entries): copy.value = .map(entries.map { Entry(key: $0.key, mark: $0.mark, node: $0.node.withQuotedWords) })
        case .scalar, .null: break
        }
        return copy
    }
}
