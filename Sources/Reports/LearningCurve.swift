import Configuration
import Measures
import RunStore

/// What a row's runs measured in each epoch.
public struct LearningCurve: Sendable {
    /// An epoch.
    public struct Point: Sendable {
        /// From 1.
        public let epoch: Int
        /// The finite values of the runs that came so far, in the order of their seeds.
        public let values: [Double]

        /// Their mean; NaN of none.
        public var mean: Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }
    }

    /// What the row is called.
    public let name: String
    /// Epoch after epoch.
    public let points: [Point]
}

extension Comparison {
    /// The curves of the rows; those whose runs have no values are empty.
    ///
    /// - Parameter metric: a measure of validation or training; of others there are no curves.
    public func curves(of metric: Metric) -> [LearningCurve] {
        rows.filter { !$0.measured.isEmpty }.map { curve(of: metric, $0) }
    }

    /// The curve of one row.
    func curve(of metric: Metric, _ row: Row) -> LearningCurve {
        var values: [Int: [Double]] = [:]
        for run in row.measured.map(\.run) {
            let measures = run.summary.description.measures
            for epoch in run.summary.epochs {
                guard let value = metric.value(in: epoch, measures), value.isFinite else { continue }
                values[epoch.epoch, default: []].append(value)
            }
        }
        return LearningCurve(name: row.label, points: values.sorted { $0.key < $1.key }.map { LearningCurve.Point(epoch: $0.key, values: $0.value) })
    }

    /// The learning curves of the rows, each the mean over its runs: of the loss in training, and of what is compared in validation, or else in training.
    ///
    /// - Parameter width: how many characters a line may have, at most 80.
    public func plots(width: Int? = nil) -> String {
        let width = min(width ?? TextPlot.usualWidth, TextPlot.usualWidth)
        let name = metric.measure(among: measures)?.name, measured = rows.flatMap(\.runs).flatMap(\.summary.description.measures).map(\.name)
        let measure = name.flatMap { measured.contains($0) ? $0 : nil } ?? usualMetric.measure(among: measures)?.name ?? Measure.lossName
        let isValidated = curves(of: .validation(measure)).contains { !$0.points.isEmpty }
        var metrics: [Metric] = [.training(Measure.lossName)]
        let shown: Metric = if case .training = metric { metric } else { isValidated ? .validation(measure) : .training(measure) }
        if !metrics.contains(shown) { metrics.append(shown) }
        return metrics.map { metric in
            let curves = curves(of: metric), runs = curves.flatMap(\.points).map(\.values.count).max() ?? 0
            let unit = metric.measure(among: measures).map { $0.unit == "1" ? "" : " (\($0.unit))" } ?? ""
            return TextPlot(
                "\(metric.title)\(unit)\(runs > 1 ? ", mean over \(runs) \(rows.count > 1 ? "runs a row" : "runs")" : "")", axis: "epoch",
                curves.map { TextPlot.Series($0.name, x: $0.points.map { Double($0.epoch) }, y: $0.points.map(\.mean)) }
            ).text(width: width)
        }.joined(separator: "\n\n")
    }
}

extension Metric {
    /// A measure of an epoch; nil where it was not measured.
    func value(in epoch: EpochRecord, _ measures: [Measure]) -> Double? {
        guard let place = measures.firstIndex(where: { $0.name == measure(among: measures)?.name }) else { return nil }
        switch self {
        case .validation: return epoch.validation[place]
        case .training: return epoch.training[place]
        case .test, .other: return nil
        }
    }
}

extension TextPlot {
    /// How many characters a line has where nobody says.
    static let usualWidth = 80
}
