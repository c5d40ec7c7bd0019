import Checksums
import Configuration
import HDF5
import TensorCore

/// Reads a data set whose images have sizes of their own from an HDF5 file: in the place of `/train/images` a group of that name with a dataset for each
/// image (`StoredImages`), in the order of `/train/labels`; the same under `/test` and, where there are some, `/val`.
///
/// - Throws: `.usage` when they have several sizes and the configuration says none to which they are brought; `.data` when something is missing or damaged.
func loadMixedImages(_ source: HDF5Source, at path: String, _ configuration: DataConfiguration) throws -> LabeledImages {
    let file = try HDF5Reader(path), stored = try StoredImages(path)
    let parts = try ["train", "val", "test"].filter { $0 != "val" || file.exists("/val/images") || file.exists("/val/labels") }.map { part in
        let names = try file.children(of: "/\(part)/images").map { "/\(part)/images/\($0)" }
        guard !names.isEmpty else { throw UserError(.data, "\(path): /\(part)/images: has no images") }
        guard try file.shape(of: "/\(part)/labels") == [names.count] else {
            throw UserError(.data, "\(path): /\(part)/labels: found the shape \(try file.shape(of: "/\(part)/labels")), expected [\(names.count)], one label for each image")
        }
        return (part: part, names: names)
    }
    let names = parts.flatMap(\.names), first = try stored.shape(of: names[0])
    for name in names {
        let shape = try stored.shape(of: name)
        if shape.channels != first.channels {
            throw UserError(.data, "\(path): \(name): found \(shape.channels) channels, expected \(first.channels) as in \(names[0])")
        }
        if configuration.surveyedSize == nil, shape != first {
            throw UserError(at: "data.size", "is needed, since the images of \(path) have several sizes: \(names[0]) is \(first), \(name) \(shape)")
        }
    }
    let (labels, classCount, classNames) = try readLabels(parts.map { "/\($0.part)/labels" }, in: file, classes: source.classes)
    var decoding = ImageDecoding()
    decoding.channels = first.channels
    let sizing = ImageSizing(
        target: configuration.surveyedSize ?? Size2D(first.height, first.width), resize: configuration.resize, interpolation: configuration.interpolation)
    let entries = try SystemThread.results(below: names.count, stopsAtFailure: true, progress: configuration.places.progress?.report) { index in
        let image = try stored.image(names[index])
        return ImageFiles.Entry(path: names[index], digest: image.digest, size: image.size, sums: try image.sums(sizing))
    }.compactMap { try $0?.get() }
    let counts = parts.map(\.names.count), files = ImageFiles(root: "", entries, decoding, sizing, configuration.keptCrop, place: .stored(stored))
    return LabeledImages(
        name: path.split(separator: "/").last.map(String.init) ?? path, shape: files.shape, pixels: .files(files), labels: labels, classCount: classCount,
        classNames: classNames, train: 0..<counts[0], validation: counts.count == 3 ? counts[0]..<counts[0] + counts[1] : nil,
        test: names.count - counts[counts.count - 1]..<names.count)
}

extension DecodedImage {
    /// SHA-256 of the pixels and their layout.
    var digest: String {
        let digest = SHA256()
        digest.update("\(size.height) \(size.width) \(channels)\n")
        if let bytes: [UInt8] = planes() { bytes.withUnsafeBytes { digest.update($0) } }
        if let words: [UInt16] = planes() { words.withUnsafeBytes { digest.update($0) } }
        return digest.finish()
    }

    /// Of the image as it is evaluated.
    func sums(_ sizing: ImageSizing) throws -> ChannelSums {
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: sizing.target.height * sizing.target.width * channels) { pixels in
            try ImageFiles.write(self, sizing.layout(of: size), sizing, to: pixels.baseAddress!)
            return ChannelSums(UnsafeBufferPointer(pixels), channels: channels)
        }
    }
}
