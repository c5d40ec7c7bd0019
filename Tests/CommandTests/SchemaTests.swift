import Foundation
import Testing

@Suite struct SchemaTests {
    private static let python = [ProcessInfo.processInfo.environment["HARNESS_PYTHON"] ?? "python3"].first { python in
        (try? Program.run([python, "-c", "import jsonschema, yaml"], executable: URL(filePath: "/usr/bin/env")))?.exitCode == 0
    }

    /// What editors are given accepts every definition here and refuses misspelled keys and wrong types.
    @Test(.enabled(if: python != nil, "needs a Python with jsonschema and PyYAML, HARNESS_PYTHON or python3"))
    func acceptsDefinitionsAndRefusesFaults() throws {
        let scratch = try TemporaryFolder()
        let schema = try scratch.add("schema.json")
        let printed = try Program.run(["schema"])
        #expect(printed.exitCode == 0)
        try printed.output.write(to: schema, atomically: false, encoding: .utf8)
        let root = Program.packageRoot
        let script = root.appending(path: "Tests/Reference/validate_definitions.py").path
        let words = [try #require(Self.python), script, schema.path, root.appending(path: "Experiments").path]
        let result = try Program.run(words, executable: URL(filePath: "/usr/bin/env"))
        #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
    }

    @Test func theSchemaIsJSON() throws {
        let result = try Program.run(["schema"])
        let object = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(object["$schema"] as? String == "http://json-schema.org/draft-07/schema#")
        #expect((object["properties"] as? [String: Any])?.count == 13)
    }

    @Test(arguments: [
        (["explain", "train.optimizer.adamw.weight_decay"], ["train.optimizer.adamw.weight_decay", "kind: a number from 0", "default: 0.01"]),
        (["explain", "depth"], ["models.<name>.resnet.depth", "models.<name>.vit.depth", "it has to be given"]),
        (["explain", "early_stopping"], ["train.early_stopping", "below it: patience, metric, min_delta"]),
        (["explain"], ["data*", "  optimizer", "      weight_decay  a number from 0 (0.01)", "harness explain KEY"]),
    ])
    func explains(words: [String], sentences: [String]) throws {
        let result = try Program.run(words)
        #expect(result.exitCode == 0, "\(result.errors)")
        for sentence in sentences { #expect(result.output.contains(sentence), "\(result.output)") }
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test func anUnknownKeyHasANearOne() throws {
        let result = try Program.run(["explain", "lerning_rate"])
        #expect(result.exitCode == 64 && result.errors == "harness: there is no key 'lerning_rate'; did you mean 'learning_rate'?\n", "\(result.errors)")
    }
}
