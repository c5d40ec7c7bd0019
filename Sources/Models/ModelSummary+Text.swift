import Configuration

extension ModelSummary {
    /// A table of the layers, with the sums under it.
    public var text: String {
        let header = ["layer", "kind", "output", "parameters", "multiply-adds"]
        let rows = layers.map {
            [
                $0.path.isEmpty ? "(model)" : $0.path, $0.kind, $0.outputShape.dropFirst().map(String.init).joined(separator: "×"),
                grouped($0.parameters), grouped($0.multiplyAdds),
            ]
        }
        let total = ["total", "", "", grouped(parameters), grouped(multiplyAdds)]
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
            ? "" : "; \(grouped(multiplyAddsWithoutAttention)) without attention's QKᵀ and AV"
        return """
            \(family) for images of \(input) and \(classes) classes

            \(lines.joined(separator: "\n"))

            multiply-adds are of one image\(attention)
            \(grouped(activations)) activations: what convolutions and linear layers give for one image
            """
    }
}
