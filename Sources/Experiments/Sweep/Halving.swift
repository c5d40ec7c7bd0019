import Configuration

/// Early termination by successive halving: `halving: {metric: val_accuracy, factor: 3, first: 1}`.
///
/// All cells of a model are trained for `first` epochs; of n cells the best ⌊n / factor⌋ (at least one) go on to `first`·factor epochs, and so
/// on; whoever is left trains to the end. A cell's value is the mean of the metric over its seeds after that epoch, so all its seeds go
/// on or none; ties go to the cell that comes first. The rungs are those of ASHA, but a rung is decided when all its trials have reached it: so who
/// stops depends on the plan and the metrics alone, never on timing or on the number of jobs.
///
/// Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
public struct Halving: Sendable, Equatable {
    public enum Metric: String, CaseIterable, Sendable {
        case validationAccuracy = "val_accuracy"
        case validationLoss = "val_loss"

        var isBetterWhenLarger: Bool { self == .validationAccuracy }
    }

    public var metric = Metric.validationAccuracy
    public var factor = 3
    /// The epochs of the first rung.
    public var first = 1

    init(metric: Metric, factor: Int, first: Int) {
        (self.metric, self.factor, self.first) = (metric, factor, first)
    }

    init(from fields: inout FieldReader) {
        metric = fields.choice("metric", default: metric)
        factor = fields.integer("factor", default: factor, in: 2...100)
        first = fields.integer("first", default: first, in: 1...1_000_000)
        fields.finish()
    }

    /// The epochs after which is decided, for trainings of up to `epochs`.
    func rungs(epochs: Int) -> [Int] {
        Array(sequence(first: first) { $0 * factor }.prefix { $0 < epochs })
    }

    /// Which of the cells with these values go on, as positions. A cell without a value (it failed or diverged) is worse than any other.
    func survivors(of values: [Double?]) -> Set<Int> {
        let ranked = values.indices.filter { values[$0]?.isFinite == true }.sorted { a, b in
            let (x, y) = (values[a]!, values[b]!)
            if x == y { return a < b }
            return metric.isBetterWhenLarger ? x > y : x < y
        }
        return Set(ranked.prefix(max(1, values.count / factor)))
    }
}
