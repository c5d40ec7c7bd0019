import Foundation
import Testing

private let hasPython = (try? Program.run(["python3", "--version"], executable: URL(filePath: "/usr/bin/env")).exitCode) == 0

/// The Python that measures against PyTorch and keeps Results/performance.md, without PyTorch.
@Suite(.enabled(if: hasPython, "needs python3"))
struct PerformancePageTests {
    private static let reference = Program.packageRoot.appending(path: "Tests/Reference").path
    private let folder = try! TemporaryFolder()

    private func python(_ code: String) throws -> Program.Result {
        try Program.run(
            ["python3", "-B", "-c", "import sys\nsys.path.insert(0, '\(Self.reference)')\n" + code], in: folder.url,
            executable: URL(filePath: "/usr/bin/env"))
    }

    @Test(arguments: [
        ("", "<!-- begin a -->\nnew\n<!-- end a -->\n"),
        ("by hand\n", "by hand\n\n<!-- begin a -->\nnew\n<!-- end a -->\n"),
        ("x\n<!-- begin a -->\nold\n<!-- end a -->\ny\n<!-- begin b -->\n1\n<!-- end b -->\n",
         "x\n<!-- begin a -->\nnew\n<!-- end a -->\ny\n<!-- begin b -->\n1\n<!-- end b -->\n"),
    ])
    func aSectionReplacesItselfAlone(page: String, expected: String) throws {
        try folder.add("page.md", page)
        let result = try python("from performance_page import write_section\nfor i in range(2): write_section('page.md', 'a', 'new\\n')")
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try String(contentsOf: folder.url.appending(path: "page.md"), encoding: .utf8) == expected)
    }

    @Test func anOpenSectionIsLeftAlone() throws {
        try folder.add("page.md", "<!-- begin a -->\nold\n")
        let result = try python("from performance_page import write_section\nwrite_section('page.md', 'a', 'new')")
        #expect(result.exitCode == 1 && result.errors.contains("'<!-- begin a -->' has no '<!-- end a -->' after it"))
        #expect(try String(contentsOf: folder.url.appending(path: "page.md"), encoding: .utf8) == "<!-- begin a -->\nold\n")
    }

    @Test func measurementsAreTakenUpAgain() throws {
        let code = """
            from performance_page import Results
            def measure(): print("measured"); return 3
            print(Results('kept.json', {'steps': 20}).get('x', measure))
            """
        #expect(try python(code).output == "measured\n3\n")
        #expect(try python(code).output == "3\n")
        let other = try python(code.replacing("20", with: "5"))
        #expect(other.exitCode == 1 && other.errors.contains("kept.json holds measurements under other conditions: expected {'steps': 5}, found {'steps': 20}"))
    }

    /// A script without a suffix, as the module `name`.
    private func script(_ name: String) -> String {
        """
        import importlib.machinery, importlib.util
        loader = importlib.machinery.SourceFileLoader('\(name)', '\(Self.reference)/\(name)')
        \(name) = importlib.util.module_from_spec(importlib.util.spec_from_loader('\(name)', loader))
        loader.exec_module(\(name))

        """
    }

    @Test func ratiosAreTakenPairByPair() throws {
        let result = try python(script("compare_torch") + """
            side = lambda times, memory: [{'ms_per_step': time, 'peak_rss_mb': memory, 'images_per_second': 1} for time in times]
            c = compare_torch.comparison('vit-28', 'eager', side([10, 20, 40], 100), side([20, 60, 40], 400))
            print(c['ratios'], c['memory'])
            """)
        #expect(result.output == "[2.0, 3.0, 1.0] 0.25\n", "\(result.errors)")
    }

    @Test func shardCountsAreComparedOverAllWorkloads() throws {
        let result = try python(script("measure") + """
            print(measure.shards_table({'a': {2: 30, 4: 20, 8: 10, 16: 20, 32: 10}, 'b': {2: 20, 4: 10, 8: 40, 16: 20}}))
            """)
        #expect(result.output == """
            | workload | 2 shards | 4 shards | 8 shards | 16 shards | 32 shards |
            | --- | ---: | ---: | ---: | ---: | ---: |
            | a | 30.0 | 20.0 | **10.0** | 20.0 | **10.0** |
            | b | 20.0 | **10.0** | 40.0 | 20.0 |  |
            | mean of the time over the workload's best | 2.45 | 1.41 | 2.00 | 2.00 |  |

            """, "\(result.errors)")
    }

    @Test(arguments: [
        ("compare_torch", "vit", "unknown workload vit; there are vit-28"), ("measure", "speed", "unknown section speed; there are roofline"),
    ])
    func wrongWordsAreNamed(script: String, word: String, sentence: String) throws {
        let result = try Program.run(
            ["python3", "-B", "\(Self.reference)/\(script)", word], in: folder.url, executable: URL(filePath: "/usr/bin/env"))
        #expect(result.exitCode == 2 && result.errors.contains(sentence), "\(result.errors)")
    }
}
