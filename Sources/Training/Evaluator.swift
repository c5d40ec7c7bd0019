import Measures
import TensorCore
import VisionData

/// A model's results on one split.
public struct EvaluationResult: Sendable, Equatable {
    /// What was evaluated.
    public let split: Split
    /// Means over the samples, summed in double in their order; the loss is the one that is evaluated, without what regularizes it in training.
    public let values: MeasureValues
    /// By the names of the task's layout; none where they were not asked for.
    public let tables: [String: TableValues]

    /// A split's values and tables.
    public init(split: Split, values: MeasureValues, tables: [String: TableValues] = [:]) {
        self.split = split
        self.values = values
        self.tables = tables
    }
}

/// Measures a model with the weights of a store, batch by batch.
final class Evaluator {
    let plan: Plan
    /// The multiply-adds of one sample.
    let multiplyAdds: Int
    private let batchSize: Int
    private let source: any SampleSource
    private let fields: [Field]
    private let task: any TrainingTask
    /// What it measures: the loss first, without what the training adds to it.
    let measures: [Measure]
    private let partCount: Int
    private let weights: [Double]
    private let reader: MeasureReader
    /// Of the validation samples, in the place of their images, where there are features.
    let features: CachedFeatures?
    /// The places of the plan's outputs from which the task makes its tables.
    private let tablePlaces: Range<Int>

    /// - Parameters:
    ///   - trained: the measures of the training: where that gives the parts of its loss by their names, so does the evaluation.
    ///   - caching: makes the features of the validation samples; nil: each evaluation takes their images.
    /// - Throws: `RecordingError` when the model does not fit the images.
    init(
        _ model: ModelRecorder, _ task: any TrainingTask, source: any SampleSource, fields: [Field], configuration: TrainConfiguration, seed: UInt64,
        trained: [Measure] = [], store: ParameterStore, caching: ((RecordedModel) throws -> CachedFeatures?)? = nil, pool: WorkerPool
    ) throws {
        let recorded = RecordedModel(
            model, task, fields: fields, mode: .evaluation, batchSize: configuration.batchSize, shardCount: configuration.shards, seed: seed,
            precision: configuration.precision)
        let losses = recorded.task.losses
        precondition(losses.allSatisfy { $0.counts == nil }, "in an evaluation every sample counts alike")
        reader = MeasureReader(recorded.task, at: losses.count)
        let outputs = losses.map(\.values) + reader.tensors
        tablePlaces = outputs.count..<outputs.count + recorded.task.outputs.count
        batchSize = configuration.batchSize
        multiplyAdds = recorded.graph.multiplyAdds * configuration.shards / batchSize
        features = try caching?(recorded)
        features?.feed(recorded)
        plan = try Plan(recorded.graph, outputs: outputs + recorded.task.outputs, gradients: [], store: store, pool: pool)
        self.source = source
        self.fields = fields
        self.task = task
        let namesParts = trained.contains { $0.name == losses[0].name }
        measures = recorded.task.allMeasures(namingParts: namesParts) + task.evaluatedMeasures
        partCount = namesParts || losses.count > 1 ? losses.count : 0
        weights = losses.map(\.weight)
    }

    /// Goes through a split once; the places of the last batch that hold no samples count for nothing. Results do not depend on
    /// the number of threads.
    ///
    /// - Parameter makesTables: whether the task's tables are made too.
    /// - Returns: nil when `shouldStop` said so between two batches.
    func evaluate(_ split: Split, makesTables: Bool, shouldStop: () -> Bool) throws -> EvaluationResult? {
        var sums = [MeasureSum](repeating: MeasureSum(), count: 1 + partCount + reader.count)
        let tables = makesTables || !task.splitMeasures.isEmpty ? task.makeTables(of: split) : nil
        let known = split == .validation ? features : nil
        if let known, !known.isFilled, try !known.fill(shouldStop: shouldStop) { return nil }
        let samples: any SampleSource = known?.source ?? source, sampleFields = known?.batchFields(fields.dropFirst()) ?? fields
        let pipeline = BatchPipeline(evaluating: samples, fields: sampleFields, split: split, batchSize: batchSize)
        var step: UInt64 = 0
        while let batch = try pipeline.next() {
            if shouldStop() { return nil }
            // What is drawn at random, such as the noise of a task, differs from batch to batch and is the same in every evaluation.
            try plan.run(feeding: known == nil ? features?.computed(batch) ?? batch.fields : batch.fields, step: step)
            step += 1
            addLosses(batch.sampleIndices, to: &sums)
            reader.add(plan, count: batch.count, to: &sums, from: 1 + partCount)
            tables?.add(
                outputs: tablePlaces.map(plan.outputPointer), targets: Array(batch.fields[1..<fields.count]), count: batch.count)
        }
        let splitValues = tables?.splitValues() ?? [:]
        let values = sums.map(\.mean) + task.splitMeasures.map { splitValues[$0.name] ?? .nan }
        return EvaluationResult(split: split, values: MeasureValues(measures, values), tables: makesTables ? tables?.finish() ?? [:] : [:])
    }

    /// The weighted sum of the losses first, then each of them where they have names.
    private func addLosses(_ samples: UnsafeBufferPointer<Int32>, to sums: inout [MeasureSum]) {
        let losses = weights.indices.map { plan.outputPointer($0).assumingMemoryBound(to: Float.self) }
        var count = 0
        // Places that hold no sample count for nothing.
        for sample in samples.indices where samples[sample] >= 0 {
            count += 1
            var total = 0.0
            for (index, values) in losses.enumerated() {
                total += weights[index] * Double(values[sample])
                if index < partCount { sums[1 + index].sum += Double(values[sample]) }
            }
            sums[0].sum += total
        }
        for index in 0...partCount { sums[index].count += Double(count) }
    }
}
