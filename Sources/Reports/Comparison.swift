import Configuration
import RunStore

/// `harness compare`: a metric of all finished runs under some folders, by model, with what the seeds say about its spread.
public struct Comparison {
    public enum Format: String, Sendable, CaseIterable { case table, csv, json, markdown }

    let metric: Metric
    let rows: [Row]
    /// What was left out and why, one sentence each.
    public let notes: [String]

    struct Row {
        let group: RunGroup
        /// The runs that have the metric, and its values.
        let runs: [RunSummary]
        let sample: Sample
    }

    /// - Throws: `.noInput` when a path is not there or there is no finished run below the paths.
    public init(_ paths: [String], metric: Metric = .testAccuracy) throws {
        var seen: Set<RunFolder> = []
        let folders = try paths.flatMap { try RunFolder.discover(under: $0) }.filter { seen.insert($0).inserted }
        guard !folders.isEmpty else { throw UserError(.noInput, "there are no runs under \(paths.joined(separator: ", "))") }
        let all = try folders.map { try RunSummary($0) }
        let (groups, twins) = RunGroup.grouping(all.filter { $0.state == .finished })
        var notes = all.compactMap { run in run.shortcoming.map { "\(run.folder.path): \($0), left out" } } + twins
        self.metric = metric
        rows = groups.compactMap { group in
            let measured = group.runs.filter { run in
                if let value = metric.value(of: run), value.isFinite { return true }
                notes.append("\(run.folder.path): has no \(metric.rawValue), left out")
                return false
            }
            guard !measured.isEmpty else { return nil }
            return Row(group: group, runs: measured, sample: Sample(values: measured.compactMap(metric.value)))
        }
        self.notes = notes
        guard !rows.isEmpty else {
            let reasons = notes.prefix(8).map { "\n\($0)" }.joined()
            throw UserError(.noInput, "no finished run under \(paths.joined(separator: ", ")) has a \(metric.rawValue)\(reasons)")
        }
    }

    public func rendered(as format: Format) throws -> String {
        switch format {
        case .table: "\(metric.explanation); mean over seeds with its 95% confidence interval (Student's t)\n\n\(readable().text)"
        case .markdown: readable().markdown
        case .csv: exact().csv
        case .json: try json(records())
        }
    }

    private var hasExperiments: Bool { Set(rows.map(\.group.experiment)).count > 1 }
    private var hasDifferences: Bool { rows.contains { !$0.group.difference.isEmpty } }

    private func readable() -> TextTable {
        var columns: [TextTable.Column] = []
        if hasExperiments { columns.append(TextTable.Column("experiment", .left)) }
        columns.append(TextTable.Column("model", .left))
        if hasDifferences { columns.append(TextTable.Column("definition", .left)) }
        columns += ["n", metric.rawValue.replacing("_", with: " "), "sd", "95% CI", "min", "max"].map { TextTable.Column($0) }
        var table = TextTable(columns)
        func number(_ value: Double?) -> String { value.map { decimals($0, metric.decimals) } ?? none }
        for row in rows {
            let sample = row.sample
            let interval = sample.confidenceInterval.map { "\(number($0.lowerBound)) … \(number($0.upperBound))" } ?? none
            var cells: [String] = []
            if hasExperiments { cells.append(row.group.experiment) }
            cells.append(row.group.model)
            if hasDifferences { cells.append(row.group.difference) }
            cells += ["\(sample.count)", number(sample.mean), number(sample.standardDeviation), interval]
            cells += [number(sample.values.min()), number(sample.values.max())]
            table.append(cells)
        }
        return table
    }

    /// Every number in full, one column each.
    private func exact() -> TextTable {
        let titles = ["experiment", "model", "definition", "metric", "n", "mean", "sd", "ci95_low", "ci95_high", "min", "max", "seeds", "values"]
        var table = TextTable(titles.map { TextTable.Column($0, .left) })
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        for row in rows {
            let sample = row.sample, interval = sample.confidenceInterval
            table.append([
                row.group.experiment, row.group.model, row.group.difference, metric.rawValue, "\(sample.count)", number(sample.mean),
                number(sample.standardDeviation), number(interval?.lowerBound), number(interval?.upperBound),
                number(sample.values.min()), number(sample.values.max()),
                row.runs.map { "\($0.description.seed)" }.joined(separator: " "), sample.values.map { "\($0)" }.joined(separator: " "),
            ])
        }
        return table
    }

    // MARK: JSON

    private struct Record: Encodable {
        struct Run: Encodable {
            let seed: Int
            let value: Double
            let path: String
        }
        let experiment, model, definition, metric: String
        let parameters, multiplyAdds, n: Int
        let mean: Double
        let sd: Double?
        let confidenceInterval: [Double]?
        let runs: [Run]
    }

    private func records() -> [Record] {
        rows.map { row in
            let description = row.group.runs[0].description
            return Record(
                experiment: row.group.experiment, model: row.group.model, definition: row.group.difference, metric: metric.rawValue,
                parameters: description.parameters, multiplyAdds: description.multiplyAdds, n: row.sample.count, mean: row.sample.mean,
                sd: row.sample.standardDeviation,
                confidenceInterval: row.sample.confidenceInterval.map { [$0.lowerBound, $0.upperBound] },
                runs: zip(row.runs, row.sample.values).map { Record.Run(seed: $0.description.seed, value: $1, path: $0.folder.path) })
        }
    }
}
