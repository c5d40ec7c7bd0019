import Configuration
import Foundation
import RunStore

extension Workspace {
    /// The one run that a word names: its folder, its run.h5, a folder with no other run in it, or the beginning of its name in the nearest
    /// `Results`, with or without its experiment before it (`quickstart/vit`, `vit-s0-1f`), or of its path.
    ///
    /// - Throws: `.noInput` when there is none, `.usage` when there are several.
    public func run(_ word: String) throws -> RunFolder {
        var url: URL
        do { url = try result(word) } catch let error as UserError where error.kind == .noInput {
            guard let folder = try run(beginningWith: word) else { throw error }
            return folder
        }
        if url.lastPathComponent == "run.h5" { url.deleteLastPathComponent() }
        let folders = try RunFolder.runs(of: display(url))
        guard let folder = folders.first else { throw UserError(.noInput, "\(display(url)): there is no run in this folder") }
        guard folders.count == 1 else {
            let names = folders.prefix(4).map { ($0.path as NSString).lastPathComponent }.joined(separator: ", ")
            throw UserError(.usage, "\(display(url)): holds \(folders.count) runs, expected one: \(names)\(folders.count > 4 ? ", …" : "")")
        }
        return folder
    }

    private func run(beginningWith word: String) throws -> RunFolder? {
        guard !word.isEmpty, !word.hasSuffix("/") else { return nil }
        func runs(in folder: String, _ isMeant: (_ name: String) -> Bool) throws -> [RunFolder] {
            try RunFolder.runs(of: folder).filter { isMeant(($0.path as NSString).lastPathComponent) }
        }
        let place = word.parentPath, beginning = (word as NSString).lastPathComponent, results = results.path
        var found: [RunFolder] = []
        if !place.isEmpty, FileManager.default.fileExists(atPath: place) {
            found = try runs(in: place) { $0.hasPrefix(beginning) }.filter { $0.path.parentPath == place }
        }
        if found.isEmpty, !word.hasPrefix("/") {
            found = try RunFolder.experiments(in: results).flatMap { experiment in
                try runs(in: "\(results)/\(experiment)") { $0.hasPrefix(word) || "\(experiment)/\($0)".hasPrefix(word) }
            }
        }
        let folders = Set(found).sorted { $0.path < $1.path }
        guard folders.count < 2 else {
            let names = folders.prefix(4).map { display(URL(filePath: $0.path)) }.joined(separator: ", ")
            throw UserError(.usage, "'\(word)' is the beginning of \(folders.count) runs' names: \(names)\(folders.count > 4 ? ", …" : "")")
        }
        return folders.first.map { RunFolder(path: display(URL(filePath: $0.path))) }
    }

    /// The paths whose runs a word of `compare` names: what `result` finds, or the runs of a definition that lie under the last part of its
    /// name, where an earlier version of the program put them.
    ///
    /// - Parameter registry: what the definition can name.
    /// - Throws: as `result`.
    public func comparable(_ word: String, registry: Registry = .standard) throws -> [String] {
        do { return [display(try result(word))] } catch let error as UserError where error.kind == .noInput {
            guard let paths = try? earlierResults(word, registry), !paths.isEmpty else { throw error }
            return paths
        }
    }

    private func earlierResults(_ word: String, _ registry: Registry) throws -> [String] {
        let definition = try Definition(Composition(of: definition(word), display: display, registry: registry), registry: registry)
        if definition.sweep == nil {
            var earlier = EarlierRuns(underShortNameOf: definition.name, results: results, registry: definition.registry)
            return definition.trials.compactMap { SharedRuns.earlierRun(named: $0.name, hash: $0.hash, of: definition.name, results: results, among: &earlier).map { display(URL(filePath: $0.path)) } }
        }
        let plan = try SweepPlan(definition).inForce(results: results, replans: false, startsOver: false) { _ in }
        return plan.experiment == definition.name ? [] : [display(results.appending(path: plan.experiment))]
    }
}
