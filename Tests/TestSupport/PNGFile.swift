import CZlib
import Foundation
import TensorCore

/// A PNG file of 8-bit pixels: gray, colours, or places in a palette.
public struct PNGFile {
    public let bytes: [UInt8]

    /// - Parameter pixels: `[height, width, channels]`.
    public init(_ pixels: [UInt8], _ size: Size2D, channels: Int) { self.init(pixels, size, channels: channels, kind: channels == 3 ? 2 : 0) }

    /// - Parameters:
    ///   - classes: `[height, width]`, places in a palette of 256 colours.
    ///   - hasPalette: whether the file has it, as the format demands.
    public init(classes: [UInt8], _ size: Size2D, hasPalette: Bool = true) {
        let colours = (0..<256).flatMap { place -> [UInt8] in [UInt8(place), UInt8(255 - place), UInt8(place / 2)] }, palette = Self.chunk("PLTE", colours)
        self.init(classes, size, channels: 1, kind: 3, hasPalette ? palette : [])
    }

    private init(_ pixels: [UInt8], _ size: Size2D, channels: Int, kind: UInt8, _ palette: [UInt8] = []) {
        let length = size.width * channels
        // Each row begins with the number of its filter: none.
        let rows = (0..<size.height).flatMap { [0] + pixels[$0 * length..<($0 + 1) * length] }
        var compressed = [UInt8](repeating: 0, count: Int(compressBound(uLong(rows.count)))), count = uLong(compressed.count)
        precondition(compress(&compressed, &count, rows, uLong(rows.count)) == Z_OK)
        let header = Self.big(size.width) + Self.big(size.height) + [8, kind, 0, 0, 0]
        bytes = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Self.chunk("IHDR", header) + palette + Self.chunk("IDAT", compressed.prefix(Int(count))) + Self.chunk("IEND", [])
    }

    private static func chunk(_ name: String, _ content: some Collection<UInt8>) -> [UInt8] {
        let body = Array(name.utf8) + content
        return big(content.count) + body + checksum(body[...])
    }

    /// The CRC-32 of a chunk's name and content, as it stands behind them.
    public static func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        big(Int(bytes.withUnsafeBufferPointer { crc32(0, $0.baseAddress, uInt($0.count)) }))
    }

    private static func big(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) } }
}
