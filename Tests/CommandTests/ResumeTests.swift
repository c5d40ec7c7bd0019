import Foundation
import RunStore
import Testing

/// What comes between a run and its end other than a kill.
@Suite(.serialized, WithSmallRuns()) struct ResumeTests {
    private let runs: SmallRuns
    private let results = "results-\(UUID().uuidString)"

    init() throws { runs = try #require(WithSmallRuns.current) }

    private func run(_ more: String..., threads: Int = 1) throws -> Program.Result {
        try Program.run(runs.words(results, threads: threads) + more, in: runs.folder.url)
    }

    private var runFolder: URL { runs.runFolder(results) }

    private var checkpoints: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: runFolder.appending(path: "checkpoints").path)) ?? []
        return names.filter { $0.hasSuffix(".h5") }.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    }

    /// Starts the run and sends it a signal when it has two checkpoints.
    @discardableResult
    private func interrupt(_ signal: Int32, after count: Int = 2) throws -> (status: Int32, errors: String) {
        let errors = try runs.folder.add("errors")
        let process = try Program.start(runs.words(results), in: runs.folder.url, errors: errors)
        while process.isRunning, checkpoints.count < count { usleep(1000) }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOf: errors, encoding: .utf8))
    }

    private func step(of checkpoint: String) -> String { String(checkpoint.dropFirst(5).dropLast(3)) }

    private func damage(_ checkpoint: String) throws {
        let file = try FileHandle(forUpdating: runFolder.appending(path: "checkpoints/\(checkpoint)"))
        try file.seek(toOffset: 5000)
        let byte = try #require(file.read(upToCount: 1)?.first)
        try file.seek(toOffset: 5000)
        try file.write(contentsOf: [byte ^ 4])
        try file.close()
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalEndsAtAStepWithACheckpoint(signal: Int32) throws {
        let (status, errors) = try interrupt(signal)
        #expect(status == 128 + signal)
        let sentence = try #require(errors.firstMatch(of: /vit  interrupted after step (\d+); a checkpoint is written\n/))
        #expect(errors.hasSuffix("harness: interrupted; the same command goes on from here\n"))
        #expect(step(of: try #require(checkpoints.last)) == sentence.1)
        let rest = try run(threads: 2)
        #expect(rest.exitCode == 0 && rest.errors.hasPrefix("vit  goes on after step \(sentence.1)\n"), "\(rest.errors)")
        #expect(try runs.differences(results) == [])
    }

    /// A run of an earlier version of the arithmetic goes on, and says from which step on the version is another; a finished one stays as it is.
    @Test func anotherVersionOfTheArithmeticIsRecorded() throws {
        func setVersion(_ version: Int, _ status: RunStatus) throws {
            let folder = RunFolder(path: runFolder.path)
            var contents = try RunReader(folder).contents()
            contents.description.arithmetic = [ArithmeticSpan(version: version)]
            try RunWriter(folder).start(contents).finish(status)
        }
        func recorded() throws -> [ArithmeticSpan] { try RunReader(RunFolder(path: runFolder.path)).description.arithmetic }
        try interrupt(SIGTERM)
        let current = try #require(try recorded().first?.version), last = try #require(checkpoints.last)
        try setVersion(1, .interrupted)
        let rest = try run()
        let sentence = "vit  its steps are of more than one version of the arithmetic: version 1 through step \(step(of: last)), then version \(current); "
        #expect(rest.exitCode == 0 && rest.errors.contains(sentence), "\(rest.errors)")
        #expect(try recorded() == [ArithmeticSpan(version: 1), ArithmeticSpan(fromStep: #require(Int(step(of: last))), version: current)])
        try setVersion(1, .finished)
        #expect(try run().errors.contains("vit  already done"))
        #expect(try recorded() == ArithmeticSpan.unrecorded)
    }

    @Test func aDamagedCheckpointGivesWayToTheOneBefore() throws {
        try interrupt(SIGKILL)
        let two = checkpoints
        try damage(two[1])
        let rest = try run()
        #expect(rest.exitCode == 0)
        #expect(rest.errors.contains("/checkpoints/\(two[1]): is damaged: its digest is not that of its content\n"))
        #expect(rest.errors.contains("vit  goes on after step \(step(of: two[0])), with the checkpoint before\n"), "\(rest.errors)")
        #expect(try runs.differences(results) == [])
    }

    /// As after a kill in the middle of a write, or a bad block.
    @Test func aDamagedRunFileGivesWayToTheCopyOfTheCheckpoint() throws {
        try interrupt(SIGKILL)
        let file = runFolder.appending(path: "run.h5"), bytes = try Data(contentsOf: file)
        try bytes.prefix(bytes.count / 2).write(to: file)
        let doctor = try Program.run(["doctor", results], in: runs.folder.url)
        #expect(doctor.output.contains("`harness run` goes on from a checkpoint, which keeps the run file up to step \(step(of: checkpoints[1]))"), "\(doctor.output)")
        let last = try #require(checkpoints.last), rest = try run()
        #expect(rest.exitCode == 0 && rest.errors.contains("vit  goes on after step \(step(of: last))\n"), "\(rest.errors)")
        #expect(try runs.differences(results) == [])
    }

    @Test func withoutAUsableCheckpointTheRunStartsAgainAndTheOldOneIsKept() throws {
        try interrupt(SIGKILL)
        for name in checkpoints { try damage(name) }
        let rest = try run()
        #expect(rest.exitCode == 0)
        #expect(rest.errors.contains(/vit  was cut off, and there is no checkpoint to go on from; that run moves to \.replaced\/vit-s0-\w+-1, and it starts again\n/))
        #expect(try runs.differences(results) == [])
        let kept = runFolder.deletingLastPathComponent().appending(path: ".replaced/\(runFolder.lastPathComponent)-1/checkpoints")
        #expect(try FileManager.default.contentsOfDirectory(atPath: kept.path).count { $0.hasSuffix(".h5") } == 2)
    }

    @Test(arguments: ["run.h5", "weights/best.h5"])
    func aDamagedFileIsNotGoneOnWith(name: String) throws {
        try interrupt(SIGKILL)
        let file = runFolder.appending(path: name)
        // Up to the first epoch there are no best weights.
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        try Data(contentsOf: file).prefix(3000).write(to: file)
        #expect(try run().exitCode == 0)
        #expect(try runs.differences(results) == [])
    }

    @Test func aFinishedRunThatLacksItsWeightsIsRepeated() throws {
        #expect(try run().exitCode == 0)
        try FileManager.default.removeItem(at: runFolder.appending(path: "weights/best.h5"))
        let again = try run()
        #expect(again.exitCode == 0)
        #expect(again.errors.contains("weights/best.h5 is missing; that run moves to .replaced/"), "\(again.errors)")
        #expect(try runs.differences(results) == [])
        #expect(try run().errors == "vit  already done (--fresh repeats it)\n")
    }

    @Test func anotherDefinitionIsAnotherRun() throws {
        try interrupt(SIGKILL)
        let other = try run("train.epochs=1")
        #expect(other.exitCode == 0 && !other.errors.contains("goes on"))
        // How often checkpoints are written is no part of it.
        let rest = try run("train.checkpoint_every_steps=3")
        #expect(rest.exitCode == 0 && rest.errors.contains("goes on after step"), "\(rest.errors)")
        try FileManager.default.removeItem(at: try #require(folders.first { $0.lastPathComponent != runFolder.lastPathComponent }))
        #expect(try runs.differences(results) == [])
    }

    private var folders: [URL] {
        get throws { try FileManager.default.contentsOfDirectory(at: runFolder.deletingLastPathComponent(), includingPropertiesForKeys: nil) }
    }

    /// In units of 1,024 bytes: the log, a checkpoint, weights, or the file of a finished run do not fit.
    @Test(arguments: [20, 100, 200, 280, 364])
    func aFullDiskLosesNothing(limit: Int) throws {
        let words = runs.words(results)
        let full = try Program.run(
            ["-c", "ulimit -f \(limit); exec \"$0\" \"$@\"", Program.url.path] + words, in: runs.folder.url, executable: URL(filePath: "/bin/bash"))
        #expect(full.exitCode == 74, "\(full.errors)")
        #expect(full.errors.split(separator: "\n").last?.wholeMatch(of: /harness: .*: cannot be (written|extended|created).*: File too large/) != nil, "\(full.errors)")
        #expect(try run().exitCode == 0)
        #expect(try runs.differences(results) == [])
    }

    @Test func aReadOnlyFolderLosesNothing() throws {
        try interrupt(SIGKILL)
        let program = runs.folder.url.appending(path: "program")
        try FileManager.default.copyItem(at: Program.url, to: program)
        #expect(try Program.run(["-R", "a+rX,a-w", runs.folder.url.path], executable: URL(filePath: "/bin/chmod")).exitCode == 0)
        defer { _ = try? Program.run(["-R", "u+w", runs.folder.url.path], executable: URL(filePath: "/bin/chmod")) }
        let before = try runs.files(results)

        // No folder is read-only to root.
        let command = (geteuid() == 0 ? ["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups"] : []) + [program.path] + runs.words(results)
        for further in [[], ["--fresh"]] {
            let refused = try Program.run(["-c", "exec \"$0\" \"$@\""] + command + further, in: runs.folder.url, executable: URL(filePath: "/bin/bash"))
            #expect(refused.exitCode == 74)
            #expect(refused.errors.wholeMatch(of: /harness: \S+: .*: Permission denied\n/) != nil, "\(refused.errors)")
            #expect(try runs.files(results) == before)
        }
        #expect(try Program.run(["-R", "u+w", runs.folder.url.path], executable: URL(filePath: "/bin/chmod")).exitCode == 0)
        #expect(try run().exitCode == 0)
        #expect(try runs.differences(results) == [])
    }

    @Test func aReaderThatGoesAwayDoesNotTakeTheRunWithIt() throws {
        for closed in ["2>&1 | head -n 1", "| true"] {
            let words = (runs.words(results) + ["--fresh"]).joined(separator: " ")
            _ = try Program.run(["-c", "\"\(Program.url.path)\" \(words) \(closed)"], in: runs.folder.url, executable: URL(filePath: "/bin/bash"))
            // The shell has waited for the program, which `head` did not.
            #expect(try run().errors == "vit  already done (--fresh repeats it)\n")
            #expect(try runs.differences(results) == [])
        }
    }

    @Test func otherImagesUnderTheSameNameAreRefused() throws {
        let folder = runs.folder
        try folder.add("Experiments/own.yaml", """
            data:   {name: mnist}
            train:  {epochs: 1, batch_size: 8}
            models: {linear: {logistic_regression: {}}}
            """)
        func write(changing pixel: UInt8) throws {
            for (kind, count) in [("train", 40), ("t10k", 20)] {
                var images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, 4, 0, 0, 0, 4]
                for index in 0..<count * 16 { images.append(UInt8(index * 7 % 251)) }
                images[99] ^= pixel
                var labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(count)]
                for index in 0..<count { labels.append(UInt8(index % 10)) }
                for (name, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
                    try folder.add("own/\(kind)-\(name)-ubyte")
                    try Data(bytes).write(to: folder.url.appending(path: "own/\(kind)-\(name)-ubyte"))
                }
            }
        }
        func run(_ more: String...) throws -> Program.Result {
            try Program.run(["run", "own", "--data-dir", "own", "--results", results] + more, in: folder.url)
        }
        try write(changing: 0)
        #expect(try run().exitCode == 0)
        #expect(try run().errors.hasSuffix("already done (--fresh repeats it)\n"))
        try write(changing: 1)
        let refused = try run()
        #expect(refused.exitCode == 65)
        #expect(refused.errors.contains(": was trained on other images or labels than the data set of that name has now (SHA-256 "), "\(refused.errors)")
        #expect(try run("--fresh").exitCode == 0)
        #expect(try run().exitCode == 0)
    }
}
