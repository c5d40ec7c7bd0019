import Configuration
import Measures

/// Early termination by successive halving: `halving: {metric: val_accuracy, factor: 3, first: 1}`.
///
/// All cells of a model are trained for `first` epochs; of n cells the best ⌊n / factor⌋ (at least one) go on to `first`·factor epochs, the best
/// ⌊n / factor²⌋ from there to `first`·factor², and so on; whoever is left trains to the end. At every rung n is the number of the model's cells in
/// the plan, and a cell that is out (stopped, diverged or failed) never takes a place: of 9 cells, 3 of which diverge at once, the factor 3 lets three
/// go on and then one. A cell's value is the mean of the metric over its seeds after that epoch, so all its seeds go on or none; ties go
/// to the cell that comes first. The rungs are those of ASHA, but a rung is decided when all its trials have reached it.
///
/// So who stops depends on the plan and the metrics alone, never on timing, on the number of jobs or on what else lies in Results: a trial that
/// another experiment or an earlier run has finished is judged by the metrics that it recorded after that epoch, and can be stopped in the plan
/// although its run goes further. A training that ended by itself up to a rung is judged by its last epoch, and stays finished.
///
/// Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
public struct Halving: Configurable {
    /// The name of a monitor, which the task has to have.
    public var metric = "val_accuracy"
    public var factor = 3
    /// The epochs of the first rung.
    public var first = 1

    init(metric: String, factor: Int, first: Int) {
        (self.metric, self.factor, self.first) = (metric, factor, first)
    }

    /// Every key at its default.
    public init() {}

    public static let options: [Key<Halving>] = [
        Key("metric", \.metric, .text, "By what cells are ranked: a measure of the task, with `val_` before it."),
        Key("factor", \.factor, .integer(in: 2...100), "One of so many cells goes on, for so many times the epochs."),
        Key("first", \.first, .integer(in: 1...1_000_000), "The epochs of the first rung."),
    ]

    /// The epochs after which is decided, `first`·factorᵏ, for trainings of up to `epochs`.
    func rungs(epochs: Int) -> [Int] {
        Array(sequence(first: first) { $0 * factor }.prefix { $0 < epochs })
    }

    /// Which cells of a model go on after the rung at `epochs` epochs, as positions.
    ///
    /// - Parameters:
    ///   - values: of all the model's cells in the plan; nil or not finite for those that are out.
    ///   - monitor: says which are the better ones.
    func survivors(of values: [Double?], by monitor: Monitor, after epochs: Int) -> Set<Int> {
        let ranked = values.indices.filter { values[$0]?.isFinite == true }.sorted { a, b in
            let (x, y) = (values[a]!, values[b]!)
            if x == y { return a < b }
            return monitor.isBetter(x, than: y)
        }
        return Set(ranked.prefix(max(1, values.count / (epochs / first * factor))))
    }
}
