import CImages
import Foundation

/// Pictures as PNG files.
public enum PNG {
    /// The bytes of a file; nil where there is no memory for them.
    ///
    /// - Parameter pixels: `[height, width, channels]`, 1 or 3 channels.
    public static func encoded(_ pixels: ArraySlice<UInt8>, width: Int, height: Int, channels: Int) -> [UInt8]? {
        precondition(pixels.count == width * height * channels, "a picture has a number for each pixel and channel")
        return encoded { bytes, count in
            pixels.withUnsafeBufferPointer { image_encode_png($0.baseAddress, Int32(width), Int32(height), Int32(channels), bytes, count) }
        }
    }

    /// The bytes of a file with a palette (colour type 3); nil where there is no memory for them.
    ///
    /// - Parameter mask: `[height, width]`, each number a class.
    public static func encoded(mask: [UInt8], width: Int, height: Int, palette: ClassPalette = .voc) -> [UInt8]? {
        precondition(mask.count == width * height, "a mask has a number for each pixel")
        return encoded { bytes, count in image_encode_palette_png(mask, Int32(width), Int32(height), palette.bytes, bytes, count) }
    }

    /// A chunk of text, `Software: harness`, by which the program knows its own pictures.
    private static let mark: [UInt8] = {
        let content = Array("tEXtSoftware\0harness".utf8)
        // The CRC-32 of the PNG specification, annex D.
        var check = UInt32.max
        for byte in content {
            check ^= UInt32(byte)
            for _ in 0..<8 { check = check & 1 == 1 ? (check >> 1) ^ 0xEDB8_8320 : check >> 1 }
        }
        func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        return bytes(UInt32(content.count - 4)) + content + bytes(~check)
    }()
    /// Where the header of every PNG file ends.
    private static let headerEnd = 33

    /// The same picture with the program's mark.
    public static func marked(_ bytes: [UInt8]) -> [UInt8] { bytes[..<headerEnd] + mark + bytes[headerEnd...] }

    /// How many bytes of a file `isMarked` needs.
    public static let markedStart = headerEnd + mark.count

    /// Whether a file that begins so is a picture that the program has made.
    public static func isMarked(_ start: some Sequence<UInt8>) -> Bool { Array(start.dropFirst(headerEnd).prefix(mark.count)) == mark }

    private static func encoded(_ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>) -> Int32) -> [UInt8]? {
        var bytes: UnsafeMutablePointer<UInt8>?, count = 0
        let status = encode(&bytes, &count)
        // The encoder's memory, until the end of this function.
        defer { free(bytes) }
        guard status == 0, let bytes else { return nil }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}
