import TensorCore
import VisionData

/// Measures a model with weights that come from no training of their own, such as the mean of several trainings' weights, on the samples of a training.
///
/// Results do not depend on the number of threads. Confined to one thread.
public final class ModelEvaluation {
    /// The model's parameters and buffers, where they lie: zeros, until somebody gives them values.
    public let arrays: (parameters: [TrainingArray], buffers: [TrainingArray])
    private let store: ParameterStore
    private let evaluator: Evaluator
    /// nil where there are no running statistics.
    private let statistics: BatchStatisticsPass?
    private let makePipeline: () throws -> BatchPipeline

    /// - Parameters:
    ///   - model: as a training takes it.
    ///   - configuration: the training's, whose batches and frozen batch norms it has.
    ///   - seed: the training's.
    /// - Throws: `RecordingError` when the model does not fit the images or the memory, `UserError` when the samples lack what the task needs.
    public init(
        _ model: @escaping ModelRecorder, task: any TrainingTask, configuration: TrainConfiguration, source: any SampleSource, augmentations: [Augmentation],
        seed: UInt64, pool: WorkerPool
    ) throws {
        let fields = try task.fields(of: source)
        let graph = RecordedModel(
            model, task, fields: fields, mode: .evaluation, batchSize: configuration.batchSize, shardCount: configuration.shards, seed: seed,
            precision: configuration.precision).graph
        try graph.validate()
        let store = ParameterStore(like: try ParameterStore(graph, from: UnsetWeights()))
        self.store = store
        arrays = TrainingArrays.arrays(of: store)
        evaluator = try Evaluator(model, task, source: source, fields: fields, configuration: configuration, seed: seed, store: store, pool: pool)
        statistics = try store.bufferEntries.isEmpty
            ? nil : BatchStatisticsPass(model, task, fields: fields, configuration: configuration, seed: seed, store: store, pool: pool)
        makePipeline = {
            try BatchPipeline(
                training: source, fields: fields, batchSize: configuration.batchSize, seed: seed, augmentations: augmentations, epochs: 0..<1)
        }
    }

    /// Gives the weights the running statistics that belong to them, over the training samples of the first epoch as it augments them. Those of
    /// frozen batch norms stay as they are.
    ///
    /// - Parameter epoch: whose frozen parameters count, from 0.
    /// - Returns: false when `shouldStop` said so between two batches.
    public func recomputeStatistics(frozenAsIn epoch: Int, shouldStop: () -> Bool) throws -> Bool {
        guard let statistics else { return true }
        let pipeline = try makePipeline()
        defer { withExtendedLifetime(pipeline) {} }
        return try statistics.run(epoch: epoch, from: 0, { try pipeline.next()?.fields }, shouldStop: shouldStop)
    }

    /// The measures of a split.
    ///
    /// - Returns: nil when `shouldStop` said so between two batches.
    public func evaluate(_ split: Split, shouldStop: () -> Bool) throws -> EvaluationResult? {
        try evaluator.evaluate(split, makesTables: false, shouldStop: shouldStop)
    }
}
