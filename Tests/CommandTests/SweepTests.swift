import Foundation
import Testing

/// `harness sweep`, on the digits.
@Suite(.serialized) struct SweepCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/base.yaml", """
            data:  {name: digits, augment: [{shift: 1}]}
            train: {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-2}}}
            models: {vit: {vit: {patch: 4, width: 16, depth: 1, heads: 2}}}
            """)
        try write("grid", "grid: {models.vit.vit.depth: [1, 2], train.optimizer.adamw.learning_rate: [1e-3, 1e-2]}, seeds: [0, 1]")
    }

    private func write(_ name: String, _ sweep: String, epochs: Int = 2) throws {
        try folder.add("Experiments/\(name).yaml", "extends: base.yaml\ntrain: {epochs: \(epochs)}\nsweep: {\(sweep)}\n")
    }

    private func sweep(_ words: String...) throws -> Program.Result { try Program.run(["sweep"] + words, in: folder.url) }

    /// The contents of every HDF5 file under a folder, by path; checkpoints are not results.
    private func files(_ path: String) throws -> [String: Data] {
        let root = folder.url.appending(path: path)
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path)
            .filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") && !$0.contains("checkpoint") }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: root.appending(path: $0))) })
    }

    /// A table without the times in its last two columns.
    private func table(_ result: Program.Result) -> [[Substring]] {
        result.output.split(separator: "\n").filter { $0.hasPrefix("vit ") }.map { Array($0.split(separator: " ").dropLast(2)) }
    }

    /// Starts the command and kills it, `count` times, each a little later; then lets it end.
    private func sweepWithKills(_ words: [String], count: Int) throws -> Program.Result {
        for kill in 0..<count {
            let process = try Program.start(["sweep"] + words, in: folder.url)
            usleep(useconds_t(150_000 + 120_000 * kill))
            Foundation.kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        return try Program.run(["sweep"] + words, in: folder.url)
    }

    @Test func killsAndJobsChangeNoByte() throws {
        let one = try sweep("grid", "--results", "one", "--jobs", "1")
        #expect(one.exitCode == 0, "\(one.errors)")
        let files = try files("one/grid")
        #expect(files.count == 8 * 3 + 1 && files["sweep.h5"] != nil, "\(files.keys.sorted())")
        #expect(table(one).count == 4)

        let two = try sweep("grid", "--results", "two", "--jobs", "2", "--threads", "2")
        #expect(two.exitCode == 0, "\(two.errors)")
        #expect(table(two) == table(one))
        let isSame = try self.files("two/grid") == files
        #expect(isSame, "jobs change no byte")

        let killed = try sweepWithKills(["grid", "--results", "killed", "--jobs", "2"], count: 4)
        #expect(killed.exitCode == 0, "\(killed.errors)")
        #expect(table(killed) == table(one))
        let isSameAgain = try self.files("killed/grid") == files
        #expect(isSameAgain, "kills change no byte")

        // Nothing is done twice.
        let again = try sweep("grid", "--results", "one")
        #expect(again.exitCode == 0 && again.output == one.output && again.errors == "8 trials, 8 done, 0 left\n", "\(again.errors)")
    }

    @Test func halvingStopsTheSameTrialsHoweverItIsRun() throws {
        try write("halving", """
            grid: {train.optimizer.adamw.learning_rate: [1e-5, 1e-2, 1e-4, 3e-3, 1e-3, 1e-6]}, seeds: [0, 1], halving: {factor: 2, first: 1}
            """, epochs: 4)
        let one = try sweep("halving", "--results", "one")
        #expect(one.exitCode == 0, "\(one.errors)")
        #expect(one.errors.components(separatedBy: "stopped after epoch 1: others did better").count == 7)
        #expect(one.errors.components(separatedBy: "stopped after epoch 2: others did better").count == 5)
        #expect(!one.errors.contains("goes on after step"))
        #expect(one.output.contains("\n10 trials were stopped early, because others did better\n"), "\(one.output)")
        let files = try files("one/halving")
        let two = try sweep("halving", "--results", "two", "--jobs", "2", "--threads", "2")
        let isSame = try self.files("two/halving") == files
        #expect(isSame && table(two) == table(one))
        let killed = try sweepWithKills(["halving", "--results", "killed", "--jobs", "2"], count: 4)
        let isSameAgain = try self.files("killed/halving") == files
        #expect(isSameAgain && table(killed) == table(one))
        let list = try sweep("halving", "--results", "one", "--dry-run").output
        #expect(list.components(separatedBy: "stopped after epoch 1").count == 7 && list.components(separatedBy: "finished").count == 3, "\(list)")
        let doctor = try Program.run(["doctor", "one/halving"], in: folder.url)
        #expect(doctor.output == "12 runs: 12 whole, 0 running, 0 unfinished, 0 damaged\n", "\(doctor.output)")
    }

    /// What another experiment has finished is taken through the rungs by its metrics, as if it had been trained here.
    @Test func halvingDoesNotDependOnWhatElseLiesInResults() throws {
        let grid = "grid: {train.optimizer.adamw.learning_rate: [1e-5, 1e-2, 1e-4, 3e-3]}"
        try write("halving", "\(grid), halving: {factor: 2}", epochs: 3)
        try write("whole", grid, epochs: 3)
        let alone = try sweep("halving", "--results", "alone")
        #expect(alone.exitCode == 0 && alone.output.contains("\n3 trials were stopped early"), "\(alone.errors)\(alone.output)")

        #expect(try sweep("whole", "--results", "beside").exitCode == 0)
        let beside = try sweep("halving", "--results", "beside")
        #expect(beside.exitCode == 0 && beside.errors.components(separatedBy: "is the run ").count == 5, "\(beside.errors)")
        #expect(table(beside) == table(alone) && beside.output.contains("\n3 trials were stopped early"), "\(beside.output)")
        let plans = try ["alone", "beside"].map { try Data(contentsOf: folder.url.appending(path: "\($0)/halving/sweep.h5")) }
        #expect(plans[0] == plans[1])
        let again = try sweep("halving", "--results", "beside")
        #expect(again.errors == "4 trials, 4 done, 0 left\n" && again.output == beside.output, "\(again.errors)")
        // Where they were finished they are finished.
        #expect(try Program.run(["compare", "beside/whole"], in: folder.url).output.contains("stopped") == false)
    }

    /// A cell that does not fit the images is wrong where its value was written.
    @Test(arguments: [["check", "misfit"], ["sweep", "misfit", "--dry-run"], ["sweep", "misfit"]])
    func aCellThatDoesNotFitTheImages(words: [String]) throws {
        try write("misfit", "grid: {models.vit.vit.patch: [2, 3]}")
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == 64)
        #expect(result.errors.contains("misfit.yaml:3: models.vit.vit.patch: a patch of 3 does not divide the image of 8×8"), "\(result.errors)")
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }

    @Test func aPlanUnderWayGoesOnAndCanGrow() throws {
        try write("frozen", "grid: {train.l1: [0, 1e-5]}")
        // One trial of the plan diverges, so that the plan is done; one is taken away, so that it is not.
        #expect(try sweep("frozen").exitCode == 0)
        let before = try files("Results/frozen")
        #expect(before.count == 2 * 3 + 1)

        try write("frozen", "grid: {train.l1: [0, 1e-5, 1e-4]}")
        let grown = try sweep("frozen")
        #expect(grown.exitCode == 0 && grown.errors.contains("harness: 1 trials of the definition are new; the plan has them now\n3 trials, 2 done, 1 left"), "\(grown.errors)")
        let after = try files("Results/frozen")
        #expect(before.allSatisfy { $0.key == "sweep.h5" || after[$0.key] == $0.value } && after.count == 3 * 3 + 1)

        // A run that is gone is planned again, and then the plan is under way.
        let run = try #require(after.keys.first { $0.hasSuffix("run.h5") }).split(separator: "/")[0]
        try FileManager.default.removeItem(at: folder.url.appending(path: "Results/frozen/\(run)"))
        let process = try Program.start(["sweep", "frozen", "train.epochs=2"], in: folder.url)
        process.waitUntilExit()
        #expect(try files("Results/frozen") == after)
    }

    @Test func aContradictedPlanIsNamedAndGoesOn() throws {
        try write("changed", "grid: {train.l1: [0, 1e-5, 1e-4, 1e-3]}", epochs: 60)
        let process = try Program.start(["sweep", "changed"], in: folder.url)
        let plan = folder.url.appending(path: "Results/changed/sweep.h5")
        while process.isRunning, !FileManager.default.fileExists(atPath: plan.path) { usleep(5_000) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let frozen = try Data(contentsOf: plan)
        try write("changed", "grid: {train.l1: [0, 1e-5]}", epochs: 1)
        let sentence = "the definition has changed since the plan was made (4 of its 4 trials are not in the definition any more, 2 would be new): "
            + "the plan goes on; --replan takes the definition's"
        let list = try sweep("changed", "--dry-run")
        #expect(list.exitCode == 0 && list.errors == "harness: \(sentence)\n", "\(list.errors)")
        #expect(list.output.components(separatedBy: "vit-s0-").count == 5)
        #expect(try Data(contentsOf: plan) == frozen)
        let replanned = try sweep("changed", "--replan")
        #expect(replanned.exitCode == 0 && replanned.errors.hasPrefix("2 trials, 0 done, 2 left\n"), "\(replanned.errors)")
    }

    @Test func aTrialThatDivergesDoesNotStopTheOthers() throws {
        try write("wild", "list: [{train.optimizer: {sgd: {learning_rate: 1e30}}}, {train.optimizer: {sgd: {learning_rate: 0.1}}}]")
        let result = try sweep("wild", "--results", "wild")
        #expect(result.exitCode == 1)
        #expect(result.errors.contains("harness: 1 of 2 trials failed or diverged (--retry-failed tries them again):\nharness: vit-s0-"), "\(result.errors)")
        #expect(result.errors.contains("2/2  vit s0  optimizer={sgd: {learning_rate: 0.1}}  test accuracy"))
        let again = try sweep("wild", "--results", "wild")
        #expect(again.exitCode == 1 && again.errors.hasPrefix("2 trials, 2 done, 0 left\n"))
        let retried = try sweep("wild", "--results", "wild", "--retry-failed")
        #expect(retried.exitCode == 1 && retried.errors.hasPrefix("2 trials, 1 done, 1 left\n") && retried.errors.contains(".replaced/vit-s0-"), "\(retried.errors)")
    }

    @Test func experimentsShareTheRunsOfCommonCells() throws {
        try write("first", "grid: {train.l1: [0, 1e-5]}")
        try write("second", "grid: {train.l1: [1e-5, 1e-4]}")
        #expect(try sweep("first").exitCode == 0)
        let second = try sweep("second")
        #expect(second.exitCode == 0 && second.errors.contains("vit s0  l1=1e-5  is the run "), "\(second.errors)")
        let root = folder.url.appending(path: "Results/second")
        let links = try FileManager.default.contentsOfDirectory(atPath: root.path).filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: root.appending(path: $0).path))?.hasPrefix("../first/vit-s0-") == true
        }
        #expect(links.count == 1)
        #expect(try Program.run(["compare", "second", "--format", "csv"], in: folder.url).output.components(separatedBy: "\nsecond,vit,").count == 3)
        // When the run is gone it is trained here.
        try FileManager.default.removeItem(at: folder.url.appending(path: "Results/first"))
        let alone = try sweep("second")
        #expect(alone.exitCode == 0 && alone.errors.contains("1 done, 1 left") && alone.errors.contains("l1=1e-5  test accuracy"), "\(alone.errors)")
    }

    @Test func controlCEndsCleanlyAndTheNextGoesOn() throws {
        try write("long", "grid: {train.l1: [0, 1e-5]}", epochs: 400)
        let process = try Program.start(["sweep", "long", "--jobs", "2"], in: folder.url)
        let root = folder.url.appending(path: "Results/long").path
        func hasWeights() -> Bool { (try? FileManager.default.subpathsOfDirectory(atPath: root))?.contains { $0.hasSuffix("last.h5") } ?? false }
        while process.isRunning, !hasWeights() { usleep(10_000) }
        // Meanwhile nobody else sweeps here.
        let second = try sweep("long")
        #expect(second.exitCode == 74 && second.errors.contains("another process is running this sweep"), "\(second.errors)")
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        let list = try sweep("long", "--dry-run").output
        #expect(list.components(separatedBy: "cut off").count >= 2, "\(list)")
    }

    @Test func tailFollowsASweepFromAnotherProcess() throws {
        try write("long", "grid: {train.l1: [0, 1e-5]}", epochs: 400)
        let errors = try folder.add("errors"), output = try folder.add("tail")
        let process = try Program.start(["sweep", "long", "--jobs", "2"], in: folder.url, errors: errors)
        while process.isRunning, !FileManager.default.fileExists(atPath: folder.url.appending(path: "Results/long/sweep.h5").path) { usleep(10_000) }
        let tail = try Program.start(["tail", "long", "-n", "1"], in: folder.url, output: output)
        func lines() throws -> [String] { try String(contentsOf: output, encoding: .utf8).split(separator: "\n").map(String.init) }
        func steps() throws -> [String: [Int]] {
            try lines().reduce(into: [:]) { steps, line in
                guard let match = line.wholeMatch(of: /(vit-s0-[0-9a-f]{8})  step ([\d,]+)  epoch .*/) else { return }
                steps[String(match.1), default: []].append(Int(match.2.filter { $0 != "," })!)
            }
        }
        func progress() throws -> [String] { try String(contentsOf: errors, encoding: .utf8).split(separator: "\n").map(String.init) }
        // The sweep tells of the whole in its file too.
        while process.isRunning, tail.isRunning, try steps().values.count(where: { $0.count > 10 }) < 2 || progress().count < 3 { usleep(20_000) }
        process.interrupt()
        process.waitUntilExit()
        tail.waitUntilExit()
        #expect(tail.terminationStatus == 0)
        let found = try steps()
        #expect(found.count == 2 && found.values.allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $1 == $0 + 1 } }, "every step once: \(found)")
        let told = try lines(), whole = try progress()
        #expect(told.contains { $0.contains(/^0\/2 done  2 running  0 left  .* left$/) }, "\(told.suffix(5))")
        #expect(told.last == "the sweep was interrupted with 2 of 2 trials left; `harness sweep` goes on")
        #expect(whole[1].contains(/^0\/2 done  2 running  0 left  .* left  │ vit s0  l1=0 epoch \d+\/400/), "\(whole)")
    }

    @Test func tailOfASweepThatHasEnded() throws {
        #expect(try sweep("grid").exitCode == 0)
        let tail = try Program.run(["tail", "grid"], in: folder.url)
        #expect(tail.exitCode == 0 && tail.output == "the sweep is done: 8 finished\n", "\(tail.output)")
    }

    /// On a terminal the table begins a line of its own, when the sweep is interrupted and when it ends by itself.
    @Test(arguments: [true, false]) func theProgressLineEndsBeforeTheTable(isInterrupted: Bool) throws {
        try write("shown", "grid: {train.l1: [0, 1e-5]}", epochs: isInterrupted ? 400 : 1)
        let terminal = try PseudoTerminal()
        let process = Process()
        process.executableURL = Program.url
        process.arguments = ["sweep", "shown"]
        process.currentDirectoryURL = folder.url
        process.environment = ProcessInfo.processInfo.environment.merging(["TERM": "xterm"]) { _, new in new }
        (process.standardInput, process.standardOutput, process.standardError) = (terminal.end, terminal.end, terminal.end)
        try process.run()
        while isInterrupted, process.isRunning, !terminal.text.contains("epoch 2/400") { usleep(10_000) }
        if isInterrupted { process.interrupt() }
        process.waitUntilExit()
        #expect(process.terminationStatus == (isInterrupted ? 130 : 0))
        let text = try terminal.finalText()
        #expect(text.contains("\r\u{1B}[Kmodel") || isInterrupted && text.contains("\r\u{1B}[K2 "), "\(String(text.suffix(600)).debugDescription)")
        #expect(text.contains("\u{1B}[K0/2 done  1 running"), "\(String(text.prefix(600)).debugDescription)")
    }

    @Test func wrongSweepsEndWithASentence() throws {
        let run = try Program.run(["run", "grid"], in: folder.url)
        #expect(run.exitCode == 64 && run.errors == "harness: grid varies its values; harness sweep grid trains them\n")
        let base = try sweep("base")
        #expect(base.exitCode == 64 && base.errors == "harness: base has no sweep; harness run trains it\n")
        try write("patch", "grid: {models.vit.vit.patch: [3, 4, 5]}")
        let patch = try sweep("patch")
        #expect(patch.exitCode == 64 && patch.errors.split(separator: "\n").count == 2, "\(patch.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "Results").path), "nothing was begun")
        try folder.add("Results/grid/sweep.h5", "garbage")
        let damaged = try sweep("grid")
        #expect(damaged.exitCode == 65 && damaged.errors.contains("sweep.h5: is not an HDF5 file; when it is moved away, the sweep is planned again and keeps its runs"))
    }
}
