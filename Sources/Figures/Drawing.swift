import Foundation

/// Shapes and texts on a sheet, in units of which an inch has 96; the origin is at the upper left.
public struct Drawing: Sendable {
    /// The size of most texts: 8.25 points.
    static let textSize = 11.0
    static let titleSize = 12.5
    static let smallSize = 9.5

    let width: Double
    var height = 0.0
    private(set) var elements: [String] = []

    init(_ width: FigureWidth) { self.width = width.units }

    /// Where a text stands relative to its place.
    enum Anchor: String { case start, middle, end }

    /// How a line is drawn.
    enum Dash: String {
        case solid = "", dashed = " stroke-dasharray=\"5 3\"", dotted = " stroke-dasharray=\"1.5 2.5\""
    }

    /// Text on one line, cut to `limit`; what was cut is there when a pointer rests on it. Over lines it has a halo, or where these are many a
    /// ground of its own.
    mutating func text(
        _ words: String, x: Double, y: Double, anchor: Anchor = .start, size: Double = textSize, isBold: Bool = false, isSoft: Bool = false, limit: Double? = nil,
        rotation: Double = 0, hasHalo: Bool = false, hasGround: Bool = false
    ) {
        let shown = TextWidth.fitted(words, to: limit ?? .infinity, size: size, isBold: isBold)
        if hasGround {
            let length = TextWidth.of(shown, size: size, isBold: isBold), left = anchor == .start ? x : anchor == .middle ? x - length / 2 : x - length
            rectangle(x: left - 2, y: y - size * 0.85, width: length + 4, height: size * 1.15, style: "f-back", opacity: 0.88)
        }
        var attributes = "class=\"\(isSoft ? "f-soft" : "f-ink")\(hasHalo ? " f-halo" : "")\" x=\"\(number(x))\" y=\"\(number(y))\""
        if anchor != .start { attributes += " text-anchor=\"\(anchor.rawValue)\"" }
        if size != Self.textSize { attributes += " font-size=\"\(number(size))\"" }
        if isBold { attributes += " font-weight=\"bold\"" }
        if rotation != 0 { attributes += " transform=\"rotate(\(number(rotation)) \(number(x)) \(number(y)))\"" }
        let whole = shown == words ? "" : "<title>\(escaped(shortened(words, to: 200)))</title>"
        elements.append("<text \(attributes)>\(whole)\(escaped(shown))</text>")
    }

    /// Text on as many lines as it takes, up to `count`, each at most `width` wide.
    ///
    /// - Returns: how far below the first line the last one is.
    @discardableResult
    mutating func paragraph(
        _ words: String, x: Double, y: Double, anchor: Anchor = .start, size: Double = textSize, isBold: Bool = false, isSoft: Bool = false, width: Double, atMost count: Int = 3
    ) -> Double {
        let lines = TextWidth.lines(words, width: width, size: size, isBold: isBold, atMost: count), step = (size * 1.2).rounded()
        for (index, line) in lines.enumerated() { text(line, x: x, y: y + Double(index) * step, anchor: anchor, size: size, isBold: isBold, isSoft: isSoft) }
        return Double(lines.count - 1) * step
    }

    /// The label of an axis below its middle, no further out than the sheet.
    ///
    /// - Returns: where it ends.
    mutating func axisLabel(_ words: String, from left: Double, to right: Double, y: Double) -> Double {
        let margin = PlotFrame.margin, middle = (left + right) / 2, room = 2 * min(middle - margin, width - margin - middle)
        // What is too long for the axis has the sheet.
        let isLong = TextWidth.of(words, size: Self.textSize) > room
        return y + paragraph(words, x: isLong ? width / 2 : middle, y: y, anchor: .middle, isSoft: true, width: isLong ? width - 2 * margin : room)
    }

    mutating func line(_ from: (Double, Double), _ to: (Double, Double), style: String, thickness: Double = 1, dash: Dash = .solid) {
        elements.append(
            "<line class=\"\(style)\" x1=\"\(number(from.0))\" y1=\"\(number(from.1))\" x2=\"\(number(to.0))\" y2=\"\(number(to.1))\" stroke-width=\"\(number(thickness))\"\(dash.rawValue)/>")
    }

    /// A line through points; nothing for fewer than two.
    mutating func polyline(_ points: [(Double, Double)], style: String, thickness: Double = 1.6, dash: Dash = .solid, opacity: Double = 1) {
        guard points.count > 1 else { return }
        let path = points.map { "\(number($0.0)) \(number($0.1))" }.joined(separator: "L")
        elements.append(
            "<path class=\"\(style)\" d=\"M\(path)\" fill=\"none\" stroke-width=\"\(number(thickness))\" stroke-linejoin=\"round\"\(dash.rawValue)\(Self.opacity("stroke", opacity))/>")
    }

    /// An area within points.
    mutating func polygon(_ points: [(Double, Double)], style: String, opacity: Double = 1) {
        guard points.count > 2 else { return }
        let path = points.map { "\(number($0.0)) \(number($0.1))" }.joined(separator: "L")
        elements.append("<path class=\"\(style)\" d=\"M\(path)Z\"\(Self.opacity("fill", opacity))/>")
    }

    /// - Parameter tip: what is said when a pointer rests on it.
    mutating func rectangle(x: Double, y: Double, width: Double, height: Double, style: String, opacity: Double = 1, tip: String? = nil) {
        let shape = "<rect class=\"\(style)\" x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(max(width, 0)))\" height=\"\(number(max(height, 0)))\"\(Self.opacity("fill", opacity))"
        elements.append(tip.map { "\(shape)><title>\(escaped(shortened($0, to: 120)))</title></rect>" } ?? "\(shape)/>")
    }

    /// A series' mark: its colour and its shape.
    mutating func mark(_ series: Int, x: Double, y: Double, size: Double = 3.4, tip: String? = nil) {
        let d = size, points: [(Double, Double)]
        let colour = "f-f\(series % Palette.count) f-edge"
        let tip = tip.map { "<title>\(escaped(shortened($0, to: 120)))</title>" }
        // Each turn through the colours begins with another shape.
        switch (series + series / Palette.count) % 6 {
        case 0:
            let shape = "<circle class=\"\(colour)\" cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"\(number(d))\" stroke-width=\"0.7\""
            elements.append(tip.map { "\(shape)>\($0)</circle>" } ?? "\(shape)/>")
            return
        case 1: points = [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
        case 2: points = [(0, -1.25), (1.15, 0.85), (-1.15, 0.85)]
        case 3: points = [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)]
        case 4: points = [(0, 1.25), (1.15, -0.85), (-1.15, -0.85)]
        default: points = [(-1.2, -0.4), (-0.4, -0.4), (-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4)]
        }
        let path = points.map { "\(number(x + $0.0 * d)) \(number(y + $0.1 * d))" }.joined(separator: "L")
        let shape = "<path class=\"\(colour)\" d=\"M\(path)Z\" stroke-width=\"0.7\""
        elements.append(tip.map { "\(shape)>\($0)</path>" } ?? "\(shape)/>")
    }

    /// A PNG file, its pixels kept sharp.
    mutating func image(png: [UInt8], x: Double, y: Double, width: Double, height: Double, tip: String) {
        elements.append("""
            <image x="\(number(x))" y="\(number(y))" width="\(number(width))" height="\(number(height))" style="image-rendering:pixelated" \
            href="data:image/png;base64,\(Data(png).base64EncodedString())"><title>\(escaped(shortened(tip, to: 120)))</title></image>
            """)
    }

    private static func opacity(_ what: String, _ value: Double) -> String { value == 1 ? "" : " \(what)-opacity=\"\(number(value))\"" }
}
