import Configuration
import Foundation
import RunStore
import Training

/// Finished trainings that go on for some more epochs, each as a trial of its own: `harness run … --more-epochs N`.
///
/// The new trial's definition says where it goes on (`train.init_from.after_epoch`), so that its run is resumed and verified like any other.
public struct Continuation {
    /// The runs that are continued.
    public let originals: [RunFolder]
    /// The folder of results in which the one run lies that is continued; nil for a definition's, and where it lies elsewhere than its name says.
    public let results: URL?
    /// Sentences about trials of the definition that cannot be continued, as they are not finished.
    public let notes: [String]
    /// An experiment for each model and each number of epochs after which its trainings ended.
    private let experiments: [Experiment]
    /// The originals by their trials' identities.
    private let sources: [String: RunFolder]
    private let hasSeveralSeeds: Bool

    /// A finished run, and the trial whose run it is.
    private struct Original {
        let trial: Trial
        let folder: RunFolder
        /// After how many epochs it ended.
        let end: Int
    }

    /// Continues the finished trials of an experiment.
    ///
    /// - Parameters:
    ///   - word: what the experiment is called on the command line.
    ///   - count: the number of further epochs.
    /// - Throws: `.noInput` when no trial is finished, `.data` when all that are have been damaged, each with what is wrong with it.
    public init(of experiment: Experiment, called word: String, in results: URL, for count: Int) throws {
        let definition = experiment.definition, trials = definition.trials
        var earlier = EarlierRuns(of: definition.name, results: results, except: Set(trials.map(\.name)), registry: definition.registry)
        var shortNamed = EarlierRuns(underShortNameOf: definition.name, results: results, registry: definition.registry)
        var found: [Original] = [], errors: [UserError] = []
        for trial in trials {
            let folder = SharedRuns.earlierRun(named: trial.name, hash: trial.hash, of: definition.name, results: results, among: &shortNamed)
                ?? earlier.folder(of: trial)
            do {
                try Self.requireRun(of: trial, in: folder, word, for: count)
                found.append(Original(trial: trial, folder: folder, end: try Self.end(of: trial, in: folder, experiment)))
            } catch let error as UserError {
                errors.append(error)
            }
        }
        guard !found.isEmpty else {
            let kind = errors.first { $0.kind != .noInput }?.kind ?? .noInput
            throw UserError(kind, errors.prefix(8).map(\.message).joined(separator: "\n"))
        }
        try self.init(found, experiment, count, results: nil, notes: errors.map(\.message))
    }

    /// Continues one run, whose definition is in its run file.
    ///
    /// - Parameter registry: what the definition can name.
    /// - Throws: `.noInput` when it is not finished, `.data` when it is damaged, or when its images are others now.
    public init(of folder: RunFolder, dataDirectory: String?, registry: Registry, for count: Int) throws {
        try Self.requireFinished(folder, "\(folder.path): the run", remedy: nil)
        let recorded = try RecordedExperiment(of: folder, dataDirectory: dataDirectory, registry: registry)
        let end = try Self.end(of: recorded.trial, in: folder, recorded.experiment)
        let name = recorded.experiment.definition.name, place = folder.results(of: name)
        let parent = URL(filePath: folder.path).standardizedFileURL.deletingLastPathComponent()
        let isInPlace = place.appending(path: name).standardizedFileURL.path == parent.standardizedFileURL.path
        try self.init(
            [Original(trial: recorded.trial, folder: folder, end: end)], recorded.experiment, count, results: isInPlace ? place : nil, notes: [])
    }

    private init(_ found: [Original], _ experiment: Experiment, _ count: Int, results: URL?, notes: [String]) throws {
        originals = found.map(\.folder)
        self.results = results
        self.notes = notes
        sources = Dictionary(found.map { ($0.trial.identityDigest, $0.folder) }, uniquingKeysWith: { first, _ in first })
        hasSeveralSeeds = Set(found.map(\.trial.seed)).count > 1
        let definition = experiment.definition
        experiments = try definition.models.flatMap { model -> [Experiment] in
            let own = found.filter { $0.trial.model.name == model.name }
            // With early stopping the trainings of a model may end after other epochs at other seeds.
            return try Set(own.map(\.end)).sorted().map { end in
                let seeds = own.filter { $0.end == end }.map(\.trial.seed)
                return try Experiment(
                    definition.part(of: model).continuing(atSeeds: seeds, after: end, for: count), dataDirectory: experiment.dataDirectory,
                    sharing: experiment.parts[model.name] ?? experiment)
            }
        }
    }

    /// Trains what is not yet done, one trial after another.
    ///
    /// - Parameters:
    ///   - options: those of the runs.
    ///   - shouldStop: as `Runner.run` has it.
    /// - Returns: the folders of the new runs, and how they ended.
    public func run(_ options: Runner.Options, shouldStop: () -> Bool) throws -> Runner.Outcome {
        var options = options, outcome = Runner.Outcome()
        (options.sources, options.namesSeeds) = (sources, hasSeveralSeeds)
        for experiment in experiments where !outcome.isInterrupted {
            let next = try Runner(experiment, options: options).run(shouldStop: shouldStop)
            outcome.folders += next.folders
            outcome.divergences += next.divergences
            outcome.isInterrupted = next.isInterrupted
        }
        return outcome
    }

    // MARK: What can be continued

    /// - Throws: `.noInput` when the trial has no finished run in its folder, with the runs of its model and seed by other definitions.
    private static func requireRun(of trial: Trial, in folder: RunFolder, _ word: String, for count: Int) throws {
        let name = "\(trial.model.name) s\(trial.seed)"
        if folder.hasRun { return try requireFinished(folder, "\(folder.path): \(name)", remedy: "harness run \(word)") }
        guard let other = folder.neighbours.last else {
            throw UserError(.noInput, "\(name): has no run in \(folder.path.parentPath); harness run \(word) trains it first")
        }
        let path = Workspace.current.display(URL(filePath: folder.path.parentPath).appending(path: other))
        throw UserError(
            .noInput, "\(name): has no run by this definition; \(path) is one by another, which harness run \(path) --more-epochs \(count) continues")
    }

    /// - Parameters:
    ///   - name: the run's, for sentences.
    ///   - remedy: the command that finishes it; nil: none is known.
    private static func requireFinished(_ folder: RunFolder, _ name: String, remedy: String?) throws {
        switch try RunReader(folder).status {
        case .finished: return
        case .diverged: throw UserError(.noInput, "\(name) diverged, so there is no training to go on with")
        case .running where folder.isBeingWritten: throw UserError(.noInput, "\(name) is still being trained; --more-epochs continues finished runs")
        case .running, .interrupted:
            throw UserError(.noInput, "\(name) was cut off; \(remedy.map { "\($0) finishes it first" } ?? "--more-epochs continues finished runs")")
        }
    }

    /// After how many epochs a finished run ended.
    ///
    /// - Throws: `.data` when it is the run of another trial, or lacks what it would go on from.
    private static func end(of trial: Trial, in folder: RunFolder, _ experiment: Experiment) throws -> Int {
        let run = try RunReader(folder).contents(), registry = experiment.definition.registry
        if let digest = try run.description.currentTrialDigest(path: folder.runFile, registry: registry), digest != trial.identityDigest {
            let digests = "SHA-256 \(digest.prefix(16))…, expected \(trial.identityDigest.prefix(16))…"
            throw UserError(.data, "\(folder.path): holds the run of another definition (\(digests))")
        }
        if let digest = run.description.dataDigest, digest != experiment.part(of: trial).dataDigest {
            throw UserError(.data, "\(folder.path): was trained on other images or labels than the data set of that name has now")
        }
        for which in RunFolder.Weights.always {
            if let complaint = Diagnosis.complaint(about: which, of: folder, run) { throw UserError(.data, complaint) }
        }
        return run.epochs.count
    }
}

extension Definition {
    /// The definition of trainings that go on where those of the definition's one model end.
    ///
    /// - Parameters:
    ///   - end: after how many epochs they end.
    ///   - count: for how many they go on.
    /// - Throws: `.usage` when that is more than a training may have.
    fileprivate func continuing(atSeeds seeds: [Int], after end: Int, for count: Int) throws -> Definition {
        let largest = TrainConfiguration.largestEpochCount
        guard count <= largest - end else {
            throw UserError(.usage, "--more-epochs: \(grouped(count)) epochs after \(grouped(end)) are more than the \(grouped(largest)) of a training")
        }
        let source = self
        var origin = WeightOrigin(), definition = source
        (origin.model, origin.weights, origin.afterEpoch) = (models[0].name, .last, end)
        definition.seeds = seeds
        definition.models[0].train.initialWeights = origin
        definition.models[0].train.epochs = end + count
        definition.models[0].source = SourceDefinition(source)
        definition.allModels = definition.models
        return definition
    }
}
