import Measures
import Tasks
import TensorCore
import Training
import VisionData

// Trainings that classify, for tests.

extension TrainingLoop {
    public convenience init(
        _ model: @escaping ModelRecorder, configuration: TrainConfiguration, dataset: ImageDataset, augmentations: [Augmentation], seed: UInt64,
        pool: WorkerPool
    ) throws {
        try self.init(
            model, task: Classification(classCount: dataset.classCount, labelSmoothing: configuration.labelSmoothing),
            configuration: configuration, source: dataset, augmentations: augmentations, seed: seed, pool: pool)
    }
}

extension MeasureValues {
    public var loss: Double { self["loss"] ?? .nan }
    public var accuracy: Double { self["accuracy"] ?? .nan }
}

extension StepMetrics {
    public var loss: Double { values.loss }
    public var accuracy: Double { values.accuracy }
}

extension EpochMetrics {
    public var trainLoss: Double { training.loss }
    public var validationLoss: Double? { validation?.loss }
    public var validationAccuracy: Double? { validation?.accuracy }
}

extension EvaluationResult {
    public var loss: Double { values.loss }
    public var accuracy: Double { values.accuracy }
    public var predictions: [Int32] { integers("predictions") }
    public var labels: [Int32] { integers("labels") }
    public var confusion: [Int] { integers("confusion").map { Int($0) } }

    private func integers(_ name: String) -> [Int32] { tables[name]?.integers?.map { Int32($0) } ?? [] }
}

extension Batch {
    /// Of a pipeline of images and labels.
    public var images: UnsafePointer<Float> { fields[0].assumingMemoryBound(to: Float.self) }
    public var labels: UnsafePointer<Int32> { fields[1].assumingMemoryBound(to: Int32.self) }
}
