/// Rows of texts under titles, as aligned text, Markdown or CSV.
public struct TextTable {
    /// On which side of its column a cell stands.
    public enum Alignment { case left, right }

    /// A column's head, and where its cells stand.
    public struct Column {
        let title: String
        let alignment: Alignment

        /// A column, to the right unless given.
        public init(_ title: String, _ alignment: Alignment = .right) {
            self.title = title
            self.alignment = alignment
        }
    }

    let columns: [Column]
    var rows: [[String]] = []

    /// A table without rows.
    public init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row, with a cell for each column.
    public mutating func append(_ row: [String]) {
        precondition(row.count == columns.count, "a row has \(row.count) cells under \(columns.count) titles")
        rows.append(row)
    }

    /// Columns two spaces apart, with a rule under the titles.
    public var text: String {
        let widths = columns.indices.map { index in ([columns[index].title] + rows.map { $0[index] }).map(\.count).max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = zip(zip(cells, widths), columns).map { pair, column in
                let space = String(repeating: " ", count: pair.1 - pair.0.count)
                return column.alignment == .left ? pair.0 + space : space + pair.0
            }
            let text = padded.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
        return ([line(columns.map(\.title)), rule] + rows.map(line)).joined(separator: "\n")
    }

    /// The table in Markdown.
    public var markdown: String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        let rule = "|" + columns.map { $0.alignment == .left ? " --- |" : " ---: |" }.joined()
        return ([line(columns.map(\.title)), rule] + rows.map(line)).joined(separator: "\n")
    }

    /// RFC 4180, with line feeds.
    public var csv: String {
        func line(_ cells: [String]) -> String {
            cells.map { cell in
                cell.contains { ",\"\n\r".contains($0) } ? "\"" + cell.replacing("\"", with: "\"\"") + "\"" : cell
            }.joined(separator: ",")
        }
        return ([line(columns.map(\.title))] + rows.map(line)).joined(separator: "\n")
    }
}
