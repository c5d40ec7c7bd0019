/// How far a training has come.
public struct TrainingProgress: Sendable, Equatable, Codable {
    /// Finished steps since the beginning.
    public var step = 0
    /// Finished epochs.
    public var epoch = 0
    /// The epoch of the best weights so far.
    public var bestEpoch: Int?
    /// Their validation accuracy; nil without validation.
    public var bestAccuracy: Double?
    /// The best value so far of the metric of early stopping.
    public var bestMonitored: Double?
    /// Epochs in a row without an improvement of that metric.
    public var epochsWithoutImprovement = 0

    public init() {}

    /// Whether `accuracy`, of the weights at the end of `epoch`, is the best so far; remembers it if so. Without validation every epoch is.
    mutating func isBest(_ accuracy: Double?, epoch: Int) -> Bool {
        if let accuracy, let bestAccuracy, accuracy <= bestAccuracy { return false }
        (bestEpoch, bestAccuracy) = (epoch, accuracy)
        return true
    }

    /// Counts the results of another epoch for `stopping`.
    mutating func add(_ stopping: EarlyStoppingConfiguration, loss: Double, accuracy: Double) {
        let isImproved: Bool
        let value: Double
        switch stopping.metric {
        case .validationAccuracy:
            value = accuracy
            isImproved = bestMonitored.map { value > $0 + stopping.minDelta } ?? true
        case .validationLoss:
            value = loss
            isImproved = bestMonitored.map { value < $0 - stopping.minDelta } ?? true
        }
        if isImproved { bestMonitored = value }
        epochsWithoutImprovement = isImproved ? 0 : epochsWithoutImprovement + 1
    }

    /// Whether the patience of `stopping` has run out.
    func isPatienceOver(_ stopping: EarlyStoppingConfiguration?) -> Bool {
        stopping.map { epochsWithoutImprovement >= $0.patience } ?? false
    }
}
