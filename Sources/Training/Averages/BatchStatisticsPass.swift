import TensorCore
import VisionData

/// Gives weights that no step of a training made the running statistics that belong to them: those of every batch norm over the batches of one epoch,
/// each the mean over the batches, in which layers behave as in training. PyTorch's update_bn.
final class BatchStatisticsPass {
    private let store: ParameterStore
    private let plan: StagedPlan

    /// - Parameters:
    ///   - seed: of dropout.
    ///   - store: has the weights, and gets the statistics.
    /// - Throws: `RecordingError` when the memory is too small.
    init(
        _ model: @escaping ModelRecorder, _ task: any TrainingTask, fields: [Field], configuration: TrainConfiguration, seed: UInt64, store: ParameterStore,
        pool: WorkerPool
    ) throws {
        self.store = store
        plan = try StagedPlan(configuration.parameters) { epoch in
            let recorded = RecordedModel(
                model, task, fields: fields, mode: .training, batchSize: configuration.batchSize, shardCount: configuration.shards, seed: seed,
                precision: configuration.precision, keepsBatchStatistics: true, freezing: configuration.parameters.freezing(in: epoch))
            return try Plan(recorded.graph, outputs: [], store: store, pool: pool)
        }
    }

    var byteCount: Int { plan.byteCount }

    /// Goes through an epoch's batches. Statistics that no step of it changes stay as they are.
    ///
    /// - Parameters:
    ///   - epoch: from 0; what was frozen in it counts.
    ///   - step: the number of the epoch's first step, for dropout.
    ///   - next: the fields of another batch, nil after the last one.
    /// - Returns: false when `shouldStop` said so between two batches; the statistics are worth nothing then.
    func run(epoch: Int, from step: Int, _ next: () throws -> [UnsafeRawPointer]?, shouldStop: () -> Bool) throws -> Bool {
        try plan.enter(epoch: epoch)
        var sums = [Double](repeating: 0, count: store.bufferValues.count), count = 0
        while let fields = try next() {
            if shouldStop() { return false }
            try plan.plan.run(feeding: fields, step: UInt64(step + count))
            for (index, value) in store.bufferValues.enumerated() { sums[index] += Double(value) }
            count += 1
        }
        precondition(count > 0, "an epoch has a batch")
        for (index, sum) in sums.enumerated() { store.bufferValues[index] = Float(sum / Double(count)) }
        return true
    }
}
