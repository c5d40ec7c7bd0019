import Configuration
import Foundation

/// Where the files of a data set are looked for: what is known beside the paths of the definition, and changes no result.
public struct DataPlaces: Sendable, Equatable {
    /// The folder of the file in which `hdf5.path` is written; nil: the current folder.
    public var pathFolder: String?
    /// The folder of the file in which `directory` is written; nil: the current folder.
    public var directoryFolder: String?
    /// The HDF5 file, or the folder of the IDX files, whatever the definition says.
    public var found: String?
    /// Whether a run was trained with these data before: what is doubtful about them was decided then.
    public var isRecorded = false
    /// What an HDF5 file or a folder holds, as soon as it was read.
    public var content: DataContent?
    /// Who is told how far a look at many files has come.
    public var progress: FilesProgress?

    /// Nothing is known beside the definition.
    public init() {}
}

/// Is told how many files were looked at, of how many; on any thread.
public struct FilesProgress: Sendable, Equatable {
    /// Takes the two numbers.
    public let report: @Sendable (_ done: Int, _ count: Int) -> Void

    /// Somebody who wants to know.
    public init(_ report: @escaping @Sendable (_ done: Int, _ count: Int) -> Void) { self.report = report }

    /// All are alike: it changes no result.
    public static func == (a: Self, b: Self) -> Bool { true }
}

/// What a data set holds, wherever it lies: what the identity of a trial has of data of one's own.
public struct DataContent: Sendable, Equatable {
    /// `LabeledImages.digest`.
    public let digest: String
    /// The number of classes.
    public let classes: Int

    /// What was found in a data set.
    public init(digest: String, classes: Int) {
        self.digest = digest
        self.classes = classes
    }
}

extension DataConfiguration {
    /// The HDF5 file of a source, and what is to be said about its place.
    ///
    /// - Throws: `.noInput` when it is in none of the places.
    func find(_ source: HDF5Source) throws -> (path: String, note: String?) {
        try find(source.path, "file", at: "data.hdf5.path")
    }

    /// The folder of a source, likewise.
    func find(_ source: FolderSource) throws -> (path: String, note: String?) {
        try find(source.path, "folder", at: "data.folder")
    }

    /// The file of a source, likewise.
    func find(_ source: NumPySource) throws -> (path: String, note: String?) {
        try find(source.path, "file", at: "data.numpy")
    }

    /// The folder of a source, likewise.
    func find(_ source: COCOSource) throws -> (path: String, note: String?) {
        try find(source.path, "folder", at: "data.coco")
    }

    /// The same with the path of a file or a folder as it is seen from the current folder.
    ///
    /// - Throws: `.noInput` when it is not there.
    public func locatingSource() throws -> DataConfiguration {
        var copy = self
        switch source {
        case .hdf5(var file):
            file.path = try find(file).path
            copy.source = .hdf5(file)
        case .folder(var folder):
            folder.path = try find(folder).path
            copy.source = .folder(folder)
        case .numpy(var file):
            file.path = try find(file).path
            copy.source = .numpy(file)
        case .coco(var folder):
            folder.path = try find(folder).path
            copy.source = .coco(folder)
        case .named, .scenes, .shapes, .sequences: return self
        }
        copy.places.pathFolder = nil
        return copy
    }

    private func find(_ path: String, _ kind: String, at key: String) throws -> (path: String, note: String?) {
        if let found = places.found { return (found, nil) }
        let candidates = candidates(path, below: places.pathFolder)
        guard candidates.count == 2 else { return (candidates[0], nil) }
        if exists(candidates[0]) { return (candidates[0], nil) }
        guard exists(candidates[1]) else { throw UserError(.noInput, at: key, "there is no \(kind) \(candidates[0])") }
        return (candidates[1], sentence(at: key, candidates))
    }

    /// The folders of a `directory` in which IDX files are looked for, and what is to be said about the one that is there.
    func findDirectory() -> (path: String, note: String?)? {
        guard let directory else { return nil }
        let candidates = candidates(directory, below: places.directoryFolder)
        guard candidates.count == 2, !exists(candidates[0]), exists(candidates[1]) else { return (candidates[0], nil) }
        return (candidates[1], sentence(at: "data.directory", candidates))
    }

    /// The path below the folder of the file that says it, and the path below the current one, where earlier versions looked; one where they are the same.
    private func candidates(_ path: String, below folder: String?) -> [String] {
        let path = (path as NSString).expandingTildeInPath
        guard !path.hasPrefix("/"), let folder else { return [path] }
        let here = FileManager.default.currentDirectoryPath + "/"
        var beside = URL(filePath: path, relativeTo: URL(filePath: folder, directoryHint: .isDirectory)).standardizedFileURL.path
        if beside.hasPrefix(here), beside.count > here.count { beside = String(beside.dropFirst(here.count)) }
        return beside == path ? [path] : [beside, path]
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private func sentence(at key: String, _ candidates: [String]) -> String {
        "\(key): there is no \(candidates[0]), where a path in a definition begins; taken is \(candidates[1]), from the current folder"
    }
}
