/// Texts from names and files, as a terminal may show them.
extension String {
    /// The text with each character written out (`\u001b`) that a terminal obeys instead of showing: control characters, and those that
    /// change the direction of writing or the line. Line feeds stay.
    ///
    /// Whatever the program says goes through this where it leaves the program: a model called `ESC ]0;…` changes no window's title, and a
    /// path with a mark from right to left does not look like another. The form is JSON's, so a JSON text keeps its meaning.
    public var visible: String { escaped(keepingLineFeeds: true) }

    /// The same on one line.
    public var visibleOnOneLine: String { escaped(keepingLineFeeds: false) }

    private func escaped(keepingLineFeeds: Bool) -> String {
        func isHidden(_ scalar: Unicode.Scalar) -> Bool { scalar.isHidden && !(keepingLineFeeds && scalar == "\n") }
        guard unicodeScalars.contains(where: isHidden) else { return self }
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if isHidden(scalar) { text.append(contentsOf: scalar.writtenOut.unicodeScalars) } else { text.append(scalar) }
        }
        return String(text)
    }

    /// The first and last characters of a text that is too long for a sentence, with `…` between them.
    public func shortened(to limit: Int = 60) -> String {
        guard utf8.count > limit, count > limit else { return self }
        return "\(prefix(limit * 2 / 3))…\(suffix(limit / 3 - 1))"
    }
}

extension Unicode.Scalar {
    fileprivate var isHidden: Bool {
        switch value {
        // C0, DEL and C1.
        case 0..<0x20, 0x7F..<0xA0: true
        // Direction: marks, embeddings, overrides, isolates; separators of lines and paragraphs.
        case 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    fileprivate var writtenOut: String {
        switch self {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default:
            // All of them have at most four digits.
            "\\u" + String(repeating: "0", count: 4 - String(value, radix: 16).count) + String(value, radix: 16)
        }
    }
}
