import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training
import VisionData

/// An experiment with the one trial whose weights another starts from.
final class SourceExperiment: Sendable {
    let experiment: Experiment

    init(_ experiment: Experiment) { self.experiment = experiment }
}

extension Experiment {
    /// The experiments of the trials that models take from, by the models' names. From here on the definition knows what the data of these hold.
    static func findSources(
        of definition: inout Definition, _ dataDirectory: String?, _ images: Images
    ) throws -> [String: [SourceRole: SourceExperiment]] {
        var sources: [String: [SourceRole: SourceExperiment]] = [:]
        for (index, model) in definition.models.enumerated() where model.data == nil {
            for role in SourceRole.allCases {
                guard let source = definition.source(of: model, role, seed: definition.seeds.first ?? 0) else { continue }
                try definition.requireCommonFolds(of: model, role, source)
                let shared = source.sourceKey == images.sourceKey ? images : nil
                let experiment = try Experiment(source, dataDirectory: dataDirectory, images: shared)
                sources[model.name, default: [:]][role] = SourceExperiment(experiment)
                if model[role] != nil { definition.models[index][role] = SourceDefinition(experiment.definition) }
            }
        }
        return sources
    }

    /// The experiment with the one trial that a trial takes from; nil when it takes from none.
    ///
    /// - Throws: `.data` when a recorded trial's images are others now.
    func sourceExperiment(of trial: Trial, _ role: SourceRole = .start) throws -> Experiment? {
        guard let source = trial.sources[role], let known = sources[trial.model.name]?[role]?.experiment else { return nil }
        let experiment = try Experiment(source, dataDirectory: dataDirectory, images: known.images)
        if let recorded = trial.train[role]?.digest, let now = experiment.definition.trials.first?.identityDigest, recorded != now {
            throw UserError(
                .data, """
                    \(trial.model.path).train.\(role.key): \(source.models[0].name), from which it \(role == .start ? "starts" : "learns"), is another trial than the run recorded: its \
                    identity is \(now.prefix(16))…, expected \(recorded.prefix(16))…
                    """)
        }
        return experiment
    }

    /// Checks that the weights from which a model starts fit it, by names and shapes, before anything is trained.
    func checkSource(of model: Definition.Model, _ targets: [NamedShape]) throws {
        guard let origin = model.train.initialWeights else { return }
        let path = definition.writtenPath(of: "train.init_from", in: model), key = origin.model == nil ? "file" : "model"
        let mark = definition.mark(of: definition.writtenPath(of: "train.init_from.\(key)", in: model))
        let matching: WeightMatching, name: String
        if let source = sources[model.name]?[.start]?.experiment {
            if let start = origin.afterEpoch { try checkContinuation(of: source.definition, by: model, after: start) }
            try checkAverage(of: source.definition, .start, for: model)
            matching = WeightMatching(targets, from: source.shapes, except: origin.except, of: "model")
            name = "the weights of \(source.definition.models[0].name) do not fit"
        } else {
            do {
                try origin.checkFile()
                matching = try FileWeights.matching(of: origin.path, with: targets, except: origin.except)
                name = "\(origin.path) does not fit"
                if matching.complaint == nil { try FileWeights.checkNumbers(of: origin.path, matching) }
            } catch let error as UserError {
                throw UserError(error.kind, "\(mark): \(path): \(error)")
            }
        }
        if matching.complaint == nil, matching.pairs.isEmpty {
            throw UserError(.usage, "\(mark): \(path): except: leaves nothing that \(model.name) could start from")
        }
        guard let complaint = matching.complaint else { return }
        let remedy = matching.exception.map { "; except: [\"\($0)\"] leaves that out" } ?? ""
        throw UserError(.usage, "\(mark): \(path): \(name) \(model.name): \(complaint)\(remedy)")
    }

    /// Checks that the trial that teaches a model gives the logits of its task for its images.
    func checkTeacher(of model: Definition.Model) throws {
        let path = definition.writtenPath(of: "train.distill", in: model)
        func refusal(_ sentence: String) -> UserError { UserError(.usage, "\(definition.mark(of: path)): \(path): \(sentence)") }
        let task = task(of: model.name)
        guard task.givesClassLogits else { throw refusal("goes with a task and a loss that give probabilities of classes, found \(task.name)\(task.name == "classification" ? " with a hinge loss" : "")") }
        guard !dataset.sharesSequences else { throw refusal("does not go with images in their own sizes, which share sequences") }
        guard let teacher = sources[model.name]?[.teacher]?.experiment else { return }
        try checkAverage(of: teacher.definition, .teacher, for: model)
        let name = teacher.definition.models[0].name, other = teacher.task(of: name)
        if other.name != task.name || other.outputShape != task.outputShape {
            throw refusal("\(name) answers with \(other.outputDescription) of \(other.name), expected \(task.outputDescription) of \(task.name) as \(model.name) does")
        }
        guard other.givesClassLogits else { throw refusal("\(name) was trained with a loss that gives no probabilities of classes, such as hinge; expected cross_entropy or focal") }
        if teacher.dataset.classNumbers != dataset.classNumbers || teacher.dataset.classNames != dataset.classNames {
            func classes(_ dataset: ImageDataset) -> String {
                (dataset.classNames ?? dataset.classNumbers?.map { "\($0)" } ?? (0..<dataset.classCount).map { "\($0)" }).joined(separator: ", ").shortened(to: 60)
            }
            throw refusal("\(name) tells the classes \(classes(teacher.dataset)) of \(teacher.dataset.name) apart, expected \(classes(dataset)) in this order, as \(model.name) does")
        }
        if teacher.dataset.shape != dataset.shape || teacher.dataset.normalization != dataset.normalization {
            throw refusal("\(name) was trained with images of \(teacher.dataset.shape) or another normalization, expected \(dataset.shape) normalized as those of \(model.name)")
        }
    }

    /// The network that teaches a trial's.
    func teacher(of trial: Trial, weights: any WeightSource) -> TeacherNetwork? {
        guard let source = trial.sources[.teacher] else { return nil }
        let network = source.models[0].definition, outputs = task(of: trial.model.name).outputCount
        return TeacherNetwork({ scope, images in network.record(images, classes: outputs, in: scope) }, weights: weights)
    }

    /// What is fitted before the first step; nil where nothing is, and where the weights bring it.
    func fitting(of trial: Trial, startingFrom weights: (any WeightSource)?) -> TrainingLoop.Fitting? {
        guard let configuration = trial.model.definition.configuration as? any FittedConfiguration else { return nil }
        let isGiven = weights != nil && !configuration.fittedBuffers.contains { trial.train.initialWeights?.excepts($0) ?? false }
        if isGiven { return nil }
        let input = dataset.shape, seed = UInt64(trial.seed), model = trial.model
        return { store, source in
            guard let field = source.field(named: "image") else { preconditionFailure("images are trained on") }
            let indices = source.indices(of: .train), writer = source.makeWriter(of: [field], augmentations: [], seed: seed)
            let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: field.shape.elementCount)
            defer { memory.deallocate() }
            do {
                try configuration.fit(store, input: input, seed: seed, count: indices.count) { number, body in
                    try writer.write(Int(indices[number]), epoch: 0, place: 0, in: [UnsafeMutableRawPointer(memory.baseAddress!)])
                    body(UnsafePointer(memory.baseAddress!))
                }
            } catch let error as UserError where error.kind == .usage {
                throw UserError(.usage, "\(model.node.mark): \(model.path).\(error.message)")
            }
        }
    }

    /// Checks that the trial that a model takes from keeps the average of its weights that it takes.
    private func checkAverage(of source: Definition, _ role: SourceRole, for model: Definition.Model) throws {
        let other = source.models[0]
        guard let average = model.train[role].flatMap({ RunFolder.Weights($0.weights).average }), !other.train.averages.contains(average) else { return }
        let path = definition.writtenPath(of: "train.\(role.key).weights", in: model)
        throw UserError(
            .usage, "\(definition.mark(of: path)): \(path): found \(average.rawValue), but \(other.name) keeps no such average of its weights; its training needs train.\(average.rawValue)")
    }

    /// Checks that a model's training can go on where that of `source` ends: nothing but its schedule, learning rate and early stopping may be other.
    private func checkContinuation(of source: Definition, by model: Definition.Model, after epoch: Int) throws {
        let other = source.models[0], train = model.train, key = "train.init_from.after_epoch"
        func refusal(_ sentence: String) -> UserError {
            let path = definition.writtenPath(of: key, in: model)
            return UserError(.usage, "\(definition.mark(of: path)): \(path): \(sentence)")
        }
        let end = other.train.epochs
        // With early stopping the end is known when the training has ended.
        guard epoch == end || epoch < end && other.train.earlyStopping != nil else {
            throw refusal("the training of \(other.name) ends after \(grouped(end)) epochs, expected that number, found \(grouped(epoch))")
        }
        let parts: [(name: String, isSame: Bool)] = [
            ("the model", other.definition == model.definition),
            ("data", YAML.line(source.data.identity) == YAML.line(definition.data.identity)),
            ("precision", source.precision == definition.precision),
            ("task", source.task.map { YAML.line($0) } == definition.task.map { YAML.line($0) }),
        ]
        let differing = parts.filter { !$0.isSame }.map(\.name) + train.keysOfAnotherTraining(than: other.train).map { "train.\($0)" }
        guard differing.isEmpty else {
            throw refusal("the training of \(other.name) goes on only as it was; other here: \(differing.joined(separator: ", "))")
        }
    }

    /// The weights that a trial starts from, or those of its teacher; nil when it takes none.
    ///
    /// - Parameter folder: the run of the trial that it takes from; nil where it takes from a file.
    func weights(of trial: Trial, _ role: SourceRole = .start, from folder: RunFolder?) throws -> FileWeights? {
        guard let origin = trial.train[role] else { return nil }
        let path: String
        var grids: [String: TokenGrid] = [:]
        if let folder {
            for place in sources[trial.model.name]?[role]?.experiment.shapes ?? [] { grids[place.name] = place.grid }
            let which = RunFolder.Weights(origin.weights)
            path = folder.weightsFile(which)
            let run = try RunReader(folder).contents()
            if which.average == .swa, let source = trial.sources[role]?.models[0], let reason = source.train.absenceOfAverage(after: run.epochs.count) {
                let key = definition.writtenPath(of: "train.\(role.key).weights", in: trial.model)
                throw UserError(
                    .usage, "\(definition.mark(of: key)): \(key): found swa, but \(source.name) has no such average: \(reason); expected other weights of it, or an earlier start_epoch")
            }
            if let complaint = Diagnosis.complaint(about: which, of: folder, run), let source = trial.sources[role] {
                throw UserError(
                    .data, "\(complaint); harness run \(source.name) --only \(source.models[0].name) --fresh trains it again for \(trial.name)")
            }
        } else {
            try origin.checkFile()
            path = origin.path
        }
        return FileWeights(path: path, origin: origin, initializers: Initializers(seed: UInt64(trial.seed)), grids: grids)
    }

    /// Names and shapes of the first model's parameters and buffers.
    private var shapes: [NamedShape] {
        let declared = definition.models[0].definition.declarations(input: dataset.shape, classes: task.outputCount)
        return (declared.parameters + declared.buffers).shapes
    }
}

extension Definition {
    /// - Throws: `.usage` when the trial whose weights a model takes was trained on images that this definition's folds hold out for the test, or is not one trial.
    fileprivate func requireCommonFolds(of model: Model, _ role: SourceRole, _ source: Definition) throws {
        let (own, other) = (data, source.data)
        let isAlike = other.folds == own.folds && other.fold == own.fold && other.splitSeed == own.splitSeed && other.classes == own.classes
        let isOneTrial = other.folds == nil || other.fold != nil
        if own.folds != nil && other.source == own.source ? isAlike : isOneTrial { return }
        let path = writtenPath(of: "train.\(role.key)", in: model)
        throw UserError(
            .usage, "\(mark(of: path)): \(path): \(source.models[0].name) of \(source.name) is trained on other folds than \(model.name); "
                + "expected the same data.folds, data.split_seed and data.classes, or data without folds of another data set")
    }
}

extension RunFolder.Weights {
    /// Those that a model starts from.
    init(_ weights: WeightOrigin.Weights) {
        switch weights {
        case .best: self = .best
        case .last: self = .last
        case .ema: self = .ema
        case .swa: self = .swa
        }
    }
}

extension WeightOrigin {
    /// Checks that the file is the one whose digest is known.
    ///
    /// - Throws: `.data` when it is another, `.noInput` when it is not there.
    func checkFile() throws {
        guard let digest else { return }
        let now = try fileDigest(of: path)
        if now != digest { throw UserError(.data, "\(path): has the SHA-256 \(now.prefix(16))…, expected \(digest.prefix(16))…") }
    }
}

extension TrainConfiguration {
    /// The keys whose values keep this training from going on where another one ends.
    fileprivate func keysOfAnotherTraining(than other: TrainConfiguration) -> [String] {
        func parts(_ train: TrainConfiguration) -> [String: String] {
            let entries = (train.node.entries ?? []).filter { !["epochs", "schedule", "early_stopping", "init_from"].contains($0.key) }
            return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, YAML.line($0.key == "optimizer" ? $0.node.withoutLearningRate : $0.node)) })
        }
        let mine = parts(self), others = parts(other)
        return Set(mine.keys).union(others.keys).filter { mine[$0] != others[$0] }.sorted()
    }
}

extension ConfigurationNode {
    /// An optimizer without its rate.
    fileprivate var withoutLearningRate: ConfigurationNode {
        guard let entries else { return self }
        return .map(entries.filter { $0.key != "learning_rate" }.map { ($0.key, $0.node.withoutLearningRate) })
    }
}

extension [Parameter] {
    /// Names and shapes, with the places of position embeddings.
    var shapes: [NamedShape] { map { NamedShape(name: $0.name, shape: $0.shape.dimensions, grid: $0.grid) } }
}
