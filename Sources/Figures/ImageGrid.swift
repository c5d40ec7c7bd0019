import Foundation

/// Small pictures with a few words under each.
public struct ImageGrid: Figure {
    /// A picture.
    public struct Cell: Sendable {
        /// The bytes of a PNG file.
        public var png: [UInt8]
        /// Its size in pixels.
        public var width, height: Int
        /// What stands below it, line by line.
        public var lines: [String]

        /// A picture and its words.
        public init(png: [UInt8], width: Int, height: Int, lines: [String]) { (self.png, self.width, self.height, self.lines) = (png, width, height, lines) }
    }

    public let title: String
    /// The pictures, line by line.
    public let cells: [Cell]
    /// What the lines below the pictures are.
    public let caption: String

    /// Pictures, line by line.
    public init(title: String, caption: String = "", cells: [Cell]) { (self.title, self.caption, self.cells) = (title, caption, cells) }

    public var summary: String { "\(cells.count) pictures: \(cells.prefix(8).map { $0.lines.joined(separator: " ") }.joined(separator: "; "))." }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let margin = PlotFrame.margin, gap = 8.0, lineHeight = 12.0
        var top = PlotFrame.heading(title, in: &drawing)
        for line in caption.isEmpty ? [] : TextWidth.lines(caption, width: drawing.width - 2 * margin, size: Drawing.textSize, atMost: 3) {
            top += 13
            drawing.text(line, x: margin, y: top - 2, isSoft: true)
        }
        top += 6
        let columns = width == .page ? 8 : 4, side = (drawing.width - 2 * margin - Double(columns - 1) * gap) / Double(columns)
        let words = CellWords(cells.map(\.lines), width: side + gap - 2, size: Drawing.smallSize + 0.5), step = side + Double(words.lineCount) * lineHeight + 10
        for (index, cell) in cells.enumerated() {
            let x = margin + Double(index % columns) * (side + gap), y = top + Double(index / columns) * step
            let scale = side / Double(max(cell.width, cell.height, 1)), width = Double(cell.width) * scale, height = Double(cell.height) * scale
            drawing.image(png: cell.png, x: x + (side - width) / 2, y: y + (side - height) / 2, width: width, height: height, tip: cell.lines.joined(separator: ", "))
            for (place, line) in words.lines[index].enumerated() {
                drawing.text(line.text, x: x, y: y + side + Double(place + 1) * lineHeight - 1, size: Drawing.smallSize + 0.5, isSoft: line.isSoft)
            }
        }
        drawing.height = top + Double((cells.count + columns - 1) / columns) * step + 2
        return drawing
    }
}
