import Configuration
import Foundation
import TensorCore

/// Image files without labels: files, and all files in folders.
public struct UnlabeledFiles: Sendable {
    /// The files' paths, in the order in which they were named; those of a folder by their names.
    public let paths: [String]

    /// Finds the files.
    ///
    /// - Throws: `.noInput` when one is not there, `.data` when a folder has no image files.
    public init(_ places: [String]) throws {
        var paths: [String] = []
        for place in places {
            var status = stat()
            guard stat(place, &status) == 0 else {
                // A link that leads nowhere is a file that cannot be read.
                guard lstat(place, &status) == 0 else { throw UserError(.noInput, "\(place): there is no such file") }
                paths.append(place)
                continue
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                paths.append(place)
                continue
            }
            let before = paths.count
            try ImageFolder.walk(place, "", depth: 0) { listing, path in
                for file in listing.files where ImageFolder.extensions.contains((file as NSString).pathExtension.lowercased()) {
                    paths.append(ImageFiles.join(place, ImageFiles.join(path, file)))
                }
            }
            guard paths.count > before else { throw UserError(.data, "\(place): has no JPEG, PNG or WebP files") }
        }
        self.paths = paths
    }

    /// Some of the files as the test images of a data set, whose labels mean nothing, and what is wrong with the others.
    ///
    /// - Parameters:
    ///   - data: what is said of the images with which the model was trained: how they are decoded and resampled.
    ///   - shape: of the model's images.
    ///   - places: how many images a shard has, where they share sequences.
    public func block(_ rows: Range<Int>, as data: DataConfiguration, shape: ImageShape, normalization: NormalizationConfiguration, places: Int)
        throws -> (images: ImageDataset?, paths: [String], errors: [UserError])
    {
        var own = data.folder?.decoding ?? ImageDecoding()
        if data.native == nil { own.channels = shape.channels }
        let decoding = own
        // Data that had one size say nothing of others: what people expect of a photograph is its middle.
        let resize: ResizeKind = data.folder != nil || data.size != nil || data.padTo != nil ? data.sizing : .shorter
        let target = data.native == nil ? Size2D(shape.height, shape.width) : Size2D(64, 64), isNative = data.native != nil
        let sizing = ImageSizing(target: target, resize: resize, interpolation: data.interpolation), count = target.height * target.width * own.channels
        let paths = paths, results = SystemThread.results(below: rows.count) { index in
            try Self.entry(paths[rows.lowerBound + index], decoding, sizing, count: count, keepsPixels: !isNative)
        }
        var entries: [ImageFiles.Entry] = [], errors: [UserError] = []
        for result in results {
            switch result! {
            case .success(let entry): entries.append(entry)
            case .failure(let error as UserError) where error.kind != .internal: errors.append(error)
            case .failure(let error): throw error
            }
        }
        let found = entries.map(\.path)
        guard !entries.isEmpty else { return (nil, [], errors) }
        let files = ImageFiles(root: "", entries, decoding, sizing, .center), all = 0..<entries.count
        let images = LabeledImages(
            name: "image files", shape: files.shape, pixels: .files(files), labels: [Int32](repeating: 0, count: entries.count), classCount: 1,
            classNames: nil, train: all, validation: nil, test: all)
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization, configuration.native) = (.count(0), normalization, data.predictedNative)
        return (try ImageDataset(images, configuration).packed(places: places), found, errors)
    }

    private static func entry(
        _ path: String, _ decoding: ImageDecoding, _ sizing: ImageSizing, count: Int, keepsPixels: Bool
    ) throws -> ImageFiles.Entry {
        let bytes = try ImageFiles.bytes(of: path), size = try ImageFileHeader(bytes, path: path).size
        var draws: PhiloxDraws?
        let pixels = try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try ImageFiles.write(bytes, path: path, decoding, sizing, .center, draws: &draws, to: buffer.baseAddress!)
            initialized = count
        }
        return ImageFiles.Entry(
            path: path, digest: keepsPixels ? "" : ImageFiles.digest(of: bytes), size: size, sums: ChannelSums(values: [], squares: []),
            pixels: keepsPixels ? pixels : nil)
    }
}

extension DataConfiguration {
    /// How files share sequences when they are predicted: each image has room for its largest number of tokens.
    var predictedNative: NativeSize? {
        native.map { native in
            var size = native
            size.average = native.tokens
            return size
        }
    }

    /// The shape in which a model of a run gets images when they are predicted, where it was trained with images of `shape`.
    public func predictedShape(_ shape: ImageShape) -> ImageShape {
        native.map { ImageShape(height: $0.tokens, width: shape.width, channels: shape.channels) } ?? shape
    }
}
