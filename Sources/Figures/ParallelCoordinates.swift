import Foundation

/// Trials of many options as lines from one axis to the next, the last of which is what came of them. The axes lie across the sheet, one below the other, so
/// that their names can be read.
public struct ParallelCoordinates: Figure {
    /// An axis: an option, or what came of it.
    public struct Coordinate: Sendable {
        /// What stands above it.
        public var name: String
        /// The values' names in the order in which they stand, for words.
        public var words: [String]
        /// For numbers.
        public var axis: Axis?
        /// The value of each line: a number, or the place of a word; nil where it has none.
        public var values: [Double?]

        /// An axis of words.
        public init(_ name: String, words: [String], values: [Int?]) {
            (self.name, self.words, self.axis, self.values) = (name, words, nil, values.map { $0.map(Double.init) })
        }

        /// An axis of numbers.
        public init(_ axis: Axis, values: [Double?]) { (name, words, self.axis, self.values) = (axis.label, [], axis, values) }
    }

    public let title: String
    /// The axes, the last of which is what the lines are coloured by.
    public let coordinates: [Coordinate]
    /// What each line is.
    public let names: [String]
    /// Whether more of the last one is better.
    public let isMoreBetter: Bool

    /// Lines through axes.
    public init(title: String, coordinates: [Coordinate], names: [String], isMoreBetter: Bool = true) {
        precondition(coordinates.allSatisfy { $0.values.count == names.count }, "each line has a place, or none, on each axis")
        (self.title, self.coordinates, self.names, self.isMoreBetter) = (title, coordinates, names, isMoreBetter)
    }

    public var summary: String { "\(names.count) lines through \(coordinates.map(\.name).joined(separator: ", "))." }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let margin = PlotFrame.margin, left = margin + 10, right = drawing.width - margin - 10, step = 58.0
        var y = PlotFrame.heading(title, in: &drawing)
        let ranked = names.indices.filter { coordinates.last?.values[$0]?.isFinite ?? false }
            .sorted { (coordinates.last!.values[$0]!, $0) < (coordinates.last!.values[$1]!, $1) }
        let order = isMoreBetter ? ranked : ranked.reversed()
        let bestCount = max(1, (ranked.count + 9) / 10)
        let best = "the best \(bestCount == 1 ? "one" : "\(bestCount)") of \(ranked.count)"
        y = PlotFrame.legend(
            [PlotFrame.Entry(text: best, series: 1, isMarked: false), PlotFrame.Entry(text: "the others, the fainter the worse", series: 0, isMarked: false)], at: y,
            in: &drawing)
        let top = y + 18
        let ranges = coordinates.map { coordinate in coordinate.axis.map { $0.range(of: coordinate.values.compactMap(\.self), padding: 0.02) } }
        func place(_ index: Int, _ value: Double) -> Double {
            let coordinate = coordinates[index]
            if let axis = coordinate.axis, let range = ranges[index] { return left + PlotFrame.share(value, range, axis.scale) * (right - left) }
            return left + (value + 0.5) / Double(max(coordinate.words.count, 1)) * (right - left)
        }
        for (rank, line) in order.enumerated() {
            let points = coordinates.indices.compactMap { index in
                coordinates[index].values[line].map { (place(index, $0), top + Double(index) * step) }
            }
            let share = order.count > 1 ? Double(rank) / Double(order.count - 1) : 1, isBest = rank >= order.count - bestCount
            drawing.polyline(points, style: isBest ? "f-s1" : "f-s0", thickness: isBest ? 2.2 : 1.1, opacity: isBest ? 1 : 0.15 + 0.6 * share * share)
        }
        for (index, coordinate) in coordinates.enumerated() {
            let y = top + Double(index) * step
            drawing.line((left - 6, y), (right + 6, y), style: "f-axis", thickness: 1.2)
            drawing.text(coordinate.name, x: margin, y: y - 7, size: Drawing.smallSize + 1, isBold: true, limit: drawing.width - 2 * margin, hasGround: true)
            if let axis = coordinate.axis, let range = ranges[index] {
                for tick in axis.ticks(in: range, about: max(2, Int((right - left) / 60))) {
                    drawing.line((place(index, tick.value), y), (place(index, tick.value), y + 4), style: "f-axis")
                    drawing.text(tick.text, x: place(index, tick.value), y: y + 14, anchor: .middle, size: Drawing.smallSize + 0.5, isSoft: true, hasGround: true)
                }
            } else {
                let room = (right - left) / Double(max(coordinate.words.count, 1)), size = Drawing.smallSize + 0.5
                // Words that do not fit beside one another stand in two lines.
                let isTight = coordinate.words.contains { TextWidth.of(shortened($0, to: 60), size: size) > room - 6 }
                for (word, text) in coordinate.words.enumerated() {
                    drawing.line((place(index, Double(word)), y), (place(index, Double(word)), y + 4), style: "f-axis")
                    guard room >= 12 else { continue }
                    let x = place(index, Double(word)), edge = 2 * min(x - 2, drawing.width - 2 - x)
                    drawing.text(
                        text, x: x, y: y + (isTight && word % 2 == 1 ? 25 : 14), anchor: .middle, size: size, isSoft: true,
                        limit: min((isTight ? 2 * room : room) - 6, edge), hasGround: true)
                }
            }
        }
        drawing.height = top + Double(coordinates.count - 1) * step + 24
        return drawing
    }
}
