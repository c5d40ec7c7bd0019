import Foundation

/// Lines over a common axis, with bands around them: learning curves with the spread over seeds.
public struct LineChart: Figure {
    /// A line.
    public struct Series: Sendable {
        /// As the legend has it.
        public var name: String
        /// Which colour and mark it has, from 0: a dashed line has those of the solid one that it goes with.
        public var colour: Int
        /// Whether it is the lesser of two lines of a name, and in no legend.
        public var isDashed: Bool
        /// The points, in the order of x.
        public var x, y: [Double]
        /// The ends of the band at each point; nil where there is none.
        public var band: [ClosedRange<Double>?]

        /// A line through points, without a band unless given.
        public init(_ name: String, colour: Int, isDashed: Bool = false, x: [Double], y: [Double], band: [ClosedRange<Double>?] = []) {
            precondition(x.count == y.count && (band.isEmpty || band.count == x.count), "a line of \(name) has \(x.count) places and \(y.count) values")
            (self.name, self.colour, self.isDashed, self.x, self.y) = (name, colour, isDashed, x, y)
            self.band = band.isEmpty ? [ClosedRange<Double>?](repeating: nil, count: x.count) : band
        }
    }

    public let title: String
    /// The axes.
    public let xAxis, yAxis: Axis
    /// The lines, the first drawn first.
    public let series: [Series]
    /// What solid and dashed lines are, where there are both.
    public let solid, dashed: String?

    /// Lines over a common axis.
    public init(title: String, xAxis: Axis, yAxis: Axis, series: [Series], solid: String? = nil, dashed: String? = nil) {
        (self.title, self.xAxis, self.yAxis, self.series, self.solid, self.dashed) = (title, xAxis, yAxis, series, solid, dashed)
    }

    public var summary: String {
        let ends = series.filter { !$0.isDashed }.compactMap { line in line.y.last(where: \.isFinite).map { "\(line.name) ends at \(Axis.text($0, step: Axis.step(abs($0) / 500)))" } }
        return "\(yAxis.label) by \(xAxis.label): \(ends.joined(separator: ", "))."
    }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        var legend = series.filter { !$0.isDashed }.map { PlotFrame.Entry(text: $0.name, series: $0.colour) }
        if let solid, let dashed { legend += [PlotFrame.Entry(text: solid), PlotFrame.Entry(text: dashed, dash: .dashed)] }
        let bands = series.flatMap { $0.band.compactMap(\.self) }.flatMap { [$0.lowerBound, $0.upperBound] }
        // A band that is much wider than the lines are high would press them flat.
        let values = series.flatMap(\.y), visible = yAxis.clipped(bands, around: values)
        let frame = PlotFrame(
            in: &drawing, title: title, legend: legend, xAxis: xAxis, yAxis: yAxis, xValues: series.flatMap(\.x), yValues: values + visible, xPadding: 0.02)
        for line in series {
            for part in parts(of: line, frame) { drawBand(line, part, frame, &drawing) }
        }
        for line in series.reversed() {
            for part in parts(of: line, frame) {
                let points = part.map { (frame.x(line.x[$0]), frame.y(line.y[$0])) }
                drawing.polyline(points, style: "f-s\(line.colour % Palette.count)", thickness: line.isDashed ? 1.2 : 1.8, dash: line.isDashed ? .dashed : .solid)
                if line.isDashed { continue }
                // A mark at every point of a short line; of a long one at some, where others have none.
                let step = max(1, (points.count + 7) / 8), offset = step > 1 ? line.colour * step / max(series.count, 1) % step : 0
                for (index, place) in part.enumerated() where index % step == offset || points.count == 1 {
                    drawing.mark(line.colour, x: points[index].0, y: points[index].1, size: 3, tip: tip(line, place))
                }
            }
        }
        return drawing
    }

    private func tip(_ line: Series, _ index: Int) -> String {
        let value = line.y[index]
        return "\(line.name): \(Axis.text(value, step: Axis.step(abs(value) / 5000))) at \(Axis.text(line.x[index], step: Axis.step(max(abs(line.x[index]), 1) / 1000)))"
    }

    /// The runs of neighbouring points that can be shown.
    private func parts(of line: Series, _ frame: PlotFrame) -> [[Int]] {
        line.x.indices.reduce(into: [[Int]]()) { parts, index in
            guard frame.shows(line.x[index], line.y[index]) else { return parts.append([]) }
            if parts.isEmpty { parts.append([]) }
            parts[parts.count - 1].append(index)
        }.filter { !$0.isEmpty }
    }

    private func drawBand(_ line: Series, _ part: [Int], _ frame: PlotFrame, _ drawing: inout Drawing) {
        let banded = part.compactMap { index in line.band[index].map { (frame.x(line.x[index]), frame.y($0.lowerBound), frame.y($0.upperBound)) } }
        guard banded.count > 1 else {
            if let (x, low, high) = banded.first { drawing.line((x, low), (x, high), style: "f-s\(line.colour % Palette.count)", thickness: 1.2) }
            return
        }
        drawing.polygon(banded.map { ($0.0, $0.2) } + banded.reversed().map { ($0.0, $0.1) }, style: "f-f\(line.colour % Palette.count)", opacity: 0.16)
    }
}
