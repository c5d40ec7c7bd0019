import Foundation

/// A drawing of numbers, in SVG: text as text, no script, nothing from elsewhere, the same bytes for the same numbers.
///
///     let chart = LineChart(title: "Loss", xAxis: Axis("epoch"), yAxis: Axis("loss (nat)"), series: […])
///     try Data(chart.svg(.column).utf8).write(to: url)       // 85 mm wide: a column of a paper
///     page += chart.inlineSVG(.page)                         // for HTML that has `Palette.styleSheet`
public protocol Figure: Sendable {
    /// What the figure shows, in a few words; it stands above the drawing.
    var title: String { get }
    /// The same for who cannot see it: one sentence.
    var summary: String { get }
    /// The drawing at a width.
    func drawing(_ width: FigureWidth) -> Drawing
}

/// How wide a figure is: the two widths of a journal's pages.
public enum FigureWidth: Int, Sendable, CaseIterable {
    /// One column, 85 mm.
    case column = 85
    /// Both columns, 170 mm.
    case page = 170

    /// In units of the drawing, of which an inch has 96.
    public var units: Double { Double(rawValue) / 25.4 * 96 }
}

extension Figure {
    /// The figure as a file of its own.
    public func svg(_ width: FigureWidth) -> String {
        let drawing = drawing(width), height = drawing.height / 96 * 25.4
        return document(drawing, "width=\"\(width.rawValue)mm\" height=\"\(number(height))mm\"", style: "<style>\(Palette.styleSheet)</style>\n")
    }

    /// What every such file has.
    public static var mark: String { "<rect class=\"f-back\"" }

    /// The figure as a part of an HTML page that has `Palette.styleSheet` in its style: it is as wide as the page lets it be.
    public func inlineSVG(_ width: FigureWidth) -> String { document(drawing(width), "width=\"100%\"", style: "") }

    private func document(_ drawing: Drawing, _ size: String, style: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" \(size) viewBox="0 0 \(number(drawing.width)) \(number(drawing.height))" role="img" \
        aria-label="\(escaped(shortened(title, to: 200)))" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif" font-size="\(number(Drawing.textSize))">
        \(style)<desc>\(escaped(shortened(summary, to: 1000)))</desc>
        <rect class="f-back" width="100%" height="100%"/>
        \(drawing.elements.joined(separator: "\n"))
        </svg>

        """
    }
}
