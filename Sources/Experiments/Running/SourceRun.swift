import Configuration
import Foundation
import RunStore
import Training

/// The run of the trial that a recorded one took from, for repeating the latter: the one that is there, or one made anew and thrown away.
struct SourceRun {
    /// nil where the trial takes weights of no other.
    private(set) var folder: RunFolder?
    /// Whether someone asked to stop before it was whole.
    private(set) var isInterrupted = false
    private var temporary: URL?

    /// Finds the run in the results of which `folder` is one, or trains it.
    ///
    /// - Throws: `.diverged` when it does not come to an end, and what its training throws.
    init(
        of trial: Trial, _ role: SourceRole, in experiment: Experiment, beside folder: RunFolder, threads: Int, terminal: Terminal, command: [String],
        shouldStop: () -> Bool
    ) throws {
        guard let source = try experiment.sourceExperiment(of: trial, role), let first = source.definition.trials.first else { return }
        let known = first.folder(experiment: source.definition.name, results: folder.results(of: experiment.definition.name))
        let weights = trial.train[role]?.weights ?? .best
        if let run = try? RunReader(known).contents(), run.status == .finished, run.description.trialDigest == first.identityDigest,
            Diagnosis.complaint(about: RunFolder.Weights(weights), of: known, run) == nil
        {
            self.folder = known
            return
        }
        let place = FileManager.default.temporaryDirectory.appending(path: "harness-source-\(UUID().uuidString)")
        temporary = place
        terminal.line("\(known.path): is not there as it was; \(first.label), from which the run \(role == .start ? "started" : "learned"), is trained again")
        let options = Runner.Options(threads: threads, results: place, startsOver: false, command: command)
        do {
            let outcome = try Runner(source, options: options, terminal: terminal).run(shouldStop: shouldStop)
            isInterrupted = outcome.isInterrupted
            guard outcome.divergences.isEmpty else { throw UserError(.diverged, "\(first.name): diverged, so what started from it cannot be repeated") }
            self.folder = outcome.folders.first
        } catch {
            remove()
            throw error
        }
    }

    /// Throws away what was made for the repetition.
    func remove() {
        if let temporary { try? FileManager.default.removeItem(at: temporary) }
    }
}

extension RunFolder {
    /// The folder of results in which a run of an experiment lies: `results` for `results/ablations/depth/vit-s0-1f0c93ab`.
    func results(of experiment: String) -> URL {
        (0...experiment.split(separator: "/").count).reduce(URL(filePath: path).standardizedFileURL) { url, _ in url.deletingLastPathComponent() }
    }
}

extension Definition {
    /// Says where the file of weights is that a recorded run started from, or the run that it starts from, when not where its definition says.
    ///
    /// - Throws: `.usage` when a file is given for a run that started from none.
    mutating func setWeightsPlace(_ file: String?, recordedIn folder: RunFolder) throws {
        let recorded = (try? MachineRecord(folder))?.weightsFile
        let isSet = setWeightsPlace(file ?? recorded.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil })
        if !isSet, file != nil { throw UserError(.usage, "--weights: this run did not start from a file of weights") }
    }

    /// Whether there is such a file, in the definition of one trial or in those whose weights it takes.
    private mutating func setWeightsPlace(_ place: String?) -> Bool {
        var isSet = false
        for role in SourceRole.allCases {
            if models.first?.train[role]?.file != nil {
                models[0].train[role]?.found = place
                isSet = true
            } else if var source = models.first?[role]?.definition, source.setWeightsPlace(place) {
                models[0][role] = SourceDefinition(source)
                isSet = true
            }
        }
        return isSet
    }
}
