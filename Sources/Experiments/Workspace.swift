import Configuration
import Foundation
import RunStore

/// Where definitions are found and where results go: the current folder, the folders above it, and the package.
public struct Workspace: Sendable {
    /// Where the command was given.
    public let currentFolder: URL
    /// The package's root, when the launcher said it (`HARNESS_HOME`).
    public let packageRoot: URL?

    /// The folders that belong to a place; `packageRoot` is the program's own folder, nil where there is none.
    public init(currentFolder: URL, packageRoot: URL?) {
        self.currentFolder = currentFolder.standardizedFileURL
        self.packageRoot = packageRoot?.standardizedFileURL
    }

    /// The workspace of this process.
    public static var current: Workspace {
        // The name of a current folder that was removed is empty.
        let here = FileManager.default.currentDirectoryPath
        let home = ProcessInfo.processInfo.environment["HARNESS_HOME"].flatMap { $0.isEmpty ? nil : $0 }
        return Workspace(
            currentFolder: URL(filePath: here.isEmpty ? "/" : here, directoryHint: .isDirectory),
            packageRoot: home.map { URL(filePath: $0, directoryHint: .isDirectory) })
    }

    /// The current folder, each folder above it, then the package's root.
    private var roots: [URL] {
        var roots = [currentFolder]
        while let last = roots.last, last.path.hasPrefix("/"), last.path != "/" { roots.append(last.deletingLastPathComponent().standardizedFileURL) }
        if let packageRoot, !roots.contains(where: { $0.path == packageRoot.path }) { roots.append(packageRoot) }
        return roots
    }

    // MARK: Definitions

    /// The file of an experiment: a path or a name in `Experiments/`, with or without `.yaml`, the case of folders and file forgiven.
    ///
    /// Throws `.noInput` with a did-you-mean and the names in the nearest `Experiments/`.
    public func definition(_ word: String) throws -> URL {
        for root in word.hasPrefix("/") ? [URL(filePath: "/")] : roots {
            for folder in [root, root.appending(path: "Experiments")] where Self.isFolder(folder) {
                for candidate in [word, word + ".yaml"] {
                    if let url = Self.existing(candidate, in: folder), !Self.isFolder(url) { return url }
                }
            }
        }
        let folder = roots.map { $0.appending(path: "Experiments") }.first(where: Self.isFolder)
        let name = word.split(separator: "/").last.map { String($0).replacing(/\.ya?ml$/, with: "") } ?? word
        let names = folder.map(Self.definitionNames) ?? []
        var message = "there is no experiment '\(word)'"
        message += nearest(to: name, among: names).map { "; did you mean '\($0)'? " } ?? "; "
        if let folder {
            message += names.isEmpty ? "\(display(folder)) is empty" : "\(display(folder)) has: \(names.joined(separator: ", "))"
        } else {
            message += "no folder Experiments is here, above, or in the package"
        }
        throw UserError(.noInput, message)
    }

    /// The names of the definitions under a folder, without `.yaml`, sorted; those in its subfolders with their path.
    private static func definitionNames(in folder: URL) -> [String] {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []
        return paths.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.map { String($0.dropLast(".yaml".count)) }.sorted()
    }

    /// The names of all definitions in the `Experiments` folders of this workspace, and those of experiments with results.
    public var experimentNames: [String] {
        let folders = roots.map { $0.appending(path: "Experiments") }.filter(Self.isFolder)
        return Set(folders.flatMap(Self.definitionNames) + RunFolder.experiments(in: results.path)).sorted()
    }

    // MARK: Results

    /// The folder for results: `Results` in the nearest folder, from the current one up, that has `Results` or `Experiments`; else in the
    /// package; else in the current folder. It need not exist yet.
    public var results: URL {
        let root = roots.first { root in
            ["Results", "Experiments"].contains { Self.isFolder(root.appending(path: $0)) }
        }
        return (root ?? currentFolder).appending(path: "Results", directoryHint: .isDirectory)
    }

    /// A file or folder that a command reads: a path from the current folder, or a path inside a `Results` folder, case forgiven; or the end of
    /// one experiment's name, `depth` for `ablations/depth`.
    ///
    /// Throws `.noInput` when there is none, `.usage` when several experiments' names end so.
    public func result(_ word: String) throws -> URL {
        if word.hasPrefix("/") {
            if let url = Self.existing(word, in: URL(filePath: "/")) { return url }
        } else {
            if let url = Self.existing(word, in: currentFolder) { return url }
            for root in roots {
                for folder in [root, root.appending(path: "Results")] {
                    if let url = Self.existing(word, in: folder) { return url }
                }
            }
        }
        if let experiment = try experiment(endingWith: word) { return experiment }
        let names = RunFolder.experiments(in: results.path)
        let near = nearest(to: word, among: names + names.compactMap(EarlierName.of)).map { "; did you mean '\($0)'?" }
        throw UserError(.noInput, "there is no file or folder '\(word)'\(near ?? suggestion(for: word, among: names))")
    }

    /// The folder of the one experiment in the nearest `Results` whose name ends with `word`, or nil.
    private func experiment(endingWith word: String) throws -> URL? {
        let end = word.split(separator: "/").map { $0.lowercased() }
        guard !end.isEmpty, !word.hasPrefix("/") else { return nil }
        let results = results
        let matches = RunFolder.experiments(in: results.path).filter { $0.split(separator: "/").map { $0.lowercased() }.suffix(end.count) == end[...] }
        if matches.count > 1 { throw UserError(.usage, "'\(word)' is the end of several experiments' names: \(matches.joined(separator: ", "))") }
        return matches.first.map { results.appending(path: $0).standardizedFileURL }
    }

    // MARK: Paths

    /// A path as a user would write it: relative to the current folder where it lies inside it.
    public func display(_ url: URL) -> String {
        let path = url.standardizedFileURL.path, here = currentFolder.path == "/" ? "/" : currentFolder.path + "/"
        if path.hasPrefix(here), path.count > here.count { return String(path.dropFirst(here.count)) }
        return path
    }

    /// `path` under `root` when it exists; a component that is not there as written matches one that differs only in case.
    private static func existing(_ path: String, in root: URL) -> URL? {
        var url = root
        let components = path.split(separator: "/").map(String.init)
        guard !components.isEmpty || path == "/" else { return nil }
        for component in components {
            let exact = url.appending(path: component)
            if FileManager.default.fileExists(atPath: exact.path) {
                url = exact
                continue
            }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
            guard let match = names.sorted().first(where: { $0.lowercased() == component.lowercased() }) else { return nil }
            url.append(path: match)
        }
        return url.standardizedFileURL
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && isFolder.boolValue
    }
}
