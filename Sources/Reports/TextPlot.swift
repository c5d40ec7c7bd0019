import Configuration
import Foundation

/// Curves in text: lines of Braille dots, two by four a character, that need no colour.
///
/// Several curves are told apart by letters that lie on them, at their ends and on the way. What is not finite is left out and breaks the line.
///
///     val accuracy
///     0.9134 ┤            ⣀⣀⠤⠤⠒⠒⠉⠉
///            │      ⣀⠤⠒⠉⠉
///     0.4013 ┤⠤⠔⠒⠉
///            └────────────────────
///             1      epoch      20
public struct TextPlot {
    /// A curve.
    public struct Series: Sendable, Equatable {
        /// As the legend calls it.
        public let name: String
        /// Points in the order in which the line goes through them.
        public let x, y: [Double]

        /// A curve through as many places as values.
        public init(_ name: String, x: [Double], y: [Double]) {
            precondition(x.count == y.count, "each point has two coordinates")
            (self.name, self.x, self.y) = (name, x, y)
        }

        /// The points that can be drawn.
        fileprivate var finite: [(x: Double, y: Double)] { zip(x, y).filter { $0.isFinite && $1.isFinite }.map { (x: $0, y: $1) } }
    }

    private let title: String
    private let axis: String
    private let series: [Series]

    /// - Parameters:
    ///   - title: the line above the plot.
    ///   - axis: what is counted from left to right.
    public init(_ title: String, axis: String, _ series: [Series]) { (self.title, self.axis, self.series) = (title, axis, series) }

    /// The plot in lines of at most `width` characters; `height` are those of the curves.
    public func text(width: Int = 80, height: Int = 10) -> String {
        let points = series.flatMap(\.finite), heading = broken(title, width: width)
        guard !points.isEmpty else { return (heading + broken("no values to draw", width: width)).joined(separator: "\n") }
        let height = max(height, 2), x = Self.range(points.map(\.x)), y = Self.range(points.map(\.y))
        let share = Double(height / 2) / Double(height - 1)
        let labels = [y.upperBound, y.upperBound * (1 - share) + y.lowerBound * share, y.lowerBound].map { Self.label($0, of: y) }
        let margin = labels.map(\.count).max()!, columns = max(width - margin - 2, 4)
        var canvas = Canvas(columns: columns, rows: height)
        let letters = series.count > 1
        func place(_ point: (x: Double, y: Double)) -> (column: Int, row: Int) {
            func share(_ value: Double, _ range: ClosedRange<Double>) -> Double {
                let width = range.upperBound - range.lowerBound
                // Of numbers whose difference is none, halves.
                return width.isFinite ? (value - range.lowerBound) / width : (value / 2 - range.lowerBound / 2) / (range.upperBound / 2 - range.lowerBound / 2)
            }
            return (Int((share(point.x, x) * Double(2 * columns - 1)).rounded()), Int(((1 - share(point.y, y)) * Double(4 * height - 1)).rounded()))
        }
        var paths: [[(column: Int, row: Int)]] = []
        for curve in series {
            var path: [(column: Int, row: Int)] = [], last: (column: Int, row: Int)?
            for point in zip(curve.x, curve.y) {
                guard point.0.isFinite, point.1.isFinite else {
                    last = nil
                    continue
                }
                let next = place((point.0, point.1)), line = Self.line(from: last ?? next, to: next)
                for dot in line { canvas.set(dot) }
                path += line
                last = next
            }
            paths.append(path)
        }
        if letters {
            for (index, path) in paths.enumerated() { canvas.mark(path, with: Self.letter(index), number: index, of: paths.count) }
        }

        var marks = [height / 2: labels[1]]
        (marks[0], marks[height - 1]) = (labels[0], labels[2])
        var lines = heading
        for (row, cells) in canvas.lines.enumerated() {
            let label = marks[row], text = String(repeating: " ", count: margin - (label?.count ?? 0)) + (label ?? "") + " " + (label == nil ? "│" : "┤") + cells
            lines.append(String(text.reversed().drop { $0 == " " || $0 == "\u{2800}" }.reversed()))
        }
        lines.append(String(repeating: " ", count: margin + 1) + "└" + String(repeating: "─", count: columns))
        lines.append(String(repeating: " ", count: margin + 2) + Self.feet(points.map(\.x), axis, columns))
        if letters { lines += legend(width) }
        return lines.map { String($0.prefix(max(width, 1))) }.joined(separator: "\n")
    }

    /// Which letter is which curve.
    private func legend(_ width: Int) -> [String] {
        var lines: [String] = []
        for (index, curve) in series.enumerated() {
            let entry = "\(Self.letter(index)) \(curve.name)\(curve.finite.isEmpty ? " (no values)" : "")"
            if let last = lines.last, last.count + 3 + entry.count <= width { lines[lines.count - 1] = last + "   " + entry } else { lines.append(entry) }
        }
        return lines.flatMap { broken($0, width: width) }
    }

    private static func letter(_ index: Int) -> Character {
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return index < letters.count ? letters[index] : "*"
    }

    /// From the least to the largest; around a single number as far as there is something to see.
    private static func range(_ values: [Double]) -> ClosedRange<Double> {
        let low = values.min()!, high = values.max()!
        if high > low { return low...high }
        let half = low == 0 ? 0.5 : abs(low) / 2
        return low - half...low + half
    }

    /// A number of the vertical axis, with as many digits as tell its ends apart.
    private static func label(_ value: Double, of range: ClosedRange<Double>) -> String {
        let width = range.upperBound / 2 - range.lowerBound / 2, largest = max(abs(range.lowerBound), abs(range.upperBound))
        guard largest < 1e6, width > 1e-7 else { return significant(value) }
        return decimals(value, max(0, min(8, Int((3 - log10(2 * width)).rounded(.down)))))
    }

    /// The first and the last number of the horizontal axis, and its title between them.
    private static func feet(_ values: [Double], _ axis: String, _ columns: Int) -> String {
        let low = significant(values.min()!), high = values.max()! > values.min()! ? significant(values.max()!) : ""
        let room = columns - low.count - high.count
        if room < 2 { return low }
        if room < axis.count + 2 { return low + String(repeating: " ", count: room) + high }
        // In the middle of the axis, as far as the numbers leave room.
        let before = max(1, min(room - axis.count - 1, (columns - axis.count) / 2 - low.count))
        let text = low + String(repeating: " ", count: before) + axis + String(repeating: " ", count: room - before - axis.count) + high
        return String(text.reversed().drop { $0 == " " }.reversed())
    }

    /// The dots between two (Bresenham, IBM Systems Journal 4, 1965).
    private static func line(from start: (column: Int, row: Int), to end: (column: Int, row: Int)) -> [(column: Int, row: Int)] {
        let count = max(abs(end.column - start.column), abs(end.row - start.row))
        if count == 0 { return [end] }
        func between(_ a: Int, _ b: Int, _ step: Int) -> Int { a + Int((Double((b - a) * step) / Double(count)).rounded()) }
        return (0...count).map { (between(start.column, end.column, $0), between(start.row, end.row, $0)) }
    }
}

/// Characters of dots, two by four each, some of them replaced by letters.
private struct Canvas {
    private let columns, rows: Int
    private var cells: [UInt8]
    private var letters: [Int: Character] = [:]

    init(columns: Int, rows: Int) {
        (self.columns, self.rows) = (columns, rows)
        cells = [UInt8](repeating: 0, count: columns * rows)
    }

    private func cell(_ dot: (column: Int, row: Int)) -> Int { min(rows - 1, dot.row / 4) * columns + min(columns - 1, dot.column / 2) }

    /// The bits of a Braille character: the dots of the left column, then those of the right, whose lowest ones came later.
    private static let bits: [[UInt8]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]

    mutating func set(_ dot: (column: Int, row: Int)) { cells[cell(dot)] |= Self.bits[dot.column & 1][dot.row & 3] }

    /// Puts a curve's letter at its end, or as near as there is room, and at every few characters of its way, where other curves have theirs elsewhere.
    mutating func mark(_ path: [(column: Int, row: Int)], with letter: Character, number: Int, of count: Int) {
        let way = path.map(cell)
        if let free = way.last(where: { letters[$0] == nil }) ?? way.last { letters[free] = letter }
        let distance = max(12, 3 * count)
        var done: Set<Int> = []
        for place in way where (place % columns) % distance == (number * distance / count + distance / 2) % distance && letters[place] == nil {
            if done.insert(place % columns).inserted { letters[place] = letter }
        }
    }

    var lines: [String] {
        (0..<rows).map { row in
            String((0..<columns).map { column in
                let place = row * columns + column
                return letters[place] ?? (cells[place] == 0 ? " " : Character(Unicode.Scalar(0x2800 + UInt32(cells[place]))!))
            })
        }
    }
}
