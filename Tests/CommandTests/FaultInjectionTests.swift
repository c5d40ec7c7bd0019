import Foundation
import TestSupport
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

    /// The same work is then done by the threads that there are: to the same bytes, and without waiting for one that never comes.
    @Test(.enabled(if: hasCompiler, "needs a C compiler"), arguments: [["run", "small", "--threads", "2"], ["sweep", "grid", "--threads", "2", "--jobs", "2"]])
    func aSystemThatStartsNoThreadChangesNothing(words: [String]) throws {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/small.yaml", """
            data: {name: digits, train_examples: 128, test_examples: 64}
            seeds: [0, 1]
            train: {epochs: 1, batch_size: 32}
            models: {mlp: {mlp: {widths: [16]}}}
            """)
        try folder.add("Experiments/grid.yaml", "extends: small.yaml\nsweep: {grid: {train.epochs: [1, 2]}}\n")
        let library = folder.url.appending(path: "no_threads.so").path
        let source = Program.packageRoot.appending(path: "Tests/FaultInjection/no_threads.c").path
        #expect(try Program.run(["cc", "-shared", "-fPIC", "-o", library, source], executable: URL(filePath: "/usr/bin/env")).exitCode == 0)
        func files(preloading library: String?) throws -> [String: Data] {
            let results = folder.url.appending(path: library == nil ? "with" : "without")
            let environment = library.map { ["LD_PRELOAD": $0] } ?? [:]
            for words in [words + ["--results", results.path], ["compare", results.path]] {
                let result = try within(seconds: 120) { try Program.run(words, in: folder.url, environment: environment) }
                #expect(result.exitCode == 0, "\(result.errors)")
            }
            let runs = try FileManager.default.subpathsOfDirectory(atPath: results.path).filter { $0.hasSuffix("run.h5") }
            return try Dictionary(uniqueKeysWithValues: runs.map { ($0, try Data(contentsOf: results.appending(path: $0))) })
        }
        let expected = try files(preloading: nil)
        #expect(expected.count >= 2)
        #expect(try files(preloading: library) == expected)
    }
}
