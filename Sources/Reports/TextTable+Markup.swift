import Configuration

extension TextTable {
    /// The table in LaTeX, with the rules of the package booktabs, and its caption above it.
    func latex(caption: [String] = []) -> String {
        func line(_ cells: [String]) -> String {
            // After the end of a row, a bracket or a star would belong to it.
            (cells.first.map { $0.hasPrefix("[") || $0.hasPrefix("*") } == true ? "    {}" : "    ") + cells.map(latexText).joined(separator: " & ") + " \\\\"
        }
        let alignments = columns.map { $0.alignment == .left ? "l" : "r" }.joined()
        return (["% needs \\usepackage{booktabs}", "\\begin{table}", "  \\centering"]
            + (caption.isEmpty ? [] : ["  \\caption{\(caption.map { latexText($0) }.joined(separator: ". ")).}"])
            + ["  \\begin{tabular}{\(alignments)}", "    \\toprule", line(columns.map(\.title)), "    \\midrule"] + rows.map(line)
            + ["    \\bottomrule", "  \\end{tabular}", "\\end{table}"]).joined(separator: "\n")
    }

    /// The table in HTML. The first column names the rows.
    func html(caption: String? = nil) -> String {
        func style(_ column: Int) -> String { columns[column].alignment == .left ? " class=\"text\"" : "" }
        let head = columns.indices.map { "<th scope=\"col\"\(style($0))>\(htmlText(columns[$0].title))</th>" }.joined()
        let body = rows.map { row in
            "<tr>" + row.indices.map { $0 == 0 ? "<th scope=\"row\"\(style(0))>\(htmlText(row[0]))</th>" : "<td\(style($0))>\(htmlText(row[$0]))</td>" }.joined() + "</tr>"
        }.joined(separator: "\n")
        let title = caption.map { "<caption>\(htmlText($0))</caption>\n" } ?? ""
        return "<div class=\"scroll\" tabindex=\"0\"><table>\n\(title)<thead><tr>\(head)</tr></thead>\n<tbody>\n\(body)\n</tbody></table></div>"
    }
}

/// Text for LaTeX: signs that mean something to it are escaped, those that many fonts lack are written as mathematics.
func latexText(_ text: String) -> String {
    let signs: [Character: String] = [
        "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_", "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", "\"": "\\textquotedbl{}", "Δ": "$\\Delta$", "ε": "$\\varepsilon$", "λ": "$\\lambda$", "σ": "$\\sigma$",
        "≤": "$\\le$", "≥": "$\\ge$", "×": "$\\times$", "·": "$\\cdot$", "→": "$\\to$", "∞": "$\\infty$", "±": "$\\pm$", "²": "$^2$", "√": "$\\surd$", "…": "\\ldots{}", "–": "--",
    ]
    // A hyphen before a number is its sign.
    return text.visibleOnOneLine.shortened(to: 400).map { signs[$0] ?? String($0) }.joined().replacing(/(^|\s)-(?=\d)/) { "\($0.1)$-$" }
}

/// Text for HTML, whatever it is made of; a text of thousands of characters is cut in its middle.
func htmlText(_ text: String, limit: Int = 400) -> String {
    text.visible.shortened(to: limit).replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
}
