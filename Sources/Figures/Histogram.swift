import Foundation

/// How many values lie in each of equally wide intervals.
public struct Histogram: Figure {
    public let title: String
    /// What the values are.
    public let axis: Axis
    /// The first interval's beginning and the last one's end.
    public let range: ClosedRange<Double>
    /// How many values each interval has.
    public let counts: [Int]
    /// What is counted: `images`.
    public let unit: String

    /// A histogram of values, with steps of 1, 2 or 5 times a power of ten.
    ///
    /// - Parameter count: about how many intervals there are.
    public init(title: String, axis: Axis, values: [Double], unit: String, about count: Int = 24) {
        (self.title, self.axis, self.unit) = (title, axis, unit)
        let finite = values.filter(\.isFinite), low = finite.min() ?? 0, high = finite.max() ?? 1
        let step = Axis.step(low == high ? 1 : (high - low) / Double(max(count, 1)))
        let first = (low / step + 1e-9).rounded(.down), last = max((high / step - 1e-9).rounded(.up), first + 1)
        range = first * step...last * step
        var counts = [Int](repeating: 0, count: Int(last - first))
        for value in finite { counts[min(max(Int((value / step + 1e-9).rounded(.down) - first), 0), counts.count - 1)] += 1 }
        self.counts = counts
    }

    public var summary: String { "\(counts.reduce(0, +)) \(unit) by \(axis.label), at most \(counts.max() ?? 0) in one of \(counts.count) intervals." }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let frame = PlotFrame(
            in: &drawing, title: title, xAxis: Axis(axis.label, shows: range), yAxis: Axis(unit, shows: 0...1), xValues: [range.lowerBound, range.upperBound],
            yValues: counts.map(Double.init), xPadding: 0)
        let step = (range.upperBound - range.lowerBound) / Double(counts.count)
        for (index, count) in counts.enumerated() where count > 0 {
            let x = frame.x(range.lowerBound + Double(index) * step), end = frame.x(range.lowerBound + Double(index + 1) * step), y = frame.y(Double(count))
            drawing.rectangle(x: x, y: y, width: end - x - (end - x > 3 ? 1 : 0), height: frame.bottom - y, style: "f-f0", tip: "\(count) \(unit)")
        }
        return drawing
    }
}
