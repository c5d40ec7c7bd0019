import Foundation
import TestSupport
import Testing

/// `harness run` from the first word to the table, on the digits.
@Suite(.serialized) struct RunTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/pair.yaml", """
            data:  {name: digits, augment: [{shift: 1}]}
            train: {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-3}}}
            models:
              net: {resnet: {depth: 8, width: 4}}
              vit: {vit: {patch: 4, width: 16, depth: 1, heads: 2, dropout: 0.1}}
            """)
        try folder.add("Experiments/long.yaml", """
            data:  {name: digits}
            train: {epochs: 400, batch_size: 64}
            models: {vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2}}}
            """)
    }

    @Test("In bf16 too, the bytes do not depend on the number of threads", .enabled(if: Self.hasBFloat16Units, "this CPU has neither AVX-512-BF16 nor AMX"))
    func repeatsToTheBitInBFloat16() throws {
        for threads in ["1", "2"] {
            let result = try run("run", "experiments/pair", "--precision", "bf16", "--threads", threads, "--results", threads)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        let one = try files("1")
        #expect(one.count == 6)
        #expect(try files("2") == one)
    }

    /// The program's own word for it: these tests know no library of its.
    private static let hasBFloat16Units = (try? Program.run(["bench", "vit-28", "--precision", "bf16", "--steps", "1"]).exitCode) == 0

    private func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }

    /// The contents of every HDF5 file under a folder, by path.
    private func files(_ path: String) throws -> [String: Data] {
        let root = folder.url.appending(path: path)
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: root.appending(path: $0))) })
    }

    private func runFolder(_ path: String) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: path).path).filter { !$0.hasPrefix(".") }
        // Not `#require`, which records an issue under `try?` too: whoever waits for a run finds an empty folder at first.
        guard let name = names.first else { throw CocoaError(.fileNoSuchFile) }
        return "\(path)/\(name)"
    }

    /// Twenty layers of too small weights: signals vanish as theory says, and the weights are those of a training in which nobody looked.
    @Test func measuresItsLayersBesideTheory() throws {
        try folder.add("Experiments/deep.yaml", """
            data:   {name: digits}
            train:  {epochs: 1, batch_size: 64, layer_statistics: true}
            models: {mlp: {mlp: {width: 200, depth: 20, activation: tanh, initialization: {normal: {deviation: 0.05}}}}}
            """)
        for words in [["--results", "seen"], ["--results", "unseen", "train.layer_statistics=false"]] {
            let result = try Program.run(["run", "deep"] + words, in: folder.url)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        for name in ["last", "best"] {
            let weights = try ["seen/deep", "unseen/deep"].map {
                var weights = try StoredWeights(reading: folder.url.appending(path: "\(runFolder($0))/weights/\(name).h5").path)
                // What was recorded is not the same.
                weights.notes.logDigest = nil
                return weights
            }
            let isSame = weights[0] == weights[1]
            #expect(isSame)
        }
        let inspection = try run("inspect", try runFolder("seen/deep"))
        #expect(inspection.output.contains(/\nlayer +activation variance at the start +predicted +after epoch 1 +gradient variance at the start +predicted +after epoch 1\n/))
        #expect(inspection.output.contains("\nfc21 "))
        #expect(try !run("inspect", try runFolder("unseen/deep")).output.contains("activation variance"))
        // Weights of deviation 0.05 in layers of 200 units: a factor of 1/2 where tanh is a straight line.
        let table = try run("compare", "seen", "--metric", "activation_gain,predicted_activation_gain,gradient_gain,predicted_gradient_gain", "--by", "depth", "--format", "csv")
        #expect(table.exitCode == 0, "\(table.errors)")
        let lines = table.output.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        let cells = Dictionary(uniqueKeysWithValues: zip(lines[0], lines[1]))
        func number(_ title: String) throws -> Double { try #require(cells[title].flatMap { Double($0) }, "\(title)") }
        #expect(cells["depth"] == "20")
        #expect(try abs(number("predicted_activation_gain") - 0.49) < 0.02)
        #expect(try abs(number("mean") / number("predicted_activation_gain") - 1) < 0.05)
        #expect(try abs(number("gradient_gain") / number("predicted_gradient_gain") - 1) < 0.05)
    }

    @Test func trainsComparesAndRepeatsToTheBit() throws {
        let one = try run("run", "experiments/pair", "--threads", "1", "--results", "one")
        #expect(one.exitCode == 0)
        let table = one.output.split(separator: "\n")
        #expect(table[0].split(separator: "  ").map { $0.trimmingCharacters(in: .whitespaces) } ==
            ["model", "parameters", "MACs", "test accuracy", "s/epoch", "images/s"])
        #expect(table[2...3].map { $0.prefix { $0 != " " } } == ["net", "vit"])
        let progress = one.errors.split(separator: "\n")
        #expect(progress.count == 6, "a line an epoch and one at the end, for each model: \(one.errors)")
        #expect(progress[1].wholeMatch(of: /net  epoch 2\/2  loss [\d.]+  accuracy [\d.]+  validation [\d.]+ [\d.]+  [\d,]+ images\/s  0 s left/) != nil)

        // The same with another number of threads, into another folder.
        let two = try run("run", "experiments/pair", "--threads", "2", "--results", "two")
        #expect(two.exitCode == 0)
        let files = try files("one/pair")
        #expect(files.count == 6, "run.h5, last.h5 and best.h5 of both: \(files.keys.sorted())")
        let isSame = try self.files("two/pair") == files
        #expect(isSame, "threads change no bit")

        // Finished runs are not repeated.
        let again = try run("run", "experiments/pair", "--results", "one")
        #expect(again.exitCode == 0 && again.output == one.output)
        #expect(again.errors == "net  already done (--fresh repeats it)\nvit  already done (--fresh repeats it)\n")

        // Unless asked for; the earlier ones are kept.
        let fresh = try run("run", "experiments/pair", "--results", "one", "--fresh", "--only", "vit")
        #expect(fresh.exitCode == 0)
        #expect(fresh.errors.hasPrefix("vit  the earlier run moves to .replaced/vit-s0-"))
        let isStillSame = try self.files("one/pair") == files
        #expect(isStillSame)
        #expect(try self.files("one/pair/.replaced").count == 3)

        #expect(try run("inspect", "one").output.contains("finished"))
        #expect(try run("compare", "one", "--format", "csv").output.hasPrefix("experiment,model,"))
        #expect(try run("check", "pair", "--results", "one").output.contains("done"))
    }

    @Test func severalSeedsAreSummedUp() throws {
        let result = try run("run", "pair", "--only", "vit", "--seeds", "0,1", "--results", "seeds")
        #expect(result.exitCode == 0)
        #expect(result.output.hasPrefix("model  n  parameters") && result.output.contains("95% CI"))
        #expect(result.errors.contains("vit s0  epoch 1/2") && result.errors.contains("vit s1  epoch 1/2"))
    }

    @Test func aKilledRunGoesOn() throws {
        let process = try Program.start(["run", "long", "--results", "killed"], in: folder.url)
        let path = try waitForEpochs(in: "killed/long", process)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(try run("inspect", path).output.contains("cut off"))
        #expect(try run("check", "long", "--results", "killed").output.contains("cut off"))

        let before = checkpoints(of: path)
        let errors = try folder.add("errors")
        let again = try Program.start(["run", "long", "--results", "killed"], in: folder.url, errors: errors)
        while again.isRunning, checkpoints(of: path) == before { usleep(10_000) }
        // Meanwhile nobody else writes there.
        let second = try run("run", "long", "--results", "killed")
        #expect(second.exitCode == 74 && second.errors.contains("another process is writing this run"), "\(second.errors)")
        again.terminate()
        again.waitUntilExit()
        #expect(again.terminationStatus == 128 + SIGTERM)
        let said = try String(contentsOf: errors, encoding: .utf8).split(separator: "\n")
        #expect(said.first?.wholeMatch(of: /vit  goes on after step [\d,]+/) != nil, "\(said)")
        #expect(said.last == "harness: interrupted; the same command goes on from here")
        #expect(try run("inspect", path).output.contains("interrupted"))
    }

    @Test func tailFollowsARunFromAnotherProcess() throws {
        let process = try Program.start(["run", "long", "--results", "tailed"], in: folder.url)
        let path = try waitForEpochs(in: "tailed/long", process)
        let output = try folder.add("tail")
        let tail = try Program.start(["tail", path, "-n", "3"], in: folder.url, output: output)
        func lines() throws -> [Substring] { try String(contentsOf: output, encoding: .utf8).split(separator: "\n") }
        while process.isRunning, tail.isRunning, try lines().count < 20 { usleep(10_000) }
        process.interrupt()
        process.waitUntilExit()
        tail.waitUntilExit()
        #expect(tail.terminationStatus == 0)
        let steps = try lines().compactMap { $0.wholeMatch(of: /step ([\d,]+)  epoch .*/) }.map { Int($0.1.filter { $0 != "," })! }
        #expect(steps.count >= 10 && zip(steps, steps.dropFirst()).allSatisfy { $1 == $0 + 1 }, "every step once: \(steps)")
        #expect(try lines().last?.wholeMatch(of: /was interrupted after step [\d,]+; `harness run` goes on/) != nil)
        #expect(try run("tail", path).output.hasSuffix("`harness run` goes on\n"))
    }

    @Test func controlCEndsCleanly() throws {
        let process = try Program.start(["run", "long", "--results", "stopped"], in: folder.url)
        let path = try waitForEpochs(in: "stopped/long", process)
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        let report = try run("inspect", path, "--json").output
        #expect(report.contains("\"state\" : \"interrupted\""))
        #expect(FileManager.default.fileExists(atPath: folder.url.appending(path: "\(path)/weights/last.h5").path))
    }

    @Test func aDivergedRunKeepsItsLogAndExitsWith1() throws {
        let words = ["run", "pair", "--only", "vit", "--results", "diverged", "train.optimizer={sgd: {learning_rate: 1e30}}"]
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == 1)
        #expect(result.errors.contains("vit  the training diverged at step 2 (epoch 1): the gradient of "))
        #expect(result.errors.contains("harness: 1 of 1 trials diverged: vit-s0-"))
        #expect(result.output.contains("diverged at step 2"))
        #expect(try run("inspect", runFolder("diverged/pair")).output.contains("diverged"))
        #expect(try Program.run(words, in: folder.url).exitCode == 1, "and is not repeated")
    }

    @Test func resultsThatCannotBeWrittenAreAnIOError() throws {
        try folder.add("file")
        let result = try run("run", "pair", "--results", "file/results")
        #expect(result.exitCode == 74)
        #expect(result.errors.hasPrefix("harness: ") && result.errors.contains("cannot be made"))
    }

    /// Every definition of the package: on the digits, or planned whole where it is a sweep.
    @Test(arguments: try FileManager.default.subpathsOfDirectory(atPath: Program.packageRoot.appending(path: "Experiments").path)
        .filter { $0.hasSuffix(".yaml") }.sorted())
    func definitionsWork(file: String) throws {
        let name = file.dropLast(".yaml".count)
        let text = try String(contentsOf: Program.packageRoot.appending(path: "Experiments/\(file)"), encoding: .utf8)
        let isSweep = text.contains("\nsweep:\n")
        #expect(text.contains("# Question: ") && text.contains("# Command:  harness \(isSweep ? "sweep" : "run") experiments/\(name)"))
        #expect(text.contains("# Expect:   "))
        let result = try Program.run(
            [isSweep ? "sweep" : "run", "experiments/\(name)", isSweep ? "--dry-run" : "--smoke", "--results", folder.url.appending(path: "smoke").path],
            in: Program.packageRoot)
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(isSweep || FileManager.default.fileExists(atPath: folder.url.appending(path: "smoke/\(name)-smoke").path))
    }

    private func checkpoints(of run: String) -> Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: "\(run)/checkpoints").path)) ?? []
        return Set(names.filter { $0.hasSuffix(".h5") })
    }

    /// Waits until the one run under `path` has finished an epoch and made a checkpoint, and returns its folder.
    private func waitForEpochs(in path: String, _ process: Process) throws -> String {
        let clock = ContinuousClock(), start = clock.now
        while process.isRunning, clock.now - start < .seconds(120) {
            if let run = try? runFolder(path), !checkpoints(of: run).isEmpty { return run }
            usleep(10_000)
        }
        Issue.record("no epoch ended in \(path)")
        return path
    }
}
