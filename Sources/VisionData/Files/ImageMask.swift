import CImages
import Configuration
import TensorCore

/// The mask of an image file, brought to the size of models as the image is: each pixel has the class of the nearest one, and is background where the image has a
/// border.
struct ImageMask {
    /// SHA-256 of the file's bytes.
    let digest: String
    /// `[height, width]` of the models' images.
    let pixels: [UInt8]
    /// The class of most pixels that are no background: that of the image as a whole.
    let label: Int32

    /// Reads a PNG file.
    ///
    /// - Parameters:
    ///   - image: the path and the size of the image that it is the mask of.
    ///   - classNames: empty where any number is a class.
    /// - Throws: `.data` when it is damaged, has another size than its image or classes that there are not.
    init(_ path: String, of image: (path: String, size: Size2D), _ sizing: ImageSizing, classNames: [String]) throws {
        let bytes = try ImageFiles.bytes(of: path), (size, mask) = try Self.decode(bytes, path: path)
        guard size == image.size else {
            throw UserError(.data, "\(path): has \(size.height)×\(size.width) pixels, expected the \(image.size.height)×\(image.size.width) of \(image.path)")
        }
        if !classNames.isEmpty, let place = mask.firstIndex(where: { Int($0) >= classNames.count && $0 != LabeledImages.ignored }) {
            throw UserError(.data, """
                \(path): the pixel in row \(place / size.width) and column \(place % size.width) has the class \(mask[place]), expected 0 to \(classNames.count - 1), or 255 \
                for pixels that do not count
                """)
        }
        digest = ImageFiles.digest(of: bytes)
        let layout = sizing.layout(of: size), target = sizing.target
        var sized = [UInt8](repeating: 0, count: target.height * target.width)
        for row in 0..<layout.window.height {
            let y = layout.part.top + (2 * (row + layout.window.top) + 1) * layout.part.height / (2 * layout.size.height)
            for column in 0..<layout.window.width {
                let x = layout.part.left + (2 * (column + layout.window.left) + 1) * layout.part.width / (2 * layout.size.width)
                sized[(layout.top + row) * target.width + layout.left + column] = mask[y * size.width + x]
            }
        }
        guard sized.contains(where: { $0 != LabeledImages.ignored }) else { throw UserError(.data, "\(path): is 255 everywhere, so that no pixel of it counts") }
        pixels = sized
        var counts = [Int](repeating: 0, count: 256)
        for pixel in sized { counts[Int(pixel)] += 1 }
        let most = counts[1..<255].max() ?? 0
        label = most == 0 ? 0 : Int32(counts[1..<255].firstIndex(of: most) ?? 0)
    }

    /// The numbers of a PNG file, as its palette or its gray levels have them.
    static func decode(_ bytes: [UInt8], path: String) throws -> (size: Size2D, pixels: [UInt8]) {
        var pixels = image_pixels()
        let message = Message(size: Int(IMAGE_MESSAGE))
        let failed = bytes.withUnsafeBufferPointer { image_decode_classes($0.baseAddress, $0.count, Int64(ImageDecoding.largestPixelCount), &pixels, message.pointer) }
        if failed != 0 { throw UserError(.data, "\(path): \(message.text)") }
        defer { image_free(&pixels) }
        let count = Int(pixels.width) * Int(pixels.height)
        return (Size2D(Int(pixels.height), Int(pixels.width)), Array(UnsafeBufferPointer(start: pixels.samples.assumingMemoryBound(to: UInt8.self), count: count)))
    }
}
