import Foundation

/// Pictures in rows and columns with words under each, and what their colours stand for.
public struct PictureSheet: PictureFigure {
    /// A picture.
    public struct Cell: Sendable {
        /// The picture.
        public var raster: Raster
        /// What stands below it, line by line.
        public var lines: [String]

        /// A picture and its words.
        public init(_ raster: Raster, _ lines: [String] = []) { (self.raster, self.lines) = (raster, lines) }
    }

    /// What colours stand for.
    public struct Scale: Sendable {
        /// The colours.
        public var colours: ColourScale
        /// What the first and the last colour are.
        public var low, high: String
        /// What the numbers are, with their unit.
        public var label: String

        /// What colours stand for.
        public init(_ colours: ColourScale, low: String, high: String, label: String) { (self.colours, self.low, self.high, self.label) = (colours, low, high, label) }
    }

    /// What a colour stands for.
    public struct Colour: Sendable {
        /// Red, green and blue.
        public var colour: [UInt8]
        /// What has it.
        public var name: String

        /// A colour and its meaning.
        public init(_ colour: [UInt8], _ name: String) { (self.colour, self.name) = (colour, name) }
    }

    public let title: String
    /// What the pictures are, in a sentence or two.
    public let caption: String
    /// The pictures, row by row.
    public let cells: [Cell]
    /// How many are in a row.
    public let columns: Int
    /// What colours stand for; nil where the pictures are images.
    public let scale: Scale?
    /// What single colours stand for.
    public let colours: [Colour]

    /// Pictures, row by row.
    public init(title: String, caption: String = "", cells: [Cell], columns: Int, scale: Scale? = nil, colours: [Colour] = []) {
        precondition(columns > 0, "a row has room for a picture")
        (self.title, self.caption, self.cells, self.columns, self.scale, self.colours) = (title, caption, cells, columns, scale, colours)
    }

    public var summary: String { "\(caption) \(cells.count) pictures: \(cells.prefix(8).map { $0.lines.joined(separator: " ") }.joined(separator: "; "))." }

    /// As many columns as there are pictures, or as many as are asked for.
    private var usedColumns: Int { max(1, min(columns, cells.count)) }

    public func drawing(_ width: FigureWidth) -> Drawing {
        var drawing = Drawing(width)
        let margin = PlotFrame.margin, count = usedColumns
        let gap = count > 16 ? 2.0 : cells.contains { !$0.lines.isEmpty } ? 8 : 4, lineHeight = 12.0
        var top = PlotFrame.heading(title, in: &drawing)
        for line in caption.isEmpty ? [] : TextWidth.lines(caption, width: drawing.width - 2 * margin, size: Drawing.textSize, atMost: 4) {
            top += 13
            drawing.text(line, x: margin, y: top - 2, isSoft: true)
        }
        if let scale { top = bar(scale, at: top + 4, &drawing) }
        if !colours.isEmpty { top = key(at: top + 4, &drawing) }
        top += 6
        let widest = cells.map(\.raster.width).max() ?? 1, highest = cells.map(\.raster.height).max() ?? 1
        let side = min(140, (drawing.width - 2 * margin - Double(count - 1) * gap) / Double(count))
        // All pictures of a sheet have one width.
        let height = side * cells.reduce(0.0) { max($0, Double($1.raster.height) / Double($1.raster.width)) }
        precondition(widest > 0 && highest > 0, "a picture has pixels")
        let words = CellWords(cells.map(\.lines), width: side + gap - 3, size: Drawing.smallSize), lineCount = words.lineCount
        let step = height + Double(lineCount) * lineHeight + gap
        for (index, cell) in cells.enumerated() {
            let x = margin + Double(index % count) * (side + gap), y = top + Double(index / count) * step
            drawing.image(
                png: cell.raster.png, x: x, y: y, width: side, height: side * Double(cell.raster.height) / Double(cell.raster.width), tip: cell.lines.joined(separator: ", "))
            for (place, line) in words.lines[index].enumerated() {
                drawing.text(line.text, x: x, y: y + height + Double(place + 1) * lineHeight - 2, size: Drawing.smallSize, isSoft: line.isSoft)
            }
        }
        drawing.height = top + Double((cells.count + count - 1) / count) * step + 2
        return drawing
    }

    /// The colours with their numbers.
    private func bar(_ scale: Scale, at top: Double, _ drawing: inout Drawing) -> Double {
        let margin = PlotFrame.margin, length = 96.0
        drawing.text(scale.low, x: margin, y: top + 10, isSoft: true)
        let left = margin + TextWidth.of(scale.low, size: Drawing.textSize) + 5
        let colours = Raster(map: (0..<64).map { Float($0) / 63 }, width: 64, height: 1, range: 0...1, scale: scale.colours)
        drawing.image(png: colours.resized(width: 64, height: 6).png, x: left, y: top + 1, width: length, height: 9, tip: scale.label)
        drawing.text(scale.high, x: left + length + 5, y: top + 10, isSoft: true)
        let next = left + length + 15 + TextWidth.of(scale.high, size: Drawing.textSize)
        if TextWidth.of(scale.label, size: Drawing.textSize) <= drawing.width - margin - next {
            drawing.text(scale.label, x: next, y: top + 10, isSoft: true)
            return top + 14
        }
        return top + 28 + drawing.paragraph(scale.label, x: margin, y: top + 24, isSoft: true, width: drawing.width - 2 * margin)
    }

    /// Each colour with its meaning, line by line.
    private func key(at top: Double, _ drawing: inout Drawing) -> Double {
        let margin = PlotFrame.margin, side = 9.0
        var (x, y) = (margin, top)
        for colour in colours {
            let width = side + 4 + TextWidth.of(colour.name, size: Drawing.textSize)
            if x > margin, x + width > drawing.width - margin { (x, y) = (margin, y + 14) }
            let square = Raster(width: 1, height: 1, pixels: colour.colour)
            drawing.image(png: square.resized(width: 8, height: 8).png, x: x, y: y + 1, width: side, height: side, tip: colour.name)
            drawing.text(colour.name, x: x + side + 4, y: y + 10, isSoft: true)
            x += width + 12
        }
        return y + 14
    }

    public var raster: Raster {
        let count = usedColumns, rows = (cells.count + count - 1) / count, gap = cells.count > 200 ? 1 : 4
        let widest = cells.map(\.raster.width).max() ?? 1, tallest = cells.map(\.raster.height).max() ?? 1
        // Cells of small pictures become squares that can be seen.
        let target = cells.count > 200 ? 32 : cells.count > 36 ? 56 : 112, factor = max(1, target / max(widest, tallest))
        let (width, height) = (widest * factor, tallest * factor)
        var sheet = Raster(width: count * width + (count + 1) * gap, height: rows * height + (rows + 1) * gap)
        for (index, cell) in cells.enumerated() {
            // A picture in another resolution is stretched to the size of the others.
            let own = cell.raster.resized(width: width, height: max(1, cell.raster.height * width / cell.raster.width))
            sheet.put(own, x: gap + index % count * (width + gap), y: gap + index / count * (height + gap))
        }
        return sheet
    }
}

/// A figure that is a picture in pixels too, without its words.
public protocol PictureFigure: Figure {
    /// The picture.
    var raster: Raster { get }
}
