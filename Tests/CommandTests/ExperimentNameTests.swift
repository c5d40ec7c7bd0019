import Foundation
import RunStore
import Testing

/// Experiments are named by their paths below `Experiments`; their runs are the direct children of their folders.
@Suite struct ExperimentNameTests {
    private let folder: TemporaryFolder
    private static let base = """
        data:   {name: digits}
        train:  {epochs: 1, batch_size: 64}
        models: {line: logistic-regression}

        """

    init() throws { folder = try TemporaryFolder() }

    private func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }

    private func write(_ path: String, _ text: String) throws { try folder.add(path, Self.base + text) }

    /// The run folders and plans under a folder of results, by their paths in it.
    private func results(_ path: String = "Results") throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: path).path)
            .filter { $0.contains(/line-s\d+-[0-9a-f]{8}$/) || $0.hasSuffix("sweep.h5") }.sorted()
    }

    /// Renames what is there, as if an earlier version of the program had made it.
    private func move(_ from: String, _ to: String) throws {
        let target = folder.url.appending(path: to)
        try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: folder.url.appending(path: from), to: target)
    }

    /// Takes out of a plan what earlier versions did not write.
    private func forgetDefinition(_ path: String) throws {
        let path = folder.url.appending(path: path).path
        var plan = try SweepFile(reading: path)
        plan.definition = nil
        try plan.write(to: path)
    }

    @Test func experimentsOfOneFileNameHaveFoldersOfTheirOwn() throws {
        try write("Experiments/a/depth.yaml", "sweep: {grid: {train.l1: [0, 1e-5]}}\n")
        try write("Experiments/b/depth.yaml", "sweep: {grid: {train.l1: [1e-4, 1e-3, 1e-2]}}\n")
        #expect(try run("sweep", "a/depth").exitCode == 0)
        let plan = try Data(contentsOf: folder.url.appending(path: "Results/a/depth/sweep.h5"))
        let second = try run("sweep", "b/depth")
        #expect(second.exitCode == 0 && second.errors.hasPrefix("3 trials, 0 done, 3 left\n"), "\(second.errors)")
        #expect(try Data(contentsOf: folder.url.appending(path: "Results/a/depth/sweep.h5")) == plan)
        let found = try results()
        #expect(found.count == 7 && found.filter { $0.hasPrefix("a/depth/") }.count == 3, "\(found)")
        #expect(try SweepFile(reading: folder.url.appending(path: "Results/b/depth/sweep.h5").path).definition == "Experiments/b/depth.yaml")
        #expect(try run("compare", "a/depth", "--format", "csv").output.components(separatedBy: "\na/depth,line,").count == 3)
        let ambiguous = try run("compare", "depth")
        #expect(ambiguous.exitCode == 64 && ambiguous.errors == "harness: 'depth' is the end of several experiments' names: a/depth, b/depth\n")
    }

    @Test func anExperimentAndThoseBelowItAreApart() throws {
        try write("Experiments/ablations.yaml", "")
        try write("Experiments/ablations/depth.yaml", "seeds: [1, 2]\n")
        for name in ["ablations", "ablations/depth"] { #expect(try run("run", name).exitCode == 0) }
        func rows(_ word: String) throws -> [String] {
            try run("compare", word, "--format", "csv").output.split(separator: "\n").dropFirst().map { line in
                let cells = line.split(separator: ",")
                return "\(cells[0]),\(cells[1]),\(cells[3])"
            }
        }
        #expect(try rows("ablations") == ["ablations,line,1"])
        #expect(try rows("depth") == ["ablations/depth,line,2"])
        #expect(try rows("Results") == ["ablations,line,1", "ablations/depth,line,2"])
        #expect(try run("doctor", "Results").output.hasPrefix("3 runs: 3 whole"))
    }

    /// What lies under the file's name alone, where earlier versions put it, is found, gone on with and compared.
    @Test func runsUnderTheShortNameAreFoundAndResumed() throws {
        try write("Experiments/depth.yaml", "seeds: [0, 1]\n")
        #expect(try run("run", "depth", "--seeds", "0").exitCode == 0)
        try move("Experiments/depth.yaml", "Experiments/ablations/depth.yaml")
        #expect(try run("check", "ablations/depth").output.contains(/line-s0-[0-9a-f]{8} +done/))
        #expect(try run("compare", "ablations/depth").exitCode == 0)
        let again = try run("run", "ablations/depth")
        #expect(again.exitCode == 0 && again.errors.hasPrefix("line s0  already done"), "\(again.errors)")
        #expect(try results().map { $0.prefix { $0 != "-" } } == ["ablations/depth/line", "ablations/depth/line", "depth/line"])
        let table = try run("compare", "ablations/depth", "--format", "csv").output
        #expect(table.components(separatedBy: "\nablations/depth,line,test_accuracy,2,").count == 2, "\(table)")

        // One that was cut off goes on where it lies; --fresh trains it here.
        try write("Experiments/ablations/long.yaml", "")
        let process = try Program.start(["run", "ablations/long", "train.epochs=3000"], in: folder.url)
        func checkpoint() -> String? {
            (try? FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: "Results/ablations/long").path))?.first { $0.hasSuffix("weights/last.h5") }
        }
        while process.isRunning, checkpoint() == nil { usleep(10_000) }
        process.interrupt()
        process.waitUntilExit()
        try move("Results/ablations/long", "Results/long")
        let resumed = try Program.start(["run", "ablations/long", "train.epochs=3000"], in: folder.url, errors: folder.add("errors"))
        while resumed.isRunning, try String(contentsOf: folder.url.appending(path: "errors"), encoding: .utf8).isEmpty { usleep(10_000) }
        resumed.interrupt()
        resumed.waitUntilExit()
        #expect(try String(contentsOf: folder.url.appending(path: "errors"), encoding: .utf8).hasPrefix("line  goes on after step "))
        let before = try results("Results/long")
        #expect(try run("run", "ablations/depth", "--fresh").exitCode == 0)
        #expect(try results("Results/long") == before && results("Results/depth").count == 1)
        #expect(try results("Results/ablations/depth").allSatisfy { name in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: folder.url.appending(path: "Results/ablations/depth/\(name)").path)) == nil
        })
    }

    @Test func plansUnderTheShortNameGoOnThere() throws {
        try write("Experiments/depth.yaml", "sweep: {grid: {train.l1: [0, 1e-5]}}\n")
        #expect(try run("sweep", "depth").exitCode == 0)
        try forgetDefinition("Results/depth/sweep.h5")
        try move("Experiments/depth.yaml", "Experiments/a/depth.yaml")
        try write("Experiments/b/depth.yaml", "sweep: {grid: {train.l1: [1e-4]}}\n")
        #expect(try run("compare", "a/depth").exitCode == 0)
        let again = try run("sweep", "a/depth")
        let note = "harness: the results of an earlier version are in Results/depth, where they go on\n"
        #expect(again.exitCode == 0 && again.errors == note + "2 trials, 2 done, 0 left\n", "\(again.errors)")
        #expect(try run("sweep", "b/depth").exitCode == 0)
        #expect(try results().map { $0.prefix { $0 != "-" } } == ["b/depth/line", "b/depth/sweep.h5", "depth/line", "depth/line", "depth/sweep.h5"])
        #expect(try SweepFile(reading: folder.url.appending(path: "Results/depth/sweep.h5").path).definition == "Experiments/a/depth.yaml")
    }

    @Test func anotherDefinitionsPlanIsRefused() throws {
        try write("x/same.yaml", "sweep: {grid: {train.l1: [0, 1e-5]}}\n")
        try write("y/same.yaml", "sweep: {grid: {train.l1: [1e-4]}}\n")
        #expect(try run("sweep", "x/same.yaml", "--results", "Results").exitCode == 0)
        let before = try Data(contentsOf: folder.url.appending(path: "Results/same/sweep.h5"))
        for words in [[], ["--replan"], ["--fresh"], ["--dry-run"]] {
            let result = try Program.run(["sweep", "y/same.yaml", "--results", "Results"] + words, in: folder.url)
            #expect(result.exitCode == 64)
            #expect(result.errors.hasSuffix(
                "Results/same/sweep.h5: is the plan of another definition, x/same.yaml; give this one another name or other results (--results), or move that plan away\n"))
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
        #expect(try Data(contentsOf: folder.url.appending(path: "Results/same/sweep.h5")) == before)

        // One that does not say whose it is counts by its trials.
        try forgetDefinition("Results/same/sweep.h5")
        let refused = try run("sweep", "y/same.yaml", "--results", "Results")
        #expect(refused.exitCode == 64 && refused.errors.contains("--replan takes this one's and keeps the runs"), "\(refused.errors)")
        let own = try run("sweep", "x/same.yaml", "--results", "Results")
        #expect(own.exitCode == 0 && own.errors == "2 trials, 2 done, 0 left\n", "\(own.errors)")
        #expect(try SweepFile(reading: folder.url.appending(path: "Results/same/sweep.h5").path).definition == "x/same.yaml")
        // A definition that has moved with what it says.
        try move("x/same.yaml", "z/same.yaml")
        #expect(try run("sweep", "z/same.yaml", "--results", "Results").exitCode == 0)
    }
}
