import Configuration
import HDF5

/// The images that a configuration names, before they are split.
public struct FoundImages: Sendable {
    /// All of them.
    public let images: LabeledImages
    /// Where they were found: the path of a file or of a folder; nil for what is part of the program.
    public let location: String?
    /// Sentences about where they were found and what was passed over or converted.
    public let notes: [String]

    /// Finds and reads them.
    ///
    /// - Parameters:
    ///   - dataDirectory: the folder of `--data-dir`, which goes before the configuration's; nil when not given.
    ///   - onProblem: is told what is wrong with an image or an object of COCO's files, which is then left out; nil: it is thrown.
    /// - Throws: `UserError`: `.noInput` when a file is missing, `.data` when one is damaged.
    public init(_ configuration: DataConfiguration, dataDirectory: String? = nil, onProblem: ((UserError) -> Void)? = nil) throws {
        switch configuration.source {
        case .named(let dataset) where dataset.load != nil:
            self.init(try dataset.load!(dataDirectory ?? configuration.findDirectory()?.path), nil, [])
        case .named(let dataset) where dataset.scenes != nil: try self.init(of: dataset.scenes!, configuration, dataDirectory)
        case .shapes(let shapes): self.init(try shapes.load(), nil, [])
        case .sequences(let sequences): self.init(try sequences.load(), nil, [])
        case .scenes(let scenes): try self.init(of: scenes, configuration, dataDirectory)
        case .named(let dataset):
            let directory = configuration.findDirectory(), isGiven = dataDirectory != nil
            let files = try dataset.find(in: dataDirectory ?? directory?.path, recordedIn: isGiven ? nil : configuration.places.found)
            self.init(try files.load(), files.directory, [isGiven ? nil : directory?.note])
        case .hdf5(let source):
            let file = try configuration.find(source)
            if try HDF5Source(path: file.path).holdsSizesOfTheirOwn {
                self.init(try loadMixedImages(source, at: file.path, configuration), file.path, [file.note])
                return
            }
            if let key = configuration.native == nil ? configuration.sizingKey : "size" { throw UserError(at: "data.\(key)", "goes with images of several sizes; those of \(file.path) have one") }
            let loaded = try loadHDF5Images(source, at: file.path, isRecorded: configuration.places.isRecorded)
            self.init(loaded.images, file.path, [file.note] + loaded.notes)
        case .numpy(let source):
            let file = try configuration.find(source), loaded = try loadNumPyImages(source, at: file.path)
            self.init(loaded.images, file.path, [file.note] + loaded.notes)
        case .coco(let source):
            let folder = try configuration.find(source), loaded = try loadCOCOImages(source, at: folder.path, onProblem: onProblem)
            self.init(loaded.images, folder.path, [folder.note] + loaded.notes)
        case .folder(let source):
            let folder = try configuration.find(source)
            let loaded = try ImageFolder(folder.path, source).load(
                source, size: configuration.surveyedSize, resize: configuration.resize, interpolation: configuration.interpolation, crop: configuration.keptCrop,
                splitSeed: configuration.splitSeed, holdsOutTest: configuration.folds == nil, progress: configuration.places.progress?.report)
            self.init(loaded.images, folder.path, [folder.note] + loaded.notes)
        }
    }

    private init(of scenes: FashionScenes, _ configuration: DataConfiguration, _ dataDirectory: String?) throws {
        let directory = configuration.findDirectory(), isGiven = dataDirectory != nil
        let loaded = try scenes.load(in: dataDirectory ?? directory?.path, recordedIn: isGiven ? nil : configuration.places.found)
        self.init(loaded.images, loaded.location, [isGiven ? nil : directory?.note])
    }

    private init(_ images: LabeledImages, _ location: String?, _ notes: [String?]) {
        (self.images, self.location, self.notes) = (images, location, notes.compactMap(\.self))
    }
}

extension HDF5Source {
    /// Whether the file at `path` has a dataset for each image, with a size of its own (`loadMixedImages`).
    public var holdsSizesOfTheirOwn: Bool {
        get throws {
            let file = try HDF5Reader(path)
            return try file.exists("/train/images") && file.kind(of: "/train/images") == .group
        }
    }
}
