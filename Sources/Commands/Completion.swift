import ArgumentParser
import Configuration
import Experiments
import Foundation
import RunStore
import Synchronization
import VisionData

/// What a shell offers for a word of the command line when somebody presses Tab; `harness install` tells shells to ask.
///
/// A shell drops what does not begin with the word. Nothing that goes wrong here is said: there is nothing to offer then.
enum Completion {
    /// What definitions can name (`HarnessProgram.main`).
    static let registry = Mutex(Registry.standard)

    /// Names of experiments, and paths of definitions.
    static let experiment = CompletionKind.custom { _, _, word in experiments(word) }

    /// The same, and the runs that a run command can continue.
    static let experimentOrRun = CompletionKind.custom { words, _, word in
        experiments(word) + (words.contains("--more-epochs") ? runs(word) : [])
    }

    /// Values of the definition that the command line names, each as the definition has it.
    static let override = CompletionKind.custom { words, index, word in
        guard let definition = definition(in: words, before: index) else { return [] }
        // bash takes what is before and behind the sign for words of their own.
        if index > 2, words.indices.contains(index), words[index] == "=" { return values(of: words[index - 1]) }
        if index > 3, words.indices.contains(index), words[index - 1] == "=" { return values(of: words[index - 2]) }
        guard let equals = word.firstIndex(of: "=") else { return definition.overrides(beginningWith: word) }
        return values(of: String(word[..<equals])).map { word[...equals] + $0 }
    }

    /// Paths of keys of the definition that the command line names.
    static let keyOfDefinition = CompletionKind.custom { words, index, word in
        definition(in: words, before: index)?.keyPaths(beginningWith: word) ?? []
    }

    /// The names of the models of the definition that the command line names.
    static let modelOfDefinition = CompletionKind.custom { words, index, _ in definition(in: words, before: index)?.models.map(\.name) ?? [] }

    /// Experiments with runs, runs, and paths.
    static let run = CompletionKind.custom { _, _, word in runs(word) + paths(word) { _ in true } }

    /// Models that can be built by a name.
    static let model = CompletionKind.custom { _, _, _ in
        let models = registry.withLock { $0 }.models
        return models.presets.map(\.name)
    }

    /// Paths of keys of any definition, or their ends.
    static let key = CompletionKind.custom { _, _, word in KeyExplanation.paths(beginningWith: word, registry: registry.withLock { $0 }) }

    // MARK: Candidates

    private static func experiments(_ word: String) -> [String] {
        Workspace.current.experimentNames + paths(word) { $0.hasSuffix(".yaml") }
    }

    private static func runs(_ word: String) -> [String] {
        let results = Workspace.current.results.path, experiments = RunFolder.experiments(in: results)
        // Runs are many: they come where their experiment is written.
        let written = experiments.filter { word.hasPrefix($0 + "/") }
        return experiments + written.flatMap { experiment in
            ((try? RunFolder.runs(of: "\(results)/\(experiment)")) ?? []).map { "\(experiment)/\(($0.path as NSString).lastPathComponent)" }
        }
    }

    /// The folders and wanted files that a path begins with.
    private static func paths(_ word: String, _ isWanted: (String) -> Bool) -> [String] {
        let folder = String(word[..<(word.lastIndex(of: "/").map { word.index(after: $0) } ?? word.startIndex)])
        let place = folder.isEmpty ? "." : (folder as NSString).expandingTildeInPath
        return ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted().filter { name in
            var isFolder: ObjCBool = false
            guard (folder + name).hasPrefix(word), !name.hasPrefix(".") else { return false }
            guard FileManager.default.fileExists(atPath: "\(place)/\(name)", isDirectory: &isFolder) else { return false }
            return isFolder.boolValue || isWanted(name)
        }.map { folder + $0 }
    }

    /// The definition that the first word after the command names which is one.
    private static func definition(in words: [String], before index: Int) -> Definition? {
        for word in words.prefix(index).dropFirst(2) where !word.hasPrefix("-") && !word.contains("=") {
            if let definition = try? Definition(named: word, registry: registry.withLock { $0 }) { return definition }
        }
        return nil
    }

    /// The names that a key's value can be, as far as there are names.
    private static func values(of path: String) -> [String] {
        let registry = registry.withLock { $0 }
        return path == "data.name" ? registry.datasets.map(\.name) : KeyExplanation.values(of: path, registry: registry)
    }
}
