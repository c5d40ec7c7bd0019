import Configuration
import Foundation
import Measures
import Models
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
                complaints.append("\(experiment.definition.mark(of: ensemble.path)): \(ensemble.path): \(error)")
            }
        }
        return complaints
    }

    private func make(_ ensemble: Ensemble) throws {
        let definition = experiment.definition, configuration = ensemble.configuration
        if let absent = definition.absence(of: configuration) { return say("\(ensemble.name)  is left out: \(absent) is not trained here") }
        let trials = distinctTrials(of: ensemble), folders = trials.map { runs[$0.identityDigest] }
        if let missing = zip(trials, folders).first(where: { $1 == nil })?.0 { return say("\(ensemble.name)  is left out: \(missing.label) is not there, finished") }
        let members = try add(configuration.runs, to: folders.compactMap(\.self).map(EnsembleMember.init), of: ensemble)
        guard members.count > 1 else {
            return say("\(ensemble.name)  is left out: it has \(members.isEmpty ? "no member" : "one member"), expected at least two")
        }
        let tests = members.map { EnsembleTest($0, experiment) }
        if let sentence = tests.dropFirst().lazy.compactMap({ $0.difference(from: tests[0]) }).first { throw UserError(.data, sentence) }
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

    /// The trials whose runs are members, each once: models of other names can say the same.
    private func distinctTrials(of ensemble: Ensemble) -> [Trial] {
        var labels: [String: String] = [:]
        return experiment.definition.trials(of: ensemble.configuration).filter { trial in
            guard let twin = labels[trial.identityDigest] else {
                labels[trial.identityDigest] = trial.label
                return true
            }
            say("\(ensemble.name)  note: \(twin) and \(trial.label) are the same trial, which counts once")
            return false
        }
    }

    /// Adds the runs that words name, but for one of a trial that is a member already under another experiment.
    private func add(_ words: [String], to members: [EnsembleMember], of ensemble: Ensemble) throws -> [EnsembleMember] {
        var members = members
        for word in words {
            guard let member = try EnsembleMember.folder(of: word, in: results).map(EnsembleMember.init) else { continue }
            if members.contains(where: { $0.folder == member.folder }) { throw UserError(.usage, "\(member.name) is a member twice") }
            if let digest = member.description.trialDigest, let twin = members.first(where: { $0.description.trialDigest == digest }) {
                say("\(ensemble.name)  note: \(twin.place) and \(member.place) are the same trial, which counts once")
            } else {
                members.append(member)
            }
        }
        return members
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
        let origins = trials.map(\.origins)
        if let first = origins.first, origins.dropFirst().reduce(first, { $0.intersection($1) }).isEmpty {
            say("\(file.name)  note: its members go back to no common trained weights (train.init_from), and the mean of such members is seldom any good")
        }
        let evaluation = try experiment.evaluation(of: trials[0], pool: pool), part = experiment.part(of: trials[0])
        let task = part.task(of: trials[0].model.name)
        guard let monitored = members[0].description.measures.first(where: { $0.name == task.monitored }) else {
            throw UserError(.data, "\(members[0].name): does not measure the \(task.monitored)")
        }
        let soup = WeightSoup(
            evaluation, of: members.map(\.folder), monitor: Monitor(monitored), lastEpoch: trials[0].train.epochs - 1, shouldStop: shouldStop)
        if let fitted = trials[0].model.definition.configuration as? any FittedConfiguration { try soup.requireCommon(fitted.fittedBuffers) }
        if configuration.soup == .greedy { try soup.takeGreedily() } else { try soup.takeAll() }
        for (index, isTaken) in soup.isTaken.enumerated() { file.members[index].isTaken = isTaken }
        func values(_ measures: MeasureValues) -> [EnsembleFile.Value] {
            zip(measures.measures, measures.values).map { EnsembleFile.Value($0.name, unit: $0.unit, $1) }
        }
        file.test = values(try soup.measure(.test))
        let isValidated = !part.dataset.indices(of: .validation).isEmpty && experiment.sharesValidation(trials.map(\.model))
        if isValidated { file.validation = values(try soup.measure(.validation)) }
        try soup.write(to: file.weightsPath(in: place.path), data: members[0].description.data)
    }
}

extension Runner {
    /// Checks, before anything is trained, that the runs that the definition's ensembles take in are there and go together with the others.
    ///
    /// - Throws: `.noInput` when one is not there, `.usage` when a name is that of several, `.data` when one cannot be a member.
    public func checkEnsembles() throws { try experiment.checkEnsembleRuns(in: options.results) }

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

extension Trial {
    /// The weights that it goes back to: its own, those that it starts from, those that these start from, and so on; by digests of trials and files.
    fileprivate var origins: Set<String> {
        let others = source?.trials.first?.origins ?? Set([train.initialWeights.map { $0.digest ?? $0.path }].compactMap(\.self))
        return others.union([identityDigest])
    }
}
