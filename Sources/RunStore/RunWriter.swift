import Configuration
import Foundation
import HDF5

/// The one process that may write into a run folder, for as long as this lives.
///
///     let writer = try RunWriter(folder)                        // makes the folder and locks it
///     let live = try writer.start(RunContents(description: …))  // run.h5 is there, with status running
///     try live.append(StepRecord(…)); …
///     let weights = try writer.makeWeights(.best) …              // arrays, then notes
///     try live.finish(.finished)
///     try writer.save(machine)
public final class RunWriter {
    /// Where the run is written.
    public let folder: RunFolder
    private let descriptor: Int32

    /// Creates the folder when it is missing, and locks it against other processes.
    ///
    /// - Throws: `.io` when the folder cannot be made or another process has it.
    public init(_ folder: RunFolder) throws {
        self.folder = folder
        try Self.makeFolder("\(folder.path)/weights", orSay: "\(folder.path): the run folder cannot be made")
        guard access(folder.path, W_OK) == 0 else {
            throw UserError(.io, "\(folder.path): cannot be written to: \(String(cString: strerror(errno)))")
        }
        descriptor = try Self.lock(folder.path)
        try removeTemporaryFiles()
    }

    deinit { close(descriptor) }

    /// Makes a folder and those above it, as far as they are missing; `sentence` says what it is that cannot be made.
    public static func makeFolder(_ path: String, orSay sentence: String) throws {
        if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        let parent = path.parentPath
        if errno == ENOENT, !parent.isEmpty, parent != path {
            try makeFolder(parent, orSay: sentence)
            if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        }
        throw UserError(.io, "\(sentence): \(String(cString: strerror(errno)))")
    }

    /// Locks the folder itself, so that nothing stays behind when the process is killed.
    private static func lock(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw UserError(.io, "\(path): cannot be opened: \(String(cString: strerror(errno)))") }
        // The switch with which the HDF5 library goes without locks, or takes them only where there are any.
        let wish = ProcessInfo.processInfo.environment["HDF5_USE_FILE_LOCKING"] ?? ""
        if wish == "FALSE" || wish == "0" { return descriptor }
        var code: Int32 = 0
        // A reader that asks whether the run is alive has the lock for an instant (`RunFolder.isBeingWritten`).
        for attempt in 0..<10 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
            code = errno
            guard code == EWOULDBLOCK else { break }
            if attempt < 9 { usleep(20_000) }
        }
        if code != EWOULDBLOCK, wish == "BEST_EFFORT" { return descriptor }
        close(descriptor)
        if code == EWOULDBLOCK {
            throw UserError(.io, "\(path): another process is writing this run; wait until it ends")
        }
        throw UserError(
            .io,
            "\(path): the file system refuses locks (\(String(cString: strerror(code)))); if no other process writes this run, "
                + "set HDF5_USE_FILE_LOCKING=FALSE and run again")
    }

    /// Begins the run, or goes on with one: `run.h5` gets these contents and the status `running`, and grows from there.
    ///
    /// With no steps in `contents` the run starts over: weights, checkpoints and timings of an earlier one are removed first.
    public func start(_ contents: RunContents) throws -> LiveRun {
        if contents.steps.isEmpty {
            for stale in RunFolder.Weights.allCases.map(folder.weightsFile) + [folder.machineFile] { try remove(stale) }
            try removeCheckpoints()
        }
        return try LiveRun(path: folder.runFile, contents: contents)
    }

    /// Writes the file of a run that has ended anew, with another text in the place of its definition.
    ///
    /// - Parameter subgroups: the groups of the test images by that definition.
    public func replaceConfiguration(_ text: String, subgroups: Subgroups? = nil) throws {
        var contents = try RunReader(folder).contents()
        contents.subgroups = subgroups
        precondition(contents.status != .running, "the file of a run that goes on has a writer of its own")
        contents.description.configuration = text
        try contents.write(to: folder.runFile)
    }

    /// Copies the best weights of the run that this one continues.
    public func copyBestWeights(from other: RunFolder) throws { try copyFile(from: other.weightsFile(.best), to: folder.weightsFile(.best)) }

    /// Begins another `weights/best.h5`, or that of an average, which is there once its writer is finished.
    public func makeWeights(_ which: RunFolder.Weights) throws -> WeightsWriter { try WeightsWriter(folder.weightsFile(which)) }

    /// Replaces `machine.json`.
    public func save(_ machine: MachineRecord) throws {
        try machine.write(to: folder.machineFile)
    }
}
