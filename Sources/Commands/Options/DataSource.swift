import Configuration
import Experiments
import Foundation
import VisionData

/// A data set as a command's words name it: by a name, or by the path of a folder, a list, an HDF5 file, a .npz file or a definition, whose `data` it is.
///
/// A folder with `annotations/instances_train2017.json` is COCO's; one with `SegmentationClass` and `JPEGImages`, or with `masks` and `images`, has masks; others have a
/// folder for each class.
struct DataSource {
    /// What says the same in a definition.
    var configuration: DataConfiguration
    /// As messages call it; for a path as it is seen from the current folder.
    let text: String
    /// The path, if it is one.
    let path: String?

    /// - Throws: `.noInput` when it is neither.
    init(_ word: String, _ registry: Registry) throws {
        if let dataset = registry.datasets.first(where: { $0.name == word }) {
            (configuration, text, path) = (DataConfiguration(dataset), word, nil)
            return
        }
        let path = Workspace.current.display(URL(filePath: (word as NSString).expandingTildeInPath))
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            let names = registry.datasets.map(\.name)
            throw UserError(.noInput, "\(word.shortened()): is no data set's name, and there is no such file or folder\(suggestion(for: word, among: names))")
        }
        if ["yaml", "yml"].contains((path as NSString).pathExtension.lowercased()), !isFolder.boolValue {
            let data = try Definition(named: path, registry: registry).data.locatingSource(), place = Self.path(of: data.source)
            (configuration, text, self.path) = (data.beforeSplit, place ?? word, place)
            configuration.places.pathFolder = nil
            return
        }
        if isFolder.boolValue, let source = Self.annotated(path) {
            (configuration, text, self.path) = (DataConfiguration(source), path, path)
            return
        }
        if isFolder.boolValue, NumPySource.isFolder(path) {
            (configuration, text, self.path) = (DataConfiguration(.numpy(NumPySource(path: path))), path, path)
            return
        }
        switch (path as NSString).pathExtension.lowercased() {
        case _ where isFolder.boolValue, "csv", "tsv": configuration = DataConfiguration(.folder(FolderSource(path: path)))
        case "npz": configuration = DataConfiguration(.numpy(NumPySource(path: path)))
        default: configuration = DataConfiguration(.hdf5(HDF5Source(path: path)))
        }
        (text, self.path) = (path, path)
    }

    private static func path(of source: DataConfiguration.Source) -> String? {
        switch source {
        case .hdf5(let file): file.path
        case .folder(let folder): folder.path
        case .numpy(let file): file.path
        case .coco(let folder): folder.path
        case .named, .scenes, .shapes, .sequences: nil
        }
    }

    /// A folder with boxes or masks in one of the usual forms; nil for others.
    private static func annotated(_ path: String) -> DataConfiguration.Source? {
        func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }
        let coco = COCOSource(path: path)
        if has(coco.train) { return .coco(coco) }
        var folder = FolderSource(path: path)
        if has("SegmentationClass"), has("JPEGImages") {
            (folder.images, folder.masks) = ("JPEGImages", "SegmentationClass")
            if has("ImageSets/Segmentation/train.txt") { folder.lists = "ImageSets/Segmentation" }
            return .folder(folder)
        }
        guard has("masks"), has("images") else { return nil }
        folder.masks = "masks"
        return .folder(folder)
    }

    /// Says in which order an array's axes are.
    ///
    /// - Throws: `.usage` for other sources.
    mutating func setLayout(_ layout: HDF5Source.Layout) throws {
        switch configuration.source {
        case .hdf5(var file):
            file.layout = layout
            configuration.source = .hdf5(file)
        case .numpy(var file):
            file.layout = layout
            configuration.source = .numpy(file)
        default: throw UserError(.usage, "--layout: goes with an HDF5 or .npz file; \(text) is none")
        }
    }

    /// Whether the images have several sizes.
    func holdsSizesOfTheirOwn() throws -> Bool {
        switch configuration.source {
        case .folder(let folder): try !folder.hasOneSize
        case .hdf5(let file): try file.holdsSizesOfTheirOwn
        default: false
        }
    }

    /// The folder of image files; nil for other sources.
    var folder: FolderSource? {
        get { if case .folder(let folder) = configuration.source { folder } else { nil } }
        set { if let newValue { configuration.source = .folder(newValue) } }
    }

    /// The folder with COCO's files; nil where the source is none.
    var coco: COCOSource? {
        get { if case .coco(let folder) = configuration.source { folder } else { nil } }
        set { if let newValue { configuration.source = .coco(newValue) } }
    }
}
