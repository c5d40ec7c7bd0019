import Checksums
import Configuration
import Foundation
import HDF5
import TensorCore

/// Decoded images of a folder in an HDF5 file of the user's cache folder, so that no later epoch and no later run decodes them again.
///
/// The file is called after what is in it: how images are decoded, and the digests of their files. What a random part is taken from is kept whole;
/// otherwise an image is kept as models get it.
struct DecodedCache {
    let path: String
    private let sizing: ImageSizing
    private let areSized: Bool
    private let decoding: ImageDecoding

    /// - Parameter digests: of the images' files.
    init(_ digests: [String], _ decoding: ImageDecoding, _ sizing: ImageSizing, _ crop: ImageCrop) {
        (self.sizing, self.decoding, areSized) = (sizing, decoding, crop == .center)
        let digest = SHA256()
        digest.update("decoded 1 \(decoding.channels) \(decoding.background) \(imageLibraryVersions)\n")
        if areSized { digest.update("\(sizing.target.height) \(sizing.target.width) \(sizing.resize.rawValue) \(sizing.interpolation.rawValue)\n") }
        for file in Set(digests).sorted() { digest.update("\(file)\n") }
        path = ImageFiles.join(Self.folder, "images-\(digest.finish().prefix(32)).h5")
    }

    /// `~/.cache/harness`, or below what `XDG_CACHE_HOME` says.
    static var folder: String {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? ("~/.cache" as NSString).expandingTildeInPath
        return ImageFiles.join(home, "harness")
    }

    static func name(of digest: String) -> String { "/images/\(digest)" }

    /// The images as they are kept; nil where nothing is, or what there is cannot be used.
    var images: ImageFiles.Cache? {
        guard FileManager.default.fileExists(atPath: path), let stored = try? StoredImages(path) else { return nil }
        return ImageFiles.Cache(images: stored, areSized: areSized)
    }

    /// Decodes all files once and keeps them.
    ///
    /// - Throws: `.io` when the disk is full or the folder cannot be written.
    func write(_ entries: [ImageFiles.Entry], below root: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: Self.folder, withIntermediateDirectories: true)
        } catch { throw UserError(.io, "\(Self.folder): cannot be made: \(systemReason(error, at: Self.folder))") }
        let replacement = try FileReplacement(of: path, isForeign: true), file = try HDF5Writer(replacement.temporaryPath, for: path)
        var seen: Set<String> = []
        let distinct = entries.filter { seen.insert($0.digest).inserted }
        // As many at a time as there are threads: more would only wait in memory.
        let count = max(1, MachineLimits.current.processors)
        for start in stride(from: 0, to: distinct.count, by: count) {
            let some = Array(distinct[start..<min(start + count, distinct.count)])
            let decoded = SystemThread.results(below: some.count) { try decode(some[$0], below: root) }
            for (entry, image) in zip(some, decoded) { try file.write(image!.get(), to: Self.name(of: entry.digest)) }
        }
        try file.close()
        try replacement.commit()
    }

    private func decode(_ entry: ImageFiles.Entry, below root: String) throws -> DecodedImage {
        let path = ImageFiles.join(root, entry.path), bytes = try ImageFiles.bytes(of: path)
        guard ImageFiles.digest(of: bytes) == entry.digest else { throw UserError(.data, "\(path): has changed since it was looked at") }
        let image = try DecodedImage(bytes, path: path, decoding)
        return areSized ? try image.sized(sizing) : image
    }
}

extension ImageFiles {
    /// Where decoded images are kept.
    struct Cache: Sendable {
        let images: StoredImages
        /// Whether they are as models get them; otherwise they are whole.
        let areSized: Bool

        /// nil where the cache lacks it or is damaged: its file is decoded then.
        func image(_ digest: String) -> DecodedImage? { try? images.image(DecodedCache.name(of: digest)) }
    }
}
