import Checksums
import Configuration
import Foundation
import Synchronization
import TensorCore

/// Images that stay in their files and are decoded when they are needed, all brought to one size.
public final class ImageFiles: Sendable {
    /// A file, as the look at all files before a training found it.
    struct Entry: Sendable {
        /// Below the folder.
        let path: String
        /// SHA-256 of its bytes.
        let digest: String
        /// Of the upright image.
        let size: Size2D
        /// Of the pixels as models get them, unaugmented.
        let sums: ChannelSums
        /// Of what is never torn apart by a split.
        var group: String?
        /// SHA-256 of the bytes of its mask's file; nil where there is none.
        var maskDigest: String?
        /// The pixels, where they are kept: on the scale of 0 to 255.
        var pixels: [Float]?
    }

    /// The folder.
    let root: String
    let entries: [Entry]
    let decoding: ImageDecoding
    let sizing: ImageSizing
    /// What training sees of the images.
    let crop: ImageCrop
    /// How many files of the folder were left out, since they could not be decoded.
    public let leftOutCount: Int
    /// Where they lie.
    private let place: Place

    /// Where images are read from.
    enum Place: Sendable {
        /// Their files, which are decoded, or what is kept of them.
        case files(Cache?)
        /// Datasets of one file, called as the entries' paths say.
        case stored(StoredImages)
    }

    /// The size of images after resampling, and their channels.
    var shape: ImageShape { ImageShape(height: sizing.target.height, width: sizing.target.width, channels: decoding.channels) }

    /// What a run keeps in memory: names and sums, and for each thread that decodes the largest image, decoded and on its way to its size.
    var byteCount: Int {
        let largest = entries.map { $0.size.height * $0.size.width }.max() ?? 0
        return entries.reduce(0) { $0 + $1.path.utf8.count + 160 } + 2 * largest * decoding.channels * MachineLimits.current.processors
    }

    init(
        root: String, _ entries: [Entry], _ decoding: ImageDecoding, _ sizing: ImageSizing, _ crop: ImageCrop, leftOutCount: Int = 0, place: Place = .files(nil)
    ) {
        (self.root, self.entries, self.decoding, self.sizing, self.crop) = (root, entries, decoding, sizing, crop)
        (self.leftOutCount, self.place) = (leftOutCount, place)
    }

    /// The paths of some images, below the folder.
    public func paths(of images: Range<Int>) -> [String] { entries[images].map(\.path) }

    /// The whole image `index`.
    func decoded(_ index: Int) throws -> DecodedImage {
        let entry = entries[index]
        switch place {
        case .stored(let images): return try images.image(entry.path)
        case .files(let cache):
            if let cache, !cache.areSized, let image = cache.image(entry.digest) { return image }
            return try DecodedImage(try unchangedBytes(of: entry), path: Self.join(root, entry.path), decoding)
        }
    }

    /// The bytes of an image's file, as long as they are those that were looked at.
    private func unchangedBytes(of entry: Entry) throws -> [UInt8] {
        let path = Self.join(root, entry.path), bytes = try Self.bytes(of: path)
        guard Self.digest(of: bytes) == entry.digest else { throw UserError(.data, "\(path): has changed since the training began") }
        return bytes
    }

    /// Writes image `index` in the size of `shape`, on the scale of 0 to 255.
    ///
    /// - Parameter draws: what chooses a random part, in training; nil: the image as it is evaluated.
    /// - Throws: `.data` when the file is no longer what it was, `.noInput` when it is gone.
    func write(_ index: Int, draws: inout PhiloxDraws?, to output: UnsafeMutablePointer<Float>) throws {
        let entry = entries[index]
        if let pixels = entry.pixels { return pixels.withUnsafeBufferPointer { output.update(from: $0.baseAddress!, count: $0.count) } }
        switch place {
        case .stored(let images):
            let image = try images.image(entry.path)
            try Self.write(image, Self.layout(of: image.size, sizing, crop, &draws), sizing, to: output)
        case .files(let cache):
            if let cache, let image = cache.image(entry.digest) {
                let sizing = cache.areSized ? ImageSizing(target: self.sizing.target) : self.sizing
                return try Self.write(image, Self.layout(of: image.size, sizing, crop, &draws), sizing, to: output)
            }
            try Self.write(unchangedBytes(of: entry), path: Self.join(root, entry.path), decoding, sizing, crop, draws: &draws, to: output)
        }
    }

    /// Decodes a file that was read.
    static func write(
        _ bytes: [UInt8], path: String, _ decoding: ImageDecoding, _ sizing: ImageSizing, _ crop: ImageCrop, draws: inout PhiloxDraws?,
        to output: UnsafeMutablePointer<Float>
    ) throws {
        var layout: ImageSizing.Layout?, least: Size2D?
        if decoding.precision == .scaled {
            let size = try ImageFileHeader(bytes, path: path).size
            layout = Self.layout(of: size, sizing, crop, &draws)
            // So large that the part that is seen keeps at least the pixels that it becomes.
            if let layout {
                least = Size2D(
                    (size.height * layout.size.height + layout.part.height - 1) / layout.part.height,
                    (size.width * layout.size.width + layout.part.width - 1) / layout.part.width)
            }
            let image = try DecodedImage(bytes, path: path, decoding, least: least)
            if let found = layout { layout = found.scaled(from: size, to: image.size) }
            return try write(image, layout!, sizing, to: output)
        }
        let image = try DecodedImage(bytes, path: path, decoding)
        try write(image, Self.layout(of: image.size, sizing, crop, &draws), sizing, to: output)
    }

    static func layout(of size: Size2D, _ sizing: ImageSizing, _ crop: ImageCrop, _ draws: inout PhiloxDraws?) -> ImageSizing.Layout {
        guard crop == .randomResized, var own = draws else { return sizing.layout(of: size) }
        defer { draws = own }
        return sizing.layout(of: ImageCrop.randomPart(of: size, draws: &own))
    }

    static func write(_ image: DecodedImage, _ layout: ImageSizing.Layout, _ sizing: ImageSizing, to output: UnsafeMutablePointer<Float>) throws {
        let channels = image.channels, stride = sizing.target.width * channels
        if sizing.resize == .pad { output.update(repeating: 0, count: sizing.target.height * stride) }
        try image.write(
            layout.part, resampledTo: layout.size, sizing.interpolation, window: layout.window, to: output + layout.top * stride + layout.left * channels,
            stride: stride)
    }

    // MARK: Files

    static func join(_ root: String, _ path: String) -> String { root.isEmpty || path.hasPrefix("/") ? path : root.hasSuffix("/") ? root + path : "\(root)/\(path)" }

    static func digest(of bytes: [UInt8]) -> String {
        let digest = SHA256()
        bytes.withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    /// More bytes are no image file.
    private static let largestFile = 1 << 30

    /// A regular file's bytes.
    static func bytes(of path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            throw UserError([ENOENT, EACCES, ELOOP].contains(errno) ? .noInput : .io, "\(path): \(errno == ENOENT ? "there is no such file" : "cannot be read: \(String(cString: strerror(errno)))")")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw UserError(.data, "\(path): is not a regular file, expected an image") }
        guard status.st_size <= largestFile else { throw UserError(.data, "\(path): has \(grouped(Int(status.st_size))) bytes, more than an image file has") }
        let count = Int(status.st_size)
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let taken = read(file, buffer.baseAddress! + initialized, count - initialized)
                if taken > 0 { initialized += taken } else if taken == 0 { break } else if errno != EINTR { failure = errno; break }
            }
        }
        if failure != 0 { throw UserError(.io, "\(path): cannot be read: \(String(cString: strerror(failure)))") }
        return bytes
    }
}

extension ImageSizing.Layout {
    /// The same part of an image that was decoded smaller.
    fileprivate func scaled(from old: Size2D, to new: Size2D) -> Self {
        guard old != new else { return self }
        func scale(_ place: Int, _ old: Int, _ new: Int) -> Int { (place * new + old / 2) / old }
        var result = self
        let left = min(scale(part.left, old.width, new.width), new.width - 1), top = min(scale(part.top, old.height, new.height), new.height - 1)
        result.part = Rectangle(
            left: left, top: top, width: max(1, min(scale(part.left + part.width, old.width, new.width), new.width) - left),
            height: max(1, min(scale(part.top + part.height, old.height, new.height), new.height) - top))
        return result
    }
}

/// Exact sums of an image's values and of their squares, each channel, on the scale of 0 to 65535.
struct ChannelSums: Sendable, Equatable {
    var values: [UInt64]
    var squares: [UInt64]

    init(values: [UInt64], squares: [UInt64]) { (self.values, self.squares) = (values, squares) }

    /// Of `[height, width, channels]` on the scale of 0 to 255.
    init(_ pixels: UnsafeBufferPointer<Float>, channels: Int) {
        values = .init(repeating: 0, count: channels)
        squares = values
        for channel in 0..<channels {
            var sum: UInt64 = 0, square: UInt64 = 0
            for position in stride(from: channel, to: pixels.count, by: channels) {
                let value = UInt64((pixels[position] * 257).rounded())
                sum &+= value
                square &+= value &* value
            }
            (values[channel], squares[channel]) = (sum, square)
        }
    }
}
