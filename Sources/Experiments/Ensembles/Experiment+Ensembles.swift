import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training

// What can be said of a definition's ensembles before anything is trained.

extension Experiment {
    /// The model of a trial, for weights that are not its own: it is evaluated on the trial's images.
    func evaluation(of trial: Trial, pool: WorkerPool) throws -> ModelEvaluation {
        let part = part(of: trial), model = trial.model, task = part.task(of: model.name), outputs = task.outputCount
        var configuration = trial.train
        configuration.precision = trial.precision
        do {
            return try ModelEvaluation(
                { scope, images in model.definition.record(images, classes: outputs, in: scope) }, task: task, configuration: configuration,
                source: part.source, augmentations: trial.data.augmentations, seed: UInt64(trial.seed), pool: pool)
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "\(model.path): \(error)")
        }
    }

    /// The experiment with the data of a model.
    private func part(of model: Definition.Model) -> Experiment { parts[model.name] ?? self }

    /// Checks that the models and their data give what the definition's ensembles are made of.
    ///
    /// - Throws: `.usage`.
    func checkEnsembles() throws {
        for ensemble in definition.ensembles where definition.absence(of: ensemble.configuration) == nil {
            func refusal(_ sentence: String, at path: String) -> UserError { UserError(.usage, "\(definition.mark(of: path)): \(path): \(sentence)") }
            let configuration = ensemble.configuration, models = configuration.models.compactMap { name in definition.models.first { $0.name == name } }
            let tables = task.layout(of: .test).columns.map(\.name)
            if configuration.soup == nil, definition.train.storesOutputs, !tables.contains("logits") || !tables.contains("labels") {
                throw refusal("the task \(task.name) keeps no logits and labels of the test images, from which an ensemble is made", at: ensemble.path)
            }
            if configuration.soup == nil, let model = models.first(where: { (task(of: $0.name) as? Classification)?.loss.isOfMargins == true }) {
                throw refusal("\(model.name) answers with \(EnsembleMember.margins)", at: ensemble.path)
            }
            if configuration.soup != nil, let (name, buffers) = definition.fittedAnew(in: configuration) {
                throw refusal("\(name) fits its \(buffers) to training images at each seed, of which there is no mean; \(WeightSoup.remedy)", at: ensemble.path)
            }
            guard let first = models.first else { continue }
            if configuration.soup == .greedy, part(of: first).dataset.indices(of: .validation).isEmpty {
                let name = part(of: first).dataset.name
                throw refusal("a greedy soup is chosen by images for validation, but data.validation holds out none of \(name)", at: ensemble.path)
            }
            for model in models.dropFirst() {
                let sentence = configuration.soup == nil ? differenceOfTests(model, first) : differenceInSoup(model, first, configuration.soup)
                if let sentence { throw refusal(sentence, at: "\(ensemble.path).models") }
            }
        }
    }

    private func differenceOfTests(_ model: Definition.Model, _ first: Definition.Model) -> String? {
        EnsembleTest(model.name, part(of: model)).difference(from: EnsembleTest(first.name, part(of: first)))
    }

    /// What keeps the mean of two models' weights from being tested as either.
    private func differenceInSoup(_ model: Definition.Model, _ first: Definition.Model, _ soup: EnsembleConfiguration.Soup?) -> String? {
        if let sentence = differenceOfTests(model, first) { return sentence }
        let (own, other) = (part(of: model), part(of: first))
        if let key = own.dataset.differenceInInputs(from: other.dataset) {
            return "\(model.name) and \(first.name) differ in \(key), expected members of a soup to get the images in one form"
        }
        if soup == .greedy, !sharesValidation([model, first]) {
            return "\(model.name) and \(first.name) hold out different images for validation, by which a greedy soup is chosen; expected the same ones"
        }
        let isSame = first.definition.isSameNetwork(as: model.definition, input: other.dataset.shape, classes: other.task.outputCount)
        return isSame ? nil : "\(first.name) and \(model.name) are different networks, whose weights have no mean"
    }

    /// Whether models hold out the same images for validation, if any.
    func sharesValidation(_ models: [Definition.Model]) -> Bool {
        let held = models.map { EnsembleTest($0.name, part(of: $0), .validation) }
        return held.allSatisfy { $0.hasSameImages(as: held[0]) }
    }

    // MARK: Runs of other experiments

    /// Checks that the runs that ensembles name are there, or will be, and are tested as the other members are.
    ///
    /// - Parameter results: the folder of all experiments.
    /// - Throws: `.noInput` when one is not there, `.usage` when a name is that of several, `.data` when one cannot be a member.
    func checkEnsembleRuns(in results: URL) throws {
        let ensembles = definition.ensembles.filter { !$0.configuration.runs.isEmpty && definition.absence(of: $0.configuration) == nil }
        if ensembles.isEmpty { return }
        let planned = plannedRuns
        for ensemble in ensembles {
            let model = definition.models.first { $0.name == ensemble.configuration.models.first }
            var first = model.map { EnsembleTest($0.name, part(of: $0)) }
            for (index, word) in ensemble.configuration.runs.enumerated() {
                do {
                    guard let folder = try EnsembleMember.folder(of: word, in: results, planned: planned) else { continue }
                    let member = try EnsembleMember(folder), test = EnsembleTest(member, self)
                    try member.requireProbabilities()
                    if let sentence = first.flatMap(test.difference) { throw UserError(.data, sentence) }
                    first = first ?? test
                } catch let error as UserError {
                    let path = "\(ensemble.path).runs[\(index)]"
                    throw UserError(error.kind, "\(definition.mark(of: path)): \(path): \(error)")
                }
            }
        }
    }

    /// The runs of the definition's trials and of those whose weights they take, with their experiments: `vit_vs_resnet/vit-s0-1f0c93ab`.
    private var plannedRuns: Set<String> {
        func names(_ trial: Trial, _ experiment: String) -> [String] {
            ["\(experiment)/\(trial.name)"] + SourceRole.allCases.flatMap { role in
                trial.sources[role].flatMap { source in source.trials.first.map { names($0, source.name) } } ?? []
            }
        }
        return Set(definition.trials.flatMap { names($0, definition.name) })
    }
}

extension EnsembleMember {
    /// The one run whose experiment and name begin with a word; nil when it is one that is still to be trained.
    ///
    /// - Parameter planned: the runs that are trained before the ensemble is made.
    static func folder(of word: String, in results: URL, planned: Set<String> = []) throws -> RunFolder? {
        let experiment = word.parentPath, start = (word as NSString).lastPathComponent
        let folder = "\(results.path)/\(experiment)"
        let found = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { RunFolder(path: "\(folder)/\($0)").hasRun }
        let coming = planned.filter { $0.parentPath == experiment }.map { ($0 as NSString).lastPathComponent }
        let names = Set(found + coming).filter { $0.hasPrefix(start) }
        guard let name = names.first else { throw UserError(.noInput, "there is no run '\(word.shortened())' in \(results.path)") }
        guard names.count == 1 else {
            throw UserError(.usage, "'\(word.shortened())' is the beginning of \(names.count) runs' names: \(names.sorted().prefix(4).joined(separator: ", "))")
        }
        return coming.contains(name) ? nil : RunFolder(path: "\(folder)/\(name)")
    }
}

extension Definition {
    /// A model whose trials in a soup fit buffers at several seeds, before their first step, and these; nil where none does.
    fileprivate func fittedAnew(in soup: EnsembleConfiguration) -> (model: String, buffers: String)? {
        let fitted = trials(of: soup).filter { !$0.fittedBuffers.isEmpty }
        guard let first = fitted.first, fitted.contains(where: { $0.seed != first.seed }) else { return nil }
        return (first.model.name, first.fittedBuffers.joined(separator: ", "))
    }

    /// What an ensemble cannot be made without, and this definition does not train, such as a model that `--only` leaves out; nil when there is nothing.
    func absence(of ensemble: EnsembleConfiguration) -> String? {
        ensemble.models.first { name in !models.contains { $0.name == name } } ?? ensemble.seeds?.first { !seeds.contains($0) }.map { "seed \($0)" }
    }
}

extension Trial {
    /// The buffers that are fitted before the first step; none where its weights bring them.
    fileprivate var fittedBuffers: [String] {
        let names = (model.definition.configuration as? any FittedConfiguration)?.fittedBuffers ?? []
        return train.initialWeights.map { origin in names.filter(origin.excepts) } ?? names
    }
}
