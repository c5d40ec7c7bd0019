import Foundation

extension ArchitectureFigure {
    private static let boxWidth = 168.0, boxHeight = 40.0, rowHeight = 62.0, gap = 14.0, margin = 24.0, head = 58.0

    /// Fill and border of a box, readable under black text and told apart in grey, too.
    private static func colours(_ kind: Kind) -> (fill: String, stroke: String) {
        switch kind {
        case .input: ("#ffffff", "#444444")
        case .convolution: ("#cfe3f5", "#2f6ea5")
        case .linear: ("#d6ecd2", "#3f7d36")
        case .pooling: ("#fbe3c5", "#b06f12")
        case .attention: ("#e6d9f2", "#6b4a98")
        case .join: ("#f0f0f0", "#666666")
        case .other: ("#ffffff", "#888888")
        }
    }

    /// The drawing as a document of its own: text as text, no script, nothing from elsewhere.
    public var svg: String {
        let layout = FigureLayout(sources: boxes.map(\.sources), width: Self.boxWidth, gap: Self.gap)
        let width = max(layout.span.upperBound - layout.span.lowerBound, 360) + 2 * Self.margin
        let middle = width / 2 - (layout.span.lowerBound + layout.span.upperBound) / 2
        let height = Self.head + Double(layout.rowCount) * Self.rowHeight + Self.margin
        func x(_ value: Double) -> Double { value + middle }
        func top(_ row: Int) -> Double { Self.head + Double(row) * Self.rowHeight }

        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Self.number(width))\" height=\"\(Self.number(height))\" viewBox=\"0 0 \(Self.number(width)) \(Self.number(height))\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">",
            "<title>\(Self.escaped(title))</title>",
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"f-tip\" d=\"M0 0 8 4 0 8z\"/></marker></defs>",
            "<style>.f-back{fill:#ffffff}.f-ink{fill:#1b1f24}.f-soft{fill:#57606a}.f-frame{fill:#fafafa;stroke:#999999}.f-line{stroke:#444444}.f-tip{fill:#444444}\n@media screen and (prefers-color-scheme: dark) {\n.f-back{fill:#14181d}.f-ink{fill:#e8eaed}.f-soft{fill:#a4adb8}.f-frame{fill:#1d232a;stroke:#6e7781}.f-line{stroke:#b4bcc6}.f-tip{fill:#b4bcc6}\n}</style>",
            "<rect class=\"f-back\" width=\"100%\" height=\"100%\"/>",
            Self.text(title, x: width / 2, y: 24, "class=\"f-ink\" font-size=\"16\" font-weight=\"bold\""),
            Self.text(subtitle, x: width / 2, y: 42, "class=\"f-soft\""),
        ]
        lines += frameLines(layout, x: x, top: top)
        for arrow in layout.arrows {
            var points = [(x(layout.x[arrow.from]), top(layout.rows[arrow.from]) + Self.boxHeight)]
            for pass in arrow.passes { points += [(x(pass.x), top(pass.row)), (x(pass.x), top(pass.row) + Self.boxHeight)] }
            points.append((x(layout.x[arrow.to]), top(layout.rows[arrow.to])))
            let path = points.map { "\(Self.number($0.0)) \(Self.number($0.1))" }.joined(separator: " L")
            lines.append("<path d=\"M\(path)\" class=\"f-line\" fill=\"none\" marker-end=\"url(#arrow)\"/>")
        }
        for (index, box) in boxes.enumerated() {
            let colours = Self.colours(box.kind), left = x(layout.x[index]) - Self.boxWidth / 2, y = top(layout.rows[index])
            lines.append(
                "<rect x=\"\(Self.number(left))\" y=\"\(Self.number(y))\" width=\"\(Self.number(Self.boxWidth))\" height=\"\(Self.number(Self.boxHeight))\" rx=\"5\" fill=\"\(colours.fill)\" stroke=\"\(colours.stroke)\"/>")
            lines.append(Self.text(box.label, x: x(layout.x[index]), y: y + 16))
            lines.append(Self.text(box.shape, x: x(layout.x[index]), y: y + 32, "font-size=\"11\" fill=\"#444444\""))
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func frameLines(_ layout: FigureLayout, x: (Double) -> Double, top: (Int) -> Double) -> [String] {
        frames.indices.flatMap { frame -> [String] in
            let members = boxes.indices.filter { boxes[$0].frame == frame }
            guard let first = members.map({ layout.rows[$0] }).min(), let last = members.map({ layout.rows[$0] }).max() else { return [] }
            let left = x(members.map { layout.x[$0] }.min()!) - Self.boxWidth / 2 - 8, right = x(members.map { layout.x[$0] }.max()!) + Self.boxWidth / 2 + 8
            let y = top(first) - 9, height = top(last) + Self.boxHeight + 9 - y
            return [
                "<rect x=\"\(Self.number(left))\" y=\"\(Self.number(y))\" width=\"\(Self.number(right - left))\" height=\"\(Self.number(height))\" class=\"f-frame\" rx=\"8\" stroke-dasharray=\"5 4\"/>",
                "<text x=\"\(Self.number(right + 6))\" y=\"\(Self.number(y + height / 2))\" class=\"f-ink\" font-size=\"15\" font-weight=\"bold\">× \(frames[frame].count)</text>",
            ]
        }
    }

    private static func text(_ words: String, x: Double, y: Double, _ attributes: String = "") -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"middle\"\(attributes.isEmpty ? "" : " " + attributes)>\(escaped(words))</text>"
    }

    private static func number(_ value: Double) -> String {
        let text = String(format: "%.1f", value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
