import Configuration
import Foundation
import RunStore
import TensorCore
import Training

/// Trains the trials of an experiment one after another, each into its own run folder.
public final class Runner {
    public struct Options: Sendable {
        public var threads: Int
        public var results: URL
        /// Whether finished runs are repeated instead of taken as they are.
        public var startsOver: Bool
        /// The words of the command line, for the record.
        public var command: [String]

        public init(threads: Int, results: URL, startsOver: Bool, command: [String]) {
            self.threads = threads
            self.results = results
            self.startsOver = startsOver
            self.command = command
        }
    }

    /// What came of an experiment.
    public struct Outcome: Sendable {
        /// The folders of all trials that were trained now or before, in the order of the trials.
        public var folders: [RunFolder] = []
        /// The names of the trials that diverged.
        public var divergences: [String] = []
        public var isInterrupted = false
    }

    private let experiment: Experiment
    private let options: Options
    private let terminal: Terminal
    private let pool: WorkerPool
    private let trials: [Trial]
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
        pool = WorkerPool(threads: options.threads)
        trials = experiment.definition.trials
        labelWidth = trials.map { Self.label($0, seeds: experiment.definition.seeds).count }.max() ?? 0
    }

    /// Trains what is not yet done. A trial that diverges does not keep the others from their training.
    ///
    /// - Parameter shouldStop: asked after every step; true ends the run at hand cleanly, and no other is begun.
    public func run(shouldStop: () -> Bool) throws -> Outcome {
        var outcome = Outcome()
        for trial in trials where !outcome.isInterrupted {
            let folder = trial.folder(experiment: experiment.definition.name, results: options.results)
            outcome.folders.append(folder)
            if try isDone(trial, folder, &outcome) { continue }
            switch try train(trial, in: folder, shouldStop) {
            case .completed:
                break
            case .interrupted:
                outcome.isInterrupted = true
            case .diverged:
                outcome.divergences.append(trial.name)
            }
        }
        return outcome
    }

    private static func label(_ trial: Trial, seeds: [Int]) -> String {
        seeds.count > 1 ? "\(trial.model.name) s\(trial.seed)" : trial.model.name
    }

    private func label(_ trial: Trial) -> String {
        let label = Self.label(trial, seeds: experiment.definition.seeds)
        return label + String(repeating: " ", count: labelWidth - label.count)
    }

    // MARK: Earlier runs

    /// Whether the run is there already and need not be repeated. Says what becomes of one that is there.
    private func isDone(_ trial: Trial, _ folder: RunFolder, _ outcome: inout Outcome) throws -> Bool {
        guard folder.hasRun else { return false }
        let name = label(trial)
        if options.startsOver {
            terminal.line("\(name)  the earlier run moves to \(try moveAside(folder))")
            return false
        }
        do {
            let run = try RunReader(folder)
            switch run.status {
            case .finished:
                terminal.line("\(name)  already done (--fresh repeats it)")
                return true
            case .diverged:
                terminal.line("\(name)  diverged before, at step \(grouped(try run.stepCount() + 1)) (--fresh repeats it)")
                outcome.divergences.append(trial.name)
                return true
            case .running, .interrupted:
                if folder.isBeingWritten { return false }  // the lock will say so
                terminal.line("\(name)  was cut off in epoch \(try run.epochs().count + 1); it starts again")
            }
        } catch let error as UserError where error.kind == .data {
            terminal.line("\(name)  the earlier run cannot be read, it starts again: \(error)")
        }
        return false
    }

    /// Renames a run's folder to a place beside it where no table looks, and returns that place.
    private func moveAside(_ folder: RunFolder) throws -> String {
        let lock = try RunWriter(folder)
        defer { withExtendedLifetime(lock) {} }
        let source = URL(filePath: folder.path)
        let shelf = source.deletingLastPathComponent().appending(path: ".replaced")
        do {
            try FileManager.default.createDirectory(at: shelf, withIntermediateDirectories: true)
            let taken = Set(try FileManager.default.contentsOfDirectory(atPath: shelf.path))
            let name = (1...).lazy.map { "\(source.lastPathComponent)-\($0)" }.first { !taken.contains($0) }!
            let target = shelf.appending(path: name)
            try FileManager.default.moveItem(at: source, to: target)
            return ".replaced/\(name)"
        } catch {
            throw UserError(.io, "\(folder.path): cannot be moved aside: \(error.localizedDescription)")
        }
    }

    // MARK: A trial

    private func train(_ trial: Trial, in folder: RunFolder, _ shouldStop: () -> Bool) throws -> TrainingOutcome {
        let start = ContinuousClock.now
        var machine = MachineRecord.here(threads: options.threads, command: options.command)
        let writer = try RunWriter(folder)
        let loop = try experiment.training(of: trial, pool: pool)
        let recorder = try RunRecorder(description(of: trial), in: writer)
        let progress = ProgressLine(label: label(trial), terminal: terminal)

        let outcome = try loop.run([recorder, progress] + watchers, shouldStop: shouldStop)
        switch outcome {
        case .completed(let test):
            try recorder.finish()
            terminal.line("\(label(trial))  test accuracy \(decimals(test.accuracy, 4))  \(duration((.now - start) / .seconds(1)))")
        case .interrupted:
            terminal.line("\(label(trial))  interrupted after step \(loop.progress.step)")
        case .diverged(let divergence):
            terminal.line("\(label(trial))  \(divergence)")
        }
        machine.wallClockSeconds = (.now - start) / .seconds(1)
        machine.secondsPerEpoch = recorder.secondsPerEpoch
        machine.imagesPerSecond = recorder.imagesPerSecond
        machine.waitingSecondsPerEpoch = recorder.waitingSeconds
        machine.betweenStepsSecondsPerEpoch = recorder.betweenStepsSeconds
        try writer.save(machine)
        return outcome
    }

    private func description(of trial: Trial) -> RunDescription {
        guard let model = experiment.models.first(where: { $0.name == trial.model.name }) else {
            preconditionFailure("a trial of a model that the experiment does not have")
        }
        return RunDescription(
            experiment: experiment.definition.name, model: trial.model.name, seed: trial.seed, configuration: trial.resolvedDefinition,
            parameters: model.summary.parameters, multiplyAdds: model.summary.multiplyAdds, classes: experiment.dataset.classCount)
    }
}
