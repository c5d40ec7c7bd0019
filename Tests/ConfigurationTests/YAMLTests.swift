import Testing

@testable import Configuration

@Suite struct YAMLTests {
    private func read(_ text: String) throws -> ConfigurationNode {
        try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
    }

    private func message(_ text: String) -> String {
        do {
            return "no error: \(try read(text))"
        } catch let error as UserError {
            return error.kind == .usage ? error.message : "\(error.kind): \(error.message)"
        } catch { return "another error: \(error)" }
    }

    @Test func keepsOrderMarksAndQuotes() throws {
        let node = try read("b: 1\na:\n  - x\n  - '2'\nc: {d: ~}\n")
        #expect(node.entries?.map(\.key) == ["b", "a", "c"])
        #expect(node.entries?.map(\.mark.line) == [1, 2, 5])
        #expect(node["b"]?.value == .scalar("1", quoted: false))
        guard case .list(let items) = node["a"]?.value else {
            Issue.record("a is \(String(describing: node["a"]))")
            return
        }
        #expect(items.map(\.value) == [.scalar("x", quoted: false), .scalar("2", quoted: true)])
        #expect(items.map(\.mark.line) == [3, 4])
        #expect(node["a"]?.mark.line == 2, "a list is where its key is")
        #expect(node["c"]?["d"]?.value == .null)
    }

    @Test(arguments: [
        ("", ConfigurationNode.Value.null), ("# nothing\n", .null), ("null", .null),
        ("''", .scalar("", quoted: true)), ("!!str 5", .scalar("5", quoted: true)), ("5", .scalar("5", quoted: false)),
    ])
    func scalars(text: String, value: ConfigurationNode.Value) throws {
        #expect(try read(text).value == value)
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:1: 'a' is written twice in one map; the first is here"),
        ("t:\n  a: 1\n  'a': 3\n", "x.yaml:2: 'a' is written twice in one map; the first is here"),
        ("t:\n  1: 1\n  '1': 3\n", "x.yaml:2: '1' is written twice in one map; the first is here"),
        ("a:\n\tb: 1\n", "x.yaml:2: a tab in the indentation; YAML is indented with spaces"),
        ("a: &one 1\nb: *one\n",
            "x.yaml:1: a: anchors (&) and aliases (*) are not read; write the value out\n"
                + "x.yaml:1: b: anchors (&) and aliases (*) are not read; write the value out"),
        ("a: *one\n", "x.yaml:1: anchors (&) and aliases (*) are not read; write the value out"),
        ("a: !colour red\n", "x.yaml:1: a: tags (!colour) are not read"),
        ("a: \(String(repeating: "[", count: 20_000))", "x.yaml:1: nested too deeply"),
        ("[1]: 2\n", "x.yaml:1: a key must be a plain name"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2: a second document (---) begins here; a definition is one document"),
        ("a: [1, 2\nb: 3\n",
            "x.yaml:2: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence that begins at line 1)"),
        ("a: 'x\n", "x.yaml:2: not valid YAML: found unexpected end of stream (while scanning a quoted scalar that begins at line 1)"),
        ("a: \u{1}\n", "x.yaml:1: not valid YAML: control characters are not allowed"),
    ])
    func oneSentence(text: String, sentence: String) {
        #expect(message(text) == sentence)
    }

    /// Each level names the one before twice: 2^40 values, if aliases were followed.
    @Test func refusesAliasesBeforeTheyMultiply() {
        var text = "a0: &a0 x\n"
        for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(message(text).contains("aliases (*) are not read"))
    }

    /// JSON has a reader of its own, which finds what that of YAML does.
    @Test(arguments: [
        #"{"a": 1, "b": [1.5e-3, "x", null, true, []], "c": {"d": {}, "e": "größe"}}"#, "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\"x\",\n 2]}\n}\n", "{}",
    ])
    func readsJSONAsYAML(text: String) throws {
        let node = try #require(JSONText.node(text) { SourceMark(file: "x.yaml", line: $0) })
        // A comment is no JSON.
        #expect(try read(text + "\n# comment\n") == node)
        #expect(JSONText.node(text + "\n# comment\n") { SourceMark(file: "x.yaml", line: $0) } == nil)
    }

    @Test(arguments: ["", "a: 1", "{a: 1}", #"{"a": 1, "a": 2}"#, #"{"a": "\u0041"}"#, #"{"a": [1, 2}"#, #"{"a": 1"#, #"{"a": 1} x"#, #"{"a": 1,}"#, #"{"a": 'x'}"#])
    func leavesTheRestToTheReaderOfYAML(text: String) {
        #expect(JSONText.node(text) { SourceMark(file: "x.yaml", line: $0) } == nil)
    }
}
