import Configuration
import Foundation
import Measures
import Models
import Tasks
import TensorCore
import Training
import VisionData

/// A definition with its data loaded and every model recorded once: all that can be wrong is known before anything trains.
public struct Experiment: Sendable {
    /// What is trained, and how.
    public let definition: Definition
    /// The samples, loaded.
    public let dataset: ImageDataset
    /// What the models are trained for, with what the definition says for all of them.
    public let task: any TrainingTask
    /// The same with what it says for each.
    private let modelTasks: [String: any TrainingTask]
    /// The experiments of the trials that models take from, by the models' names.
    let sources: [String: [SourceRole: SourceExperiment]]
    /// The samples of the data set with the fields that the task needs.
    public let source: any SampleSource
    /// What they are measured by, whatever the model: the loss first.
    public let measures: [Measure]
    /// SHA-256 of all images and labels (`LabeledImages.digest`).
    public let dataDigest: String
    /// The size of each model, in the order of the definition.
    public let models: [(name: String, summary: ModelSummary)]
    let dataDirectory: String?
    /// The same for each fold, where the definition leaves it open which one; else nothing.
    let folds: [Experiment]
    /// Those of the models with data of their own, by the models' names.
    let parts: [String: Experiment]

    /// Images in memory that experiments share.
    struct Images {
        /// `Definition.imagesKey`
        let key: String
        /// `Definition.sourceKey`
        let sourceKey: String
        let dataset: ImageDataset
        let digest: String
    }

    /// The images in memory.
    var images: Images { Images(key: definition.imagesKey, sourceKey: definition.sourceKey, dataset: dataset, digest: dataDigest) }

    /// Loads the data and records every model for one image.
    ///
    /// - Parameter other: an experiment with the same images before they are split (`Definition.sourceKey`), whose copy is used instead of another.
    /// - Throws: `UserError` of the data or of a precision that this machine does not have; `.usage` with everything in which the models do not fit them, each with its place.
    public init(_ definition: Definition, dataDirectory: String?, sharing other: Experiment? = nil) throws {
        try self.init(definition, dataDirectory: dataDirectory, images: other?.images)
    }

    init(_ definition: Definition, dataDirectory: String?, images known: Images?) throws {
        let tasks = definition.registry.tasks
        var definition = definition
        try definition.precision.requireUnits()
        let dataset = try definition.placing {
            guard let known else { return try definition.data.load(dataDirectory: dataDirectory) }
            return try known.key == definition.imagesKey ? known.dataset : known.dataset.split(as: definition.data)
        }
        let dataDigest = known?.digest ?? dataset.images.digest
        (self.dataset, self.dataDigest) = (dataset, dataDigest)
        self.dataDirectory = dataDirectory
        definition.data.places.content = DataContent(digest: dataDigest, classes: dataset.classCount)
        let images = Images(key: definition.imagesKey, sourceKey: definition.sourceKey, dataset: dataset, digest: dataDigest)
        sources = try Self.findSources(of: &definition, dataDirectory, images)
        let parts = try Self.findParts(of: &definition, dataDirectory, images)
        self.parts = parts
        self.definition = definition
        let common = definition.models.filter { $0.data == nil }
        try Self.requireSizes(of: definition, dataset)
        let prepared = try definition.placing { try tasks.prepare(definition.task, dataset: dataset, training: definition.train) }
        (task, source) = (prepared.task, prepared.source)
        let measures = try definition.placing { try prepared.task.measures(of: prepared.source) }
        self.measures = measures
        let preparedTasks = try Dictionary(uniqueKeysWithValues: common.map { model in
            try definition.placing(in: model) {
                if let stopping = model.train.earlyStopping {
                    try Self.requireMonitor(stopping.metric, among: model.train.measures(measures), of: prepared.task, at: "train.early_stopping.metric")
                }
                return (model.name, try tasks.prepare(definition.task, dataset: dataset, training: model.train).task)
            }
        })
        let input = dataset.shape, outputs = prepared.task.outputCount
        let errors = ConfigurationErrors()
        for model in common where Self.reportAnswer(of: model, to: prepared.task, input, errors) { model.validate(input: input, classes: outputs, errors: errors) }
        try errors.throwIfAny()
        modelTasks = try Dictionary(uniqueKeysWithValues: common.map { model in
            let given = model.definition.outputs(input: input, classes: outputs)
            return try definition.placing(in: model) {
                let task = try preparedTasks[model.name]!.fitted(to: given)
                if let filter = model.definition.configuration as? FilterConfiguration { try (task as? Reconstruction)?.requireScale(of: filter.kernel) }
                return (model.name, task)
            }
        })
        models = try definition.models.map { model in
            try parts[model.name]?.models[0] ?? (model.name, ModelSummary(model.definition, input: input, classes: outputs))
        }
        try Self.checkGroups(of: common, in: definition, dataset)
        var shared = definition
        shared.models = common
        folds = try definition.foldCount == 1 ? [] : shared.folds.map { try Experiment($0, dataDirectory: dataDirectory, images: images) }
        for model in common {
            try definition.placing(in: model) {
                try model.train.requireFixedImages(areAugmented: !definition.data.augmentations.isEmpty, shareSequences: dataset.sharesSequences)
            }
        }
        for model in common where !model.train.parameters.isEmpty || model.train.initialWeights != nil {
            let declared = model.definition.declarations(input: input, classes: outputs)
            _ = try definition.placing(in: model) {
                try model.train.treatments(of: declared.parameters, layers: model.definition.layerOrder, in: model.path)
            }
            try checkSource(of: model, (declared.parameters + declared.buffers).shapes)
        }
        for model in common where model.train.distillation != nil { try checkTeacher(of: model) }
        try checkEnsembles()
    }

    /// - Throws: `.usage` when a task does not measure a metric, or the validation has no value of it.
    static func requireMonitor(_ metric: String, among measures: [Measure], of task: any TrainingTask, at keyPath: String) throws {
        let name = try Monitor(named: metric, among: measures, of: task.name, at: keyPath).measure.name
        let average = WeightAverage.allCases.first { name.hasPrefix($0.name("")) }
        guard let absence = task.absence(of: String(name.dropFirst(average?.name("").count ?? 0)), in: .validation) else { return }
        throw UserError(at: keyPath, "found \(metric), of which there is no value: \(absence); expected another metric, or a larger data.validation")
    }

    /// What the task measures, and the validation has no value of.
    private var absences: [String] {
        measures.filter(\.isOfEvaluation).compactMap { measure in
            task.absence(of: measure.name, in: .validation).map { "val_\(measure.name) has no value: \($0)" }
        }
    }

    /// - Throws: `.usage` with every model that takes images of one size where they have several, or the reverse.
    private static func requireSizes(of definition: Definition, _ dataset: ImageDataset) throws {
        let errors = ConfigurationErrors()
        for model in definition.models where model.data == nil && type(of: model.definition.configuration).takesSequences != dataset.sharesSequences {
            let sentence = dataset.sharesSequences
                ? "takes images of one size, and data.size: native gives each in its own; say data.size in pixels, or take navit"
                : "takes images in their own sizes, which data.size: native gives, of a folder or an HDF5 file"
            errors.report(sentence, at: model.node.mark, path: model.path)
        }
        try errors.throwIfAny()
    }

    /// Reports a model that answers for an image where the task asks about every pixel or every anchor, or the reverse; true: it answers what it is asked.
    static func reportAnswer(of model: Definition.Model, to task: some TrainingTask, _ input: ImageShape, _ errors: ConfigurationErrors) -> Bool {
        let given = model.definition
        if given.configuration.answersImages, task.answersPixels, task.outputShape[-1] != input.channels {
            errors.report(
                "\(given.family) gives an image, and \(task.name) asks for a class for each pixel; expected a model such as unet, or task: reconstruction", at: model.node.mark,
                path: model.path)
            return false
        }
        if given.answersPixels == task.answersPixels, given.answersAnchors == task.answersAnchors {
            guard let own = given.configuration.anchors(input: input), let asked = task.anchors else { return true }
            let maps = asked.strides.map { Size2D((input.height + $0 - 1) / $0, (input.width + $0 - 1) / $0) }
            if own == (maps, asked.count) { return true }
            func cells(_ maps: [Size2D]) -> String { maps.map(\.description).joined(separator: ", ") }
            errors.report(
                """
                \(given.family) has levels of \(cells(own.maps)) cells with \(grouped(own.count)) anchors at each, and the strides \(asked.strides) of the task \
                make \(cells(maps)) with \(grouped(asked.count)); expected the strides of its levels (task.detection.strides) and scales times ratios as many as its anchors
                """, at: model.node.mark, path: model.path)
            return false
        }
        let gives = given.answersPixels ? "an answer for every pixel" : given.answersAnchors ? "an answer for every anchor" : "one answer for an image"
        let asked = task.answersPixels ? "one for every pixel; expected a model such as unet"
            : task.answersAnchors ? "one for every anchor; expected a model such as retinanet"
            : "one for an image; say task: \(given.answersPixels ? "segmentation" : "{detection: {method: anchors}}"), or take another model"
        errors.report("\(given.family) gives \(gives), and \(task.name) asks for \(asked)", at: model.node.mark, path: model.path)
        return false
    }

    /// The experiment with the data of a trial: of its model, and of the fold on which it is tested; this one where there are no others.
    func part(of trial: Trial) -> Experiment {
        let part = parts[trial.model.name] ?? self
        return trial.fold.flatMap { part.folds.indices.contains($0) ? part.folds[$0] : nil } ?? part
    }

    /// Those of the models with data of their own, in the order of the definition.
    private static func findParts(of definition: inout Definition, _ dataDirectory: String?, _ images: Images) throws -> [String: Experiment] {
        var parts: [String: Experiment] = [:]
        for (index, model) in definition.models.enumerated() where model.data != nil {
            let part = definition.part(of: model), shared = part.sourceKey == images.sourceKey ? images : nil
            let experiment = try Experiment(part, dataDirectory: dataDirectory, images: shared)
            parts[model.name] = experiment
            definition.setPlaces(experiment.definition.data.places, ofOwnDataOf: model.name)
            for role in SourceRole.allCases { definition.models[index][role] = experiment.definition.models[0][role] }
        }
        return parts
    }

    /// What a model is trained for, with what the definition says for its training.
    func task(of model: String) -> any TrainingTask { parts[model]?.task(of: model) ?? modelTasks[model] ?? task }

    /// Sentences about what may be wrong with the data or the definition, though it can be trained.
    public var notes: [String] {
        let others = definition.models.compactMap { parts[$0.name] }.flatMap { $0.dataset.notes + $0.absences }
        return (dataset.notes + absences + others + definition.notes).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// A training of `trial`, ready to run.
    ///
    /// - Parameters:
    ///   - weights: where it has its first values from, such as the file of another trial's; nil: from its initializers.
    ///   - teacher: the weights of the network that teaches it, where the trial says one.
    /// - Throws: `UserError`: `.usage` when the model does not fit the images or the data are too few, `.internal` when the memory is too small.
    func training(of trial: Trial, startingFrom weights: (any WeightSource)? = nil, taughtBy teacher: (any WeightSource)? = nil, pool: WorkerPool) throws -> TrainingLoop {
        let model = trial.model, task = task(of: model.name), outputs = task.outputCount
        var configuration = trial.train
        configuration.precision = trial.precision
        do {
            return try definition.placing(in: model) {
                try TrainingLoop(
                    { scope, images in model.definition.record(images, classes: outputs, in: scope) }, layers: model.definition.layerOrder, task: task,
                    configuration: configuration, source: source,
                    augmentations: trial.data.augmentations, seed: UInt64(trial.seed), startingFrom: weights,
                    taughtBy: teacher.flatMap { self.teacher(of: trial, weights: $0) }, fitting: fitting(of: trial, startingFrom: weights), pool: pool)
            }
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "\(model.node.mark): \(model.path): \(error)")
        }
    }
}

extension Definition {
    /// Keeps the models called `names`.
    public mutating func keep(models names: [String]) throws {
        for name in names where !models.contains(where: { $0.name == name }) {
            throw UserError(.usage, "--only: there is no model '\(name)' in \(self.name)\(suggestion(for: name, among: models.map(\.name)))")
        }
        models.removeAll { !names.contains($0.name) }
    }

    /// The same models on the embedded 8×8 digits, or on a few solids or sequences where the data are such, for one epoch and one seed: whether everything works, in seconds. A network that takes only larger images
    /// gets the digits enlarged to the first of some usual sizes that it takes.
    public mutating func makeSmokeTest() {
        name += "-smoke"
        let digits = registry.tasks.smokeData(of: task)
        data.source = data.source.small ?? .named(digits)
        data.directory = nil
        (data.trainExamples, data.testExamples) = (nil, nil)
        data.validation = .default
        data.normalization = .training
        (data.classes, data.folds, data.fold, data.imagesPerClass, data.imbalance) = (nil, nil, nil, nil, 1)
        data.unseenClasses = nil
        var shardSize = 8
        // A set fills a shard.
        if case .sets(var sets) = data.sampling {
            // There are ten digits, and two kinds of sequences.
            if let count = sets.classes { sets.classes = min(count, data.source.small == nil ? 10 : 2) }
            data.sampling = .sets(sets)
            if sets.drawsClasses { shardSize = sets.count }
        }
        // Scenes of digits are large enough for small networks; the task says what does not fit them. What is made keeps its size.
        for index in models.indices { models[index].data = smokeData(of: models[index]) }
        for index in allModels.indices { allModels[index].data = smokeData(of: allModels[index]) }
        // Runs of other experiments were tested on other images.
        ensembles.removeAll { !$0.configuration.runs.isEmpty }
        // A list of weights has one for each class.
        if registry.tasks.isClassification(task) { task = nil }
        changeTrain { train in
            train.epochs = 1
            train.schedule = ScheduleConfiguration()
            train.swa?.startEpoch = 1
            train.batchSize = shardSize * train.shards
            // Where its trial's training ends is other here, so that it starts from its weights alone.
            train.initialWeights?.afterEpoch = nil
            // They are those of models for other images.
            if train.initialWeights?.file != nil { train.initialWeights = nil }
        }
        changeSources { $0.makeSmokeTest() }
        seeds = Array(seeds.prefix(1))
    }

    /// The data of a model in a smoke test: a few of its own, or the digits in a size that it takes; nil where they are the definition's.
    private func smokeData(of model: Model) -> DataConfiguration? {
        if let small = model.data?.source.small {
            var own = data
            own.source = small
            return own
        }
        return data.source == .named(.digits) ? enlarged(for: model) : nil
    }

    /// The digits of a smoke test in a size that a model takes; nil where that is their own, or the definition's.
    private func enlarged(for model: Model) -> DataConfiguration? {
        func fits(_ side: Int) -> Bool { (try? model.definition.requireFit(model.name, input: ImageShape(height: side, width: side, channels: 1))) != nil }
        guard data.extent == nil, !fits(8), let side = [16, 28, 32, 64, 128, 224].first(where: fits) else { return nil }
        var enlarged = data
        enlarged.size = Size2D(side, side)
        return enlarged
    }
}
