import ArgumentParser
import Experiments
import Foundation
import Configuration
import Reports
import TensorCore
import Training

struct BenchCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time whole training steps (forward, backward, AdamW) on synthetic images.",
        discussion: """
            Workloads: \(Workload.all.map { "\($0.name) (batch \($0.batchSize))" }.joined(separator: ", ")).

            Examples:
              harness bench
              harness bench vit-28 resnet18-28 --threads 1 --json
              harness bench vit-28 --profile --roofline   where the time goes, and what the machine allows
              harness bench vit-28 --freeze 'blocks.*'     how much time it saves not to train some parameters
              harness bench --scaling                     time against batch size, depth, tokens, width and threads
              harness bench --input vit_vs_resnet         what preparing batches and keeping the log cost
            """)

    @Argument(help: ArgumentHelp("The workloads, or names of `harness models`, with 8 images a step and 10 classes (default: all workloads).", valueName: "workload"), completion: Completion.model)
    var workloads: [String] = []

    @Option(help: "The format of the numbers between operations: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision = Precision.fp32

    @OptionGroup var threadOptions: ThreadOptions

    @Option(help: ArgumentHelp("How many steps to time, after a few that do not count.", valueName: "n"))
    var steps = 20

    @Option(help: ArgumentHelp("Cut a batch into this many shards (default: the workload's own, or that of a definition).", valueName: "n"))
    var shards: Int?

    @Option(help: ArgumentHelp(
        "Compute parts of the model again in the backward pass instead of keeping them: \(TrainConfiguration.Recomputation.allCases.map(\.rawValue).joined(separator: ", ")).",
        valueName: "parts"))
    var recompute = TrainConfiguration.Recomputation.none

    @Option(help: ArgumentHelp(
        "Also time each workload with the parameters frozen whose names match this, where * stands for any text; may be given several times.",
        valueName: "pattern"))
    var freeze: [String] = []

    @Flag(help: "Show where the time goes: every kind of operation, waiting, the optimizer.")
    var profile = false

    @Flag(help: "Measure this machine's own peak first, and each workload's share of it.")
    var roofline = false

    @Flag(help: "Instead of workloads, a ViT and a ResNet against batch size, depth, tokens, width and threads.")
    var scaling = false

    @Option(help: ArgumentHelp(
        "Instead of workloads, what the input and the log of an experiment cost its steps.", valueName: "experiment"))
    var input: String?

    @OptionGroup var dataOptions: DataOptions

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print Markdown.")
    var markdown = false

    @OptionGroup var wideOption: WideOption

    mutating func validate() throws {
        if !(1...1_000_000).contains(steps) { throw ValidationError("--steps: expected a number from 1 to 1000000, found \(steps)") }
        if let shards, !(1...1_024).contains(shards) { throw ValidationError("--shards: expected a number from 1 to 1024, found \(shards)") }
        if json, markdown { throw ValidationError("--json and --markdown: expected one of them") }
        if scaling, input != nil { throw ValidationError("--scaling and --input: expected one of them") }
        if scaling || input != nil, !workloads.isEmpty || profile || roofline || shards != nil || !freeze.isEmpty {
            throw ValidationError(
                "\(scaling ? "--scaling" : "--input") has its own models: expected no workloads, --profile, --roofline, --shards or --freeze")
        }
        if roofline, !freeze.isEmpty { throw ValidationError("--roofline and --freeze: expected one of them, as the peak is of whole steps") }
    }

    func run(_ registry: Registry) throws {
        try precision.requireUnits()
        if let input {
            var definition = try Definition(named: input, registry: registry)
            definition.precision = precision
            let costs = try InputBenchmark.measure(definition, dataDirectory: dataOptions.dataDirectory, threads: threadOptions.count)
            return print(json ? try Self.json(costs) : text([BenchTable.input(costs)]))
        }
        if scaling {
            let study = try ScalingStudy(steps: min(steps, 10), precision: precision, threads: threadOptions.count) { HarnessProgram.say("measuring \($0)") }
            return print(json ? try Self.json(study) : text(BenchTable.scaling(study)))
        }
        let chosen = try workloads.isEmpty ? Workload.all : workloads.map(Workload.named)
        let pool = WorkerPool(threads: threadOptions.count, shards: shards ?? TrainConfiguration().shards)
        let peak = roofline ? try MachinePeak(precision: precision, pool: pool) : nil
        let results = try chosen.flatMap { workload in
            try (freeze.isEmpty ? [[]] : [[], freeze]).map { frozen in
                try workload.measure(
                    steps: steps, precision: precision, shards: shards, recompute: recompute, frozen: frozen, isProfiled: profile, peak: peak,
                    pool: pool)
            }
        }
        print(json ? try Self.json(results) : text(BenchTable.workloads(results)))
    }

    private func text(_ tables: [BenchTable]) -> String {
        tables.map { $0.text(asMarkdown: markdown, width: wideOption.width) }.joined(separator: "\n\n")
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

extension TrainConfiguration.Recomputation: ExpressibleByArgument {}
