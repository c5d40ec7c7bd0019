import Foundation
import Testing

/// A package elsewhere uses this one by a clone and a version: it is built as such, and its programs do what they say.
///
/// That builds all sources once more, which takes minutes, so it is done where it is asked for: by `.ci/run`, and with `HARNESS_TEST_OUTSIDE=1`.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["HARNESS_TEST_OUTSIDE"] == "1", "HARNESS_TEST_OUTSIDE=1 builds the package outside"))
struct OutsideTests {
    /// The folder of the programs, which are built once and again when something has changed.
    private static let programs: Result<URL, any Error> = Result {
        let root = Program.packageRoot
        let built = try Program.run(
            [root.appending(path: ".build-outside").path], executable: root.appending(path: "Tests/Outside/build"))
        struct Failure: Error { let log: String }
        guard built.exitCode == 0 else { throw Failure(log: "\(built.output)\(built.errors)") }
        return URL(filePath: built.output.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    @Test("It trains a network of its own on data in memory and from a source of its own, logs, and predicts")
    func trainsLogsAndPredicts() throws {
        let folder = try TemporaryFolder()
        let result = try Program.run(
            [folder.url.appending(path: "Results").path], executable: Self.programs.get().appending(path: "OutsideTraining"))
        #expect(result.exitCode == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        let values = Dictionary(lines.map { ($0[0], $0[1]) }) { _, last in last }
        for name in ["memory_accuracy", "accuracy"] {
            let accuracy = try #require(values[name].flatMap(Double.init))
            #expect(accuracy > 0.9, "rows and columns are told apart: \(name)")
        }
        #expect(values["status"] == "finished" && values["steps"] == "64", "4 epochs of 512 / 32 steps")
        #expect(values["recorded_accuracy"] == "the same" && values["predicted_accuracy"] == values["accuracy"] && values["file"] == "the same")
        #expect(values["outputs"] == "features.pooled,logits [160, 8]")

        // The run is like any other to this program.
        let run = try #require(values["folder"])
        let inspected = try Program.run(["inspect", run])
        #expect(inspected.exitCode == 0 && inspected.output.contains("gated"), "\(inspected.errors)")
        let compared = try Program.run(["compare", folder.url.appending(path: "Results/outside").path])
        #expect(compared.exitCode == 0 && compared.output.contains("178"), "8·9 + 8 for each convolution and 16 + 2: \(compared.output)")
        #expect(try Program.run(["doctor", run]).exitCode == 0)
    }

    @Test("Its own command line runs, verifies, compares and explains what it adds to definitions")
    func isACommandLine() throws {
        let folder = try TemporaryFolder(), program = try Self.programs.get().appending(path: "OutsideCommand")
        try folder.add("own.yaml", """
            data: {name: stripes, augment: [negative, {shift: 1}]}
            train: {epochs: 2, batch_size: 32, optimizer: {sign_descent: {learning_rate: 5e-3}}}
            models:
              own: {gated: {width: 8}}
              cut: {backbone: {gated: {width: 4, cut_after: gated}}, tokens: {patch: 2}, transformer: {width: 16, depth: 1, heads: 2}}

            """)
        try FileManager.default.createDirectory(at: folder.url.appending(path: "Results"), withIntermediateDirectories: true)
        func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url, executable: program) }
        let first = try run("run", "own.yaml")
        #expect(first.exitCode == 0 && first.output.contains("own") && first.output.contains("cut"), "\(first.errors)")
        let second = try run("run", "own.yaml")
        #expect(second.errors.contains("own  already done") && second.errors.contains("cut  already done"), "\(second.errors)")
        let results = folder.url.appending(path: "Results/own").path
        let runs = try FileManager.default.contentsOfDirectory(atPath: results).filter { !$0.hasPrefix(".") }
        for name in runs {
            let verified = try run("verify", "Results/own/\(name)")
            #expect(verified.exitCode == 0 && verified.output.contains("identical"), "\(verified.output)\(verified.errors)")
        }
        let smoke = try run("run", "own.yaml", "--smoke", "train.optimizer.sign_descent.learning_rate=1e-3")
        #expect(smoke.exitCode == 0, "\(smoke.errors)")
        #expect(try run("compare", "own").output.contains("cut"))
        #expect(try run("explain", "train.optimizer").output.contains("adamw, sign_descent"))
        #expect(try run("data").output.contains("stripes: 640 training and 160 test images of 8×8×1"))
        let wrong = try run("check", "own.yaml", "+models.other={gate: {}}")
        #expect(wrong.exitCode == 64 && wrong.errors.contains("unknown model 'gate'; did you mean 'gated'?"), "\(wrong.errors)")
        // The program that comes with the package knows none of it.
        let stranger = try Program.run(["check", "own.yaml"], in: folder.url)
        #expect(stranger.exitCode == 64 && stranger.errors.contains("unknown optimizer 'sign_descent'"), "\(stranger.errors)")
    }
}
