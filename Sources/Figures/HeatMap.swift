import Foundation

/// A number for each pair of two things, as a cell that is the fuller the larger it is: two options of a sweep, or a confusion matrix.
public struct HeatMap: Figure {
    public let title: String
    /// What rows and columns are.
    public let rowLabel, columnLabel: String
    /// The names of rows and columns.
    public let rows, columns: [String]
    /// By row and column; nil for an empty cell.
    public let values: [[Double?]]
    /// What stands in the cells, where there is room for it.
    public let texts: [[String]]
    /// What the numbers are, with their unit.
    public let valueLabel: String
    /// The values of an empty and of the fullest cell; nil: the least and the largest.
    public let range: ClosedRange<Double>?

    /// A cell for each pair.
    public init(
        title: String, rowLabel: String, columnLabel: String, rows: [String], columns: [String], values: [[Double?]], texts: [[String]], valueLabel: String,
        range: ClosedRange<Double>? = nil
    ) {
        precondition(values.count == rows.count && values.allSatisfy { $0.count == columns.count }, "a heat map has a value for each row and column")
        (self.title, self.rowLabel, self.columnLabel, self.rows, self.columns) = (title, rowLabel, columnLabel, rows, columns)
        (self.values, self.texts, self.valueLabel, self.range) = (values, texts, valueLabel, range)
    }

    /// A confusion matrix: who was taken for whom, each row as shares of its images.
    ///
    /// - Parameter counts: by class and predicted class.
    public init(confusion counts: [[Int]], names: [String], title: String) {
        let shares = counts.map { row -> [Double?] in
            let total = row.reduce(0, +)
            return row.map { total == 0 ? nil : Double($0) / Double(total) * 100 }
        }
        let texts = shares.map { row in row.map { share in share.map { $0 == 0 ? "" : $0 < 0.5 ? "·" : String(format: "%.0f", $0) } ?? "" } }
        self.init(
            title: title, rowLabel: "class", columnLabel: "predicted class", rows: names, columns: names, values: shares, texts: texts,
            valueLabel: "% of the class's images", range: 0...100)
    }

    public var summary: String { "\(valueLabel) by \(rowLabel) (rows) and \(columnLabel) (columns): \(rows.count) by \(columns.count) cells." }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let margin = PlotFrame.margin, small = Drawing.smallSize + 0.5
        let found = values.flatMap { $0.compactMap(\.self) }.filter(\.isFinite)
        let range = range ?? (found.min() ?? 0)...max(found.max() ?? 1, found.min() ?? 0)
        var y = PlotFrame.heading(title, in: &drawing)
        y = key(range, at: y, &drawing)
        drawing.text("\(rowLabel) ↓   \(columnLabel) →", x: margin, y: y + 11, isSoft: true, limit: drawing.width - 2 * margin)
        y += 20

        let nameWidth = min(drawing.width * 0.3, (rows.map { TextWidth.of(shortened($0, to: 60), size: small) }.max() ?? 0) + 4)
        let left = margin + nameWidth + 4
        let cell = min((drawing.width - left - margin) / Double(max(columns.count, 1)), 64), cellHeight = rows.count == columns.count ? min(cell, 30) : min(max(cell * 0.6, 12), 26)
        let widest = columns.map { TextWidth.of(shortened($0, to: 60), size: small) }.max() ?? 0
        // Where names of columns do not fit beside one another they lie askew.
        let isAskew = widest > cell - 4, hasNames = cell >= 7
        let nameLimit = 90.0
        // Askew, the last ones may not leave the sheet; else all stand upright.
        let isUpright = isAskew && columns.indices.contains { index in
            left + (Double(index) + 0.5) * cell + 6 + min(TextWidth.of(shortened(columns[index], to: 60), size: small), nameLimit) * 0.71 > drawing.width
        }
        let head = !hasNames ? 0 : isUpright ? min(widest, nameLimit) + 8 : isAskew ? min(widest, nameLimit) * 0.71 + 12 : 14
        let top = y + head
        if hasNames {
            for (index, name) in columns.enumerated() {
                let x = left + (Double(index) + 0.5) * cell
                drawing.text(
                    name, x: isUpright ? x + 3.5 : isAskew ? x + 2 : x, y: top - 5, anchor: isAskew ? .start : .middle, size: small, isSoft: true,
                    limit: isAskew ? nameLimit : cell - 2, rotation: isUpright ? -90 : isAskew ? -45 : 0)
            }
        }
        for (row, name) in rows.enumerated() {
            let middle = top + (Double(row) + 0.5) * cellHeight
            if cellHeight >= 7 { drawing.text(name, x: left - 5, y: middle + 3.5, anchor: .end, size: small, isSoft: true, limit: nameWidth) }
            for column in columns.indices {
                let x = left + Double(column) * cell, text = texts[row][column]
                guard let value = values[row][column], value.isFinite else { continue }
                let share = range.lowerBound == range.upperBound ? 0.5 : PlotFrame.share(value, range, .linear)
                let tip = "\(shortened(rows[row], to: 50)), \(shortened(columns[column], to: 50)): \(text.isEmpty ? Axis.text(value, step: 0.001) : text)"
                drawing.rectangle(
                    x: x, y: top + Double(row) * cellHeight, width: cell - (cell > 6 ? 1 : 0), height: cellHeight - (cellHeight > 6 ? 1 : 0), style: "f-heat",
                    opacity: 0.04 + share * (Palette.heatOpacity - 0.04), tip: rows.count * columns.count <= 2500 ? tip : nil)
                if !text.isEmpty, TextWidth.of(text, size: small) <= cell - 2, cellHeight >= 11 {
                    drawing.text(text, x: x + (cell - 1) / 2, y: middle + 3.5, anchor: .middle, size: small)
                }
            }
        }
        drawing.height = top + Double(rows.count) * cellHeight + margin
        return drawing
    }

    /// What cells of a fullness stand for.
    private func key(_ range: ClosedRange<Double>, at y: Double, _ drawing: inout Drawing) -> Double {
        let margin = PlotFrame.margin, step = Axis.step((range.upperBound - range.lowerBound) / 100)
        let low = Axis.text(range.lowerBound, step: step), high = Axis.text(range.upperBound, step: step), steps = 12, side = 8.0
        drawing.text(low, x: margin, y: y + 11, isSoft: true)
        let left = margin + TextWidth.of(low, size: Drawing.textSize) + 5
        for index in 0..<steps {
            let share = Double(index) / Double(steps - 1)
            drawing.rectangle(x: left + Double(index) * side, y: y + 2, width: side, height: 11, style: "f-heat", opacity: 0.04 + share * (Palette.heatOpacity - 0.04))
        }
        let right = left + Double(steps) * side + 5
        drawing.text(high, x: right, y: y + 11, isSoft: true)
        let next = right + TextWidth.of(high, size: Drawing.textSize) + 10
        // What has no room beside the colours stands below them.
        if TextWidth.of(valueLabel, size: Drawing.textSize) <= drawing.width - margin - next {
            drawing.text(valueLabel, x: next, y: y + 11, isSoft: true)
            return y + 20
        }
        return y + 34 + drawing.paragraph(valueLabel, x: margin, y: y + 26, isSoft: true, width: drawing.width - 2 * margin)
    }
}
