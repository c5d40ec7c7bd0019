import Configuration
import Foundation
import HDF5
import Synchronization

/// The frozen plan of a sweep, `Results/<experiment>/sweep.h5`: every trial with its whole definition, and what has become of it.
///
///     /                       format_version, experiment, definition; with early termination halving_metric, halving_factor, halving_first
///     /sweep                  the part of the definition that the plan was made from, YAML
///     /trials/<run folder>    attributes model, seed, fold (of one of several folds), hash, cell, values (JSON), outcome, epoch, message
///       definition            the trial's resolved definition
///
/// The bytes are a function of this value.
public struct SweepFile: Sendable, Equatable {
    /// What has become of a trial.
    public enum Outcome: Sendable, Equatable {
        /// Not done yet.
        case planned
        case finished
        case diverged
        /// Could not be trained; why.
        case failed(String)
        /// Ended early after so many epochs, because others did better.
        case stopped(epoch: Int)

        /// As the file and tables write it.
        public var name: String {
            switch self {
            case .planned: "planned"
            case .finished: "finished"
            case .diverged: "diverged"
            case .failed: "failed"
            case .stopped: "stopped"
            }
        }
    }

    /// A trial of the plan.
    public struct Entry: Sendable, Equatable {
        /// The model's name in the definition.
        public var model: String
        /// The trial's seed.
        public var seed: Int
        /// The fold that is the trial's test; nil where the data set's own test images are.
        public var fold: Int?
        /// The first 8 hexadecimal digits of the trial's digest.
        public var hash: String
        /// The cell of the sweep that brought the trial, from 0; the same for all its seeds.
        public var cell: Int
        /// What the cell sets of what concerns the model.
        public var values: [String: String]
        /// The trial's resolved definition.
        public var configuration: String
        /// What has become of it.
        public var outcome: Outcome

        /// A trial, not done yet unless said otherwise.
        public init(
            model: String, seed: Int, fold: Int? = nil, hash: String, cell: Int, values: [String: String], configuration: String, outcome: Outcome = .planned
        ) {
            self.model = model
            self.seed = seed
            self.fold = fold
            self.hash = hash
            self.cell = cell
            self.values = values
            self.configuration = configuration
            self.outcome = outcome
        }

        /// The run folder's name.
        public var name: String { RunFolder.name(model: model, seed: seed, fold: fold, hash: hash) }
    }

    /// The rule of early termination, as `/` keeps it.
    public struct Halving: Sendable, Equatable {
        /// The name of the measure by which trials end early.
        public var metric: String
        /// Each time one of `factor` goes on, the first time after `first` epochs.
        public var factor, first: Int

        /// How trials end early.
        public init(metric: String, factor: Int, first: Int) {
            (self.metric, self.factor, self.first) = (metric, factor, first)
        }
    }

    /// The experiment's path below the folder of definitions.
    public var experiment: String
    /// The file of the definition that the plan was made from, such as `Experiments/ablations/depth.yaml`; nil in plans of earlier versions.
    public var definition: String?
    /// By which rule the trials' hashes were made; nil for that of earlier versions.
    public var identityVersion: Int?
    /// How trials end early; nil where they do not.
    public var halving: Halving?
    /// The part of the definition that the plan was made from, YAML.
    public var sweep: String
    /// The trials, in the order in which they are trained.
    public var entries: [Entry]

    /// A plan of trials.
    public init(experiment: String, definition: String? = nil, identityVersion: Int? = nil, halving: Halving?, sweep: String, entries: [Entry]) {
        self.experiment = experiment
        self.definition = definition
        self.identityVersion = identityVersion
        self.halving = halving
        self.sweep = sweep
        self.entries = entries
    }

    /// Where the plan of an experiment lies.
    public static func path(experiment: String, results: String) -> String { path(in: "\(results)/\(experiment)") }

    /// The path of a sweep's plan in an experiment's folder.
    public static func path(in folder: String) -> String { (folder as NSString).appendingPathComponent(name) }

    /// The path of the plan of the sweep in whose folder a run lies, if there is one.
    public static func path(beside run: RunFolder) -> String { path(in: run.path.parentPath) }

    /// The name of the file.
    static let name = "sweep.h5"

    /// Writes the file so that its path holds the old one or the new one, whole, at any moment.
    public func write(to path: String) throws {
        try replaceSealedFile(at: path) { temporary in
            let file = try HDF5Writer(temporary, for: path, userBlockByteCount: Seal.byteCount)
            try file.setAttribute("format_version", of: "/", to: Int64(sweepFormatVersion))
            try file.setAttribute("experiment", of: "/", to: experiment)
            if let definition { try file.setAttribute("definition", of: "/", to: definition) }
            if let identityVersion { try file.setAttribute("identity_version", of: "/", to: Int64(identityVersion)) }
            if let halving {
                try file.setAttribute("halving_metric", of: "/", to: halving.metric)
                try file.setAttribute("halving_factor", of: "/", to: Int64(halving.factor))
                try file.setAttribute("halving_first", of: "/", to: Int64(halving.first))
            }
            try file.write(sweep, to: "/sweep")
            try file.makeGroup("/trials")
            for entry in entries {
                let group = "/trials/\(entry.name)"
                try file.makeGroup(group)
                try file.setAttribute("model", of: group, to: entry.model)
                try file.setAttribute("seed", of: group, to: Int64(entry.seed))
                if let fold = entry.fold { try file.setAttribute("fold", of: group, to: Int64(fold)) }
                try file.setAttribute("hash", of: group, to: entry.hash)
                try file.setAttribute("cell", of: group, to: Int64(entry.cell))
                try file.setAttribute("values", of: group, to: try Self.json(entry.values))
                try file.setAttribute("outcome", of: group, to: entry.outcome.name)
                if case .stopped(let epoch) = entry.outcome { try file.setAttribute("epoch", of: group, to: Int64(epoch)) }
                if case .failed(let message) = entry.outcome { try file.setAttribute("message", of: group, to: String(message.prefix(10_000))) }
                try file.write(entry.configuration, to: "\(group)/definition")
            }
            try file.close()
        }
    }

    /// Reads a plan.
    ///
    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there.
    public init(reading path: String) throws {
        let seal = try Seal.state(of: path)
        let file = try HDF5Reader(path)
        guard file.exists("/trials"), file.exists("/sweep"), let version = try file.attribute("format_version", of: "/", as: Int64.self)?.first
        else { throw file.error("is not the plan of a sweep (it has no /trials)") }
        guard version <= sweepFormatVersion else {
            throw file.error("has format \(version), which is newer than this program's \(sweepFormatVersion)")
        }
        guard version == 1 || seal == .whole else { throw file.error("is damaged: it has no digest of its content") }
        func text(_ name: String, _ object: String) throws -> String {
            guard let value = try file.attributeStrings(name, of: object)?.first else { throw file.error("\(object)@\(name) is missing") }
            return value
        }
        func integer(_ name: String, _ object: String) throws -> Int {
            guard let value = try file.attribute(name, of: object, as: Int64.self)?.first else { throw file.error("\(object)@\(name) is missing") }
            return Int(value)
        }
        experiment = try text("experiment", "/")
        definition = try file.attributeStrings("definition", of: "/")?.first
        identityVersion = try file.attribute("identity_version", of: "/", as: Int64.self)?.first.map { Int($0) }
        halving = try file.attributeStrings("halving_metric", of: "/")?.first.map {
            Halving(metric: $0, factor: try integer("halving_factor", "/"), first: try integer("halving_first", "/"))
        }
        sweep = try file.readString("/sweep")
        entries = try file.children(of: "/trials").map { name in
            let group = "/trials/\(name)"
            let outcome: Outcome
            switch try text("outcome", group) {
            case "planned": outcome = .planned
            case "finished": outcome = .finished
            case "diverged": outcome = .diverged
            case "failed": outcome = .failed(try text("message", group))
            case "stopped": outcome = .stopped(epoch: try integer("epoch", group))
            case let other: throw file.error("\(group)@outcome is '\(other)', expected planned, finished, diverged, failed or stopped")
            }
            guard let values = try? JSONDecoder().decode([String: String].self, from: Data(text("values", group).utf8)) else {
                throw file.error("\(group)@values is not JSON")
            }
            return Entry(
                model: try text("model", group), seed: try integer("seed", group),
                fold: try file.attribute("fold", of: group, as: Int64.self)?.first.map { Int($0) }, hash: try text("hash", group), cell: try integer("cell", group),
                values: values, configuration: try file.readString("\(group)/definition"), outcome: outcome)
        }
    }

    /// The run folders' names of a plan's trials and what has become of them (`Outcome.name`), without reading the rest of it.
    ///
    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there.
    public static func outcomes(in path: String) throws -> [(name: String, outcome: String)] {
        _ = try Seal.state(of: path)
        let file = try HDF5Reader(path)
        guard file.exists("/trials") else { throw file.error("is not the plan of a sweep (it has no /trials)") }
        return try file.children(of: "/trials").map { name in
            guard let outcome = try file.attributeStrings("outcome", of: "/trials/\(name)")?.first else {
                throw file.error("/trials/\(name)@outcome is missing")
            }
            return (name, outcome)
        }
    }

    /// The names of the trials that a plan has stopped, with their last epochs, without reading the rest of it.
    fileprivate static func stoppedTrials(in path: String) throws -> [String: Int] {
        _ = try Seal.state(of: path)
        let file = try HDF5Reader(path)
        return try file.children(of: "/trials").reduce(into: [:]) { stopped, name in
            guard let epoch = try file.attribute("epoch", of: "/trials/\(name)", as: Int64.self)?.first else { return }
            stopped[name] = Int(epoch)
        }
    }

    private static func json(_ values: [String: String]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(values), as: UTF8.self)
    }
}

private let sweepFormatVersion = 2

extension SweepFile {
    /// The epoch after which the sweep in whose folder a run lies ended it, because others did better; nil where it did not. A run that another
    /// experiment finished can go further.
    public static func epochOfStop(of run: RunFolder) -> Int? {
        StoppedTrials.of(path(beside: run))[(run.path as NSString).lastPathComponent]
    }
}

/// Which trials the plans that were asked about have stopped, read once for as long as a plan stays as it is: a table asks for every run.
private enum StoppedTrials {
    private struct Version: Equatable {
        let device: UInt, inode: UInt, size: Int, seconds: Int, nanoseconds: Int
    }

    private static let known = Mutex<[String: (version: Version, epochs: [String: Int])]>([:])

    /// The names of a plan's stopped trials with their last epochs; none where there is no plan that can be read.
    static func of(_ plan: String) -> [String: Int] {
        var status = stat()
        guard stat(plan, &status) == 0 else { return [:] }
        let time = status.st_mtim
        let version = Version(
            device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size), seconds: time.tv_sec, nanoseconds: time.tv_nsec)
        return known.withLock { known in
            if let known = known[plan], known.version == version { return known.epochs }
            let epochs = (try? SweepFile.stoppedTrials(in: plan)) ?? [:]
            known[plan] = (version, epochs)
            return epochs
        }
    }
}
