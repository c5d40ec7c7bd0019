/// JSON as `ConfigurationNode`s, as `YAML.node` reads it too, in a hundredth of the time: what the program has written itself, thousands of times in a sweep.
struct JSONText {
    private let bytes: [UInt8]
    private let mark: (Int) -> SourceMark
    private var position = 0
    private var line = 1
    /// The mark of the line at hand, which many values share.
    private var lineMark: SourceMark
    private static let deepest = 100

    /// The node of a text that is one JSON object; nil for any other text, right or wrong, which is left to the reader of YAML.
    static func node(_ text: String, mark: @escaping (Int) -> SourceMark) -> ConfigurationNode? {
        guard text.utf8.first == UInt8(ascii: "{") else { return nil }
        var reader = JSONText(bytes: Array(text.utf8), mark: mark, lineMark: mark(1))
        guard let node = reader.value(reader.lineMark, depth: 0) else { return nil }
        reader.skipSpace()
        return reader.position == reader.bytes.count ? node : nil
    }

    private init(bytes: [UInt8], mark: @escaping (Int) -> SourceMark, lineMark: SourceMark) {
        self.bytes = bytes
        self.mark = mark
        self.lineMark = lineMark
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A {
            if byte == 0x0A {
                line += 1
                lineMark = mark(line)
            }
            position += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// A scalar has the mark of its own line; a map, a list or nothing that of its key.
    private mutating func value(_ keyMark: SourceMark, depth: Int) -> ConfigurationNode? {
        skipSpace()
        guard depth < Self.deepest, let first = next else { return nil }
        switch first {
        case UInt8(ascii: "{"): return map(keyMark, depth)
        case UInt8(ascii: "["): return list(keyMark, depth)
        case UInt8(ascii: "\""): return string().map { ConfigurationNode(.scalar($0, quoted: true), mark: lineMark) }
        default:
            let start = position
            while let byte = next, Self.isPlain(byte) { position += 1 }
            let word = String(decoding: bytes[start..<position], as: UTF8.self)
            if word == "null" { return ConfigurationNode(.null, mark: keyMark) }
            return word.isEmpty ? nil : ConfigurationNode(.scalar(word, quoted: false), mark: lineMark)
        }
    }

    /// Letters, digits and what else numbers have.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E: true
        default: false
        }
    }

    private mutating func map(_ keyMark: SourceMark, _ depth: Int) -> ConfigurationNode? {
        position += 1
        var entries: [ConfigurationNode.Entry] = [], keys: Set<String> = []
        if take("}") { return ConfigurationNode(.map([]), mark: keyMark) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\""), let key = string(), keys.insert(key).inserted else { return nil }
            let place = lineMark
            guard take(":"), let node = value(place, depth: depth + 1) else { return nil }
            entries.append(.init(key: key, mark: place, node: node))
        } while take(",")
        return take("}") ? ConfigurationNode(.map(entries), mark: keyMark) : nil
    }

    private mutating func list(_ keyMark: SourceMark, _ depth: Int) -> ConfigurationNode? {
        position += 1
        var items: [ConfigurationNode] = []
        if take("]") { return ConfigurationNode(.list([]), mark: keyMark) }
        repeat {
            skipSpace()
            guard let item = value(lineMark, depth: depth + 1) else { return nil }
            items.append(item)
        } while take(",")
        return take("]") ? ConfigurationNode(.list(items), mark: keyMark) : nil
    }

    /// A text without escapes; nil with them.
    private mutating func string() -> String? {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
            position += 1
        }
        guard next != nil else { return nil }
        position += 1
        return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
    }
}
