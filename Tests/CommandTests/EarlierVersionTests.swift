import Foundation
import Testing

/// Results of the program before definitions had a table of keys, when a trial's hash was over all that its definition says: Fixtures/earlier.tar.xz,
/// made by version 0.11.0 at 9db89ab with the definitions that lie in it.
@Suite struct EarlierVersionTests {
    private let scratch: TemporaryFolder
    private let folder: URL
    private var results: URL { folder.appending(path: "Results") }

    init() throws {
        scratch = try TemporaryFolder()
        folder = scratch.url
        let archive = Program.packageRoot.appending(path: "Tests/Fixtures/earlier.tar.xz").path
        let unpacked = try Program.run(["tar", "-xJf", archive], in: folder, executable: URL(filePath: "/usr/bin/env"))
        try #require(unpacked.exitCode == 0, "\(unpacked.errors)")
    }

    private func run(_ words: String...) throws -> Program.Result {
        try Program.run(words, in: folder, environment: ["HARNESS_HOME": folder.path])
    }

    private func runs(of experiment: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: results.appending(path: experiment).path).filter { $0.contains("-s0-") }.sorted()
    }

    @Test func finishedRunsAreTakenAsFinished() throws {
        let before = try runs(of: "earlier")
        let result = try run("run", "earlier", "--results", "Results")
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.errors.split(separator: "\n").count { $0.contains("already done") } == 4, "\(result.errors)")
        #expect(try runs(of: "earlier") == before)
        let preview = try run("check", "earlier", "--results", "Results")
        for name in before { #expect(preview.output.contains(name), "\(preview.output)") }
    }

    /// Another value of any key is another trial.
    @Test func otherTrialsAreTrained() throws {
        let result = try run("run", "earlier", "train.optimizer.adamw.learning_rate=3e-3", "--only", "line", "--results", "Results")
        #expect(result.exitCode == 0 && !result.errors.contains("already done"), "\(result.errors)")
        #expect(try runs(of: "earlier").count { $0.hasPrefix("line-") } == 2)
    }

    @Test func runsAreVerified() throws {
        for name in try runs(of: "earlier") {
            let result = try run("verify", "Results/earlier/\(name)")
            // On another kind of processor the bits are others; both lines name it, and that of a run of an earlier version of the arithmetic is an error.
            let text = result.output + result.errors, isOther = text.contains("processor ") || text.contains("instruction set ")
            #expect(result.output.contains("identical through step 20") || isOther, "\(text)")
        }
    }

    @Test func aRunThatWasCutOffGoesOn() throws {
        let before = try runs(of: "earlier_cut_off")
        let result = try run("run", "earlier_cut_off", "--results", "Results")
        #expect(result.exitCode == 0 && result.errors.contains("goes on after step 40"), "\(result.errors)")
        #expect(try runs(of: "earlier_cut_off") == before)
        #expect(try run("doctor", "Results/earlier_cut_off").exitCode == 0)
        #expect(try run("run", "earlier_cut_off", "--results", "Results").errors.contains("already done"))
    }

    @Test func aSweepGoesOn() throws {
        let done = try run("sweep", "earlier_sweep", "--results", "Results")
        #expect(done.exitCode == 0 && done.errors.contains("3 trials, 3 done, 0 left"), "\(done.errors)")
        let before = try runs(of: "earlier_open_sweep")
        let result = try run("sweep", "earlier_open_sweep", "--results", "Results")
        #expect(result.exitCode == 0 && result.errors.contains("6 trials, 1 done, 5 left"), "\(result.errors)")
        #expect(!result.errors.contains("has changed"))
        let after = try runs(of: "earlier_open_sweep")
        #expect(after.count == 6 && Set(before).isSubset(of: after))
        let again = try run("sweep", "earlier_open_sweep", "--results", "Results")
        #expect(again.exitCode == 0 && again.errors.contains("6 trials, 6 done, 0 left"), "\(again.errors)")
        #expect(try run("compare", "Results/earlier_open_sweep").exitCode == 0)
    }
}
