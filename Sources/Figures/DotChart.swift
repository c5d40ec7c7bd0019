import Foundation

/// Values of named rows as dots with their intervals: main effects of a sweep's options, the recall of each class.
public struct DotChart: Figure {
    /// A dot with its interval.
    public struct Dot: Sendable {
        /// Where it is.
        public var value: Double
        /// The ends of its interval; nil where there is none.
        public var interval: ClosedRange<Double>?

        /// A dot, without an interval unless given.
        public init(_ value: Double, interval: ClosedRange<Double>? = nil) { (self.value, self.interval) = (value, interval) }
    }

    /// A row: a dot for each series.
    public struct Row: Sendable {
        /// What stands to the left of it.
        public var name: String
        /// One for each of the chart's series; nil where there is none.
        public var dots: [Dot?]

        /// A row of dots.
        public init(_ name: String, _ dots: [Dot?]) { (self.name, self.dots) = (name, dots) }
    }

    /// Rows under a heading.
    public struct Group: Sendable {
        /// The heading; empty for none.
        public var name: String
        /// The rows, from above.
        public var rows: [Row]

        /// Rows under a heading.
        public init(_ name: String = "", rows: [Row]) { (self.name, self.rows) = (name, rows) }
    }

    public let title: String
    /// What the dots are.
    public let axis: Axis
    /// The names of the dots of a row; empty for a single one without a name.
    public let series: [String]
    /// The rows.
    public let groups: [Group]

    /// Rows of dots.
    public init(title: String, axis: Axis, series: [String] = [], groups: [Group]) {
        (self.title, self.axis, self.series, self.groups) = (title, axis, series, groups)
    }

    public var summary: String {
        let rows = groups.flatMap(\.rows), dots = rows.flatMap { row in row.dots.compactMap(\.self).map { (row.name, $0.value) } }.filter { $0.1.isFinite }
        guard let low = dots.min(by: { $0.1 < $1.1 }), let high = dots.max(by: { $0.1 < $1.1 }) else { return axis.label }
        func text(_ value: Double) -> String { Axis.text(value, step: Axis.step(abs(value) / 500)) }
        return "\(axis.label) of \(rows.count) rows, from \(text(low.1)) (\(low.0)) to \(text(high.1)) (\(high.0))."
    }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let margin = PlotFrame.margin, dotHeight = 9.0, count = max(series.count, 1)
        let rowHeight = max(17, Double(count) * dotHeight + 5)
        var y = PlotFrame.heading(title, in: &drawing)
        y = PlotFrame.legend(series.count > 1 ? series.enumerated().map { PlotFrame.Entry(text: $1, series: $0) } : [], at: y, in: &drawing)
        let names = groups.flatMap(\.rows).map(\.name)
        let nameWidth = min(drawing.width * 0.36, (names.map { TextWidth.of(shortened($0, to: 80), size: Drawing.textSize) }.max() ?? 0) + 4)
        let left = margin + nameWidth + 10, right = drawing.width - margin - 8
        let dots = groups.flatMap { $0.rows.flatMap { $0.dots.compactMap(\.self) } }, values = dots.map(\.value)
        let ends = axis.clipped(dots.compactMap(\.interval).flatMap { [$0.lowerBound, $0.upperBound] }, around: values)
        let range = axis.range(of: values + ends)
        func x(_ value: Double) -> Double { left + PlotFrame.share(value, range, axis.scale) * (right - left) }
        let top = y + 4
        let height = groups.reduce(0.0) { $0 + ($1.name.isEmpty ? 0 : 22) + Double($1.rows.count) * rowHeight }
        for tick in axis.ticks(in: range, about: max(2, Int((right - left) / 70))) {
            drawing.line((x(tick.value), top), (x(tick.value), top + height), style: "f-grid")
            drawing.text(tick.text, x: x(tick.value), y: top + height + 15, anchor: .middle, isSoft: true)
        }
        y = top
        for group in groups {
            if !group.name.isEmpty {
                y += 22
                drawing.text(group.name, x: margin, y: y - 6, isBold: true, limit: drawing.width - 2 * margin)
            }
            for row in group.rows {
                drawing.text(row.name, x: left - 10, y: y + rowHeight / 2 + 4, anchor: .end, limit: nameWidth)
                for (index, dot) in row.dots.enumerated() {
                    guard let dot, dot.value.isFinite else { continue }
                    let middle = y + rowHeight / 2 + (Double(index) - Double(count - 1) / 2) * dotHeight
                    if let interval = dot.interval {
                        drawing.line((x(interval.lowerBound), middle), (x(interval.upperBound), middle), style: "f-s\(index % Palette.count)", thickness: 1.5)
                    }
                    let name = series.count > 1 ? "\(row.name), \(series[index])" : row.name
                    drawing.mark(index, x: x(dot.value), y: middle, size: 3.6, tip: "\(name): \(Axis.text(dot.value, step: Axis.step(abs(dot.value) / 2000)))")
                }
                y += rowHeight
            }
        }
        drawing.line((left, y), (right, y), style: "f-axis")
        drawing.height = drawing.axisLabel(axis.label, from: left, to: right, y: y + 31) + 9
        return drawing
    }
}
