extension TextTable {
    /// The table in lines of at most `width` characters; nil for as long as they come.
    ///
    /// Where a row is longer, the columns that do not fit stand under the first, indented. Texts that are wider than a line are broken between
    /// words; numbers never are.
    public func text(width limit: Int?) -> String {
        let natural = columns.indices.map { index in ([columns[index].title] + rows.map { $0[index] }).map(\.count).max() ?? 0 }
        guard let limit, natural.reduce(-Self.gap, { $0 + $1 + Self.gap }) > limit else { return text }
        let room = max(limit - Self.indent, 1)
        let widths = columns.indices.map { columns[$0].alignment == .left ? min(natural[$0], room) : natural[$0] }
        let bands = Self.bands(of: widths, within: limit)
        let lines = ([columns.map(\.title)] + rows).map { folded($0, widths, bands) }
        let rule = String(repeating: "─", count: min(limit, lines.joined().map(\.count).max() ?? 0))
        return (lines[0] + [rule] + lines.dropFirst().joined()).joined(separator: "\n")
    }

    private static let indent = 2, gap = 2

    /// The columns of each line, as many as fit.
    private static func bands(of widths: [Int], within limit: Int) -> [[Int]] {
        var bands: [[Int]] = [], used = 0
        for (index, width) in widths.enumerated() {
            if !bands.isEmpty, used + gap + width <= limit {
                bands[bands.count - 1].append(index)
                used += gap + width
            } else {
                used = (bands.isEmpty ? 0 : indent) + width
                bands.append([index])
            }
        }
        return bands
    }

    private func folded(_ cells: [String], _ widths: [Int], _ bands: [[Int]]) -> [String] {
        bands.enumerated().flatMap { number, band in
            let parts = band.map { columns[$0].alignment == .left ? broken(cells[$0], width: widths[$0]) : [cells[$0]] }
            return (0..<(parts.map(\.count).max() ?? 0)).map { row in
                let padded = zip(band, parts).map { index, part in
                    let cell = row < part.count ? part[row] : ""
                    let space = String(repeating: " ", count: max(0, widths[index] - cell.count))
                    return columns[index].alignment == .left ? cell + space : space + cell
                }
                let line = String(repeating: " ", count: number == 0 ? 0 : Self.indent) + padded.joined(separator: "  ")
                return String(line.reversed().drop { $0 == " " }.reversed())
            }
        }
    }
}

/// A sentence in lines of at most `width` characters, broken between words; nil for one line.
public func broken(_ text: String, width: Int?) -> [String] {
    guard let width, text.count > width else { return [text] }
    let indentation = text.prefix { $0 == " " }
    if !indentation.isEmpty, indentation.count < width {
        return broken(String(text.dropFirst(indentation.count)), width: width - indentation.count).map { indentation + $0 }
    }
    var lines: [String] = [], line = ""
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
        if !line.isEmpty, line.count + 1 + word.count > width {
            lines.append(line)
            line = ""
        }
        line += line.isEmpty ? String(word) : " " + word
        while line.count > width {
            lines.append(String(line.prefix(width)))
            line = String(line.dropFirst(width))
        }
    }
    return line.isEmpty ? lines : lines + [line]
}
