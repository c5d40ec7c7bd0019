import TensorCore
import VisionData

/// Measures a model with the weights of a store, batch by batch.
final class Evaluator {
    let plan: Plan
    private let batchSize: Int
    private let dataset: ImageDataset

    /// - Throws: `RecordingError` when the model does not fit the images.
    init(
        _ model: ModelRecorder, dataset: ImageDataset, configuration: TrainConfiguration, seed: UInt64, store: ParameterStore, pool: WorkerPool
    ) throws {
        let recorded = RecordedClassifier(
            model, mode: .evaluation, shape: dataset.shape, classCount: dataset.classCount, batchSize: configuration.batchSize,
            shardCount: configuration.shards, seed: seed, precision: configuration.precision)
        let losses = recorded.logits.softmaxCrossEntropy(labels: recorded.labels)
        plan = try Plan(recorded.graph, outputs: [recorded.logits, losses], gradients: [], store: store, pool: pool)
        batchSize = configuration.batchSize
        self.dataset = dataset
    }

    /// Goes through a split once; the places of the last batch that hold no images count for nothing. Results do not depend on
    /// the number of threads.
    ///
    /// - Returns: nil when `shouldStop` said so between two batches.
    func evaluate(_ split: Split, shouldStop: () -> Bool) -> EvaluationResult? {
        let classCount = dataset.classCount
        var lossSum = 0.0, correctCount = 0
        var confusion = [Int](repeating: 0, count: classCount * classCount)
        var predictions: [Int32] = [], labels: [Int32] = []
        predictions.reserveCapacity(dataset.indices(of: split).count)
        labels.reserveCapacity(dataset.indices(of: split).count)
        let pipeline = BatchPipeline(evaluating: dataset, split: split, batchSize: batchSize)
        while let batch = pipeline.next() {
            if shouldStop() { return nil }
            plan.run(feeding: [UnsafeRawPointer(batch.images), UnsafeRawPointer(batch.labels)])
            let logits = plan.outputPointer(0).assumingMemoryBound(to: Float.self)
            let losses = plan.outputPointer(1).assumingMemoryBound(to: Float.self)
            for sample in 0..<batch.count {
                let label = Int(batch.labels[sample])
                let prediction = indexOfLargest(logits + sample * classCount, count: classCount)
                lossSum += Double(losses[sample])
                correctCount += prediction == label ? 1 : 0
                confusion[label * classCount + prediction] += 1
                predictions.append(Int32(prediction))
                labels.append(Int32(label))
            }
        }
        let count = Double(max(labels.count, 1))
        return EvaluationResult(
            split: split, loss: lossSum / count, accuracy: Double(correctCount) / count, confusion: confusion, classCount: classCount,
            predictions: predictions, labels: labels)
    }
}
