import VisionData

/// What one training step did. Steps and epochs count from 0.
public struct StepMetrics: Sendable, Equatable {
    public let step: Int
    public let epoch: Int
    /// The mean loss of the batch before the update, with label smoothing, without the L1 penalty.
    public let loss: Double
    /// The part of the batch that was classified right before the update.
    public let accuracy: Double
    public let learningRate: Double
    /// The norm of all gradients, L1 penalty included, before clipping.
    public let gradientNorm: Double
}

/// An epoch's results; they depend on the definition alone.
public struct EpochMetrics: Sendable, Equatable {
    public let epoch: Int
    /// The number of steps from the beginning of the training to the end of this epoch.
    public let stepCount: Int
    /// The mean over the epoch's steps, each measured before its update.
    public let trainLoss: Double
    public let trainAccuracy: Double
    /// nil when no images are held out for validation.
    public let validationLoss: Double?
    public let validationAccuracy: Double?
    /// Whether the weights are the best so far: by validation accuracy, the earlier ones of equals; without validation the latest.
    public let isBest: Bool
}

/// How long an epoch took; differs from run to run.
public struct EpochTiming: Sendable {
    /// The steps that were timed: fewer than the epoch has when it was gone on with.
    public let stepCount: Int
    /// The training steps, without validation.
    public let trainSeconds: Double
    /// The part of `trainSeconds` in which the training waited for a batch.
    public let waitingSeconds: Double
    /// The part of `trainSeconds` that was neither steps nor waiting: what listeners do with events.
    public let betweenStepsSeconds: Double
    public let validationSeconds: Double
    public let imagesPerSecond: Double
}

/// Where a training stands, for a progress line; differs from run to run.
public struct ProgressReport: Sendable {
    public let epoch: Int
    public let epochCount: Int
    /// Finished steps of the epoch.
    public let step: Int
    public let stepsPerEpoch: Int
    /// Means over the epoch's steps so far.
    public let loss: Double
    public let accuracy: Double
    /// Over the epoch's steps so far.
    public let imagesPerSecond: Double
    /// Until the last epoch's end, validation included.
    public let secondsLeft: Double
}

/// A model's results on one split.
public struct EvaluationResult: Sendable, Equatable {
    public let split: Split
    /// The mean cross-entropy without label smoothing, summed in double in the order of the images.
    public let loss: Double
    public let accuracy: Double
    /// `[classes × classes]`, a row for each true class, a column for each predicted one.
    public let confusion: [Int]
    public let classCount: Int
    /// The class with the largest logit (the lowest index of equals), for each image in the split's order.
    public let predictions: [Int32]
    public let labels: [Int32]
}

/// The index of the largest of `count` values; of equal ones the lowest.
func indexOfLargest(_ values: UnsafePointer<Float>, count: Int) -> Int {
    var best = 0
    for index in 1..<max(count, 1) where values[index] > values[best] { best = index }
    return best
}

/// Sums of an epoch's steps.
public struct RunningMeans: Sendable, Equatable {
    public private(set) var stepCount = 0
    public private(set) var lossSum = 0.0
    public private(set) var accuracySum = 0.0

    public init(stepCount: Int = 0, lossSum: Double = 0, accuracySum: Double = 0) {
        self.stepCount = stepCount
        self.lossSum = lossSum
        self.accuracySum = accuracySum
    }

    var loss: Double { lossSum / Double(max(stepCount, 1)) }
    var accuracy: Double { accuracySum / Double(max(stepCount, 1)) }

    mutating func add(loss: Double, accuracy: Double) {
        stepCount += 1
        lossSum += loss
        accuracySum += accuracy
    }
}
