import Configuration
import Foundation
import RunStore

/// Runs of one trial in several experiments: a trial that another experiment has finished is not trained again, its run folder is linked.
enum SharedRuns {
    /// Puts a link to a finished run of this trial in another experiment at `folder`, where nothing is, and returns that run.
    ///
    /// A link whose run has been moved away is removed.
    static func link(_ trial: Trial, dataDigest: String, of experiment: String, at folder: RunFolder, results: URL) throws -> RunFolder? {
        if folder.isLink {
            if folder.hasRun { return nil }
            try FileManager.default.removeItem(atPath: folder.path)
        }
        guard !FileManager.default.fileExists(atPath: folder.path) else { return nil }
        for other in RunFolder.experiments(in: results.path) where other != experiment {
            let found = RunFolder(path: "\(results.path)/\(other)/\(trial.name)")
            // A link to a link would break with either.
            guard !found.isLink, found.hasRun, let run = try? RunReader(found), run.status == .finished,
                run.description.trialDigest == trial.identityDigest, run.description.dataDigest == dataDigest,
                let averages = try? run.averages(), found.missingWeights(averages: averages).isEmpty
            else { continue }
            try link(folder, of: experiment, to: "\(other)/\(trial.name)")
            return found
        }
        return nil
    }

    // MARK: Results of earlier versions

    /// The run of a trial, finished or not, where an earlier version of the program put it: under the last part of the experiment's name. nil where
    /// there is none, or something under the experiment's whole name.
    ///
    /// - Parameters:
    ///   - name: the run folder's name.
    ///   - hash: the trial's, by which a folder is known that has a name by an earlier rule.
    ///   - earlier: the runs under the experiment's short name, which are looked into once for all trials.
    static func earlierRun(named name: String, hash: String, of experiment: String, results: URL, among earlier: inout EarlierRuns) -> RunFolder? {
        guard let short = EarlierName.of(experiment), !FileManager.default.fileExists(atPath: "\(results.path)/\(experiment)/\(name)") else { return nil }
        let found = RunFolder(path: "\(results.path)/\(short)/\(name)")
        if found.hasRun { return found }
        return earlier.earlierFolder(hash)
    }

    /// Puts a link to such a run where the trial's run belongs, so that it is taken as it is, or resumed.
    static func linkEarlierRun(named name: String, hash: String, of experiment: String, results: URL, among earlier: inout EarlierRuns) throws {
        guard let short = EarlierName.of(experiment), let found = earlierRun(named: name, hash: hash, of: experiment, results: results, among: &earlier) else { return }
        let folder = RunFolder(path: "\(results.path)/\(experiment)/\(name)")
        try removeLink(at: folder)
        // What is a link itself names its run from the folder of results too: `../<experiment>/<run>`.
        let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: found.path)).map { $0.replacing(/^(\.\.\/)+/, with: "") }
        try link(folder, of: experiment, to: target ?? "\(short)/\((found.path as NSString).lastPathComponent)")
    }

    /// Takes away a link, so that what is trained here does not go where it leads.
    static func removeLink(at folder: RunFolder) throws {
        if folder.isLink { try FileManager.default.removeItem(atPath: folder.path) }
    }

    // MARK: Links

    /// Links a run folder of an experiment to another one, `target` from the folder of results.
    ///
    /// The link goes up to that folder and down again: results can be moved as a whole, and a link says how many parts its experiment's name has.
    private static func link(_ folder: RunFolder, of experiment: String, to target: String) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: folder.path.parentPath, withIntermediateDirectories: true)
        let up = experiment.split(separator: "/").map { _ in "../" }.joined()
        try files.createSymbolicLink(atPath: folder.path, withDestinationPath: up + target)
    }
}
