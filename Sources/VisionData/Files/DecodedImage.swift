import CImages
import Configuration
import Foundation
import TensorCore

/// What an image file says of itself.
public struct ImageFileHeader: Sendable, Equatable {
    /// `JPEG`, `PNG` or `WebP`.
    public let format: String
    /// Of the upright image: after the orientation in the file's EXIF block.
    public let size: Size2D
    /// How many channels the file stores, alpha and black ink counted.
    public let channels: Int
    /// Of a sample.
    public let bits: Int

    /// Reads a file's header.
    ///
    /// - Throws: `.data` with the path when it is no image file, or its header is damaged.
    init(_ bytes: [UInt8], path: String) throws {
        var header = image_header()
        let message = Message(size: Int(IMAGE_MESSAGE))
        let failed = bytes.withUnsafeBufferPointer { image_read_header($0.baseAddress, $0.count, &header, message.pointer) }
        if failed != 0 { throw UserError(.data, "\(path): \(message.text)") }
        format = header.format == IMAGE_JPEG ? "JPEG" : header.format == IMAGE_PNG ? "PNG" : "WebP"
        size = Size2D(Int(header.height), Int(header.width))
        (channels, bits) = (Int(header.channels), Int(header.bits))
    }
}

/// What a C function says when something fails.
struct Message: ~Copyable {
    let pointer: UnsafeMutablePointer<CChar>

    init(size: Int) {
        pointer = .allocate(capacity: size)
        pointer.initialize(repeating: 0, count: size)
    }

    deinit { pointer.deallocate() }

    var text: String { String(cString: pointer) }
}

/// How an image file is decoded.
public struct ImageDecoding: Sendable, Equatable {
    /// Whether a JPEG file that is much larger than its image gets is decoded to a half, a quarter or an eighth.
    public enum Precision: String, CaseIterable, Sendable { case exact, scaled }

    /// 1: grayscale, 3: colours.
    public var channels = 3
    /// The colour behind transparent pixels, 0 to 255.
    public var background: [UInt8] = [255, 255, 255]
    /// How JPEG files are decoded.
    public var precision = Precision.exact

    /// More pixels than that are no photograph: 16,384×16,384.
    static let largestPixelCount = 1 << 28
}

/// The pixels of an image file.
///
/// Unchecked: nothing changes the pixels after the initializer.
final class DecodedImage: @unchecked Sendable {
    private var pixels = image_pixels()

    /// Decodes a file.
    ///
    /// - Parameter least: the size below which scaled decoding does not go; nil: all pixels are decoded.
    /// - Throws: `.data` with the path when the file is damaged.
    init(_ bytes: [UInt8], path: String, _ decoding: ImageDecoding, least: Size2D? = nil) throws {
        var wishes = image_wishes()
        wishes.channels = Int32(decoding.channels)
        wishes.background = (decoding.background[0], decoding.background[1], decoding.background[2])
        wishes.most_pixels = Int64(ImageDecoding.largestPixelCount)
        if let least { (wishes.least_width, wishes.least_height) = (Int32(least.width), Int32(least.height)) }
        let message = Message(size: Int(IMAGE_MESSAGE))
        let failed = bytes.withUnsafeBufferPointer { image_decode($0.baseAddress, $0.count, &wishes, &pixels, message.pointer) }
        if failed != 0 { throw UserError(.data, "\(path): \(message.text)") }
    }

    /// An image that is decoded already.
    ///
    /// - Parameter planes: `[channels, height, width]`, UInt8 or UInt16.
    init<Sample: FixedWidthInteger>(planes: [Sample], _ shape: ImageShape) throws {
        try allocate(Size2D(shape.height, shape.width), channels: shape.channels, bytesPerSample: MemoryLayout<Sample>.size)
        let samples = pixels.samples.assumingMemoryBound(to: Sample.self), area = shape.height * shape.width, channels = shape.channels
        for channel in 0..<channels { for place in 0..<area { samples[place * channels + channel] = planes[channel * area + place] } }
    }

    private init(_ size: Size2D, channels: Int, bytesPerSample: Int) throws { try allocate(size, channels: channels, bytesPerSample: bytesPerSample) }

    /// Black pixels.
    private func allocate(_ size: Size2D, channels: Int, bytesPerSample: Int) throws {
        guard let samples = calloc(size.height * size.width * channels, bytesPerSample) else {
            throw UserError(.internal, "there is no memory for an image of \(size.height)×\(size.width) pixels")
        }
        pixels = image_pixels(
            width: Int32(size.width), height: Int32(size.height), channels: Int32(channels), bytes_per_sample: Int32(bytesPerSample), samples: samples)
    }

    deinit { image_free(&pixels) }

    /// The channels apart, `[channels, height, width]`; nil where samples have another size.
    func planes<Sample: FixedWidthInteger>() -> [Sample]? {
        guard Int(pixels.bytes_per_sample) == MemoryLayout<Sample>.size else { return nil }
        let samples = pixels.samples.assumingMemoryBound(to: Sample.self), area = size.height * size.width, channels = channels
        return (0..<channels).flatMap { channel in (0..<area).map { samples[$0 * channels + channel] } }
    }

    /// The image as it is evaluated.
    func sized(_ sizing: ImageSizing) throws -> DecodedImage {
        let layout = sizing.layout(of: size), target = sizing.target, bytes = Int(pixels.bytes_per_sample) * channels
        let result = try DecodedImage(target, channels: channels, bytesPerSample: Int(pixels.bytes_per_sample))
        let rowLength = layout.window.width * bytes
        try withUnsafeTemporaryAllocation(byteCount: rowLength * layout.window.height, alignment: 8) { samples in
            try resample(layout.part, to: layout.size, sizing.interpolation, window: layout.window, into: samples)
            for row in 0..<layout.window.height {
                (result.pixels.samples + (layout.top + row) * target.width * bytes + layout.left * bytes)
                    .copyMemory(from: samples.baseAddress! + row * rowLength, byteCount: rowLength)
            }
        }
        return result
    }

    private func resample(
        _ part: Rectangle, to size: Size2D, _ interpolation: ImageInterpolation, window: Rectangle, into samples: UnsafeMutableRawBufferPointer
    ) throws {
        let filter = interpolation == .bicubic ? IMAGE_BICUBIC : IMAGE_BILINEAR
        guard image_resample(&pixels, part.c, filter, Int32(size.width), Int32(size.height), window.c, samples.baseAddress) == 0 else {
            throw UserError(.internal, "there is no memory to resample an image")
        }
    }

    var size: Size2D { Size2D(Int(pixels.height), Int(pixels.width)) }
    var channels: Int { Int(pixels.channels) }

    /// Resamples `part` to `size` and writes the `window` of it, `[height, width, channels]` on the scale of 0 to 255; the rows of `output` are
    /// `stride` values apart.
    func write(
        _ part: Rectangle, resampledTo size: Size2D, _ interpolation: ImageInterpolation, window: Rectangle, to output: UnsafeMutablePointer<Float>,
        stride: Int
    ) throws {
        let length = window.width * channels
        try withUnsafeTemporaryAllocation(byteCount: length * window.height * Int(pixels.bytes_per_sample), alignment: 8) { samples in
            try resample(part, to: size, interpolation, window: window, into: samples)
            for row in 0..<window.height {
                let target = output + row * stride
                if pixels.bytes_per_sample == 1 {
                    let values = samples.baseAddress!.assumingMemoryBound(to: UInt8.self) + row * length
                    for position in 0..<length { target[position] = Float(values[position]) }
                } else {
                    // 16 bits on the scale of 8.
                    let values = samples.baseAddress!.assumingMemoryBound(to: UInt16.self) + row * length
                    for position in 0..<length { target[position] = Float(values[position]) / 257 }
                }
            }
        }
    }
}

/// A rectangle of pixels.
struct Rectangle: Sendable, Equatable {
    var left: Int
    var top: Int
    var width: Int
    var height: Int

    init(left: Int = 0, top: Int = 0, width: Int, height: Int) { (self.left, self.top, self.width, self.height) = (left, top, width, height) }

    fileprivate var c: image_rectangle { image_rectangle(left: Int32(left), top: Int32(top), width: Int32(width), height: Int32(height)) }
}

/// The decoding libraries and their versions: `libjpeg-turbo 2.1.5, libpng 1.6.39, libwebp 1.2.4`.
public var imageLibraryVersions: String { String(cString: image_library_versions()) }
