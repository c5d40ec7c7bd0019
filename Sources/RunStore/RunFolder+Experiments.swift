import Foundation

extension RunFolder {
    /// The runs of the experiment whose folder `path` is, which are its direct children; of a folder without any, such as `Results`, all runs
    /// below it. So `ablations` and `ablations/depth` can both be experiments.
    ///
    /// - Throws: `.noInput` when `path` is not there.
    public static func runs(of path: String) throws -> [RunFolder] {
        var parent = path
        while parent.count > 1, parent.hasSuffix("/") { parent.removeLast() }
        // A link counts here, although the run that it leads to may lie below too.
        let children = ((try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []).filter { !$0.hasPrefix(".") }
        let own = children.map { RunFolder(path: "\(parent)/\($0)") }.filter(\.hasRun)
        if own.isEmpty || RunFolder(path: parent).hasRun { return try discover(under: path) }
        return own.sorted { $0.path.compare($1.path, options: .numeric) == .orderedAscending }
    }

    /// The experiments in a folder of results, by their paths from it in alphabetical order: `depth`, `ablations/depth`. None where there is no folder.
    public static func experiments(in results: String) -> [String] {
        var found: [String] = [], seen: Set<[UInt64]> = []
        search(results, name: "", &found, &seen)
        return found.sorted()
    }

    private static func search(_ folder: String, name: String, _ found: inout [String], _ seen: inout Set<[UInt64]>) {
        var status = stat()
        // A link can lead back to where it lies.
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, seen.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted,
            let children = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return }
        let visible = children.filter { !$0.hasPrefix(".") }, runs = visible.filter(isName)
        if !name.isEmpty, !runs.isEmpty || visible.contains(SweepFile.name) { found.append(name) }
        guard runs.count < visible.count, !visible.contains("run.h5") else { return }
        for child in visible where !isName(child) {
            search("\(folder)/\(child)", name: name.isEmpty ? child : "\(name)/\(child)", &found, &seen)
        }
    }

    /// Whether a name is a run folder's, `<model>-s<seed>-<8 hex>` or `<model>-s<seed>-f<fold>-<8 hex>`.
    public static func isName(_ name: String) -> Bool {
        var parts = name.utf8.split(separator: UInt8(ascii: "-"))
        guard let hash = parts.popLast(), hash.count == 8, hash.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else { return false }
        func isLastNumber(after letter: Unicode.Scalar) -> Bool {
            guard let part = parts.last else { return false }
            return part.first == UInt8(ascii: letter) && part.count > 1 && part.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
        }
        if parts.count >= 3, isLastNumber(after: "f") { parts.removeLast() }
        return parts.count >= 2 && isLastNumber(after: "s")
    }
}
