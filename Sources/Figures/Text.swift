import Foundation

/// A number of the drawing: at most two decimals, whatever the locale.
func number(_ value: Double) -> String {
    var text = String(format: "%.2f", value)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text == "-0" ? "0" : text
}

/// Text for XML: what a reader cannot see (control characters, marks of direction, what XML forbids) becomes �.
func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
    return result
}

/// The first and last characters of a text that is longer than `limit`, with `…` between them.
func shortened(_ text: String, to limit: Int) -> String {
    guard text.utf8.count > limit, text.count > limit, limit > 2 else { return text }
    let tail = (limit - 1) / 3
    return "\(text.prefix(limit - 1 - tail))…\(text.suffix(tail))"
}

/// How wide texts are about, in Helvetica and its metric twins.
enum TextWidth {
    /// Thousandths of the size, for the characters from the space to the tilde (Adobe's font metrics of Helvetica).
    private static let widths: [Double] = [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584,
        584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278,
        278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,
        500, 334, 260, 334, 584,
    ]

    static func of(_ text: String, size: Double, isBold: Bool = false) -> Double {
        let thousandths = text.unicodeScalars.reduce(0.0) { sum, scalar in
            switch scalar.value {
            case 32...126: sum + widths[Int(scalar.value) - 32]
            case ..<0x2E80: sum + 600
            default: sum + 1000
            }
        }
        // DejaVu Sans, which many systems have instead, is wider.
        return thousandths / 1000 * size * (isBold ? 1.25 : 1.16)
    }

    /// The text, or as much of its beginning and end as there is room for.
    static func fitted(_ text: String, to width: Double, size: Double, isBold: Bool = false) -> String {
        let whole = shortened(text, to: 400)
        if of(whole, size: size, isBold: isBold) <= width { return whole }
        var low = 3, high = max(3, whole.count)
        while low < high {
            let middle = (low + high + 1) / 2
            if of(shortened(whole, to: middle), size: size, isBold: isBold) <= width { low = middle } else { high = middle - 1 }
        }
        return shortened(whole, to: low)
    }

    /// The text in lines of at most `width`, up to `count` of them.
    static func lines(_ text: String, width: Double, size: Double, isBold: Bool = false, atMost count: Int) -> [String] {
        var lines: [String] = [], line = ""
        var words = shortened(text, to: 400).split(separator: " ").map(String.init)[...]
        while let word = words.first {
            let longer = line.isEmpty ? word : "\(line) \(word)"
            if line.isEmpty || of(longer, size: size, isBold: isBold) <= width {
                line = longer
                words.removeFirst()
            } else if lines.count == count - 1 {
                line = ([line] + words).joined(separator: " ")
                break
            } else {
                lines.append(line)
                line = ""
            }
        }
        return (lines + [line]).map { fitted($0, to: width, size: size, isBold: isBold) }
    }
}
