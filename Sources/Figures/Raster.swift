/// A picture of pixels in red, green and blue.
public struct Raster: Sendable, Equatable {
    /// In pixels.
    public let width, height: Int
    /// `[height, width, 3]`.
    public private(set) var pixels: [UInt8]

    /// A picture of given pixels.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3, "a picture has three numbers for each pixel")
        (self.width, self.height, self.pixels) = (width, height, pixels)
    }

    /// A white picture.
    public init(width: Int, height: Int) { self.init(width: width, height: height, pixels: [UInt8](repeating: 255, count: width * height * 3)) }

    /// An image of numbers from 0 to 1.
    ///
    /// - Parameter values: `[height, width, channels]`; of three channels and more the first three are red, green and blue, else the first is gray.
    public init(image values: [Float], width: Int, height: Int, channels: Int) {
        precondition(values.count == width * height * channels && channels > 0, "an image has a number for each pixel and channel")
        let pixels = (0..<width * height).flatMap { place in
            (0..<3).map { UInt8((min(1, max(0, values[place * channels + (channels >= 3 ? $0 : 0)])) * 255).rounded()) }
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// A map of numbers.
    ///
    /// - Parameters:
    ///   - values: `[height, width]`.
    ///   - range: the numbers of the first and the last colour; all are the middle one where they are equal.
    public init(map values: [Float], width: Int, height: Int, range: ClosedRange<Float>, scale: ColourScale) {
        precondition(values.count == width * height, "a map has a number for each cell")
        let length = range.upperBound - range.lowerBound
        let pixels = values.flatMap { value -> [UInt8] in
            let colour = scale.colour(length > 0 ? (value - range.lowerBound) / length : scale == .sequential ? 0 : 0.5)
            return [colour.0, colour.1, colour.2]
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// The colour at a place.
    subscript(row: Int, column: Int) -> ArraySlice<UInt8> {
        get { pixels[(row * width + column) * 3..<(row * width + column) * 3 + 3] }
        set { for (index, value) in newValue.enumerated() { pixels[(row * width + column) * 3 + index] = value } }
    }

    /// Each pixel as a square of `factor` × `factor` pixels.
    public func enlarged(by factor: Int) -> Raster { resized(width: width * factor, height: height * factor) }

    /// In another size, each pixel that of its place.
    public func resized(width newWidth: Int, height newHeight: Int) -> Raster {
        if (newWidth, newHeight) == (width, height) { return self }
        var result = Raster(width: newWidth, height: newHeight)
        for row in 0..<newHeight {
            for column in 0..<newWidth { result[row, column] = self[row * height / newHeight, column * width / newWidth] }
        }
        return result
    }

    /// The picture in gray with the colours of a map over it.
    ///
    /// - Parameters:
    ///   - map: in any size; it is stretched to this one's.
    ///   - opacity: of the map.
    public func overlaid(with map: Raster, opacity: Float = 0.6) -> Raster {
        let map = map.resized(width: width, height: height)
        var result = self
        for place in 0..<width * height {
            // The luma of ITU-R BT.601.
            let gray = 0.299 * Float(pixels[place * 3]) + 0.587 * Float(pixels[place * 3 + 1]) + 0.114 * Float(pixels[place * 3 + 2])
            for channel in 0..<3 { result.pixels[place * 3 + channel] = UInt8((gray * (1 - opacity) + Float(map.pixels[place * 3 + channel]) * opacity).rounded()) }
        }
        return result
    }

    /// Puts another picture at a place; what lies outside is cut off.
    mutating func put(_ other: Raster, x: Int, y: Int) {
        for row in 0..<other.height where (0..<height).contains(y + row) {
            for column in 0..<other.width where (0..<width).contains(x + column) { self[y + row, x + column] = other[row, column] }
        }
    }

    /// The frame of a rectangle, `thickness` pixels wide and within it, as far as it lies in the picture.
    ///
    /// - Parameter edges: left, upper, right and lower edge, in pixels.
    public mutating func frame(_ edges: [Double], thickness: Int, _ colour: Palette.Colour) {
        let values = [colour.red, colour.green, colour.blue].map { UInt8($0.rounded()) }, edges = edges.map { Int($0.rounded()) }
        let rows = edges[1]..<max(edges[1], edges[3]), columns = edges[0]..<max(edges[0], edges[2])
        for row in rows.clamped(to: 0..<height) {
            for column in columns.clamped(to: 0..<width) {
                let depth = min(row - rows.lowerBound, rows.upperBound - 1 - row, column - columns.lowerBound, columns.upperBound - 1 - column)
                if depth < thickness { self[row, column] = values[...] }
            }
        }
    }

    /// A disc around a place.
    mutating func disc(x: Double, y: Double, radius: Double, _ colour: Palette.Colour) {
        let values = [colour.red, colour.green, colour.blue].map { UInt8($0.rounded()) }
        for row in max(0, Int(y - radius))...max(0, min(height - 1, Int(y + radius) + 1)) {
            for column in max(0, Int(x - radius))...max(0, min(width - 1, Int(x + radius) + 1)) {
                let dy = Double(row) + 0.5 - y, dx = Double(column) + 0.5 - x
                if dy * dy + dx * dx <= radius * radius, row < height, column < width { self[row, column] = values[...] }
            }
        }
    }

    /// The bytes of a PNG file.
    public var png: [UInt8] {
        guard let bytes = PNG.encoded(pixels[...], width: width, height: height, channels: 3) else { preconditionFailure("there is no memory for a picture of \(width)×\(height)") }
        return bytes
    }
}

/// A map `[height, width]` in another size: linear between the cells' centres, beyond the outermost as these.
public func bilinear(_ values: [Float], width: Int, height: Int, to newWidth: Int, _ newHeight: Int) -> [Float] {
    func neighbours(_ place: Int, _ length: Int, _ newLength: Int) -> (Int, Int, Float) {
        let position = min(Float(length - 1), max(0, (Float(place) + 0.5) * Float(length) / Float(newLength) - 0.5)), first = Int(position)
        return (first, min(first + 1, length - 1), position - Float(first))
    }
    return (0..<newHeight).flatMap { row in
        let (top, bottom, down) = neighbours(row, height, newHeight)
        return (0..<newWidth).map { column in
            let (left, right, across) = neighbours(column, width, newWidth)
            let upper = values[top * width + left] * (1 - across) + values[top * width + right] * across
            let lower = values[bottom * width + left] * (1 - across) + values[bottom * width + right] * across
            return upper * (1 - down) + lower * down
        }
    }
}
