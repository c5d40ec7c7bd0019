import Foundation
import RunStore

/// Runs of one trial in several experiments: a trial that another experiment has finished is not trained again, its run folder is linked.
enum SharedRuns {
    /// Puts a link to a finished run of this trial in another experiment at `folder`, where nothing is, and returns that run.
    ///
    /// A link whose run has been moved away is removed.
    static func link(_ trial: Trial, dataDigest: String, at folder: RunFolder, results: URL) throws -> RunFolder? {
        let files = FileManager.default
        if (try? files.destinationOfSymbolicLink(atPath: folder.path)) != nil {
            if folder.hasRun { return nil }
            try files.removeItem(atPath: folder.path)
        }
        guard !files.fileExists(atPath: folder.path) else { return nil }
        let own = (folder.path as NSString).deletingLastPathComponent
        for experiment in try files.contentsOfDirectory(atPath: results.path).sorted() where !experiment.hasPrefix(".") {
            let found = RunFolder(path: results.appending(path: "\(experiment)/\(trial.name)").path)
            // A link to a link would break with either.
            guard found != folder, (try? files.destinationOfSymbolicLink(atPath: found.path)) == nil, found.hasRun,
                let run = try? RunReader(found), run.status == .finished, run.description.trialDigest == trial.identityDigest,
                run.description.dataDigest == dataDigest, found.missingWeights.isEmpty
            else { continue }
            try files.createDirectory(atPath: own, withIntermediateDirectories: true)
            try files.createSymbolicLink(atPath: folder.path, withDestinationPath: "../\(experiment)/\(trial.name)")
            return found
        }
        return nil
    }
}
