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
    /// What the models are trained for.
    public let task: any TrainingTask
    /// The samples of the data set with the fields that the task needs.
    public let source: any SampleSource
    /// What they are measured by, whatever the model: the loss first.
    public let measures: [Measure]
    /// Of all images and labels (`LabeledImages.digest`).
    public let dataDigest: String
    /// The size of each model, in the order of the definition.
    public let models: [(name: String, summary: ModelSummary)]

    /// Loads the data and records every model for one image.
    ///
    /// - Parameters:
    ///   - other: an experiment with the same images (`Definition.imagesKey`), whose copy is used instead of another.
    ///   - tasks: among which the definition chooses.
    /// - Throws: `UserError` of the data or of a precision that this machine does not have; `.usage` with everything in which the models do not fit them, each with its place.
    public init(
        _ definition: Definition, dataDirectory: String?, sharing other: Experiment? = nil, tasks: TaskRegistry = .standard
    ) throws {
        var definition = definition
        try definition.precision.requireUnits()
        let dataset = try other?.dataset ?? definition.placing { try ImageDataset.load(definition.data, dataDirectory: dataDirectory) }
        self.dataset = dataset
        dataDigest = other?.dataDigest ?? dataset.images.digest
        definition.data.places.content = DataContent(digest: dataDigest, classes: dataset.classCount)
        self.definition = definition
        let prepared = try definition.placing { try tasks.prepare(definition.task, dataset: dataset, training: definition.train) }
        (task, source) = (prepared.task, prepared.source)
        let measures = try definition.placing { () throws in
            let measures = try prepared.task.measures(of: prepared.source)
            if let stopping = definition.train.earlyStopping {
                _ = try Monitor(named: stopping.metric, among: measures, of: prepared.task.name, at: "train.early_stopping.metric")
            }
            return measures
        }
        self.measures = measures
        let input = dataset.shape, outputs = prepared.task.outputShape.elementCount
        let errors = ConfigurationErrors()
        for model in definition.models { model.validate(input: input, classes: outputs, errors: errors) }
        try errors.throwIfAny()
        let rules = definition.train.parameters
        for model in definition.models where !rules.isEmpty {
            let names = model.definition.parameterNames(input: input, classes: outputs)
            _ = try definition.placing { try rules.treatments(of: names, in: model.path) }
        }
        models = try definition.models.map { model in
            (model.name, try ModelSummary(model.definition, input: input, classes: outputs))
        }
    }

    /// Sentences about what may be wrong with the data or the definition, though it can be trained.
    public var notes: [String] { dataset.notes + definition.notes }

    /// A training of `trial`, ready to run.
    ///
    /// - Throws: `UserError`: `.usage` when the model does not fit the images or the data are too few, `.internal` when the memory is too small.
    public func training(of trial: Trial, pool: WorkerPool) throws -> TrainingLoop {
        let model = trial.model, outputs = task.outputShape.elementCount
        var configuration = trial.train
        configuration.precision = trial.precision
        do {
            return try definition.placing {
                try TrainingLoop(
                    { scope, images in model.definition.record(images, classes: outputs, in: scope) }, task: task,
                    configuration: configuration, source: source,
                    augmentations: trial.data.augment, seed: UInt64(trial.seed), pool: pool)
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

    /// The same models on the embedded 8×8 digits, for one epoch and one seed: whether everything works, in seconds.
    public mutating func makeSmokeTest() {
        name += "-smoke"
        data.source = .named(.digits)
        data.directory = nil
        (data.trainExamples, data.testExamples) = (nil, nil)
        data.validation = .default
        data.normalization = .training
        train.epochs = 1
        train.schedule = ScheduleConfiguration()
        train.batchSize = 8 * train.shards
        seeds = Array(seeds.prefix(1))
    }
}
