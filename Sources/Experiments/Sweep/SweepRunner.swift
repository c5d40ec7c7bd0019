import Configuration
import Foundation
import RunStore
import Tasks
import Synchronization
import VisionData

/// Trains the trials of a frozen plan, several at a time, and keeps in the plan's file what becomes of them.
///
/// Which trials are trained and how far depends on the plan and the metrics alone, so the files come out the same whatever the number of jobs,
/// however often it was interrupted.
public final class SweepRunner: Sendable {
    /// How a sweep is run, beside its plan.
    public struct Options: Sendable {
        /// All threads, which the jobs share.
        public var threads: Int
        /// How many trials are trained at a time.
        public var jobs: Int
        /// The folder under which run folders are made.
        public var results: URL
        /// Where data are looked for, in place of what the definition says; nil for that.
        public var dataDirectory: String?
        /// Whether finished trials are trained again.
        public var startsOver: Bool
        /// Whether trials that failed or diverged are tried again.
        public var retriesFailed: Bool
        /// The words of the command line, for the record.
        public var command: [String]

        /// Options that a command gives.
        public init(
            threads: Int, jobs: Int, results: URL, dataDirectory: String?, startsOver: Bool, retriesFailed: Bool, command: [String]
        ) {
            self.threads = threads
            self.jobs = jobs
            self.results = results
            self.dataDirectory = dataDirectory
            self.startsOver = startsOver
            self.retriesFailed = retriesFailed
            self.command = command
        }
    }

    /// What may be wrong with the data or the definitions of what is still to be trained.
    public let notes: [String]
    private let options: Options
    private let terminal: Terminal
    private let path: String
    private let lock: SweepLock
    private let plan: Mutex<SweepPlan>
    /// An experiment for each set of images, whose copies in memory others share.
    private let loaded: Mutex<[String: Experiment]>
    /// Names of trials of which an earlier run is moved aside before they are trained.
    private let restarts: Mutex<Set<String>>
    /// Runs that an earlier version put under the experiment's short name.
    private let shortNamed: Mutex<EarlierRuns>
    /// Whether the plan's file lacks something, and when it is written next.
    private let writing = Mutex((isBehind: false, due: ContinuousClock.now))
    /// So that no two jobs train the same trial, which others may start from.
    private let folderLocks = FolderLocks()
    /// Names of trials that wait for others at an epoch limit.
    private let paused = Mutex<Set<String>>([])

    /// Freezes a plan, which is in force from here on, and locks the sweep against other processes.
    ///
    /// - Parameters:
    ///   - plan: as `SweepPlan.inForce` chose it.
    ///   - progress: hears how far the planning is.
    /// - Throws: `.usage` with everything in which models do not fit the data, before anything is written; `.io` when another process runs this sweep.
    public init(_ plan: SweepPlan, options: Options, terminal: Terminal = .standardError, progress: PlanningProgress? = nil) throws {
        var plan = plan
        var restarts: Set<String> = options.startsOver ? Set(plan.entries.map(\.name)) : []
        for index in plan.entries.indices where options.retriesFailed {
            switch plan.entries[index].outcome {
            case .failed, .diverged:
                restarts.insert(plan.entries[index].name)
                plan.file.entries[index].outcome = .planned
            case .planned, .finished, .stopped: break
            }
        }
        for index in plan.entries.indices where plan.entries[index].outcome == .finished {
            let folder = plan.folder(of: plan.entries[index], results: options.results)
            if (try? RunReader(folder).status) != .finished { plan.file.entries[index].outcome = .planned }
        }
        self.options = options
        self.terminal = terminal
        self.restarts = Mutex(restarts)
        shortNamed = Mutex(EarlierRuns(underShortNameOf: plan.experiment, results: options.results, registry: plan.registry))
        let experiments = try plan.check(dataDirectory: options.dataDirectory, progress: progress)
        loaded = Mutex(experiments)
        notes = plan.notes(about: experiments)
        path = SweepFile.path(experiment: plan.experiment, results: options.results.path)
        lock = try SweepLock(folder: path.parentPath)
        try plan.file.write(to: path)
        self.plan = Mutex(plan)
    }

    /// What came of a sweep.
    public struct Outcome: Sendable {
        /// The run folders of all trials, in the order of the plan.
        public let folders: [RunFolder]
        /// The trials with their outcomes.
        public let entries: [SweepFile.Entry]
        /// Whether a request to end stopped the sweep before its last trial.
        public let isInterrupted: Bool

        /// Names and reasons.
        public var failures: [String] {
            entries.compactMap { entry in
                switch entry.outcome {
                case .failed(let message): "\(entry.name) failed: \(message)"
                case .diverged: "\(entry.name) diverged"
                case .planned, .finished, .stopped: nil
                }
            }
        }
    }

    /// Trains what is not done yet.
    ///
    /// - Parameter shouldStop: asked after every step; true ends the trials at hand cleanly, and no other is begun.
    /// - Throws: what the system refuses; everything else that goes wrong with a trial is its outcome.
    public func run(shouldStop: @escaping @Sendable () -> Bool) throws -> Outcome {
        let start = plan.withLock { $0 }
        let done = start.entries.count { $0.outcome != .planned }
        let progress = SweepProgress(count: start.entries.count, done: done, terminal: terminal)
        defer { progress.close() }
        // What is done stays as it was decided.
        for limit in done < start.entries.count ? start.rungs.map(Optional.some) + [nil] : [] {
            try trainAll(until: limit, progress, shouldStop)
            if shouldStop() { break }
            if let limit { try stopTheWorst(after: limit, progress) }
        }
        let end = plan.withLock { $0 }
        return Outcome(
            folders: end.entries.map { end.folder(of: $0, results: options.results) }, entries: end.entries, isInterrupted: shouldStop())
    }

    private func setOutcomes(_ outcomes: [String: SweepFile.Outcome]) throws {
        plan.withLock { plan in
            for index in plan.entries.indices {
                if let outcome = outcomes[plan.entries[index].name] { plan.file.entries[index].outcome = outcome }
            }
        }
        try writePlan(atOnce: false)
    }

    /// Brings what is known of the trials to the disk. The whole file is written, so that it takes no more than a twentieth of the time: what a kill
    /// takes from it, the run folders tell again.
    private func writePlan(atOnce: Bool) throws {
        try writing.withLock { writing in
            writing.isBehind = true
            let start = ContinuousClock.now
            guard atOnce || start >= writing.due else { return }
            try plan.withLock { $0.file }.write(to: path)
            writing = (isBehind: false, due: .now + (.now - start) * 20)
        }
    }

    // MARK: Jobs

    /// Trains all trials that are still planned, up to `limit` epochs.
    private func trainAll(until limit: Int?, _ progress: SweepProgress, _ shouldStop: @escaping @Sendable () -> Bool) throws {
        let queue = SweepQueue(plan.withLock { $0.entries.filter { $0.outcome == .planned } }, shouldStop)
        let jobs = max(1, min(options.jobs, queue.count)), threads = max(1, options.threads / jobs)
        let work: @Sendable () -> Void = { [self] in
            while let entry = queue.next() {
                do { try train(entry, until: limit, threads: threads, progress, queue) } catch { queue.end(with: error) }
            }
        }
        let ended = DispatchSemaphore(value: 0)
        let helpers = (1..<jobs).count { job in
            SystemThread.start(named: "job \(job)") {
                work()
                ended.signal()
            }
        }
        work()
        for _ in 0..<helpers { ended.wait() }
        try queue.throwError()
        if writing.withLock({ $0.isBehind }) { try writePlan(atOnce: true) }
    }

    private func train(_ entry: SweepFile.Entry, until limit: Int?, threads: Int, _ progress: SweepProgress, _ queue: SweepQueue) throws {
        let plan = plan.withLock { $0 }, folder = plan.folder(of: entry, results: options.results)
        let startsOver = restarts.withLock { $0.remove(entry.name) != nil }
        if !startsOver {
            try shortNamed.withLock {
                try SharedRuns.linkEarlierRun(
                    named: entry.name, hash: entry.hash, of: plan.experiment, results: options.results, among: &$0)
            }
        }
        if let limit, !startsOver, try folder.hasRun && RunReader(folder).epochs().count >= limit && RunReader(folder).status == .interrupted { return }
        let lines = SweepLines()
        var outcome: SweepFile.Outcome?
        progress.begin(entry.name)
        do {
            do {
                outcome = try train(entry, of: plan, in: folder, until: limit, threads: threads, startsOver: startsOver, progress, queue, lines)
            } catch let error as UserError where error.kind == .data {
                // A read that failed once can look like damage. What is wrong with a trial is so at a second try too.
                outcome = try train(entry, of: plan, in: folder, until: limit, threads: threads, startsOver: false, progress, queue, lines)
            }
        } catch let error as UserError where error.kind != .io {
            outcome = .failed(error.message)
            lines.append("\(SweepPlan.label(entry))  failed: \(error)")
        }
        if let outcome { try setOutcomes([entry.name: outcome]) }
        // That a trial goes on after a pause of this process's making is no news.
        let wasPaused = paused.withLock { names in outcome == nil ? !names.insert(entry.name).inserted : names.remove(entry.name) != nil }
        let said = wasPaused ? (outcome == nil && !queue.isEnding ? [] : lines.all.suffix(1)) : lines.all
        progress.end(entry.name, lines: said, isDone: outcome != nil, isFailed: outcome.map { $0 != .finished } ?? false)
    }

    /// Trains a trial, or links the finished run that is the same; nil when it was interrupted.
    private func train(
        _ entry: SweepFile.Entry, of plan: SweepPlan, in folder: RunFolder, until limit: Int?, threads: Int, startsOver: Bool,
        _ progress: SweepProgress, _ queue: SweepQueue, _ lines: SweepLines
    ) throws -> SweepFile.Outcome? {
        let label = SweepPlan.label(entry)
        let experiment = try experiment(for: plan.definition(of: entry))
        let trial = experiment.definition.trials[0]
        let shared = startsOver ? nil : try SharedRuns.link(
            trial, dataDigest: experiment.dataDigest, of: plan.experiment, at: folder, results: options.results)
        if let shared {
            lines.append("\(label)  is the run \(shared.path)")
            return .finished
        }
        var runOptions = Runner.Options(
            threads: threads, results: options.results, startsOver: startsOver, command: options.command, folder: folder, epochLimit: limit,
            label: label)
        runOptions.folderLocks = folderLocks
        let runner = Runner(
            experiment, options: runOptions,
            terminal: Terminal { lines.append($0) },
            watchedBy: [SweepTrialProgress(name: entry.name, label: label, progress: progress)])
        let result = try runner.run { queue.isEnding }
        return !result.divergences.isEmpty ? .diverged : result.isInterrupted ? nil : .finished
    }

    private func experiment(for definition: Definition) throws -> Experiment {
        // Whoever comes first loads the images; the others wait for them.
        let known = try loaded.withLock { loaded in
            if let known = loaded[definition.imagesKey] { return known }
            let experiment = try Experiment(definition, dataDirectory: options.dataDirectory, sharing: loaded.values.sharing(definition.sourceKey))
            loaded[definition.imagesKey] = experiment
            return experiment
        }
        return try Experiment(definition, dataDirectory: options.dataDirectory, sharing: known)
    }

    // MARK: Early termination

    /// Ends those trials for which others of their model did better after `epochs` epochs.
    private func stopTheWorst(after epochs: Int, _ progress: SweepProgress) throws {
        let plan = plan.withLock { $0 }
        let losers = try plan.losers(after: epochs) { try TrialHistory(RunReader(plan.folder(of: $0, results: options.results))) }
        guard !losers.isEmpty else { return }
        try setOutcomes(Dictionary(uniqueKeysWithValues: losers.map { ($0.name, .stopped(epoch: epochs)) }))
        try writePlan(atOnce: true)
        for entry in losers {
            // A trial that was finished elsewhere has been counted already.
            progress.end(
                entry.name, lines: ["\(SweepPlan.label(entry))  stopped after epoch \(epochs): others did better"], isDone: entry.outcome == .planned)
        }
    }
}

/// The trials that jobs take from, and why they stop doing so.
private final class SweepQueue: Sendable {
    let count: Int
    private let state: Mutex<(entries: ArraySlice<SweepFile.Entry>, error: (any Error)?)>
    private let shouldStop: @Sendable () -> Bool

    init(_ entries: [SweepFile.Entry], _ shouldStop: @escaping @Sendable () -> Bool) {
        count = entries.count
        state = Mutex((entries[...], nil))
        self.shouldStop = shouldStop
    }

    var isEnding: Bool { shouldStop() || state.withLock { $0.error != nil } }

    func next() -> SweepFile.Entry? { isEnding ? nil : state.withLock { $0.entries.popFirst() } }

    func end(with error: any Error) { state.withLock { $0.error = $0.error ?? error } }

    func throwError() throws { if let error = state.withLock({ $0.error }) { throw error } }
}

/// What a trial has to say, kept until it ends, so that the lines of several jobs do not mix.
private final class SweepLines: Sendable {
    private let lines = Mutex<[String]>([])

    func append(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

/// A sweep's folder, which one process at a time may sweep.
private final class SweepLock: Sendable {
    private let descriptor: Int32

    /// Makes the folder where it is missing.
    init(folder: String) throws {
        try RunWriter.makeFolder(folder, orSay: "\(folder): cannot be made")
        descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw UserError(.io, "\(folder): cannot be opened: \(String(cString: strerror(errno)))") }
        // A file system without locks has none to lose.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            close(descriptor)
            throw UserError(.io, "\(folder): another process is running this sweep; wait until it ends")
        }
    }

    deinit { close(descriptor) }
}
