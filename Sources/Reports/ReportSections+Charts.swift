import Configuration
import Figures
import Foundation
import Measures
import RunStore

extension ReportSections {
    /// What the training looked like, epoch by epoch: what the best weights were found by, and the loss.
    var curves: ReportSection? {
        var names: [String] = []
        for name in [shown.first?.row.runs.first?.summary.description.monitored, Measure.lossName] { if let name, !names.contains(name) { names.append(name) } }
        let measures = names.compactMap { name in comparison.measures.first { $0.name == name } }
        var parts = measures.compactMap(curve)
        if parts.isEmpty { return nil }
        if let choice { parts.insert(.paragraph(choice), at: 0) }
        return ReportSection(id: "curves", title: "Learning curves", parts: parts)
    }

    /// What the task measures in the test beside the metric and the loss: of a localization the class and the box, of a detection COCO's average precision too, of
    /// a reconstruction PSNR and SSIM. Those from 0 to 1 have a figure too.
    var measures: ReportSection? {
        // Embeddings have a section of their own for theirs.
        if embeddings != nil { return nil }
        let rows = comparison.rows.filter { !$0.measured.isEmpty }
        func values(_ metric: Metric, _ row: Comparison.Row) -> [Double] { row.measured.compactMap { finite(metric.value(of: $0.run.summary)) } }
        let known = comparison.measures.filter { measure in
            let metric = Metric.test(measure.name)
            let isLoss = ([""] + WeightAverage.allCases.map { $0.name("") }).contains { measure.name == $0 + Measure.lossName }
            return measure.isOfEvaluation && !isLoss && metric != comparison.metric && rows.contains { !values(metric, $0).isEmpty }
        }
        guard !known.isEmpty else { return nil }
        func title(_ measure: Measure) -> String { "test \(measure.title)\(measure.unit == "1" ? "" : " (\(measure.unit))")" }
        var table = TextTable([TextTable.Column("row", .left)] + known.map { TextTable.Column(title($0)) })
        for row in rows {
            table.append([row.label] + known.map { comparison.mean(of: .test($0.name), row).map { decimals($0, 4) } ?? none })
        }
        let shares = known.filter { $0.bounds == 0...1 }
        let dots = shares.map { measure in
            DotChart.Row(measure.title, shown.map { shown in
                let sample = Sample(values: values(.test(measure.name), shown.row))
                return sample.count == 0 ? nil : DotChart.Dot(sample.mean, interval: sample.confidenceInterval?.clamped(to: 0...1))
            })
        }
        let chart = DotChart(
            title: "Other measures of the test", axis: Axis("value, from 0 to 1", bounds: 0...1), series: shown.map(\.name), groups: [DotChart.Group(rows: dots)])
        let reading = "Dots are means over the row's runs\(comparison.hasSpread ? ", lines their 95% confidence intervals" : "")."
        return ReportSection(
            id: "measures", title: "Other measures of the test",
            parts: (shares.isEmpty ? [] : [.figure("measures", chart, reading: reading)]) + [.table("measures", table, caption: ["Means over the row's runs"], command: nil)])
    }

    func curve(of measure: Measure) -> ReportSection.Part? {
        var series: [LineChart.Series] = [], hasBoth = false, hasBands = false
        for (colour, shown) in shown.enumerated() {
            func line(isDashed: Bool, _ metric: Metric) -> LineChart.Series? {
                let points = comparison.curve(of: metric, shown.row).points, samples = points.map { Sample(values: $0.values) }
                guard !points.isEmpty else { return nil }
                let bands = samples.map { sample in sample.confidenceInterval.map { measure.bounds.map($0.clamped) ?? $0 } }
                if bands.contains(where: { $0 != nil }), !isDashed { hasBands = true }
                return LineChart.Series(
                    shown.name, colour: colour, isDashed: isDashed, x: points.map { Double($0.epoch) }, y: samples.map(\.mean),
                    band: isDashed ? [] : bands)
            }
            let training = line(isDashed: true, .training(measure.name))
            if let validation = line(isDashed: false, .validation(measure.name)) {
                series.append(validation)
                if let training { hasBoth = true; series.append(training) }
            } else if let training = line(isDashed: false, .training(measure.name)) {
                series.append(training)
            }
        }
        // One epoch makes no curve.
        guard series.contains(where: { $0.x.count > 1 }) else { return nil }
        let values = series.flatMap(\.y), isLoss = measure.name == Measure.lossName
        let isWide = isLoss && (values.min() ?? 0) > 0 && (values.max() ?? 1) / (values.min() ?? 1) > 30
        let unit = measure.isShareCounted ? " (share)" : measure.unit == "1" ? "" : " (\(measure.unit))"
        let chart = LineChart(
            title: "\(measure.title.capitalizedFirst) by epoch", xAxis: Axis("epoch", isWhole: true),
            yAxis: Axis(measure.title + unit, scale: isWide ? .logarithmic : .linear, bounds: measure.bounds), series: series,
            solid: hasBoth ? "validation" : nil, dashed: hasBoth ? "training" : nil)
        let reading = "Each line is the mean over the row's runs after each epoch\(hasBands ? ", the band around it the 95% confidence interval of that mean" : ""). "
            + (hasBoth ? "A training line that goes on getting better while the validation line does not is overfitting." : "")
        return .figure("curves-\(measure.name)", chart, reading: reading)
    }

    /// What the rows are worth by what they cost.
    var costs: ReportSection? {
        let rows = comparison.rows.filter { !$0.measured.isEmpty }
        let models = rows.map(\.model).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        guard rows.count > 1, comparison.isOneQuantity else { return nil }
        let costs: [(name: String, title: String, label: String, of: (Comparison.Row) -> Double?, ensemble: (Comparison.EnsembleRow) -> Double?)] = [
            ("parameters", "parameters", "parameters (trained numbers)", { Sample(values: $0.measured.map { Double($0.run.summary.description.parameters) }).mean },
                { Double($0.file.parameters) }),
            ("macs", "multiply-adds", "multiply-adds of one image's forward pass",
                { Sample(values: $0.measured.map { Double($0.run.summary.description.multiplyAdds) }).mean }, { Double($0.file.multiplyAdds) }),
            ("seconds", "training time", "seconds of an epoch", { comparison.mean(of: .secondsPerEpoch, $0) }, { _ in nil }),
        ]
        // Few rows are coloured one by one, many by their model.
        let areMany = rows.count > 12
        let parts = costs.compactMap { cost -> ReportSection.Part? in
            var points = rows.enumerated().compactMap { index, row in
                cost.of(row).map { value in
                    ScatterChart.Point(
                        row.label, colour: areMany ? models.firstIndex(of: row.model)! : index, x: value, y: row.sample.mean, interval: areMany ? nil : comparison.interval(row))
                }
            }
            for ensemble in comparison.ensembles {
                guard let x = cost.ensemble(ensemble), let y = ensemble.value(of: comparison.metric) else { continue }
                points.append(ScatterChart.Point(ensemble.title, colour: areMany ? models.count : rows.count, x: x, y: y))
            }
            let values = points.map(\.x).filter { $0 > 0 }
            guard points.count > 1, Set(values).count > 1, values.count == points.count else { return nil }
            let isWide = values.max()! / values.min()! > 8
            let chart = ScatterChart(
                title: "\(comparison.metric.title.capitalizedFirst) by \(cost.title)", xAxis: Axis(cost.label, scale: isWide ? .logarithmic : .linear), yAxis: metricAxis,
                points: points, colours: areMany && models.count > 1 ? models : [], isMoreBetter: comparison.isMoreBetter)
            let direction = comparison.isMoreBetter ? "upper" : "lower"
            let reading = "Better and cheaper is to the \(direction) left."
                + (chart.front.count > 1 ? " The dashed stairs are the Pareto front: its rows cannot be beaten without more cost." : "")
                + (areMany || !comparison.hasSpread ? "" : " Upright lines are 95% confidence intervals.")
            return .figure("cost-\(cost.name)", chart, reading: reading)
        }
        return ReportSection(id: "cost", title: "Worth and cost", parts: parts)
    }

    /// Statistics of the layers by their depth.
    var layers: ReportSection? {
        let measured = shown.filter { $0.row.runs.contains { !$0.summary.layers.isEmpty } }
        guard !measured.isEmpty else { return nil }
        let kinds: [(name: String, title: String, label: String, field: KeyPath<LayerRecord, [Double]>, reading: String)] = [
            ("layers-activations", "Variance of the layers' outputs by depth", "variance of the layer's output", \.activationVariance,
                "Signals keep their scale where a line is level; they vanish where it falls and explode where it rises."),
            ("layers-gradients", "Variance of the loss's gradient by depth", "variance of the gradient at the layer's output", \.gradientVariance,
                "Gradients go from the last layer to the first: where the line falls to the left, early layers learn little."),
        ]
        let parts = kinds.compactMap { kind -> ReportSection.Part? in
            var series: [LineChart.Series] = []
            for (colour, shown) in shown.enumerated() where !(shown.row.runs.allSatisfy { $0.summary.layers.isEmpty }) {
                func line(isDashed: Bool, _ moment: (RunSummary) -> LayerRecord?) -> LineChart.Series? {
                    let lists = shown.row.runs.compactMap { moment($0.summary)?[keyPath: kind.field] }
                    guard let count = lists.map(\.count).min(), count > 1 else { return nil }
                    // The mean of a number that spans orders of magnitude is that of its logarithm.
                    let means = (0..<count).map { layer in exp(Sample(values: lists.map { log($0[layer]) }).mean) }
                    return LineChart.Series(shown.name, colour: colour, isDashed: isDashed, x: (1...count).map(Double.init), y: means)
                }
                if let end = line(isDashed: false, { $0.layers.last }) { series.append(end) }
                if let start = line(isDashed: true, { $0.layers.first { $0.epoch == 0 } }) { series.append(start) }
            }
            guard series.contains(where: { $0.y.contains { $0.isFinite && $0 > 0 } }) else { return nil }
            let chart = LineChart(
                title: kind.title, xAxis: Axis("layer with weights, counted from the images", isWhole: true), yAxis: Axis(kind.label, scale: .logarithmic), series: series,
                solid: "after the last epoch", dashed: "before the first step")
            return .figure(kind.name, chart, reading: kind.reading)
        }
        return ReportSection(id: "layers", title: "Layers by depth", parts: parts)
    }
}

extension String {
    /// With its first letter as a capital one.
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
