import Foundation

/// What charts have around their data: title, legend, axes with ticks and grid.
struct PlotFrame {
    /// An entry of a legend: a series' mark on its line, or a way of drawing that all series share.
    struct Entry {
        var text: String
        var series: Int?
        var dash = Drawing.Dash.solid
        var isMarked = true
        var isLine = true
    }

    static let margin = 8.0

    let left, right, top, bottom: Double
    let xRange, yRange: ClosedRange<Double>
    private let xAxis, yAxis: Axis

    /// Draws title, legend and axes, and sets the drawing's height.
    ///
    /// - Parameters:
    ///   - xTexts: texts of the places 0, 1, … along the x axis, instead of numbers.
    ///   - height: of the plot itself; nil for a share of its width.
    init(
        in drawing: inout Drawing, title: String, legend: [Entry] = [], xAxis: Axis, yAxis: Axis, xValues: [Double], yValues: [Double],
        xPadding: Double = 0.04, height: Double? = nil
    ) {
        (self.xAxis, self.yAxis) = (xAxis, yAxis)
        var y = Self.heading(title, in: &drawing)
        y = Self.legend(legend, at: y, in: &drawing)
        xRange = xAxis.range(of: xValues, padding: xPadding)
        yRange = yAxis.range(of: yValues)
        y += drawing.paragraph(yAxis.label, x: Self.margin, y: y + 12, isSoft: true, width: drawing.width - 2 * Self.margin)
        top = y + 25
        let plotHeight = height ?? min(260, max(150, drawing.width * 0.42))
        bottom = top + plotHeight
        let yTicks = yAxis.ticks(in: yRange, about: max(3, Int(plotHeight / 36)))
        left = Self.margin + 6 + (yTicks.map { TextWidth.of($0.text, size: Drawing.textSize) }.max() ?? 0)
        right = drawing.width - Self.margin - 6
        // Texts of ticks need some room between them.
        var count = max(2, Int((right - left) / 62)), xTicks = xAxis.ticks(in: xRange, about: count)
        while count > 2, let widest = xTicks.map({ TextWidth.of($0.text, size: Drawing.textSize) }).max(), Double(xTicks.count) * (widest + 10) > right - left {
            count -= 1
            xTicks = xAxis.ticks(in: xRange, about: count)
        }
        for tick in yTicks {
            drawing.line((left, self.y(tick.value)), (right, self.y(tick.value)), style: "f-grid")
            drawing.text(tick.text, x: left - 5, y: self.y(tick.value) + 4, anchor: .end, isSoft: true)
        }
        for tick in xTicks {
            drawing.line((x(tick.value), bottom), (x(tick.value), bottom + 4), style: "f-axis")
            drawing.text(tick.text, x: x(tick.value), y: bottom + 16, anchor: .middle, isSoft: true)
        }
        drawing.line((left, bottom), (right, bottom), style: "f-axis")
        drawing.height = drawing.axisLabel(xAxis.label, from: left, to: right, y: bottom + 32) + 10
    }

    func x(_ value: Double) -> Double { left + Self.share(value, xRange, xAxis.scale) * (right - left) }
    func y(_ value: Double) -> Double { bottom - Self.share(value, yRange, yAxis.scale) * (bottom - top) }

    /// Whether both axes can show a point.
    func shows(_ x: Double, _ y: Double) -> Bool {
        x.isFinite && y.isFinite && (xAxis.scale == .linear || x > 0) && (yAxis.scale == .linear || y > 0)
    }

    /// Where a value lies in a range, from 0 to 1: what the axis cannot show lies at the nearer end, and what is no number at the lower one.
    static func share(_ value: Double, _ range: ClosedRange<Double>, _ scale: Axis.Scale) -> Double {
        let share = switch scale {
        case .linear: (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        case .logarithmic: value > 0 ? (log(value) - log(range.lowerBound)) / (log(range.upperBound) - log(range.lowerBound)) : 0
        }
        return share.isNaN ? 0 : min(max(share, 0), 1)
    }

    /// - Returns: where the title ends.
    static func heading(_ title: String, in drawing: inout Drawing) -> Double {
        var y = margin
        for line in TextWidth.lines(title, width: drawing.width - 2 * margin, size: Drawing.titleSize, isBold: true, atMost: 3) {
            y += 15
            drawing.text(line, x: margin, y: y, size: Drawing.titleSize, isBold: true)
        }
        return y + 6
    }

    /// Entries one after another, in as many lines as they take.
    ///
    /// - Returns: where they end.
    static func legend(_ entries: [Entry], at top: Double, in drawing: inout Drawing) -> Double {
        guard !entries.isEmpty else { return top }
        let sample = 22.0, end = drawing.width - margin
        var x = margin, y = top + 12
        for entry in entries {
            let room = drawing.width - 2 * margin - sample - 6, text = TextWidth.fitted(entry.text, to: room, size: Drawing.textSize)
            let width = sample + 6 + TextWidth.of(text, size: Drawing.textSize)
            if x > margin, x + width > end { (x, y) = (margin, y + 16) }
            let style = entry.series.map { "f-s\($0 % Palette.count)" } ?? "f-axis"
            if entry.isLine { drawing.line((x, y - 4), (x + sample, y - 4), style: style, thickness: 1.8, dash: entry.dash) }
            if let series = entry.series, entry.isMarked { drawing.mark(series, x: x + sample / 2, y: y - 4) }
            drawing.text(entry.text, x: x + sample + 6, y: y, limit: room)
            x += width + 16
        }
        return y + 8
    }
}
