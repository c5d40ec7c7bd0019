import Configuration
import Foundation
import RunStore
import Training

/// The run of the trial that a recorded one started from, for repeating the latter: the one that is there, or one made anew and thrown away.
struct SourceRun {
    /// nil where the trial starts from no other.
    private(set) var folder: RunFolder?
    /// Whether someone asked to stop before it was whole.
    private(set) var isInterrupted = false
    private var temporary: URL?

    /// Finds the run in the results of which `folder` is one, or trains it.
    ///
    /// - Throws: `.diverged` when it does not come to an end, and what its training throws.
    init(
        of trial: Trial, in experiment: Experiment, beside folder: RunFolder, threads: Int, terminal: Terminal, command: [String],
        shouldStop: () -> Bool
    ) throws {
        guard let source = try experiment.sourceExperiment(of: trial), let first = source.definition.trials.first else { return }
        // `results/ablations/depth/vit-s0-1f0c93ab`
        let results = (0...experiment.definition.name.split(separator: "/").count).reduce(URL(filePath: folder.path).standardizedFileURL) { url, _ in
            url.deletingLastPathComponent()
        }
        let known = first.folder(experiment: source.definition.name, results: results)
        let weights: RunFolder.Weights = trial.train.initialWeights?.weights == .last ? .last : .best
        if let run = try? RunReader(known).contents(), run.status == .finished, run.description.trialDigest == first.identityDigest,
            Diagnosis.complaint(about: known.weightsFile(weights), run) == nil
        {
            self.folder = known
            return
        }
        let place = FileManager.default.temporaryDirectory.appending(path: "harness-source-\(UUID().uuidString)")
        temporary = place
        terminal.line("\(known.path): is not there as it was; \(first.model.name) s\(first.seed), from which the run started, is trained again")
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

extension Definition {
    /// Says where the file of weights is that a recorded run started from, when not where its definition says.
    ///
    /// - Throws: `.usage` when a file is given for a run that started from none.
    mutating func setWeightsPlace(_ file: String?, recordedIn folder: RunFolder) throws {
        guard models.first?.train.initialWeights?.file != nil else {
            if file != nil { throw UserError(.usage, "--weights: this run did not start from a file of weights") }
            return
        }
        let recorded = (try? MachineRecord(folder))?.weightsFile
        models[0].train.initialWeights?.found = file ?? recorded.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
    }
}
