import Configuration
import Foundation
import HDF5
import TensorCore

/// Decoded images in an HDF5 file, each a dataset `[channels, height, width]` with a size of its own, uint8 (0 to 255) or uint16 (0 to 65535), with a
/// checksum.
public final class StoredImages: Sendable {
    /// The file's path.
    public let path: String
    private let file: HDF5Reader

    /// Opens a file.
    init(_ path: String) throws {
        self.path = path
        file = try HDF5Reader(path)
    }

    /// An image's height and width, and its channels.
    func shape(of name: String) throws -> ImageShape {
        let lengths = try file.shape(of: name), type = try file.elementType(of: name)
        guard lengths.count == 3, !lengths.contains(0), [1, 3].contains(lengths[0]), [.uint8, .uint16].contains(type) else {
            throw UserError(.data, "\(path): \(name): found \(type.rawValue) of the shape \(lengths), expected uint8 or uint16 of [1 or 3, height, width]")
        }
        let shape = ImageShape(height: lengths[1], width: lengths[2], channels: lengths[0])
        guard shape.height < 1 << 24, shape.width < 1 << 24, shape.height * shape.width <= ImageDecoding.largestPixelCount else {
            throw UserError(.data, "\(path): \(name): found \(shape), more than \(grouped(ImageDecoding.largestPixelCount)) pixels")
        }
        return shape
    }

    /// An image.
    func image(_ name: String) throws -> DecodedImage {
        let shape = try shape(of: name)
        if try file.elementType(of: name) == .uint8 { return try DecodedImage(planes: try file.read(name, as: UInt8.self), shape) }
        return try DecodedImage(planes: try file.read(name, as: UInt16.self), shape)
    }
}

extension HDF5Writer {
    /// Writes an image as `StoredImages` reads it.
    func write(_ image: DecodedImage, to name: String) throws {
        let shape = [image.channels, image.size.height, image.size.width]
        if let bytes: [UInt8] = image.planes() { try write(bytes, to: name, shape: shape, rowsPerChunk: image.channels) }
        if let words: [UInt16] = image.planes() { try write(words, to: name, shape: shape, rowsPerChunk: image.channels) }
    }
}
