import Foundation
import RunStore
import Testing

/// Notes and tags: changed without a training, shown and filtered by `compare`.
@Suite struct RemarksTests {
    private let folder: TemporaryFolder
    private static let models = """
        data:   {name: digits}
        train:  {epochs: 1, batch_size: 64}
        models: {a: {mlp: {widths: [8]}}, b: {mlp: {widths: [16]}, tags: wide}}

        """

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/e.yaml", Self.models + "tags: [first]\n")
    }

    private func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }

    private func weights() throws -> [String: Data] {
        let root = folder.url.appending(path: "Results/e")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix("t.h5") }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: root.appending(path: $0))) })
    }

    @Test func theyChangeWithoutATraining() throws {
        let run = try harness("run", "e")
        #expect(run.exitCode == 0 && run.output.contains("\na: tags: first\nb: tags: first, wide\n"), "\(run.output)")
        let trained = try weights()
        #expect(trained.count == 4)
        try folder.add("Experiments/e.yaml", Self.models + "note: |\n  as in class,\n  with \"quotes\"\ntags: [second]\n")
        let before = try harness("compare", "e")
        #expect(before.output.hasSuffix("\na: tags: first\nb: tags: first, wide\n"), "what the runs keep: \(before.output)")
        let again = try harness("run", "e")
        #expect(again.exitCode == 0 && again.errors.hasPrefix("""
            a  already done (--fresh repeats it); its note and tags are now the definition's
            b  already done (--fresh repeats it); its note and tags are now the definition's

            """), "\(again.errors)")
        #expect(try weights() == trained)
        #expect(try harness("run", "e").errors.hasPrefix("a  already done (--fresh repeats it)\nb  already done (--fresh repeats it)\n"))
        let after = try harness("compare", "e")
        #expect(after.output.hasSuffix(
            "\na: tags: second; note: as in class, with \"quotes\"\nb: tags: second, wide; note: as in class, with \"quotes\"\n"), "\(after.output)")
        let folders = try RunFolder.runs(of: folder.url.appending(path: "Results/e").path)
        for one in folders { #expect(try harness("verify", one.path).exitCode == 0) }
        // A definition without them takes them away, and the table is as it always was.
        try folder.add("Experiments/e.yaml", Self.models.replacing(", tags: wide", with: ""))
        #expect(try harness("run", "e").errors.contains("its note and tags are now the definition's\n"))
        #expect(try !harness("compare", "e").output.contains("tags"))
    }

    @Test func compareFiltersByThem() throws {
        #expect(try harness("run", "e").exitCode == 0)
        let wide = try harness("compare", "e", "--tag", "first", "wide")
        #expect(wide.exitCode == 0 && wide.output.split(separator: "\n").count == 4 && wide.output.hasSuffix("\ntags: first, wide\n"), "\(wide.output)")
        #expect(wide.output.contains("\nb ") && !wide.output.contains("\na "))
        let none = try harness("compare", "e", "--tag", "wild")
        #expect(none.exitCode == 66 && none.errors == "harness: --tag: no run has the tag 'wild'; there are: first, wide\n", "\(none.errors)")
        let csv = try harness("compare", "e", "--format", "csv").output.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(csv.map { $0.suffix(2).joined(separator: "|") } == ["tags|note", "first|", "first wide|"])
        let json = try harness("compare", "e", "--format", "json").output
        #expect(json.contains("\"tags\" : [\n      \"first\",\n      \"wide\"\n    ]") && !json.contains("\"notes\""), "\(json)")
        #expect(try harness("compare", "e", "--format", "markdown").output.hasSuffix("|\n\n- a: tags: first\n- b: tags: first, wide\n"))
        #expect(try harness("check", "e").output.contains("tags:"))
        #expect(try harness("explain", "tags").output.contains("by which harness compare --tag finds the runs"))
    }
}
