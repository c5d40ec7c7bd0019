import Configuration
import Foundation
import Models
import RunStore
import VisionData

/// The runs of an experiment whose folders have names by an earlier rule: those of trials whose definitions and data are the same stay where they are.
struct EarlierRuns {
    private let experiment: String
    private let results: URL
    /// Names of folders that are not looked into, because they are known to be by the rule of this version.
    private let known: Set<String>
    private let registry: Registry
    /// The folders by the trials' hashes; nil until somebody asks.
    private var folders: [String: RunFolder]?

    init(of experiment: String, results: URL, except known: Set<String>, registry: Registry) {
        self.experiment = experiment
        self.results = results
        self.known = known
        self.registry = registry
    }

    /// The same under the last part of the experiment's name, where an earlier version of the program put runs.
    init(underShortNameOf experiment: String, results: URL, registry: Registry) {
        // Without such a name there is no folder to look into.
        self.init(of: EarlierName.of(experiment) ?? ".", results: results, except: [], registry: registry)
        if EarlierName.of(experiment) == nil { folders = [:] }
    }

    /// Where the run of a trial is, or is to be.
    mutating func folder(of trial: Trial) -> RunFolder {
        let folder = trial.folder(experiment: experiment, results: results)
        return FileManager.default.fileExists(atPath: folder.path) ? folder : earlierFolder(trial.hash) ?? folder
    }

    /// The folder of an earlier run of the trial with this hash; nil where there is none.
    mutating func earlierFolder(_ hash: String) -> RunFolder? {
        if folders == nil { folders = Self.read("\(results.path)/\(experiment)", except: known, registry) }
        return folders![hash]
    }

    private static func read(_ place: String, except known: Set<String>, _ registry: Registry) -> [String: RunFolder] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        var folders: [String: RunFolder] = [:]
        // In the order of their names, so that of two the same one is always taken.
        for name in names.sorted() where !known.contains(name) && RunFolder.isName(name) {
            let folder = RunFolder(path: "\(place)/\(name)")
            guard folder.hasRun, let run = try? RunReader(folder),
                let digest = try? run.description.currentTrialDigest(path: folder.runFile, registry: registry)
            else { continue }
            let hash = String(digest.prefix(8))
            if folders[hash] == nil, !name.hasSuffix(hash) { folders[hash] = folder }
        }
        return folders
    }
}

extension RunDescription {
    /// The digest of the run's trial by the rule of this version; nil when the file does not say what it was trained on.
    ///
    /// - Throws: `.data` when its definition cannot be read.
    func currentTrialDigest(path: String, registry: Registry) throws -> String? {
        if identityVersion != nil || trialDigest == nil { return trialDigest }
        var definition = try Definition(resolved: configuration, name: experiment, place: "\(path): /config", registry: registry)
        definition.data.places.content = dataDigest.map { DataContent(digest: $0, classes: classes ?? 0) }
        return definition.trials.first?.identityDigest
    }
}
