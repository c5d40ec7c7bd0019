import Configuration
import Foundation
import Models
import RunStore
import Synchronization
import Training

/// The definition of a trial that another one starts from: one model of it counts.
final class SourceDefinition: Sendable {
    let definition: Definition

    init(_ definition: Definition) { self.definition = definition }
}

/// What weight sources of a definition and of its cells were found to be, so that each is read once.
final class KnownSources: Sendable {
    /// A file's digest by its path, a definition by its file's path and the model.
    private let known = Mutex((digests: [String: String](), definitions: [String: SourceDefinition]()))

    func digest(of path: String) throws -> String {
        if let digest = known.withLock({ $0.digests[path] }) { return digest }
        let digest = try fileDigest(of: path)
        known.withLock { $0.digests[path] = digest }
        return digest
    }

    func definition(_ key: String, _ read: () throws -> Definition) rethrows -> SourceDefinition {
        if let definition = known.withLock({ $0.definitions[key] }) { return definition }
        let definition = SourceDefinition(try read())
        known.withLock { $0.definitions[key] = definition }
        return definition
    }
}

/// What a model's training takes from another trial.
enum SourceRole: CaseIterable, Sendable {
    /// Its initial weights (`train.init_from`).
    case start
    /// The network that teaches it (`train.distill.teacher`).
    case teacher

    /// The key below `train` that says which trial.
    var key: String { self == .start ? "init_from" : "distill.teacher" }
}

extension TrainConfiguration {
    /// The origin of what is taken from another trial.
    subscript(role: SourceRole) -> WeightOrigin? {
        get { role == .start ? initialWeights : distillation?.teacher }
        set { if role == .start { initialWeights = newValue } else if let newValue { distillation?.teacher = newValue } }
    }

    /// Whether something is taken from another trial.
    var takesFromTrials: Bool { SourceRole.allCases.contains { self[$0]?.model != nil } }
}

extension Definition.Model {
    /// The definition with the trial that something is taken from; nil: none, or one of the same definition.
    subscript(role: SourceRole) -> SourceDefinition? {
        get { role == .start ? source : teacherSource }
        set { if role == .start { source = newValue } else { teacherSource = newValue } }
    }
}

extension Definition {
    /// A model of a definition, on the way from a model to what it starts from.
    struct SourceLink: Hashable {
        /// The definition's file; of one without, its name.
        let definition: String
        let model: String
    }

    /// Finds where the initial weights of models come from (`train.init_from`), who teaches them, and of what these start from in turn.
    ///
    /// - Parameters:
    ///   - wanted: the only models that count; nil: all.
    ///   - chain: the models that led here.
    /// - Throws: `.usage` for a model that is not there and for a loop, `.noInput` for a file that is not there, each with its place.
    mutating func findSources(of wanted: Set<String>?, chain: [SourceLink]) throws {
        var errors: [UserError] = [], loops: [Set<SourceLink>] = []
        for model in models where wanted?.contains(model.name) ?? true {
            do {
                for role in SourceRole.allCases { try findSource(of: model.name, role, chain) }
            } catch let loop as SourceLoop {
                // Each of its models leads to it.
                if !loops.contains(loop.links) { errors.append(loop.error) }
                loops.append(loop.links)
            } catch let error as UserError {
                if !errors.contains(where: { $0.message == error.message }) { errors.append(error) }
            }
        }
        if let first = errors.first { throw UserError(first.kind, errors.map(\.message).joined(separator: "\n")) }
        allModels = models
    }

    /// Models that start from each other.
    private struct SourceLoop: Error {
        let links: Set<SourceLink>
        let error: UserError
    }

    private mutating func findSource(of name: String, _ role: SourceRole, _ chain: [SourceLink]) throws {
        guard let index = models.firstIndex(where: { $0.name == name }), let origin = models[index].train[role] else { return }
        let model = models[index], link = SourceLink(definition: file?.path ?? self.name, model: name)
        if let start = chain.firstIndex(of: link) {
            let loop = (chain[start...] + [link]).map(\.model).joined(separator: " → "), isAlone = chain.count == start + 1
            let remedy =
                switch role {
                case _ where !isAlone: "none of these models could be trained first"
                case .teacher: "a model cannot teach itself; \(model.path).train.distill=null lets it learn without a teacher"
                case .start: "\(model.path).train.init_from=null lets it start from its initializers"
                }
            throw SourceLoop(links: Set(chain[start...]), error: UserError(.usage, place(in: model, role.key, "a loop: \(loop); \(remedy)")))
        }
        guard let source = origin.model else {
            guard origin.digest == nil else { return }
            do {
                models[index].train[role]!.digest = try knownSources.digest(of: origin.path)
            } catch let error as UserError {
                throw UserError(error.kind, place(in: model, "\(role.key).file", "\(error)"))
            }
            return
        }
        let next = chain + [link]
        if let nested = origin.definition {
            let definition = try Definition(
                recorded: nested.node, name: origin.experiment ?? self.name, registry: registry)
            try requireModel(source, among: definition.models, of: "\(role.key).definition", role, model)
            models[index][role] = SourceDefinition(definition)
        } else if let experiment = origin.experiment {
            let url = try definitionFile(experiment, origin, role, model)
            models[index][role] = try knownSources.definition("\(url.path)\n\(source)") {
                let composition: Composition, definition: Definition
                do {
                    composition = try Composition(of: url, display: Workspace.current.display, registry: registry)
                    definition = try Definition(
                        composition.root, name: composition.name, file: composition.file, registry: registry, knownSources: knownSources,
                        sourcesOf: ([source], next))
                } catch let error as UserError {
                    throw UserError(error.kind, place(
                        in: model, "\(role.key).experiment", "in \(Workspace.current.display(url)), where the weights come from:\n\(error.message)"))
                }
                try requireModel(source, among: definition.models, of: composition.name, role, model)
                return definition
            }
        } else {
            try requireModel(source, among: models, of: self.name, role, model)
            for role in SourceRole.allCases { try findSource(of: source, role, next) }
        }
    }

    private func requireModel(_ name: String, among models: [Model], of experiment: String, _ role: SourceRole, _ model: Model) throws {
        guard !models.contains(where: { $0.name == name }) else { return }
        throw UserError(.usage, place(
            in: model, "\(role.key).model",
            "there is no model '\(name.shortened())' in \(experiment)\(suggestion(for: name, among: Set(models.map(\.name))))"))
    }

    /// The file of another definition: beside the file that names it, or where commands look.
    private func definitionFile(_ word: String, _ origin: WeightOrigin, _ role: SourceRole, _ model: Model) throws -> URL {
        if let folder = origin.folder {
            for candidate in [word, word + ".yaml"] {
                let url = URL(filePath: candidate, relativeTo: URL(filePath: folder, directoryHint: .isDirectory)).standardizedFileURL
                var isFolder: ObjCBool = false
                if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue { return url }
            }
        }
        do { return try Workspace.current.definition(word) } catch let error as UserError {
            throw UserError(error.kind, place(in: model, "\(role.key).experiment", error.message))
        }
    }

    /// A sentence about a key of a model's training, with the place where that was written.
    private func place(in model: Model, _ key: String, _ sentence: String) -> String {
        let path = writtenPath(of: "train.\(key)", in: model)
        return "\(mark(of: path)): \(path): \(sentence)"
    }

    // MARK: The trial that another starts from

    /// The definition of the one trial from which a model takes something at a seed; nil when there is none.
    func source(of model: Model, _ role: SourceRole, seed: Int) -> Definition? {
        guard let origin = model.train[role], let name = origin.model else { return nil }
        let other = model[role]?.definition ?? self
        guard let first = (model[role] == nil ? allModels : other.models).first(where: { $0.name == name }) else { return nil }
        var source = other.part(of: first)
        source.seeds = [origin.seed ?? seed]
        // It has been trained without the images on which this trial is tested.
        let own = data(of: model)
        if source.data.folds == own.folds, source.data.fold == nil { source.data.fold = own.fold }
        return source
    }

    /// The training of a model at a seed, with all that a run keeps of where its weights and its teacher come from.
    func completeTrain(of model: Model, seed: Int) -> (train: TrainConfiguration, sources: [SourceRole: Definition]) {
        var train = model.train, sources: [SourceRole: Definition] = [:]
        for role in SourceRole.allCases {
            guard let source = source(of: model, role, seed: seed), let trial = source.trials.first else { continue }
            sources[role] = source
            guard train[role]?.definition == nil else { continue }
            train[role]?.experiment = model[role].map { _ in source.name }
            train[role]?.digest = trial.identityDigest
            // What is said about the other trial is its own run's to tell.
            train[role]?.definition = (try? YAML.node(trial.resolvedDefinition(saying: Remarks())) { SourceMark(file: "", line: $0) }).map(WeightOrigin.Nested.init)
        }
        return (train, sources)
    }

    /// Into the most parts of all models' trainings a batch is cut.
    var largestShardCount: Int { models.map(\.train.shards).max() ?? train.shards }

    /// Changes the training of every model, and of those in the definitions that they start from.
    mutating func changeTrain(_ change: (inout TrainConfiguration) -> Void) {
        change(&train)
        for index in models.indices { change(&models[index].train) }
        for index in allModels.indices { change(&allModels[index].train) }
    }

    /// Changes the definitions that models start from.
    mutating func changeSources(_ change: (inout Definition) throws -> Void) rethrows {
        func changed(_ models: inout [Model]) throws {
            for index in models.indices {
                for role in SourceRole.allCases {
                    guard var source = models[index][role]?.definition else { continue }
                    try change(&source)
                    models[index][role] = SourceDefinition(source)
                }
            }
        }
        try changed(&models)
        try changed(&allModels)
    }

    /// Takes over where files are found, for a definition that says what another says and does not know its places.
    mutating func takePlaces(of other: Definition) {
        data.places = other.data.places
        for index in models.indices {
            guard let model = other.allModels.first(where: { $0.name == models[index].name }) else { continue }
            // What a run or a plan keeps is the definition of one model, with the model's data.
            if let own = model.data { data.places = own.places }
            for role in SourceRole.allCases {
                guard let origin = model.train[role] else { continue }
                models[index].train[role]?.folder = origin.folder
                models[index].train[role]?.found = origin.found
                guard var source = models[index][role]?.definition, let seed = source.seeds.first, let known = other.source(of: model, role, seed: seed) else { continue }
                source.takePlaces(of: known)
                models[index][role] = SourceDefinition(source)
            }
        }
        allModels = models
    }
}

extension WeightOrigin {
    /// The path of the file of weights, from the current folder.
    var path: String {
        if let found { return found }
        let path = ((file ?? "") as NSString).expandingTildeInPath
        guard !path.hasPrefix("/"), let folder else { return path }
        return Workspace.current.display(URL(filePath: path, relativeTo: URL(filePath: folder, directoryHint: .isDirectory)))
    }
}
