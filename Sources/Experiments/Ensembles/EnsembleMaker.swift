import Configuration
import Foundation
import Measures
import RunStore
import TensorCore
import Training

/// Makes the ensembles of an experiment from its finished runs, each in a file of its own beside them.
struct EnsembleMaker {
    let experiment: Experiment
    /// The folder of all experiments.
    let results: URL
    /// The finished runs by their trials' identities.
    let runs: [String: RunFolder]
    let pool: WorkerPool
    let shouldStop: () -> Bool
    /// Is told what was made and what was not.
    let say: (String) -> Void

    /// The folder of the experiment's runs.
    private var place: URL { results.appending(path: experiment.definition.name) }

    /// Makes those that are not there as they would be made now.
    ///
    /// - Returns: what is wrong with those whose members do not go together, a sentence each.
    /// - Throws: `.io` when a file cannot be written, `WeightSoup.Interruption`.
    func makeAll() throws -> [String] {
        var complaints: [String] = []
        for ensemble in experiment.definition.ensembles {
            do { try make(ensemble) } catch let error as UserError where error.kind == .data || error.kind == .noInput || error.kind == .usage {
                complaints.append("\(ensemble.path): \(error)")
            }
        }
        return complaints
    }

    private func make(_ ensemble: Ensemble) throws {
        let definition = experiment.definition, configuration = ensemble.configuration
        let absent = configuration.models.filter { name in !definition.models.contains { $0.name == name } }
            + (configuration.seeds ?? []).filter { !definition.seeds.contains($0) }.map { "seed \($0)" }
        if let first = absent.first { return say("\(ensemble.name)  is left out: \(first) is not trained here") }
        let trials = definition.trials(of: configuration), folders = trials.map { runs[$0.identityDigest] }
        if let missing = zip(trials, folders).first(where: { $1 == nil })?.0 { return say("\(ensemble.name)  is left out: \(missing.label) is not there, finished") }
        let members = try (folders.compactMap(\.self) + configuration.runs.map(run)).map(EnsembleMember.init)
        guard members.count > 1 else {
            return say("\(ensemble.name)  is left out: it has \(members.isEmpty ? "no member" : "one member"), expected at least two")
        }
        if let twice = members.indices.first(where: { index in members[..<index].contains { $0.folder == members[index].folder } }) {
            throw UserError(.usage, "\(members[twice].name) is a member twice")
        }
        for member in members.dropFirst() { try member.requireSameTest(as: members[0]) }
        let isSoup = configuration.soup != nil
        var file = EnsembleFile(
            experiment: definition.name, name: ensemble.name, kind: configuration.kind, members: members.map { $0.entry(in: place) },
            parameters: isSoup ? members[0].description.parameters : members.reduce(0) { $0 + $1.description.parameters },
            multiplyAdds: isSoup ? members[0].description.multiplyAdds : members.reduce(0) { $0 + $1.description.multiplyAdds }, test: [])
        if isKnown(file) { return }
        try RunWriter.makeFolder(EnsembleFile.folder(in: place.path), orSay: "\(EnsembleFile.folder(in: place.path)): cannot be made")
        if isSoup { try add(soup: configuration, of: trials, members, to: &file) } else { try addMean(of: members, to: &file) }
        try file.write(to: file.path(in: place.path))
        let monitored = members[0].description.monitoredMeasure
        let value = file.test.first { $0.measure == monitored?.name }.map { "test \(monitored?.title ?? $0.measure) \(decimals($0.value, 4))" } ?? ""
        say("\(ensemble.name)  \(file.title): \(value)")
    }

    /// The one run whose experiment and name begin with a word.
    private func run(_ word: String) throws -> RunFolder {
        let experiment = (word as NSString).deletingLastPathComponent, start = (word as NSString).lastPathComponent
        let folder = "\(results.path)/\(experiment)"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasPrefix(start) && RunFolder(path: "\(folder)/\($0)").hasRun }
        guard let name = names.first else { throw UserError(.noInput, "there is no run '\(word.shortened())' in \(results.path)") }
        guard names.count == 1 else {
            throw UserError(.usage, "'\(word.shortened())' is the beginning of \(names.count) runs' names: \(names.sorted().prefix(4).joined(separator: ", "))")
        }
        return RunFolder(path: "\(folder)/\(name)")
    }

    /// Whether the file of such an ensemble is there, made from what its members are now.
    private func isKnown(_ file: EnsembleFile) -> Bool {
        guard let known = try? EnsembleFile(reading: file.path(in: place.path)) else { return false }
        func members(_ file: EnsembleFile) -> [EnsembleFile.Member] {
            file.members.map { EnsembleFile.Member(run: $0.run, trialDigest: $0.trialDigest, evaluationDigest: $0.evaluationDigest) }
        }
        return members(known) == members(file) && (file.kind == .ensemble || (try? WeightsReader(file.weightsPath(in: place.path))) != nil)
    }

    private func addMean(of members: [EnsembleMember], to file: inout EnsembleFile) throws {
        let outputs = try members.map { try $0.outputs() }
        guard let classes = members[0].description.classes else { throw UserError(.data, "\(members[0].name): has no classes") }
        let mean = MeanProbabilities(outputs.map(\.logits), labels: outputs[0].labels, classes: classes)
        file.test = [EnsembleFile.Value(Measure.lossName, unit: "nat", mean.loss), EnsembleFile.Value("accuracy", unit: "1", mean.accuracy)]
    }

    private func add(soup configuration: EnsembleConfiguration, of trials: [Trial], _ members: [EnsembleMember], to file: inout EnsembleFile) throws {
        let origins = Set(trials.map { trial in trial.train.initialWeights.map { $0.digest ?? $0.path } })
        if origins.count > 1 || origins.first == .some(nil) {
            say("\(file.name)  note: its members start from different weights (they have no common train.init_from), whose mean is seldom any good")
        }
        let evaluation = try experiment.evaluation(of: trials[0], pool: pool), task = experiment.task(of: trials[0].model.name)
        guard let monitored = members[0].description.measures.first(where: { $0.name == task.monitored }) else {
            throw UserError(.data, "\(members[0].name): does not measure the \(task.monitored)")
        }
        let soup = WeightSoup(
            evaluation, of: members.map(\.folder), monitor: Monitor(monitored), lastEpoch: trials[0].train.epochs - 1, shouldStop: shouldStop)
        if configuration.soup == .greedy { try soup.takeGreedily() } else { try soup.takeAll() }
        for (index, isTaken) in soup.isTaken.enumerated() { file.members[index].isTaken = isTaken }
        func values(_ measures: MeasureValues) -> [EnsembleFile.Value] {
            zip(measures.measures, measures.values).map { EnsembleFile.Value($0.name, unit: $0.unit, $1) }
        }
        file.test = values(try soup.measure(.test))
        if !experiment.dataset.indices(of: .validation).isEmpty { file.validation = values(try soup.measure(.validation)) }
        try soup.write(to: file.weightsPath(in: place.path), data: members[0].description.data)
    }
}

extension Experiment {
    /// The model of a trial, for weights that are not its own.
    func evaluation(of trial: Trial, pool: WorkerPool) throws -> ModelEvaluation {
        let model = trial.model, task = task(of: model.name), outputs = task.outputShape.elementCount
        var configuration = trial.train
        configuration.precision = trial.precision
        do {
            return try ModelEvaluation(
                { scope, images in model.definition.record(images, classes: outputs, in: scope) }, task: task, configuration: configuration, source: source,
                augmentations: trial.data.augmentations, seed: UInt64(trial.seed), pool: pool)
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "\(model.path): \(error)")
        }
    }

    /// Checks that the data and the task give what the definition's ensembles are made of, before anything is trained.
    ///
    /// - Throws: `.usage`.
    func checkEnsembles() throws {
        func refusal(_ ensemble: Ensemble, _ sentence: String) -> UserError {
            UserError(.usage, "\(definition.mark(of: ensemble.path)): \(ensemble.path): \(sentence)")
        }
        for ensemble in definition.ensembles {
            if ensemble.configuration.soup == .greedy, dataset.indices(of: .validation).isEmpty {
                throw refusal(ensemble, "a greedy soup is chosen by images for validation, but data.validation holds out none of \(dataset.name)")
            }
            let tables = task.layout(of: .test).columns.map(\.name)
            if ensemble.configuration.soup == nil, definition.train.storesOutputs, !tables.contains("logits") || !tables.contains("labels") {
                throw refusal(ensemble, "the task \(task.name) keeps no logits and labels of the test images, from which an ensemble is made")
            }
        }
    }
}

extension Runner {
    /// Makes the ensembles of the experiment from its finished runs.
    ///
    /// - Parameter shouldStop: asked again and again; true ends the work, to begin again the next time.
    /// - Returns: what is wrong with ensembles whose members do not go together, a sentence each; nil when it was interrupted.
    /// - Throws: `.io` when a file cannot be written.
    public func makeEnsembles(of outcome: Outcome, shouldStop: @escaping () -> Bool) throws -> [String]? {
        let maker = EnsembleMaker(
            experiment: experiment, results: options.results, runs: outcome.finished, pool: pool, shouldStop: shouldStop, say: terminal.line)
        do { return try maker.makeAll() } catch is WeightSoup.Interruption { return nil }
    }
}
