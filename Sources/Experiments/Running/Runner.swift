import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training

/// Trains the trials of an experiment one after another, each into its own run folder.
public final class Runner {
    /// How trials are run, beside their definitions.
    public struct Options: Sendable {
        /// How many threads train; the results do not depend on it.
        public var threads: Int
        /// The folder under which run folders are made.
        public var results: URL
        /// Whether finished runs are repeated instead of taken as they are.
        public var startsOver: Bool
        /// The words of the command line, for the record.
        public var command: [String]
        /// Where the run of the one trial is; nil: where its name says, or an earlier rule of names.
        public var folder: RunFolder?
        /// Runs that trials start from, by those trials' identities, where they are not where their names say.
        var sources: [String: RunFolder] = [:]
        /// Whether sentences name a trial's seed, also where the definition has no other.
        var namesSeeds = false
        /// After this epoch trainings are interrupted; nil: they go on to their end.
        public var epochLimit: Int?
        /// Held while a trial is trained: one from which several others start is trained by one of them, while the others wait.
        var folderLocks = FolderLocks()
        /// What trials are called in what is said of them, by someone who shows the progress; nil: by model and seed, with a progress line.
        public var label: String?

        /// Options that a command gives.
        public init(threads: Int, results: URL, startsOver: Bool, command: [String], folder: RunFolder? = nil, epochLimit: Int? = nil, label: String? = nil) {
            self.threads = threads
            self.results = results
            self.startsOver = startsOver
            self.command = command
            self.folder = folder
            self.epochLimit = epochLimit
            self.label = label
        }
    }

    /// What came of an experiment.
    public struct Outcome: Sendable {
        /// The folders of all trials that were trained now or before, in the order of the trials.
        public var folders: [RunFolder] = []
        /// Those of finished trials, by the trials' identities.
        var finished: [String: RunFolder] = [:]
        /// The names of the trials that diverged.
        public var divergences: [String] = []
        /// Whether a request to end stopped the run before its last epoch.
        public var isInterrupted = false
    }

    let experiment: Experiment
    let options: Options
    let terminal: Terminal
    let pool: WorkerPool
    private let trials: [Trial]
    private let namesSeeds: Bool
    private let labelWidth: Int
    private let watchers: [any TrainingListener]

    /// - Parameter watchers: hear of every training, after its run is recorded.
    public init(
        _ experiment: Experiment, options: Options, terminal: Terminal = .standardError, watchedBy watchers: [any TrainingListener] = []
    ) {
        self.experiment = experiment
        self.options = options
        self.terminal = terminal
        self.watchers = watchers
        pool = WorkerPool(threads: options.threads, shards: experiment.definition.largestShardCount)
        let all = experiment.definition.trials
        // What is repeated comes before what starts from it.
        trials = options.startsOver ? all.enumerated().sorted { ($0.element.sourceCount, $0.offset) < ($1.element.sourceCount, $1.offset) }.map(\.element) : all
        namesSeeds = options.namesSeeds || experiment.definition.seeds.count > 1
        labelWidth = trials.map { [namesSeeds] in Self.label($0, withSeed: namesSeeds).count }.max() ?? 0
    }

    /// Trains what is not yet done. A trial that diverges does not keep the others from their training.
    ///
    /// - Parameter shouldStop: asked after every step; true ends the run at hand cleanly, and no other is begun.
    public func run(shouldStop: () -> Bool) throws -> Outcome {
        var outcome = Outcome()
        var earlier = EarlierRuns(of: experiment.definition.name, results: options.results, except: Set(trials.map(\.name)), registry: experiment.definition.registry)
        var shortNamed = EarlierRuns(
            underShortNameOf: experiment.definition.name, results: options.results, registry: experiment.definition.registry)
        for trial in trials where !outcome.isInterrupted {
            let name = experiment.definition.name
            if options.startsOver {
                try SharedRuns.removeLink(at: options.folder ?? earlier.folder(of: trial))
            } else {
                try SharedRuns.linkEarlierRun(named: trial.name, hash: trial.hash, of: name, results: options.results, among: &shortNamed)
            }
            let folder = options.folder ?? earlier.folder(of: trial)
            outcome.folders.append(folder)
            switch try options.folderLocks.withLock(folder.path, { try train(trial, in: folder, shouldStop) }) {
            // Of models that say the same the first one's run counts.
            case .finished: outcome.finished[trial.identityDigest] = outcome.finished[trial.identityDigest] ?? folder
            case .interrupted: outcome.isInterrupted = true
            case .diverged, .withoutSource: outcome.divergences.append(trial.name)
            }
        }
        return outcome
    }

    private static func label(_ trial: Trial, withSeed: Bool) -> String {
        withSeed ? trial.label : trial.model.name + trial.foldLabel
    }

    private func say(_ trial: Trial, _ sentence: String) {
        terminal.line("\(label(trial))  \(sentence)")
    }

    private func label(_ trial: Trial) -> String {
        if let label = options.label { return label }
        let label = Self.label(trial, withSeed: namesSeeds)
        return label + String(repeating: " ", count: labelWidth - label.count)
    }

    // MARK: A trial

    private enum Ending {
        case finished, interrupted, diverged
        /// The trial from whose weights it was to start diverged.
        case withoutSource
    }

    private func train(_ trial: Trial, in folder: RunFolder, _ shouldStop: () -> Bool) throws -> Ending {
        let description = try description(of: trial)
        if !options.startsOver, let ending = try earlierEnding(of: trial, folder, description) { return ending }
        var sourceFolders: [SourceRole: RunFolder] = [:]
        for role in SourceRole.allCases {
            switch try trainSource(of: trial, role, shouldStop) {
            case .none: break
            case .finished(let folder): sourceFolders[role] = folder
            case .interrupted: return .interrupted
            case .diverged: return .withoutSource
            }
        }
        let sourceFolder = sourceFolders[.start]
        let experiment = experiment.part(of: trial), start = ContinuousClock.now
        var writer = try RunWriter(folder)
        // Another process may have ended the run meanwhile.
        if !options.startsOver, let ending = try earlierEnding(of: trial, folder, description) { return ending }
        let loop = try experiment.training(of: trial, startingFrom: experiment.weights(of: trial, from: sourceFolder),
            taughtBy: experiment.weights(of: trial, .teacher, from: sourceFolders[.teacher]), pool: pool)
        var described = description
        described.tensors = loop.tensorNames
        described.measures = loop.measures
        described.layers = try LayerDescription(
            trial.model.definition, measuredBy: loop, image: experiment.dataset.shape, task: experiment.task(of: trial.model.name))
        var machine = MachineRecord.here(threads: pool.threadCount, command: options.command)
        machine.dataFile = experiment.dataset.location
        machine.weightsFile = trial.weightsFile.map { URL(filePath: $0).path }
        let resumption = try resumption(of: trial, described, &writer, machine) ?? continuation(of: trial, from: sourceFolder, described)
        if let resumption { try restore(loop, resumption, folder) }
        let recorder = try RunRecorder(described, resumption, in: writer, loop, subgroups: experiment.subgroups(of: trial))
        try writer.save(machine)
        if let count = loop.cachedFeatureCount, loop.progress.epoch < trial.train.epochs {
            say(trial, "the features of its frozen layers are computed once for all \(grouped(count)) training images (train.cache_features)")
        }
        let progress = options.label == nil ? [ProgressLine(label: label(trial), terminal: terminal)] : []

        let warnings = TaskWarnings(of: experiment.task(of: trial.model.name)) { [self] in say(trial, $0) }
        let outcome: TrainingOutcome
        do {
            outcome = try loop.run([recorder, warnings] + progress + watchers, keeping: recorder, epochLimit: options.epochLimit, shouldStop: shouldStop)
        } catch {
            let isNew = (try? folder.checkpoints.isEmpty) ?? true
            let next = isNew ? "starts again" : "goes on from the last checkpoint"
            say(trial, "ended after step \(grouped(loop.progress.step)); the same command \(next)")
            throw error
        }
        recorder.add(to: &machine, loop, since: start)
        switch outcome {
        case .completed(let test):
            try recorder.finish(machine)
            let value = test.values[loop.monitor.measure.name].map { decimals($0, 4) } ?? ""
            if let doubt = try doubtOfConvergence(of: trial, in: folder) { say(trial, doubt) }
            say(trial, "test \(loop.monitor.measure.title) \(value)  \(duration(machine.wallClockSeconds))")
            return .finished
        case .interrupted:
            try writer.save(machine)
            if loop.progress.epoch == options.epochLimit { return .interrupted }
            say(trial, "interrupted after step \(grouped(loop.progress.step)); a checkpoint is written")
            return .interrupted
        case .diverged(let divergence):
            try writer.save(machine)
            say(trial, "\(divergence)")
            return .diverged
        }
    }

    /// A sentence where the loss of a convex problem, a support vector machine with fixed features, still falls at the end; nil elsewhere.
    private func doubtOfConvergence(of trial: Trial, in folder: RunFolder) throws -> String? {
        guard let task = experiment.part(of: trial).task(of: trial.model.name) as? Classification, task.loss.isOfMargins else { return nil }
        let model = trial.model.definition.configuration
        guard model is any FixedFeatureConfiguration || model is LogisticRegressionConfiguration else { return nil }
        return Self.doubtOfConvergence(try RunReader(folder).contents().epochs.map { $0.training[0] })
    }

    /// The same of the losses of a training's epochs.
    static func doubtOfConvergence(_ losses: [Double]) -> String? {
        guard losses.count > 1 else { return "the support vector machine has seen the images once, too few times to say whether it has converged" }
        let last = losses[losses.count - 1], before = losses[losses.count - 2]
        guard before > 0 else { return nil }
        let fall = (before - last) / before, least = losses.min() ?? last
        func sentence(_ course: String, _ advice: String) -> String { "the support vector machine has not converged: its loss \(course); \(advice)" }
        if losses.allSatisfy({ $0 == last }) { return sentence("stayed at \(decimals(last, 4))", "expected a higher learning rate") }
        if fall > convergedFall {
            return sentence("fell by \(decimals(100 * fall, 1)) % in the last epoch, to \(decimals(last, 4))", "more epochs or a higher learning rate bring it nearer")
        }
        guard last > least * (1 + convergedFall) else { return nil }
        return sentence("is \(decimals(last, 4)) after the last epoch and was \(decimals(least, 4)) before", "a lower learning rate, or one that falls, brings it nearer")
    }

    /// By which share a loss may fall in the last epoch of a training that has converged, or lie above its least.
    private static let convergedFall = 0.01

    /// What the trial goes on from when it continues another one; nil when it begins a training of its own.
    private func continuation(of trial: Trial, from source: RunFolder?, _ description: RunDescription) throws -> Resumption? {
        guard let source, let start = trial.train.initialWeights?.afterEpoch, let other = trial.source?.trials.first else { return nil }
        let resumption = try Resumption(continuing: source, as: trial, stopping: other.train.earlyStopping, description)
        let train = trial.train, count = train.epochs - start
        let rate = train.rateOfContinuation(after: start, for: count)
        say(trial, "goes on for \(count == 1 ? "one epoch" : "\(grouped(count)) epochs") after the \(grouped(start)) of \((source.path as NSString).lastPathComponent); \(rate)")
        return resumption
    }

    private func restore(_ loop: TrainingLoop, _ resumption: Resumption, _ folder: RunFolder) throws {
        do {
            try loop.resume(resumption.state, filling: resumption.fill)
        } catch let error as UserError {
            // The same definition means another model to this version of the program.
            throw UserError(error.kind, "\(folder.path): \(error); --fresh moves it aside and starts again")
        }
    }

    private func description(of trial: Trial) throws -> RunDescription {
        let experiment = experiment.part(of: trial)
        guard let model = experiment.models.first(where: { $0.name == trial.model.name }) else {
            preconditionFailure("a trial of a model that the experiment does not have")
        }
        let task = experiment.task(of: trial.model.name)
        return RunDescription(
            experiment: experiment.definition.name, model: trial.model.name, seed: trial.seed, configuration: trial.resolvedDefinition,
            question: experiment.definition.question,
            parameters: model.summary.parameters, multiplyAdds: model.summary.multiplyAdds, classes: experiment.dataset.classCount,
            measures: experiment.measures, monitored: task.monitored, layouts: task.layouts,
            trialDigest: trial.identityDigest, identityVersion: Trial.identityVersion, dataDigest: experiment.dataDigest,
            data: DataDescription(experiment.dataset),
            arithmetic: [ArithmeticSpan(version: arithmeticVersion)])
    }

    // MARK: The trial that another starts from

    private enum SourceEnding {
        /// The trial starts from no other.
        case none
        case finished(RunFolder)
        case interrupted, diverged
    }

    /// Trains the trial from which another takes its first weights or its teacher, if that is not done yet.
    private func trainSource(of trial: Trial, _ role: SourceRole, _ shouldStop: () -> Bool) throws -> SourceEnding {
        guard let source = try experiment.part(of: trial).sourceExperiment(of: trial, role), let first = source.definition.trials.first else { return .none }
        let given = options.sources[first.identityDigest]
        let folder = given ?? first.folder(experiment: source.definition.name, results: options.results)
        return try options.folderLocks.withLock(folder.path) {
            if given != nil { return .finished(folder) }
            if let run = try? RunReader(folder), run.status == .finished, run.description.trialDigest == first.identityDigest,
                try folder.missingWeights(averages: run.averages()).isEmpty {
                return .finished(folder)
            }
            var options = options
            (options.startsOver, options.folder, options.epochLimit) = (false, nil, nil)
            options.label = options.label.map { "\($0)  \(first.label)" }
            say(trial, "\(role == .start ? "starts from" : "is taught by") \(first.label), which comes first")
            let outcome = try Runner(source, options: options, terminal: terminal, watchedBy: watchers).run(shouldStop: shouldStop)
            if outcome.isInterrupted { return .interrupted }
            if !outcome.divergences.isEmpty {
                say(trial, "cannot start: \(first.label) diverged")
                return .diverged
            }
            return outcome.folders.first.map { .finished($0) } ?? .none
        }
    }

    // MARK: Earlier runs

    /// How the run that is there already ended, or nil when it is to be trained.
    private func earlierEnding(of trial: Trial, _ folder: RunFolder, _ description: RunDescription) throws -> Ending? {
        guard folder.hasRun, let run = try? RunReader(folder), [.finished, .diverged].contains(run.status) else { return nil }
        try run.description.checkIdentity(with: description, path: folder.path, registry: experiment.definition.registry)
        if run.status == .diverged {
            say(trial, "diverged before, at step \(grouped(try run.stepCount() + 1)) (--fresh repeats it)")
            return .diverged
        }
        guard try folder.missingWeights(averages: run.averages()).isEmpty else { return nil }
        // A process that was killed at the very end has left them.
        if folder.hasCheckpointsFolder, !folder.isBeingWritten { try RunWriter(folder).removeCheckpoints() }
        let isUpdated = try updateRemarks(of: trial, in: folder, run.description)
        say(trial, "already done (--fresh repeats it)\(isUpdated ? "; its note and tags are now the definition's" : "")")
        return .finished
    }

    /// Gives a finished run what the definition says about it now, where nothing else is other in it; whether there was something to give.
    private func updateRemarks(of trial: Trial, in folder: RunFolder, _ recorded: RunDescription) throws -> Bool {
        guard recorded.configuration != trial.resolvedDefinition, !folder.isLink,
            trial.resolvedDefinition(saying: Remarks(recordedIn: recorded.configuration)) == recorded.configuration
        else { return false }
        do {
            try RunWriter(folder).replaceConfiguration(trial.resolvedDefinition, subgroups: experiment.part(of: trial).subgroups(of: trial))
            return true
        } catch let error as UserError where error.kind == .io {
            // Results that may not be written are read all the same.
            say(trial, "its note and tags stay as they are: \(error)")
            return false
        }
    }

    /// What the run goes on from; nil when it starts, be it again. Says which, and moves aside what an earlier run left that may be worth something.
    private func resumption(
        of trial: Trial, _ description: RunDescription, _ writer: inout RunWriter, _ machine: MachineRecord
    ) throws -> Resumption? {
        let folder = writer.folder
        guard try folder.hasRun || folder.hasWeights else { return nil }
        if options.startsOver {
            say(trial, "the earlier run moves to \(try moveAside(&writer))")
            return nil
        }
        if let run = try? RunReader(folder), run.status == .finished {
            let missing = try folder.missingWeights(averages: run.averages()).joined(separator: " and ")
            say(trial, "is finished, but \(missing) is missing; that run moves to \(try moveAside(&writer)), and it is trained again")
            return nil
        }
        let search = try Resumption.search(folder, for: description, registry: experiment.definition.registry)
        for complaint in search.complaints { say(trial, complaint) }
        guard let resumption = search.resumption else {
            if try folder.hasWeights || !search.complaints.isEmpty {
                let state = (try? RunReader(folder)) == nil ? "is damaged" : "was cut off"
                say(trial, "\(state), and there is no checkpoint to go on from; that run moves to \(try moveAside(&writer)), and it starts again")
            } else {
                say(trial, "was cut off before its first checkpoint; it starts again")
            }
            return nil
        }
        for file in search.rejected { try writer.remove(file) }
        let progress = resumption.state.progress
        say(trial, "goes on after step \(grouped(progress.step))\(search.rejected.isEmpty ? "" : ", with the checkpoint before")")
        let arithmetic = resumption.contents.description.arithmetic
        if arithmetic.count > 1 {
            say(trial, "its steps are of more than one version of the arithmetic: \(arithmetic.text); its bits are those of neither alone")
        }
        if let earlier = try? MachineRecord(folder) {
            let differences = machine.differences(from: earlier)
            if !differences.isEmpty {
                say(trial, "was begun elsewhere (\(differences.joined(separator: ", "))): the last digits may differ from those of one run")
            }
        }
        return resumption
    }

    /// Renames a run's folder to a place beside it where no table looks, makes it anew, and returns that place.
    private func moveAside(_ writer: inout RunWriter) throws -> String {
        let folder = writer.folder
        let source = URL(filePath: folder.path)
        let shelf = source.deletingLastPathComponent().appending(path: ".replaced")
        let name: String
        do {
            try FileManager.default.createDirectory(at: shelf, withIntermediateDirectories: true)
            let taken = Set(try FileManager.default.contentsOfDirectory(atPath: shelf.path))
            name = (1...).lazy.map { "\(source.lastPathComponent)-\($0)" }.first { !taken.contains($0) }!
            try FileManager.default.moveItem(at: source, to: shelf.appending(path: name))
        } catch {
            throw UserError(.io, "\(folder.path): cannot be moved aside: \(systemReason(error, at: folder.path))")
        }
        writer = try RunWriter(folder)
        return ".replaced/\(name)"
    }
}
