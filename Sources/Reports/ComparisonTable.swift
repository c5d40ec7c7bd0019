import Configuration
import RunStore

/// The table at the end of `harness run`: one row a model, mean ± standard deviation where there are several seeds.
public struct ComparisonTable {
    /// The table, and below it one line for each run that has no result.
    public let text: String

    /// - Throws: what the run files have to say when they cannot be read.
    public init(_ folders: [RunFolder]) throws {
        let runs = try folders.filter(\.hasRun).map { try RunSummary($0) }
        let (groups, notes) = RunGroup.grouping(runs)
        let hasSeeds = groups.contains { $0.runs.count > 1 }
        let isAmbiguous = groups.contains { !$0.difference.isEmpty }

        var columns = [TextTable.Column("model", .left)]
        if isAmbiguous { columns.append(TextTable.Column("definition", .left)) }
        if hasSeeds { columns.append(TextTable.Column("seeds")) }
        columns += [
            TextTable.Column("parameters"), TextTable.Column("MACs"), TextTable.Column("test accuracy"), TextTable.Column("s/epoch"),
            TextTable.Column("images/s"),
        ]
        var table = TextTable(columns)
        for group in groups {
            let finished = group.runs.filter { $0.state == .finished }
            func cell(_ metric: Metric) -> String {
                let sample = Sample(values: finished.compactMap(metric.value))
                guard sample.count > 0 else { return none }
                let mean = decimals(sample.mean, metric.decimals)
                return sample.standardDeviation.map { "\(mean) ± \(decimals($0, metric.decimals))" } ?? mean
            }
            var row = [group.model]
            if isAmbiguous { row.append(group.difference) }
            if hasSeeds { row.append("\(finished.count)") }
            let description = group.runs[0].description
            row += [grouped(description.parameters), grouped(description.multiplyAdds)]
            row += [cell(.testAccuracy), cell(.secondsPerEpoch), cell(.imagesPerSecond)]
            table.append(row)
        }
        let shortcomings = runs.compactMap { run in run.shortcoming.map { "\(run.name) \($0)" } }
        let caption = hasSeeds ? ["mean ± standard deviation over seeds"] : []
        text = ([table.text] + caption + shortcomings + notes).joined(separator: "\n")
    }
}
