import Configuration
import Foundation

/// A checkpoint in the folder of a run that is not finished: `checkpoints/step-<finished steps>.h5`, a weights file under a seal.
public struct CheckpointFile: Sendable, Equatable {
    public let path: String
    /// Finished steps.
    public let step: Int

    /// The checkpoint's content.
    ///
    /// - Throws: `.data` when it is not as it was written.
    public func read() throws -> WeightsFile {
        try Seal.check(path)
        return try WeightsFile(reading: path)
    }
}

extension RunFolder {
    var checkpointsFolder: String { "\(path)/checkpoints" }

    /// The checkpoints, whole or not, the newest first; none in the folder of a finished run.
    public var checkpoints: [CheckpointFile] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpointsFolder)) ?? []
        let found = names.compactMap { name -> CheckpointFile? in
            guard let step = name.wholeMatch(of: /step-(\d+)\.h5/).flatMap({ Int($0.1) }) else { return nil }
            return CheckpointFile(path: "\(checkpointsFolder)/\(name)", step: step)
        }
        return found.sorted { $0.step > $1.step }
    }
}

extension RunWriter {
    /// Adds a checkpoint after `step` finished steps; of those before it the newest stays, in case that this one is damaged later.
    public func save(checkpoint: WeightsFile, step: Int) throws {
        guard mkdir(folder.checkpointsFolder, 0o777) == 0 || errno == EEXIST else {
            throw UserError(.io, "\(folder.checkpointsFolder): cannot be made: \(String(cString: strerror(errno)))")
        }
        try checkpoint.write(to: "\(folder.checkpointsFolder)/step-\(step).h5", isSealed: true)
        for old in folder.checkpoints.dropFirst(2) { try remove(old.path) }
    }

    /// Forgets a checkpoint that is of no use.
    public func remove(_ checkpoint: CheckpointFile) throws { try remove(checkpoint.path) }

    /// Forgets all checkpoints: the run has ended, or starts over.
    public func removeCheckpoints() throws {
        guard FileManager.default.fileExists(atPath: folder.checkpointsFolder) else { return }
        do {
            try FileManager.default.removeItem(atPath: folder.checkpointsFolder)
        } catch {
            throw UserError(.io, "\(folder.checkpointsFolder): cannot be removed: \(reason(error))")
        }
    }

    /// Removes what a writer that was killed was just writing.
    func removeTemporaryFiles() throws {
        for folder in [folder.path, "\(folder.path)/weights", folder.checkpointsFolder] {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".tmp") {
                try remove("\(folder)/\(name)")
            }
        }
    }

    func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else {
            throw UserError(.io, "\(path): cannot be removed: \(String(cString: strerror(errno)))")
        }
    }
}
