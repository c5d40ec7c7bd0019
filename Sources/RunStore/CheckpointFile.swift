import Configuration
import Foundation
import HDF5

/// A checkpoint in the folder of a run that is not finished: `checkpoints/step-<finished steps>.h5`, a weights file.
public struct CheckpointFile: Sendable, Equatable {
    /// The file's path.
    public let path: String
    /// Finished steps.
    public let step: Int

    /// The run file as it was before this checkpoint: `checkpoints/step-<finished steps>.run`. A process that is killed in the middle of a
    /// write may leave a run file that cannot be read.
    public var runFile: String { "\((path as NSString).deletingPathExtension).run" }

    /// Opens the checkpoint.
    ///
    /// - Throws: `.data` when it is not as it was written.
    public func open() throws -> WeightsReader { try WeightsReader(sealed: path) }
}

extension RunFolder {
    var checkpointsFolder: String { "\(path)/checkpoints" }

    func checkpointFile(step: Int) -> CheckpointFile { CheckpointFile(path: "\(checkpointsFolder)/step-\(step).h5", step: step) }

    /// Whether there is a folder for checkpoints, be there one or none; the folder of a finished run has none.
    public var hasCheckpointsFolder: Bool { FileManager.default.fileExists(atPath: checkpointsFolder) }

    /// The checkpoints, whole or not, the newest first; none in the folder of a finished run.
    ///
    /// - Throws: `.io` when their folder is there and cannot be listed.
    public var checkpoints: [CheckpointFile] {
        get throws {
            guard hasCheckpointsFolder else { return [] }
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: checkpointsFolder) } catch {
                throw UserError(.io, "\(checkpointsFolder): cannot be listed: \(systemReason(error, at: checkpointsFolder))")
            }
            let found = names.compactMap { name -> CheckpointFile? in
                guard let step = name.wholeMatch(of: /step-(\d+)\.h5/).flatMap({ Int($0.1) }) else { return nil }
                return checkpointFile(step: step)
            }
            return found.sorted { $0.step > $1.step }
        }
    }
}

extension RunWriter {
    /// Begins a checkpoint after `step` finished steps, which is there once its writer is finished.
    public func makeCheckpoint(step: Int) throws -> WeightsWriter {
        guard mkdir(folder.checkpointsFolder, 0o777) == 0 || errno == EEXIST else {
            throw UserError(.io, "\(folder.checkpointsFolder): cannot be made: \(String(cString: strerror(errno)))")
        }
        return try WeightsWriter(folder.checkpointFile(step: step).path)
    }

    /// Keeps the run file, all of which is on the disk, for the checkpoint after `step` finished steps, which has been begun.
    public func keepRunFile(step: Int) throws { try copyFile(from: folder.runFile, to: folder.checkpointFile(step: step).runFile) }

    /// The newest two checkpoints stay: the one before the last in case that the last is damaged later.
    public func removeOldCheckpoints() throws {
        for old in try folder.checkpoints.dropFirst(2) { try remove(old) }
    }

    /// Gives the checkpoint after `step` finished steps the name `weights/last.h5` too: one file under two names, or a copy where the file
    /// system has no such thing.
    public func nameLast(checkpoint step: Int) throws {
        let source = folder.checkpointFile(step: step).path, target = folder.weightsFile(.last), temporary = target + ".tmp"
        try remove(temporary)
        if link(source, temporary) == 0 {
            guard rename(temporary, target) == 0 else {
                let code = errno
                unlink(temporary)
                throw UserError(.io, "\(target): cannot be replaced: \(String(cString: strerror(code)))")
            }
            // Two names of one file already: then `rename` does nothing, and leaves both.
            unlink(temporary)
            return try synchronizeFolder(of: target)
        }
        guard [EPERM, EOPNOTSUPP, ENOTSUP, ENOSYS, EMLINK, EXDEV].contains(errno) else {
            throw UserError(.io, "\(target): cannot be linked to \(source): \(String(cString: strerror(errno)))")
        }
        try copyFile(from: source, to: target)
    }

    /// Forgets a checkpoint that is of no use.
    public func remove(_ checkpoint: CheckpointFile) throws {
        try remove(checkpoint.path)
        try remove(checkpoint.runFile)
    }

    /// Forgets all checkpoints: the run has ended, or starts over.
    public func removeCheckpoints() throws {
        guard folder.hasCheckpointsFolder else { return }
        do {
            try FileManager.default.removeItem(atPath: folder.checkpointsFolder)
        } catch {
            throw UserError(.io, "\(folder.checkpointsFolder): cannot be removed: \(systemReason(error, at: folder.checkpointsFolder))")
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
