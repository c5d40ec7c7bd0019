import Measures

/// What one training step did. Steps and epochs count from 0.
public struct StepMetrics: Sendable, Equatable {
    /// From 0.
    public let step: Int
    /// From 0.
    public let epoch: Int
    /// Means over the batch before the update; the loss is what is differentiated, without the L1 penalty.
    public let values: MeasureValues
    /// The rate of the step's update.
    public let learningRate: Double
    /// The norm of all gradients, L1 penalty included, before clipping.
    public let gradientNorm: Double
}

/// An epoch's results; they depend on the definition alone.
public struct EpochMetrics: Sendable, Equatable {
    /// From 0.
    public let epoch: Int
    /// The number of steps from the beginning of the training to the end of this epoch.
    public let stepCount: Int
    /// Means over the epoch's steps, each measured before its update.
    public let training: MeasureValues
    /// nil when no samples are held out for validation.
    public let validation: MeasureValues?
    /// Whether the weights are the best so far: by the loop's monitor, the earlier ones of equals; without validation the latest.
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
    /// The time that evaluation took.
    public let validationSeconds: Double
    /// Images a second, of training alone.
    public let imagesPerSecond: Double
}

/// Where a training stands, for a progress line; differs from run to run.
public struct ProgressReport: Sendable {
    /// From 0.
    public let epoch: Int
    /// How many epochs there are in all.
    public let epochCount: Int
    /// Finished steps of the epoch.
    public let step: Int
    /// From 0.
    public let stepsPerEpoch: Int
    /// Means over the epoch's steps so far.
    public let values: MeasureValues
    /// Over the epoch's steps so far.
    public let imagesPerSecond: Double
    /// Until the last epoch's end, validation included.
    public let secondsLeft: Double
}

/// Sums of an epoch's steps.
public struct RunningMeans: Sendable, Equatable {
    /// How many steps were added.
    public private(set) var stepCount = 0
    /// By the measure's name; a measure that counts samples alike adds each step's mean with a count of 1.
    public private(set) var sums: [String: MeasureSum]

    /// The means over nothing unless given.
    public init(stepCount: Int = 0, sums: [String: MeasureSum] = [:]) {
        self.stepCount = stepCount
        self.sums = sums
    }

    /// 0 before the first step, for what is measured in training.
    func values(of measures: [Measure]) -> MeasureValues {
        MeasureValues(measures, measures.map { $0.isOfTraining ? sums[$0.name]?.mean ?? 0 : .nan })
    }

    /// - Parameter step: in the order of `measures`.
    mutating func add(_ step: [MeasureSum], of measures: [Measure]) {
        stepCount += 1
        for (measure, sum) in zip(measures, step) { sums[measure.name, default: MeasureSum()] += sum }
    }
}
