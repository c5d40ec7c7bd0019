import Foundation

/// Points by what they cost and what they are worth, with those that nothing else beats on both (the Pareto front).
public struct ScatterChart: Figure {
    /// A point.
    public struct Point: Sendable {
        /// What stands beside it.
        public var label: String
        /// Which colour and mark it has, from 0.
        public var colour: Int
        /// Its place.
        public var x, y: Double
        /// The ends of its interval; nil where there is none.
        public var interval: ClosedRange<Double>?

        /// A point, without an interval unless given.
        public init(_ label: String, colour: Int, x: Double, y: Double, interval: ClosedRange<Double>? = nil) {
            (self.label, self.colour, self.x, self.y, self.interval) = (label, colour, x, y, interval)
        }
    }

    public let title: String
    /// The axes; less of x is better.
    public let xAxis, yAxis: Axis
    /// The points.
    public let points: [Point]
    /// What the colours are, where the points' labels do not say it.
    public let colours: [String]
    /// Whether more of y is better.
    public let isMoreBetter: Bool

    /// Points of cost and worth.
    public init(title: String, xAxis: Axis, yAxis: Axis, points: [Point], colours: [String] = [], isMoreBetter: Bool = true) {
        (self.title, self.xAxis, self.yAxis, self.points, self.colours, self.isMoreBetter) = (title, xAxis, yAxis, points, colours, isMoreBetter)
    }

    /// The places of the points that no other one beats: none costs as little and is worth more, or as much for less; by their cost.
    public var front: [Int] {
        var best: Double?
        let byCost = points.indices.filter { points[$0].x.isFinite && points[$0].y.isFinite }
            .sorted { (points[$0].x, isMoreBetter ? -points[$0].y : points[$0].y, $0) < (points[$1].x, isMoreBetter ? -points[$1].y : points[$1].y, $1) }
        return byCost.filter { index in
            let y = points[index].y
            guard let least = best else { best = y; return true }
            if isMoreBetter ? y > least : y < least { best = y; return true }
            return false
        }
    }

    public var summary: String {
        "\(yAxis.label) by \(xAxis.label) of \(points.count) points. On the Pareto front: \(front.prefix(12).map { points[$0].label }.joined(separator: ", "))."
    }

    public func drawing(_ width: FigureWidth) -> Drawing {
        let labelled = drawing(width, colours)
        // A few points whose names have no room beside them all have these in the legend.
        return labelled.isWhole || points.count > Self.fewPoints || !colours.isEmpty ? labelled.drawing : drawing(width, names, hasLabels: false).drawing
    }

    /// Up to how many points all have a name.
    private static let fewPoints = 12

    /// The points' names by their colours; empty for a colour that no point has.
    private var names: [String] {
        (0...(points.map(\.colour).max() ?? 0)).map { colour in points.first { $0.colour == colour }?.label ?? "" }
    }

    /// - Returns: the drawing, and whether each name that it should have had room.
    private func drawing(_ width: FigureWidth, _ colours: [String], hasLabels: Bool = true) -> (drawing: Drawing, isWhole: Bool) {
        var drawing = Drawing(width)
        let front = front
        var legend = colours.enumerated().filter { !$1.isEmpty }.map { PlotFrame.Entry(text: $1, series: $0, isLine: false) }
        if front.count > 1 { legend.append(PlotFrame.Entry(text: "Pareto front: nothing is better at no more cost", dash: .dashed)) }
        let values = points.map(\.y), ends = yAxis.clipped(points.compactMap(\.interval).flatMap { [$0.lowerBound, $0.upperBound] }, around: values)
        let frame = PlotFrame(
            in: &drawing, title: title, legend: legend, xAxis: xAxis, yAxis: yAxis, xValues: points.map(\.x), yValues: values + ends, xPadding: 0.08)
        // Stairs: up to a point's cost, the one before it is the best.
        var stairs: [(Double, Double)] = []
        for index in front where frame.shows(points[index].x, points[index].y) {
            if let last = stairs.last { stairs.append((frame.x(points[index].x), last.1)) }
            stairs.append((frame.x(points[index].x), frame.y(points[index].y)))
        }
        if front.count > 1, let last = stairs.last { drawing.polyline(stairs + [(frame.right, last.1)], style: "f-axis", thickness: 1.2, dash: .dashed) }
        for point in points {
            guard let interval = point.interval, frame.shows(point.x, point.y) else { continue }
            let x = frame.x(point.x)
            drawing.line((x, frame.y(interval.lowerBound)), (x, frame.y(interval.upperBound)), style: "f-s\(point.colour % Palette.count)", thickness: 1.1)
        }
        for point in points where frame.shows(point.x, point.y) {
            drawing.mark(point.colour, x: frame.x(point.x), y: frame.y(point.y), size: points.count > 40 ? 3 : 4, tip: point.label)
        }
        let isWhole = !hasLabels || label(front, frame, &drawing)
        return (drawing, isWhole)
    }

    /// Writes the names of points where there is room: all of a few, of many those on the front.
    ///
    /// - Returns: whether there was room for the whole of each.
    private func label(_ front: [Int], _ frame: PlotFrame, _ drawing: inout Drawing) -> Bool {
        struct Box { var x, y, width, height: Double
            func meets(_ other: Box) -> Bool { x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height }
        }
        let size = Drawing.smallSize + 0.5
        func mark(_ index: Int, _ size: Double) -> Box { Box(x: frame.x(points[index].x) - size, y: frame.y(points[index].y) - size, width: 2 * size, height: 2 * size) }
        let shown = points.indices.filter { frame.shows(points[$0].x, points[$0].y) }
        var taken: [Box] = points.compactMap { point in
            guard let interval = point.interval, frame.shows(point.x, point.y) else { return nil }
            let top = frame.y(interval.upperBound)
            return Box(x: frame.x(point.x) - 1, y: top, width: 2, height: frame.y(interval.lowerBound) - top)
        }
        var isWhole = true
        let named = points.count <= Self.fewPoints ? front + points.indices.filter { !front.contains($0) } : Array(front.prefix(10))
        for index in named where frame.shows(points[index].x, points[index].y) {
            let x = frame.x(points[index].x), y = frame.y(points[index].y)
            let text = TextWidth.fitted(points[index].label, to: (frame.right - frame.left) * 0.45, size: size), width = TextWidth.of(text, size: size)
            if text != points[index].label { isWhole = false }
            // A name that touches another point would be taken for that one's.
            let marks = shown.map { mark($0, $0 == index ? 4 : 8) }
            let places: [(x: Double, y: Double)] = [
                (x + 7, y - 5), (x + 7, y + 13), (x - 7 - width, y - 5), (x - 7 - width, y + 13), (x - width / 2, y - 9), (x - width / 2, y + 17),
            ]
            let free = places.first { place in
                let box = Box(x: place.x, y: place.y - 9, width: width, height: 11)
                return box.x >= frame.left && box.x + width <= frame.right + 6 && box.y >= frame.top - 6 && place.y <= frame.bottom && !(taken + marks).contains { $0.meets(box) }
            }
            guard let free else { isWhole = false; continue }
            taken.append(Box(x: free.x, y: free.y - 9, width: width, height: 11))
            drawing.text(text, x: free.x, y: free.y, size: size, hasHalo: true)
        }
        return isWhole
    }
}
