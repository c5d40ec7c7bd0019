import Configuration
import Foundation
import Measures

/// A run's folder: `Results/<experiment>/<model>-s<seed>-<8 hex of the trial's hash>`, with the number of a fold behind the seed, `-f<fold>`.
public struct RunFolder: Sendable, Hashable {
    /// The folder's path.
    public let path: String

    /// The folder at a path, whether it is there or not.
    public init(path: String) { self.path = path }

    /// The folder of a trial: `<results>/<experiment>/<name>` (`name`).
    public init(results: String, experiment: String, model: String, seed: Int, fold: Int? = nil, hash: String) {
        path = "\(results)/\(experiment)/\(Self.name(model: model, seed: seed, fold: fold, hash: hash))"
    }

    /// The name of a trial's folder: `vit-s0-1f0c93ab`, or of one of several folds `vit-s0-f2-1f0c93ab`.
    public static func name(model: String, seed: Int, fold: Int?, hash: String) -> String {
        "\(model)-s\(seed)-\(fold.map { "f\($0)-" } ?? "")\(hash.prefix(8))"
    }

    /// The path of the log.
    public var runFile: String { "\(path)/run.h5" }
    /// The path of what the machine took.
    public var machineFile: String { "\(path)/machine.json" }

    /// Which of a run's weights are meant.
    public enum Weights: String, Sendable, CaseIterable {
        /// After the last finished epoch.
        case last
        /// After the epoch with the best validation accuracy.
        case best
        /// The moving average at the end of the training, of a run that keeps one.
        case ema
        /// The equal average over epochs, likewise.
        case swa

        /// Those of an average.
        public init(_ average: WeightAverage) { self = average == .ema ? .ema : .swa }

        /// Which average they are; nil for weights of the training itself.
        public var average: WeightAverage? { WeightAverage(rawValue: rawValue) }

        /// Those that every finished run has.
        public static let always: [Weights] = [.last, .best]
    }

    /// The path of its weights.
    public func weightsFile(_ which: Weights) -> String { "\(path)/weights/\(which.rawValue).h5" }

    /// The weights files that are not there.
    ///
    /// - Parameter averages: which averages the run keeps.
    public func missingWeights(averages: [WeightAverage]) -> [String] {
        (Weights.always + averages.map(Weights.init)).map(weightsFile).filter { !FileManager.default.fileExists(atPath: $0) }
    }

    /// Whether there are weights or checkpoints of a run.
    public var hasWeights: Bool {
        get throws { try Weights.allCases.map(weightsFile).contains(where: FileManager.default.fileExists) || !checkpoints.isEmpty }
    }

    /// Whether a run was begun here.
    public var hasRun: Bool { FileManager.default.fileExists(atPath: runFile) }

    /// Whether it is a link to another run's folder.
    public var isLink: Bool { (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil }

    /// Whether a process has this folder for writing now: it tells a run that goes on from one that was cut off.
    public var isBeingWritten: Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// The run folders at and below `path`, in the order of their paths with numbers in numeric order.
    ///
    /// Links are followed, and a folder counts once however many ways lead to it: under its own path where that lies below `path`.
    ///
    /// - Parameter includingRemains: also folders with weights or checkpoints whose run file is missing.
    /// - Throws: `.noInput` when `path` is not there.
    public static func discover(under path: String, includingRemains: Bool = false) throws -> [RunFolder] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw UserError(.noInput, "\(path): there is no such folder")
        }
        guard isFolder.boolValue else { throw UserError(.noInput, "\(path): is a file, expected a folder of runs") }
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        var visited = Set<FolderIdentity>()
        return try search([path], includingRemains, &visited).sorted { $0.path.compare($1.path, options: .numeric) == .orderedAscending }
    }

    /// Searches `paths` and what lies below them; links only after all that is there without one, so that folders are found under their own paths.
    private static func search(_ paths: [String], _ includingRemains: Bool, _ visited: inout Set<FolderIdentity>) throws -> [RunFolder] {
        var found: [RunFolder] = [], links: [String] = [], rest = paths
        while let path = rest.popLast() {
            guard let identity = FolderIdentity(path), visited.insert(identity).inserted else { continue }
            let folder = RunFolder(path: path)
            if try folder.hasRun || includingRemains && folder.hasWeights {
                found.append(folder)
                continue
            }
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: path)
            } catch {
                throw UserError(.io, "\(path): cannot be listed: \(systemReason(error, at: path))")
            }
            for name in names.sorted() where !name.hasPrefix(".") {
                let child = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
                if FolderIdentity.isLink(child) { links.append(child) } else { rest.append(child) }
            }
        }
        if !links.isEmpty { found += try search(links.sorted().reversed(), includingRemains, &visited) }
        return found
    }
}

/// What tells a folder from all others, whichever path leads to it.
private struct FolderIdentity: Hashable {
    private let device: UInt64, inode: UInt64

    /// nil where there is no folder.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
    }

    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }
}
