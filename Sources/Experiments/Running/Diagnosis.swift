import Configuration
import Foundation
import HDF5
import RunStore

/// What is wrong with a run folder, how far its run got, and what can be saved: `harness doctor`.
public struct Diagnosis {
    /// Whether a run can be used as it is.
    public enum State: String, Sendable {
        /// Finished, diverged or stopped by its sweep, with all that belongs to it.
        case whole
        /// A process is writing it now.
        case running
        /// Cut off; the next `harness run` goes on with it.
        case unfinished
        /// Something is missing, or not as it was written.
        case damaged
    }

    /// The run that was looked at.
    public let folder: RunFolder
    private let registry: Registry
    /// The worst of what was found.
    public private(set) var state = State.whole
    /// Sentences: what is wrong, how far the run got, what is whole.
    public private(set) var findings: [String] = []

    /// The folders at and below `path` that hold a run, or what is left of one.
    ///
    /// - Parameter registry: what the runs' definitions can name.
    public static func all(under path: String, registry: Registry = .standard) throws -> [Diagnosis] {
        try RunFolder.discover(under: path, includingRemains: true).map { Diagnosis($0, registry: registry) }
    }

    /// Reads everything in the folder and changes nothing.
    public init(_ folder: RunFolder, registry: Registry = .standard) {
        self.folder = folder
        self.registry = registry
        if folder.isBeingWritten {
            state = .running
            let steps = (try? RunReader(folder).stepCount()).map { ", at step \(grouped($0))" } ?? ""
            findings.append("a process is writing it now\(steps)")
            return
        }
        do {
            let contents = try RunReader(folder).contents()
            switch contents.status {
            case .finished: examine(finished: contents)
            case .diverged: findings.append("diverged after step \(grouped(contents.steps.count))")
            case .interrupted where SweepFile.epochOfStop(of: folder) != nil:
                findings.append("was stopped by its sweep after epoch \(contents.epochs.count), because others did better")
            case .running, .interrupted: examine(unfinished: contents)
            }
        } catch {
            state = .damaged
            findings.append(folder.hasRun ? "\(error)" : "\(folder.runFile): is missing")
            let whole = ((try? Self.wholeWeights(in: folder)) ?? []) + ((try? Self.wholeCheckpoints(in: folder)) ?? []).map(\.path)
            findings.append(whole.isEmpty ? "no weights can be saved" : "whole: \(whole.joined(separator: ", "))")
            if let checkpoints = try? folder.checkpoints, let kept = try? Resumption.keptContents(of: checkpoints) {
                findings.append("`harness run` goes on from a checkpoint, which keeps the run file up to step \(grouped(kept.steps.count))")
            }
        }
        if let error = Self.error({ _ = try MachineRecord(folder) }) { add(damage: "\(error)") }
    }

    private mutating func add(damage sentence: String) {
        state = .damaged
        findings.append(sentence)
    }

    private mutating func examine(finished run: RunContents) {
        findings.append("finished, with \(grouped(run.steps.count)) steps in \(grouped(run.epochs.count)) epochs")
        if run.evaluations[.test] == nil { add(damage: "\(folder.runFile): has no results on the test set") }
        let averages = run.description.averages(test: run.evaluations[.test]?.values).map(RunFolder.Weights.init)
        for which in RunFolder.Weights.always + averages {
            if let complaint = Self.complaint(about: which, of: folder, run) { add(damage: complaint) }
        }
        let leftover = (try? folder.checkpoints.count) ?? 0
        if leftover > 0 { findings.append("\(leftover) checkpoints are left over; the next run of the experiment removes them") }
    }

    private mutating func examine(unfinished run: RunContents) {
        state = .unfinished
        findings.append("was cut off after step \(grouped(run.steps.count)), in epoch \(run.epochs.count + 1)")
        let search: Resumption.Search
        do { search = try Resumption.search(folder, for: run.description, registry: registry) } catch {
            // What cannot be read is not whole, if only for now.
            add(damage: "\(error)")
            return
        }
        for complaint in search.complaints { add(damage: complaint) }
        if let progress = search.resumption?.state.progress {
            findings.append("`harness run` goes on after step \(grouped(progress.step))")
        } else {
            findings.append("there is no checkpoint to go on from: `harness run` starts again")
        }
    }

    /// What is wrong with the weights file of a run that has ended, or nil.
    static func complaint(about which: RunFolder.Weights, of folder: RunFolder, _ run: RunContents) -> String? {
        let path = folder.weightsFile(which)
        guard FileManager.default.fileExists(atPath: path) else { return "\(path): is missing" }
        do {
            let file = try WeightsReader(path), step = try file.notes.state(path: path).progress.step
            // A run of format 1 has no checksums.
            guard let record = run.digests.first(where: { $0.step == step }) else {
                return run.digests.isEmpty ? nil : "\(path): holds the weights of step \(grouped(step)), which the run did not record"
            }
            return try file.firstDifference(from: record, tensors: run.description.tensors, of: which.average).map {
                "\(path): \($0) is not what the run recorded after step \(grouped(step))"
            }
        } catch {
            return "\(error)"
        }
    }

    private static func wholeWeights(in folder: RunFolder) throws -> [String] {
        try RunFolder.Weights.allCases.map(folder.weightsFile).filter { path in try isWhole { try WeightsReader(path) } }
    }

    private static func wholeCheckpoints(in folder: RunFolder) throws -> [CheckpointFile] {
        try folder.checkpoints.filter { file in try isWhole(file.open) }
    }

    /// Whether a file can be opened. One that the system does not let read now is not known to be damaged: that is thrown.
    private static func isWhole(_ open: () throws -> WeightsReader) throws -> Bool {
        do {
            _ = try open()
            return true
        } catch let error as UserError where error.kind != .io {
            return false
        }
    }

    private static func error(_ body: () throws -> Void) -> (any Error)? {
        do { try body() } catch { return error }
        return nil
    }

    // MARK: Repair

    /// Copies the folder of a run that is not whole into `.repaired` beside it and mends the copy: a closed run file with every row that can
    /// be read, `last.h5` from the newest whole checkpoint where it is missing or damaged, and nothing that is damaged. The original stays as it is.
    ///
    /// - Returns: the copy's folder and what was done to it; nil when there is nothing to repair.
    public func repair() throws -> (folder: RunFolder, actions: [String])? {
        guard state == .unfinished || state == .damaged else { return nil }
        var actions: [String] = []
        let (copy, place) = try copied(&actions)
        // Removes what a killed writer was just writing, and keeps others from the copy meanwhile.
        let writer = try RunWriter(copy)
        if copy.hasRun {
            if let contents = try writer.salvage() {
                actions.append("run.h5 has \(grouped(contents.steps.count)) steps and \(grouped(contents.epochs.count)) epochs")
            } else {
                actions.append("run.h5 had nothing to save and is not in the copy")
            }
        }
        let readable = try Self.wholeWeights(in: copy)
        for which in RunFolder.Weights.allCases where !readable.contains(copy.weightsFile(which)) {
            guard FileManager.default.fileExists(atPath: copy.weightsFile(which)) else { continue }
            try FileManager.default.removeItem(atPath: copy.weightsFile(which))
            actions.append("weights/\(which.rawValue).h5 was damaged and is not in the copy")
        }
        let whole = try Self.wholeCheckpoints(in: copy)
        for file in try copy.checkpoints where !whole.contains(file) {
            try writer.remove(file)
            actions.append("the damaged checkpoint of step \(grouped(file.step)) is not in the copy")
        }
        if !readable.contains(copy.weightsFile(.last)), let newest = whole.first {
            try writer.nameLast(checkpoint: newest.step)
            actions.append("weights/last.h5 comes from the checkpoint of step \(grouped(newest.step))")
        }
        guard rename(copy.path, place) == 0 else {
            throw UserError(.io, "\(copy.path): cannot be renamed to \(place): \(String(cString: strerror(errno)))")
        }
        try synchronizeFolder(of: place)
        return (RunFolder(path: place), actions)
    }

    /// Copies the run's folder to a place beside it where no table looks.
    ///
    /// - Parameter actions: gets a sentence for each thing that is not copied.
    /// - Returns: the copy, under a name that says that it is not done, and what it is to be called when it is.
    private func copied(_ actions: inout [String]) throws -> (RunFolder, place: String) {
        let source = URL(filePath: folder.path), name = source.lastPathComponent
        let shelf = source.deletingLastPathComponent().appending(path: ".repaired").path
        try RunWriter.makeFolder(shelf, orSay: "\(shelf): cannot be made")
        let taken = (try? FileManager.default.contentsOfDirectory(atPath: shelf)) ?? []
        let place = (1...).lazy.map { "\(shelf)/\(name)-\($0)" }.first { !taken.contains(($0 as NSString).lastPathComponent) }!
        let copy = RunFolder(path: "\(shelf)/.\(name).partial")
        // A repair that was killed has left one.
        if FileManager.default.fileExists(atPath: copy.path) {
            do { try FileManager.default.removeItem(atPath: copy.path) } catch {
                throw UserError(.io, "\(copy.path): cannot be removed: \(systemReason(error, at: copy.path))")
            }
        }
        try RunWriter.makeFolder(copy.path, orSay: "\(copy.path): cannot be made")
        let items: [String]
        do { items = try FileManager.default.subpathsOfDirectory(atPath: folder.path) } catch {
            throw UserError(.io, "\(folder.path): cannot be listed: \(systemReason(error, at: folder.path))")
        }
        for item in items {
            var status = stat()
            guard stat("\(folder.path)/\(item)", &status) == 0 else { continue }
            let target = "\(copy.path)/\(item)"
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try RunWriter.makeFolder(target, orSay: "\(target): cannot be made")
            case S_IFREG: try copyFile(from: "\(folder.path)/\(item)", to: target)
            default: actions.append("\(item) is not a regular file and is not in the copy")
            }
        }
        return (copy, place)
    }
}
