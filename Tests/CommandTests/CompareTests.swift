import Foundation
import RunStore
import Testing

/// `compare` as a user calls it, over run folders that nobody had to train.
struct CompareTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add(
            "Experiments/e.yaml",
            """
            data:   {name: digits}
            models: {vit: {vit: {patch: 2, width: 8, depth: 1, heads: 1}}, mlp: {mlp: {widths: [8]}}}
            """)
        for model in ["mlp", "vit"] { for seed in 0..<2 { try writeRun(model, seed: seed) } }
    }

    private func runFolder(_ model: String, seed: Int) -> RunFolder {
        RunFolder(results: folder.url.appending(path: "Results").path, experiment: "e", model: model, seed: seed, hash: "0123abcd")
    }

    private func writeRun(_ model: String, seed: Int) throws {
        let writer = try RunWriter(runFolder(model, seed: seed))
        let live = try writer.start(RunContents(description: RunDescription(
            experiment: "e", model: model, seed: seed, configuration: #"{"data": {"name": "digits"}, "models": {"\#(model)": "logistic_regression"}}"#,
            parameters: 1234, multiplyAdds: 56_789, classes: 2)))
        try live.append(StepRecord(step: 1, epoch: 1, loss: 1, accuracy: 0.5, learningRate: 6.600000000000001e-07, gradientNorm: 2))
        try live.append(EpochRecord(epoch: 1, trainLoss: 0.5, trainAccuracy: 0.75, valLoss: 0.5, valAccuracy: 0.75))
        try live.append(EvaluationRecord(loss: 0.25, accuracy: 0.75, confusion: [[1, 1], [0, 2]], predictions: [0, 1, 1, 1], labels: [0, 0, 1, 1]))
        try live.finish(.finished)
        try writer.save(MachineRecord(
            host: "h", operatingSystem: "s", processor: "p", threads: 1, versions: [:], gitCommit: nil, command: ["run"],
            startedAt: "2025-01-01T00:00:00Z", wallClockSeconds: 1, secondsPerEpoch: 1, imagesPerSecond: 1000))
    }

    private func compare(_ words: String...) throws -> Program.Result { try Program.run(["compare", "e"] + words, in: folder.url) }

    private func models(_ result: Program.Result) -> [String] {
        result.output.split(separator: "\n").dropFirst(2).prefix(2).map { String($0.prefix { $0 != " " }) }
    }

    @Test func theDefinitionSaysTheOrderAndTheBaseline() throws {
        let result = try compare()
        #expect(result.exitCode == 0 && models(result) == ["vit", "mlp"] && result.output.contains("mean difference to vit"), "\(result.output)")
        // Without a definition, or with one that is wrong, names are sorted.
        try folder.add("Experiments/e.yaml", "models: 3")
        #expect(try models(compare()) == ["mlp", "vit"])
    }

    @Test func damagedRunsAreLeftOutAndNamed() throws {
        let truncated = runFolder("mlp", seed: 0), timeless = runFolder("vit", seed: 1)
        let handle = try FileHandle(forWritingTo: URL(filePath: truncated.runFile))
        try handle.truncate(atOffset: 4000)
        try handle.close()
        try Data().write(to: URL(filePath: timeless.machineFile))
        let result = try compare("--metric", "test_accuracy,seconds_per_epoch")
        #expect(result.exitCode == 0 && models(result) == ["vit", "mlp"])
        let lines = result.errors.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("harness: mlp-s0-0123abcd is left out: Results/e/mlp-s0-0123abcd/run.h5: ") }, "\(result.errors)")
        #expect(lines.contains { $0.hasPrefix("harness: vit-s1-0123abcd has no times: Results/e/vit-s1-0123abcd/machine.json: is damaged") })
        // With nothing left there is no table.
        for model in ["mlp", "vit"] { for seed in 0..<2 { try Data().write(to: URL(filePath: runFolder(model, seed: seed).runFile)) } }
        let nothing = try compare()
        #expect(nothing.exitCode == 65 && nothing.output == "" && nothing.errors.split(separator: "\n").count == 4, "\(nothing.errors)")
    }

    /// In a pipe or a file nothing is folded; on a terminal no line is longer than it.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script"), "needs script, which is part of Debian's bsdutils"), arguments: [40, 80])
    func tablesFitTheTerminal(columns: Int) throws {
        func lines(_ words: String) throws -> [Substring] {
            let command = "stty cols \(columns) rows 24 && '\(Program.url.path)' \(words)"
            let result = try Program.run(["-qec", command, "/dev/null"], in: folder.url, executable: URL(filePath: "/usr/bin/script"))
            #expect(result.exitCode == 0, "\(result.output)")
            return result.output.replacing("\r\n", with: "\n").split(separator: "\n").filter { !$0.hasPrefix("harness: ") }
        }
        let whole = try compare().output.split(separator: "\n")
        #expect(whole[0].count > 80)
        let folded = try lines("compare e")
        #expect(folded.allSatisfy { $0.count <= columns } && folded.count > whole.count, "\(folded)")
        #expect(folded.joined(separator: "\n").contains("56,789") && folded.joined().contains("images/s"))
        #expect(try lines("compare e --wide") == whole)
        #expect(try lines("inspect e").allSatisfy { $0.count <= columns })
        #expect(try lines("check e").drop { !$0.hasPrefix("model  ") }.allSatisfy { $0.count <= columns })
    }
}
