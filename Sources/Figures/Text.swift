import Foundation

/// A number of the drawing: at most two decimals, whatever the locale.
func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
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

/// How wide texts are at most, in the fonts that systems have for figures.
enum TextWidth {
    /// Thousandths of the size, for the characters from the space to the tilde: those of DejaVu Sans, or of Helvetica where it is wider.
    private static let plain: [Double] = [
        318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838,
        838, 556, 1015, 684, 686, 722, 770, 667, 611, 778, 752, 295, 500, 667, 557, 863, 748, 787, 667, 787, 722, 667, 611, 732, 684, 989, 685, 667, 685, 390,
        337, 390, 838, 556, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,
        525, 636, 337, 636, 838,
    ]
    private static let bold: [Double] = [
        348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838,
        838, 611, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 556, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457,
        365, 457, 838, 556, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652,
        582, 712, 365, 712, 838,
    ]

    static func of(_ text: String, size: Double, isBold: Bool = false) -> Double {
        let widths = isBold ? bold : plain
        return text.unicodeScalars.reduce(0.0) { sum, scalar in
            switch scalar.value {
            case 32...126: sum + widths[Int(scalar.value) - 32]
            case ..<0x2E80: sum + 838
            default: sum + 1000
            }
        } / 1000 * size
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
