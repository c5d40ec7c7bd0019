import Configuration
import Foundation
import Measures
import Models
import RunStore
import Tasks
import VisionData

/// The trials of a sweep in the order in which they are trained, frozen in a file before the first of them.
public struct SweepPlan: Sendable {
    /// The frozen plan, with what has become of each trial.
    public internal(set) var file: SweepFile
    /// The cells that the plan was made from, whose values know where they were written; none in one that was read.
    private var cells: [SweepCell] = []
    /// The file of the definition that the plan was made from; nil in one that was read.
    private(set) var source: DefinitionFile?
    /// Sentences about what is written in the sweep and has no effect.
    private var notes: [String] = []
    /// The models that its definitions can name.
    var registry: Registry
    /// The definition, which knows where its files are, as the plan's file does not; nil in a plan that was read.
    var base: Definition?

    /// The trials, in the order in which they are trained.
    public var entries: [SweepFile.Entry] { file.entries }
    /// The experiment's path below the folder of definitions.
    public var experiment: String { file.experiment }

    /// Expands a definition's sweep.
    ///
    /// All models of all cells at the first seed come before those at the second, so that comparisons are whole as early as possible. A trial that
    /// several cells bring, because they differ in what does not concern its model, counts once.
    ///
    /// - Parameters:
    ///   - progress: hears how far it is.
    ///   - change: what the command line does to a definition.
    /// - Throws: `.usage` when there is no sweep or something is wrong with it or with one of its cells.
    public init(_ definition: Definition, progress: PlanningProgress? = nil, change: (inout Definition) throws -> Void = { _ in }) throws {
        guard let sweep = definition.sweep else {
            throw UserError(.usage, "\(definition.name) has no sweep; harness run trains it")
        }
        var base = definition, contents = DataContents()
        try change(&base)
        try contents.identify(&base)
        var notes: [String] = []
        let cells = try definition.cells(of: sweep, progress: progress, say: { notes.append($0) }).map { cell in
            var definition = cell.definition
            definition.seeds = sweep.seeds ?? definition.seeds
            try change(&definition)
            try contents.identify(&definition)
            return SweepCell(assignments: cell.assignments, definition: definition)
        }
        let count = cells.reduce(0) { $0 + $1.definition.trialCount }
        guard count <= Self.largestTrialCount else {
            throw UserError(
                .usage, "\(sweep.node.mark): sweep: found \(grouped(count)) trials, expected at most \(grouped(Self.largestTrialCount))")
        }
        var seeds: [Int] = [], bySeed: [Int: [SweepFile.Entry]] = [:], names: Set<String> = [], texts = TrialTexts()
        for (index, cell) in cells.enumerated() {
            progress?.show(index, of: cells.count, "cells planned")
            let values = Dictionary(uniqueKeysWithValues: cell.definition.models.map { ($0.name, cell.values(for: $0.name)) })
            for trial in cell.definition.trials(&texts) {
                if bySeed[trial.seed] == nil {
                    seeds.append(trial.seed)
                    bySeed[trial.seed] = []
                }
                guard names.insert(trial.name).inserted else { continue }
                bySeed[trial.seed]?.append(SweepFile.Entry(
                    model: trial.model.name, seed: trial.seed, fold: trial.fold, hash: trial.hash, cell: index, values: values[trial.model.name] ?? [:],
                    configuration: trial.resolvedDefinition))
            }
        }
        let halving = sweep.halving.map { SweepFile.Halving(metric: $0.metric, factor: $0.factor, first: $0.first) }
        file = SweepFile(
            experiment: base.name, identityVersion: Trial.identityVersion, halving: halving, sweep: YAML.text(sweep.node, .yaml), entries: seeds.flatMap { bySeed[$0] ?? [] })
        self.cells = cells
        source = definition.file
        self.notes = notes
        registry = definition.registry
        self.base = base
    }

    /// More would not fit a disk or a life.
    private static let largestTrialCount = 100_000

    /// Reads a plan that was written before.
    init(reading path: String, registry: Registry = .standard) throws {
        file = try SweepFile(reading: path)
        self.registry = registry
    }

    /// The trial of an entry, for training it.
    func definition(of entry: SweepFile.Entry) throws -> Definition {
        var definition = try Definition(resolved: entry.configuration, name: experiment, place: "\(experiment)/sweep.h5: \(entry.name)", registry: registry)
        if let known = cells.indices.contains(entry.cell) ? cells[entry.cell].definition : base { definition.takePlaces(of: known) }
        return definition
    }

    /// The same with the places of its values in the definition's files, as long as they are known.
    func writtenDefinition(of entry: SweepFile.Entry) throws -> Definition {
        guard cells.indices.contains(entry.cell) else { return try definition(of: entry) }
        let cell = cells[entry.cell].definition
        guard let model = cell.models.first(where: { $0.name == entry.model }) else { return try definition(of: entry) }
        var definition = cell.part(of: model)
        if let fold = entry.fold { definition.data.fold = fold }
        return definition
    }

    /// What is said of an entry: `vit s0  depth=4 learning_rate=0.001`, of one of several folds `vit s0 f2  depth=4`.
    static func label(_ entry: SweepFile.Entry) -> String {
        "\(entry.model) s\(entry.seed)" + (entry.fold.map { " f\($0)" } ?? "") + (entry.values.isEmpty ? "" : "  \(valueText(entry))")
    }

    /// The values under the last names of their keys: `depth=4 learning_rate=0.001`.
    public static func valueText(_ entry: SweepFile.Entry) -> String {
        entry.values.sorted { $0.key < $1.key }.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value)" }.joined(separator: " ")
    }

    func folder(of entry: SweepFile.Entry, results: URL) -> RunFolder {
        RunFolder(results: results.path, experiment: experiment, model: entry.model, seed: entry.seed, fold: entry.fold, hash: entry.hash)
    }

    /// What has become of each entry, in a word or two, in their order.
    public func states(results: URL) -> [String] {
        entries.map { entry in
            switch entry.outcome {
            case .planned: ExperimentPreview.state(of: folder(of: entry, results: results))
            case .stopped(let epoch): "stopped after epoch \(epoch)"
            case .finished, .diverged, .failed: entry.outcome.name
            }
        }
    }

    /// Loads the images and records every model once, so that what does not fit is known before anything trains.
    ///
    /// - Parameter progress: hears how far it is.
    /// - Returns: an experiment for each set of images, under `Definition.imagesKey`.
    /// - Throws: `.usage` with everything that does not fit.
    @discardableResult
    public func check(
        dataDirectory: String?, progress: PlanningProgress? = nil
    ) throws -> [String: Experiment] {
        var loaded: [String: Experiment] = [:], seen: Set<String> = [], sentences: [String] = []
        var data: (value: DataConfiguration, key: String)?, models: [String: (value: ModelDefinition, key: String)] = [:]
        // What every checked trial measures of its validation.
        var measured: [String]?
        for (index, entry) in entries.enumerated() where entry.outcome == .planned {
            progress?.show(index, of: entries.count, "trials checked")
            let definition = try writtenDefinition(of: entry), model = definition.models[0]
            // Neighbouring trials share most of it, and writing it out takes longer than comparing it.
            if data?.value != definition.data { data = (definition.data, definition.imagesKey) }
            if models[model.name]?.value != model.definition { models[model.name] = (model.definition, YAML.line(model.definition.node)) }
            // Rules and weights have to fit the model, too.
            let key = data!.key, train = model.train
            let fitted = train.parameters.isEmpty && train.initialWeights == nil && train.distillation == nil && train.averages.isEmpty ? "" : YAML.line(train.completeNode)
            // Among the definition's models are those that this one starts from.
            let source = !train.takesFromTrials ? "" : definition.allModels.map { YAML.line($0.definition.node) }.joined()
            let task = definition.task.map { YAML.line($0) } ?? ""
            guard seen.insert(key + models[model.name]!.key + fitted + source + task).inserted else { continue }
            do {
                let experiment = try Experiment(definition, dataDirectory: dataDirectory, sharing: loaded[key] ?? loaded.values.sharing(definition.sourceKey))
                if loaded[key] == nil { loaded[key] = experiment }
                if let halving = file.halving {
                    let names = train.measures(experiment.measures).filter(\.isOfEvaluation).map(\.name), monitored = experiment.task.monitored
                    let ordered = names.filter { $0 == monitored } + names.filter { $0 != monitored }
                    measured = measured?.filter(ordered.contains) ?? ordered
                    try (base ?? definition).placing {
                        try Experiment.requireMonitor(halving.metric, among: train.measures(experiment.measures), of: experiment.task, at: "sweep.halving.metric")
                    }
                }
            } catch let error as UserError where error.kind == .usage {
                if !sentences.contains("\(error)") { sentences.append("\(error)") }
            }
        }
        if sentences.isEmpty, let measured, let sentence = try lossesInHalving(besides: measured) { sentences.append(sentence) }
        if !sentences.isEmpty { throw UserError(.usage, sentences.joined(separator: "\n")) }
        return loaded
    }

    /// Why halving cannot rank trials by their loss: it is another quantity in some of a model's trials than in others. nil where it can.
    ///
    /// - Parameter measured: what all trials measure, the best metric first.
    private func lossesInHalving(besides measured: [String]) throws -> String? {
        guard let halving = file.halving, halving.metric == Monitor.prefix + Measure.lossName else { return nil }
        let values = Dictionary(grouping: entries.flatMap(\.values).filter { $0.key == "task" || $0.key.hasPrefix("task.") }, by: \.key)
        let keys = values.filter { Set($0.value.map(\.value)).count > 1 }.keys.sorted()
        if keys.isEmpty { return nil }
        let losses = try Dictionary(grouping: entries, by: \.model).mapValues { try Set($0.map { registry.tasks.lossText(of: try writtenDefinition(of: $0).task) }) }
        guard losses.values.contains(where: { $0.count > 1 }) else { return nil }
        let other = measured.first { $0 != Measure.lossName }.map { ", such as \(Monitor.prefix)\($0)" } ?? ""
        let path = "sweep.halving.metric", place = base.map { "\($0.mark(of: path)): " } ?? ""
        return "\(place)\(path): \(halving.metric) is another quantity for each \(keys.joined(separator: " and ")), of which none is better; expected another metric\(other)"
    }
}

extension SweepPlan {
    /// What may be wrong with the sweep, and with the data and the definitions of its checked trials; each sentence once.
    public func notes(about experiments: [String: Experiment]) -> [String] { notes + Set(experiments.values.flatMap(\.notes)).sorted() }
}

/// What files of data hold, each read once.
private struct DataContents {
    private var known: [String: DataContent] = [:]

    /// Reads what a definition's own data hold, by which its trials are known.
    mutating func identify(_ definition: inout Definition) throws {
        try definition.changeSources { try identify(&$0) }
        for model in definition.models where model.data != nil {
            var part = definition.part(of: model)
            try identify(&part)
            definition.setPlaces(part.data.places, ofOwnDataOf: model.name)
        }
        if definition.data.source.isKnownByName { return }
        guard definition.data.places.content == nil else { return }
        let key = definition.sourceKey
        if known[key] == nil {
            let images = try definition.placing { try definition.data.load() }.images
            known[key] = DataContent(digest: images.digest, classes: images.classCount)
        }
        definition.data.places.content = known[key]
    }
}

extension Definition {
    /// Equal for definitions whose images are the same in memory, and split in the same way; augmentation comes later.
    var imagesKey: String {
        var data = data
        data.augment = []
        return Self.key(of: data)
    }

    /// Equal for definitions whose images are the same in memory before they are split.
    var sourceKey: String { Self.key(of: data.beforeSplit) }

    private static func key(of data: DataConfiguration) -> String {
        let places = [data.places.pathFolder, data.places.directoryFolder].map { $0 ?? "" }
        return YAML.line(data.completeNode) + places.joined(separator: "\n")
    }
}

extension Collection<Experiment> {
    /// One whose images are the same before they are split (`Definition.sourceKey`).
    func sharing(_ sourceKey: String) -> Experiment? { first { $0.images.sourceKey == sourceKey } }
}

extension SweepCell {
    /// What the cell sets, without what concerns other models, and what the model's own training or data say otherwise.
    func values(for name: String) -> [String: String] {
        let others = definition.models.map { "models.\($0.name)." }.filter { $0 != "models.\(name)." }
        let model = definition.models.first { $0.name == name }
        func isOverruled(_ assignment: SweepAssignment) -> Bool {
            let node = ["train": model?.trainNode, "data": model?.dataNode][assignment.path.first ?? ""] ?? nil
            return node?.value(at: assignment.path.dropFirst()) != nil
        }
        let own = assignments.filter { assignment in !isOverruled(assignment) && !others.contains { (assignment.key + ".").hasPrefix($0) } }
        return Dictionary(own.map { ($0.key, YAML.line($0.value)) }, uniquingKeysWith: { $1 })
    }
}
