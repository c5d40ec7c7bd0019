extension ModelSummary {
    /// A table of the layers, with the sums under it.
    public var text: String {
        let header = ["layer", "kind", "output", "parameters", "multiply-adds"]
        let rows = layers.map {
            [
                $0.path.isEmpty ? "(model)" : $0.path, $0.kind, $0.outputShape.dropFirst().map(String.init).joined(separator: "×"),
                Self.grouped($0.parameters), Self.grouped($0.multiplyAdds),
            ]
        }
        let total = ["total", "", "", Self.grouped(parameters), Self.grouped(multiplyAdds)]
        let table = [header] + rows + [total]
        let widths = header.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        let lines = table.map { row in
            let cells = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column < 3 ? row[column] + space : space + row[column]
            }
            return cells.joined(separator: "  ")
        }
        let attention =
            multiplyAdds == multiplyAddsWithoutAttention
            ? "" : "; \(Self.grouped(multiplyAddsWithoutAttention)) without attention's QKᵀ and AV"
        return """
            \(family) for images of \(input) and \(classes) classes

            \(lines.joined(separator: "\n"))

            multiply-adds are of one image\(attention)
            """
    }

    /// `11,689,512`.
    static func grouped(_ number: Int) -> String {
        var digits = String(number.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        groups.insert(digits, at: 0)
        return (number < 0 ? "-" : "") + groups.joined(separator: ",")
    }
}
