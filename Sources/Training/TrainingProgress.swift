import Measures

/// How far a training has come.
public struct TrainingProgress: Sendable, Equatable {
    /// Finished steps since the beginning.
    public var step = 0
    /// Finished epochs.
    public var epoch = 0
    /// The epoch of the best weights so far.
    public var bestEpoch: Int?
    /// The monitor's value for them; nil without validation.
    public var bestValue: Double?
    /// The best value so far of what early stopping watches.
    public var bestMonitored: Double?
    /// Epochs in a row without an improvement of that.
    public var epochsWithoutImprovement = 0

    /// The start.
    public init() {}

    /// Whether `value`, the monitor's for the weights at the end of `epoch`, is the best so far; remembers it if so. Without validation every
    /// epoch is.
    mutating func isBest(_ value: Double?, by monitor: Monitor, epoch: Int) -> Bool {
        if let value, let bestValue, !monitor.isBetter(value, than: bestValue) { return false }
        (bestEpoch, bestValue) = (epoch, value)
        return true
    }

    /// Counts another epoch for `stopping`, which watches `monitor`.
    mutating func add(_ value: Double, of monitor: Monitor, for stopping: EarlyStoppingConfiguration) {
        let isImproved = bestMonitored.map { monitor.isBetter(value, than: $0, by: stopping.minDelta) } ?? true
        if isImproved { bestMonitored = value }
        epochsWithoutImprovement = isImproved ? 0 : epochsWithoutImprovement + 1
    }

    /// The same for a training that continues this one: where the patience has run out, or something else is watched, it starts anew.
    func continued(from stopping: EarlyStoppingConfiguration?, with other: EarlyStoppingConfiguration?) -> TrainingProgress {
        var progress = self
        if stopping != other { progress.bestMonitored = nil }
        if stopping != other || isPatienceOver(stopping) { progress.epochsWithoutImprovement = 0 }
        return progress
    }

    /// Whether the patience of `stopping` has run out.
    func isPatienceOver(_ stopping: EarlyStoppingConfiguration?) -> Bool {
        stopping.map { epochsWithoutImprovement >= $0.patience } ?? false
    }
}
