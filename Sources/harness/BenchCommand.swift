import ArgumentParser
import Experiments
import Foundation
import Configuration
import Reports
import Training

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time whole training steps (forward, backward, AdamW) on synthetic images.",
        discussion: """
            Workloads: \(Workload.all.map { "\($0.name) (batch \($0.batchSize))" }.joined(separator: ", ")).

            Examples:
              harness bench
              harness bench vit-28 resnet18-28 --threads 1 --json
            """)

    @Argument(help: ArgumentHelp("The workloads (default: all).", valueName: "workload"))
    var workloads: [String] = []

    @Option(help: "The format of the numbers between operations: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision = Precision.fp32

    @OptionGroup var threadOptions: ThreadOptions

    @Option(help: ArgumentHelp("How many steps to time, after a few that do not count.", valueName: "n"))
    var steps = 20

    @Flag(help: "Print JSON.")
    var json = false

    mutating func validate() throws {
        if !(1...1_000_000).contains(steps) { throw ValidationError("--steps: expected a number from 1 to 1000000, found \(steps)") }
    }

    func run() throws {
        let chosen = try workloads.isEmpty ? Workload.all : workloads.map(Workload.named)
        let results = try chosen.map { try $0.measure(steps: steps, threads: threadOptions.count) }
        print(json ? try Self.json(results) : Self.text(results))
    }

    private static func text(_ results: [BenchmarkResult]) -> String {
        var table = TextTable(
            [TextTable.Column("workload", .left)]
                + ["precision", "threads", "batch", "shards", "ms/step", "least", "images/s", "GFLOP/s", "peak MB"].map { TextTable.Column($0) })
        for result in results {
            table.append([
                result.workload, result.precision, "\(result.threads)", "\(result.batchSize)", "\(result.shards)",
                decimals(result.millisecondsPerStep, 1), decimals(result.minimumMilliseconds, 1), decimals(result.imagesPerSecond, 0),
                decimals(result.gflops, 0), decimals(result.peakMemory, 0),
            ])
        }
        return table.text
    }

    private static func json(_ results: [BenchmarkResult]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(results), as: UTF8.self)
    }
}
