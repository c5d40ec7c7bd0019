import Foundation
import Testing

/// Failing writes, kills, flipped bits and a full disk, each a random part of what the scripts in Tests/FaultInjection can do.
///
/// `HARNESS_TEST_EVERY_FAULT=1` asks for all of it, which takes hours; `HARNESS_TEST_FAULT_SEED` repeats a choice, whose seed each prints.
@Suite(.serialized) struct FaultInjectionTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isThorough = environment["HARNESS_TEST_EVERY_FAULT"] == "1"

    private static let python: String? = has("python3", "--version") ? "python3" : nil
    private static let pythonWithH5py: String? = [environment["HARNESS_PYTHON"] ?? "python3"].first { has($0, "-c", "import h5py") }
    private static let hasCompiler = ["cc", "clang", "gcc"].contains { has($0, "--version") }

    private static func has(_ words: String...) -> Bool {
        (try? Program.run(words, executable: URL(filePath: "/usr/bin/env")))?.exitCode == 0
    }

    /// Runs a script on the program that was built, and expects that it finds no failure.
    private func inject(_ script: String, by python: String?, _ words: [String]) throws {
        let path = Program.packageRoot.appending(path: "Tests/FaultInjection/\(script)").path
        let seed = Self.environment["HARNESS_TEST_FAULT_SEED"].map { ["--seed", $0] } ?? []
        let result = try Program.run(
            [try #require(python), path, "--program", Program.url.path] + words + seed, executable: URL(filePath: "/usr/bin/env"))
        print(result.output)
        if result.exitCode == 69 {
            print("\(script): left out, this machine does not allow it")
            return
        }
        #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
    }

    @Test(
        .enabled(if: python != nil && hasCompiler, "needs python3 and a C compiler"),
        arguments: [("run", 25), ("resume", 15), ("sweep", 10), ("repair", 15)])
    func aCallThatFailsLosesNothing(scenario: String, count: Int) throws {
        let extent = !Self.isThorough ? ["--count", "\(count)"] : scenario == "sweep" ? ["--count", "500"] : ["--every"]
        try inject("failing_calls", by: Self.python, ["--scenarios", scenario] + extent)
    }

    @Test(
        .enabled(if: pythonWithH5py != nil && hasCompiler, "needs a Python with h5py, HARNESS_PYTHON or python3, and a C compiler"),
        arguments: [("finished", 40), ("reading", 16), ("plan", 16), ("unfinished", 16)])
    func aBitThatFlipsIsFoundOrHarmless(test: String, count: Int) throws {
        try inject("bit_flips", by: Self.pythonWithH5py, ["--tests", test, "--count", "\(Self.isThorough ? 500 : count)"])
    }

    @Test(.enabled(if: python != nil && geteuid() == 0, "needs python3 and the right to mount"))
    func aDiskThatIsFilledAndFreedLosesNothing() throws {
        try inject("full_disk", by: Self.python, ["--count", Self.isThorough ? "200" : "5"])
    }
}
