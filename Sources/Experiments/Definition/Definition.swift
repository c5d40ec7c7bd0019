import Configuration
import Foundation
import Models
import Tasks
import TensorCore
import Training
import VisionData

/// An experiment as it was written, with its overrides applied and every default filled in.
///
///     data:      {name: fashion-mnist}
///     train:     {epochs: 4}
///     seeds:     [0, 1, 2]           # default [0]; every model is trained once with each
///     precision: fp32                # the default; or bf16: activations and their gradients in bfloat16
///     task:      classification      # the default; or the name of another task, or {name: {options}}
///     match:     parameters          # or macs, none: what the models are meant to have in common; absent: nothing is said
///     note:      what there is to say about it            # and tags: [names]; they change no hash (`Remarks`)
///     ensembles: {all: {models: [small]}}                 # runs that are tested as one (`EnsembleConfiguration`)
///     sweep:     {grid: {train.epochs: [2, 4]}}           # what harness sweep varies
///     models:                        # at least one, under names of one's own
///       small: {vit: {patch: 4, width: 96, depth: 6, heads: 3}}
public struct Definition: Sendable {
    /// A model under the name that the definition gave it.
    public struct Model: Sendable {
        /// As the definition calls the model.
        public let name: String
        /// The model itself.
        public let definition: ModelDefinition
        /// How it is trained: as the definition says for all models, but for what it says for this one.
        public var train: TrainConfiguration
        /// What the definition says for the training of this model alone; nil: nothing.
        let trainNode: ConfigurationNode?
        /// With which it is trained; nil: with the definition's data.
        var data: DataConfiguration?
        /// What the definition says of the data of this model alone; nil: nothing.
        let dataNode: ConfigurationNode?
        /// What the definition says about this model alone.
        let ownRemarks: Remarks
        /// The definition with the trial that it starts from; nil: none, or one of the same definition.
        var source: SourceDefinition?
        /// The same of the trial that teaches it.
        var teacherSource: SourceDefinition?
        /// As it was written, for errors that only the size of the images brings to light.
        let node: ConfigurationNode

        /// The model's key path in the definition.
        var path: String { "models.\(name)" }

        /// Reports what does not fit images of this size.
        func validate(input: ImageShape, classes: Int, errors: ConfigurationErrors) {
            definition.validate(input: input, classes: classes, node: node, path: path, errors: errors)
        }
    }

    /// The experiment's name (`Composition.name`).
    public var name: String
    /// Where it was written; nil for what a run or a plan keeps.
    let file: DefinitionFile?
    /// Where samples come from, and what is done to them, for models that say nothing else.
    public var data: DataConfiguration
    /// The model whose own data these are; nil: they are all models'.
    var dataModel: String?
    /// How models are trained that say nothing else.
    public var train: TrainConfiguration
    /// Each model is trained once with each.
    public var seeds: [Int]
    /// The format of the numbers between operations.
    public var precision: Precision
    /// What the models are trained for, as it was written; nil: classification (`TaskRegistry`).
    public var task: ConfigurationNode?
    /// What the models are meant to have in common; it changes no result.
    public var match: Match?
    /// What it says about its runs for people.
    public var remarks: Remarks
    /// In the order in which they were written.
    public var models: [Model]
    /// Those, and the ones that are left out and may be what others start from.
    var allModels: [Model]
    /// Which of its runs are tested as one.
    public internal(set) var ensembles: [Ensemble] = []
    /// What `harness sweep` varies.
    public let sweep: SweepDefinition?
    /// What it can name.
    let registry: Registry
    /// What is known of files and definitions that models start from.
    let knownSources: KnownSources
    /// As it was written, for the places of what only the data bring to light and for the cells of a sweep.
    let root: ConfigurationNode

    /// Reads what was put together.
    ///
    /// - Parameter images: loads the data, where something is wrong: what does not fit the images is then said with the rest.
    /// - Throws: `.usage` with every error at once, each with its place and key path.
    public init(
        _ composition: Composition, registry: Registry = .standard, images: ((DataConfiguration) throws -> ImageDataset)? = nil
    ) throws {
        try self.init(composition.root, name: composition.name, file: composition.file, registry: registry, images: images)
    }

    /// Reads a cell of a sweep: what a definition says when some of its values are others.
    init(_ root: ConfigurationNode, cellOf definition: Definition) throws {
        try self.init(
            root, name: definition.name, file: definition.file, registry: definition.registry, knownSources: definition.knownSources)
    }

    /// Reads the text that a run keeps as its definition (`Trial.resolvedDefinition`); `place` names it in errors.
    public init(resolved text: String, name: String, place: String, registry: Registry = .standard) throws {
        try self.init(recorded: YAML.node(text) { SourceMark(file: place, line: $0) }, name: name, registry: registry)
    }

    /// Reads what a run keeps.
    init(recorded root: ConfigurationNode, name: String, registry: Registry) throws {
        var root = root
        if case .map(var entries) = root.value, let index = entries.firstIndex(where: { $0.key == "models" }) {
            entries[index].node = ModelRegistry.completed(stored: entries[index].node)
            root.value = .map(entries)
        }
        try self.init(root, name: name, registry: registry)
        data.places.isRecorded = true
    }

    /// - Parameter sourcesOf: the only models whose initial weights are looked for, and the models that led to them; nil: all, from here.
    init(
        _ root: ConfigurationNode, name: String, file: DefinitionFile? = nil, registry: Registry = .standard,
        knownSources: KnownSources = KnownSources(), sourcesOf wanted: (models: Set<String>, chain: [SourceLink])? = nil,
        images: ((DataConfiguration) throws -> ImageDataset)? = nil
    ) throws {
        let errors = ConfigurationErrors()
        var fields = FieldReader(root, path: "", errors: errors, additions: registry.additions)
        self.name = name
        self.root = root
        self.file = file
        self.registry = registry
        self.knownSources = knownSources
        var dataFields = fields.section("data")
        data = DataConfiguration(from: &dataFields)
        dataFields.finish()
        var trainFields = fields.section("train")
        train = TrainConfiguration(from: &trainFields)
        trainFields.finish()
        seeds = Self.seeds(from: &fields)
        precision = fields.choice("precision") ?? .fp32
        task = fields.node("task").flatMap { registry.tasks.identity(of: $0) == nil ? nil : $0 }
        match = fields.choice("match")
        remarks = Remarks(from: &fields)
        models = Self.models(from: &fields, registry, train)
        allModels = models
        if var sweepFields = fields.fields("sweep") { sweep = SweepDefinition(from: &sweepFields) } else { sweep = nil }
        ensembles = Ensemble.all(from: &fields, self)
        fields.finish()
        if let images, !errors.messages.isEmpty, !errors.hasAny(under: "data") { reportMisfits(to: images, errors) }
        try errors.throwIfAny()
        try findSources(of: wanted?.models, chain: wanted?.chain ?? [])
    }

    /// Sentences about what is written and has no effect.
    var notes: [String] {
        var notes: [String] = []
        for model in models {
            let train = model.train, end = "the training ends after \(grouped(train.epochs)) epochs"
            var keys = train.schedule.unreachedEpochs(in: train.epochs).map { key, epochs in
                ("train.schedule.step.\(key)", "\(end), so nothing changes after \(epochs.map { grouped($0) }.joined(separator: ", "))")
            }
            for (index, rule) in train.parameters.enumerated() where !rule.freeze && rule.freezeUntilEpoch >= train.epochs {
                keys.append(("train.parameters[\(index)].freeze_until_epoch", "\(end), so these parameters are never trained"))
            }
            for (key, sentence) in keys {
                let path = writtenPath(of: key, in: model), note = "\(mark(of: path)): \(path): \(sentence)"
                if !notes.contains(note) { notes.append(note) }
            }
        }
        return notes
    }

    /// Reports which models do not fit the images, and what the data do not have. Data that cannot be read are no fault of the definition.
    private func reportMisfits(to images: (DataConfiguration) throws -> ImageDataset, _ errors: ConfigurationErrors) {
        do {
            for model in models {
                let dataset = try images(data(of: model))
                // A task that cannot be made yet says nothing of a model's answers.
                guard let task = try? registry.tasks.prepare(task, dataset: dataset, training: model.train).task else { continue }
                let found = ConfigurationErrors(), isWrong = errors.hasAny(under: model.path)
                if Experiment.reportAnswer(of: model, to: task, dataset.shape, found) { model.validate(input: dataset.shape, classes: task.outputCount, errors: found) }
                // Defaults are not what a model with a wrong option was to be; what is written and was not said yet is wrong by itself.
                errors.report(found) { path in
                    guard isWrong else { return true }
                    let keys = path.dropFirst(model.path.count).split(whereSeparator: { ".[]".contains($0) }).map(String.init)
                    return !keys.isEmpty && model.node.value(at: keys) != nil && !errors.hasAny(under: path)
                }
            }
        } catch let error as UserError {
            guard let keyPath = error.keyPath else { return }
            errors.report(String(error.message.dropFirst("\(keyPath): ".count)), at: mark(of: keyPath), path: keyPath)
        } catch {}
    }

    /// The path of a key of a model's training or data: among what the definition says for this model alone, where it says it there.
    func writtenPath(of path: String, in model: Model) -> String {
        let parts = path.split(whereSeparator: { ".[]".contains($0) }).map(String.init), keys = parts.dropFirst()
        // How far a map says something about the key or what is around it.
        func depth(_ node: ConfigurationNode?) -> Int { keys.indices.last { node?.value(at: keys[...$0]) != nil } ?? 0 }
        guard let own = ["train": model.trainNode, "data": model.dataNode][parts.first ?? ""] else { return path }
        return depth(own) > 0 && depth(own) >= depth(root[parts[0]]) ? "\(model.path).\(path)" : path
    }

    /// Where a value, or the nearest map around it, was written.
    func mark(of keyPath: String) -> SourceMark {
        var node = root
        for key in keyPath.split(whereSeparator: { ".[]".contains($0) }) {
            if case .list(let items) = node.value, let index = Int(key), items.indices.contains(index) {
                node = items[index]
            } else {
                node = node[String(key)] ?? node
            }
        }
        return node.mark
    }

    /// Gives an error about one of the definition's values the place where that, or the nearest map around it, was written.
    ///
    /// - Parameter model: whose training or data the error may be about; nil: that whose own data these are, if there is one.
    func placing<Result>(in model: Model? = nil, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as UserError {
            guard let keyPath = error.keyPath else { throw error }
            let path = (model ?? models.first { $0.name == dataModel }).map { writtenPath(of: keyPath, in: $0) } ?? keyPath
            throw UserError(error.kind, "\(mark(of: path)): \(path)\(error.message.dropFirst(keyPath.count))")
        }
    }

    /// More of either would fit no table and no life.
    static let largestSeedCount = 10_000, largestModelCount = 1_000

    private static func seeds(from fields: inout FieldReader) -> [Int] {
        let errorCount = fields.errors.messages.count
        guard let seeds = fields.integers("seeds", in: 0...) else { return [0] }
        if seeds.isEmpty, fields.errors.messages.count == errorCount { fields.report("expected at least one seed, found none", at: "seeds") }
        if Set(seeds).count < seeds.count { fields.report("a seed is listed twice", at: "seeds") }
        return fields.limited(seeds, to: largestSeedCount, "seeds", at: "seeds")
    }

    /// A file name has at most 255 bytes, and a run folder's also has the seed and the hash.
    static let largestNameLength = 200

    /// Whether a text is of letters, digits, '_', '-' and '+', and begins with one of the first three.
    static func isName(_ text: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
        }
        guard let first = text.utf8.first, isWord(first) else { return false }
        return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
    }

    private static func models(from fields: inout FieldReader, _ registry: Registry, _ train: TrainConfiguration) -> [Model] {
        let shared = (train: fields.node["train"], data: fields.node["data"])
        guard let node = fields.node("models"), let entries = node.entries, !entries.isEmpty else {
            let found = fields.node("models").map { $0.entries == nil ? $0.kind : "an empty one" } ?? "nothing"
            fields.report("expected a map of at least one model, such as {small: {vit: {width: 96}}}, found \(found)", at: "models")
            return []
        }
        return fields.limited(entries, to: largestModelCount, "models", at: "models").compactMap { entry in
            let path = "models.\(entry.key)"
            // A model's name is part of its runs' folder names and of dotted paths.
            if !isName(entry.key) {
                fields.errors.report("expected a name of letters, digits, '_', '-' and '+'", at: entry.mark, path: path)
            } else if entry.key.count > largestNameLength {
                fields.errors.report("found a name of \(entry.key.count) letters, expected at most \(largestNameLength)", at: entry.mark, path: path)
            }
            let (node, own, data, said) = parts(of: entry.node)
            var remarkFields = FieldReader(said, path: path, errors: fields.errors, additions: registry.additions)
            let remarks = Remarks(from: &remarkFields)
            let training = own.map { read($0, over: shared.train, "train", path: "\(path).train", errors: fields.errors, registry) } ?? train
            let ownData: DataConfiguration? = data.map { read($0, over: shared.data, "data", path: "\(path).data", errors: fields.errors, registry) }
            return registry.models.read(node, path: path, errors: fields.errors).map {
                Model(
                    name: entry.key, definition: $0, train: training, trainNode: own, data: ownData, dataNode: data, ownRemarks: remarks, node: node)
            }
        }
    }

    /// The keys that may stand beside a model's family.
    static let keysBesideFamilies: Set<String> = ["train", "data", "note", "tags", "measures"]

    /// A model without what stands beside its family; its training; its data; and what is said about it.
    private static func parts(
        of node: ConfigurationNode
    ) -> (model: ConfigurationNode, train: ConfigurationNode?, data: ConfigurationNode?, remarks: ConfigurationNode) {
        let entries = node.entries ?? [], beside = entries.filter { keysBesideFamilies.contains($0.key) }
        func map(_ entries: [ConfigurationNode.Entry]) -> ConfigurationNode { ConfigurationNode(.map(entries), mark: node.mark) }
        func part(_ key: String) -> ConfigurationNode? { beside.first { $0.key == key }?.node }
        let model = beside.isEmpty ? node : map(entries.filter { !keysBesideFamilies.contains($0.key) })
        return (model, part("train"), part("data"), map(beside.filter { !["train", "data"].contains($0.key) }))
    }
}

/// What makes a comparison of models fair.
public enum Match: String, CaseIterable, Sendable {
    case parameters, macs
    /// The models differ on purpose.
    case none
}

extension FieldReader {
    /// The values of a list; none, and an error, where they are more than can be meant.
    func limited<Value>(_ values: [Value], to limit: Int, _ name: String, at key: String) -> [Value] {
        if values.count <= limit { return values }
        report("found \(grouped(values.count)) \(name), expected at most \(grouped(limit))", at: key)
        return []
    }

    /// A reader for the map under `key`; one without entries, at this map's place, when the key is absent.
    fileprivate mutating func section(_ key: String) -> FieldReader {
        fields(key) ?? FieldReader(ConfigurationNode(.null, mark: node.mark), path: path(of: key), errors: errors, additions: additions)
    }
}
