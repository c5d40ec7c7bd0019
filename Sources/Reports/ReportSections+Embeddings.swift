import Configuration
import Figures
import Measures

extension ReportSections {
    /// How well embeddings tell images apart, and which triplets the training met.
    var embeddings: ReportSection? {
        let measures = comparison.measures, names = measures.map(\.name)
        guard names.contains("embedding_variance") else { return nil }
        let shares = measures.filter { measure in
            measure.isOfEvaluation && measure.isShare && (measure.name.hasPrefix("recall_at_") || ["verification_accuracy", "roc_auc", "few_shot_accuracy", "embedding_variance"].contains(measure.name))
        }
        let rows = shares.map { measure in
            DotChart.Row(measure.title, shown.map { shown in comparison.mean(of: .test(measure.name), shown.row).map { DotChart.Dot($0) } })
        }
        let chart = DotChart(title: "Embeddings of the test", axis: Axis("share", bounds: 0...1), series: shown.map(\.name), groups: [DotChart.Group(rows: rows)])
        var table = TextTable([TextTable.Column("row", .left)] + shares.map { TextTable.Column($0.title) })
        for row in comparison.rows where !row.measured.isEmpty {
            table.append([row.label] + shares.map { measure in comparison.mean(of: .test(measure.name), row).map { decimals($0, 4) } ?? "" })
        }
        let reading = """
            Dots are means over a row's runs. recall at k: the share of test images that have one of their class among the k nearest; verification: whether two images are of one class, \
            told by their distance (half is chance); few shot: N classes told apart by K examples of each; variance: near 0 all images have one embedding.
            """
        var parts: [ReportSection.Part] = [
            .figure("embeddings", chart, reading: reading), .table("embeddings", table, caption: ["Embeddings of the test, means over the runs"], command: nil),
        ]
        if let curves = rocCurves { parts.insert(curves, at: 1) }
        for measure in measures where measure.name.hasSuffix("_triplets") {
            if let curve = curve(of: measure) { parts.append(curve) }
        }
        return ReportSection(id: "embeddings", title: "Embeddings", parts: parts)
    }

    /// How many pairs of one class are told as such, by how many others are taken for them.
    private var rocCurves: ReportSection.Part? {
        let series = shown.enumerated().compactMap { colour, shown -> LineChart.Series? in
            let curves = shown.evaluation.rocCurves
            guard let first = curves.first else { return nil }
            let places = stride(from: 0, to: first.count, by: 2)
            return LineChart.Series(
                shown.name, colour: colour, x: places.map { Double(first[$0]) },
                y: places.map { place in Sample(values: curves.map { Double($0[place + 1]) }).mean })
        }
        guard !series.isEmpty else { return nil }
        let chart = LineChart(
            title: "Pairs of one class by distance", xAxis: Axis("share of other pairs taken for such (false-positive rate)", bounds: 0...1),
            yAxis: Axis("share of pairs of one class that are found (true-positive rate)", bounds: 0...1), series: series)
        return .figure("roc", chart, reading: "The receiver operating characteristic, a mean over the row's runs: the farther to the upper left, the better distances tell classes apart.")
    }
}
