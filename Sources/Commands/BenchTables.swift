import Configuration
import Experiments
import Reports
import Training

/// A table under a heading, as `harness bench` prints it.
struct BenchTable {
    /// What stands over the table; empty for none.
    var heading = ""
    var table: TextTable

    func text(asMarkdown: Bool, width: Int?) -> String {
        let body = asMarkdown ? table.markdown : table.text(width: width)
        return heading.isEmpty ? body : "\(heading)\(asMarkdown ? "\n" : "")\n\(body)"
    }
}

private func columns(_ names: [String], _ numbers: [String], _ remarks: [String] = []) -> TextTable {
    let words = { (titles: [String]) in titles.map { TextTable.Column($0, .left) } }
    return TextTable(words(names) + numbers.map { TextTable.Column($0) } + words(remarks))
}

private func percent(_ share: Double) -> String { decimals(100 * share, 1) + " %" }

extension BenchTable {
    /// One row a workload, then a table for each that was profiled.
    static func workloads(_ results: [BenchmarkResult]) -> [BenchTable] {
        let hasRoofline = results.contains { $0.roofline != nil }
        let hasFrozen = results.contains { $0.frozen != nil }
        var summary = columns(
            ["workload"] + (hasFrozen ? ["frozen"] : []),
            ["precision", "threads", "batch", "shards", "ms/step", "least", "images/s", "GFLOP/s", "peak MB", "predicted"]
                + (hasRoofline ? ["floor ms", "share of peak"] : []))
        for result in results {
            summary.append([result.workload] + (hasFrozen ? [result.frozen?.joined(separator: " ") ?? "nothing"] : []) + [
                result.precision, "\(result.threads)", "\(result.batchSize)", "\(result.shards)",
                decimals(result.millisecondsPerStep, 1), decimals(result.minimumMilliseconds, 1), decimals(result.imagesPerSecond, 0),
                result.frozen == nil ? decimals(result.gflops, 0) : "", decimals(result.peakMemory, 0), decimals(result.predictedPeakMemory, 0),
            ] + (result.roofline.map { [decimals($0.floorMilliseconds, 1), percent($0.share)] } ?? []))
        }
        var tables = [BenchTable(table: summary)]
        if let peak = results.first?.roofline?.peak {
            var measured = columns(["operation", "size"], ["rate", "unit"])
            for row in peak.measurements { measured.append([row.operation, row.size, decimals(row.rate, 0), row.unit]) }
            tables.append(BenchTable(heading: "What this machine reaches on single operations:", table: measured))
        }
        return tables + results.compactMap { result in
            let frozen = result.frozen.map { " with \($0.joined(separator: " ")) frozen" } ?? ""
            return result.profile.map { BenchTable(heading: "\(result.workload)\(frozen), milliseconds of all threads in a step:", table: profile($0)) }
        }
    }

    private static func profile(_ profile: StepProfile) -> TextTable {
        var result = columns(["operation", "pass"], ["runs", "ms", "share", "GFLOP/s", "GB/s"])
        func rate(_ value: Double?, _ digits: Int) -> String { value.map { decimals($0, digits) } ?? "" }
        for row in profile.rows where row.share >= 0.001 {
            result.append([
                row.operation, row.pass.rawValue, "\(row.runs)", decimals(row.milliseconds, 2), percent(row.share), rate(row.gflops, 0),
                rate(row.gigabytesPerSecond, 1),
            ])
        }
        let small = profile.rows.filter { $0.share < 0.001 }
        if !small.isEmpty {
            result.append([
                "\(small.count) others", "", "\(small.reduce(0) { $0 + $1.runs })", decimals(small.reduce(0) { $0 + $1.milliseconds }, 2),
                percent(small.reduce(0) { $0 + $1.share }), "", "",
            ])
        }
        for row in profile.remainders { result.append([row.what, "", "", decimals(row.milliseconds, 2), percent(row.share), "", ""]) }
        return result
    }

    static func input(_ costs: [InputBenchmark]) -> BenchTable {
        var result = columns(["model"], ["batch prepared, ms", "step alone, ms", "step in a run, ms", "longer by"])
        for cost in costs {
            result.append([
                cost.model, decimals(cost.batchMilliseconds, 2), decimals(cost.stepMilliseconds, 2), decimals(cost.trainingMilliseconds, 2),
                percent(cost.overhead),
            ])
        }
        return BenchTable(table: result)
    }

    static func scaling(_ study: ScalingStudy) -> [BenchTable] {
        var growth = columns(["model", "size", "ms/step at each"], ["time grows as", "operations as"], ["order"])
        for series in study.growth {
            growth.append([
                series.model, series.variable, series.points.map { "\($0.size): \(decimals($0.milliseconds, 1))" }.joined(separator: ", "),
                "size^\(decimals(series.timeExponent, 2))", "size^\(decimals(series.operationsExponent, 2))", series.theory,
            ])
        }
        var threads = columns(["model"], ["threads", "ms/step", "speed-up"])
        for series in study.threads {
            for point in series.points {
                threads.append([
                    series.model, "\(point.size)", decimals(point.milliseconds, 1),
                    decimals(series.points[0].milliseconds / point.milliseconds, 2),
                ])
            }
        }
        return [
            BenchTable(heading: "Time against size (the exponents are fits of straight lines to the logarithms):", table: growth),
            BenchTable(heading: "Time against threads:", table: threads),
        ]
    }
}
