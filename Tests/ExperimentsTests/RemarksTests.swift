import Configuration
import Testing

@testable import Experiments

/// `note:` and `tags:`, at the top of a definition and of its models.
@Suite struct RemarksTests {
    private static let said = small + """

        note: 'the second section''s baseline: "small"'
        tags: [baseline, small]
        """

    @Test("They are part of no identity, whatever they say")
    func changeNoHash() throws {
        let names = try definition(small).trials.map(\.name)
        #expect(try definition(Self.said).trials.map(\.name) == names)
        #expect(try definition(Self.said, "note=3 more", "tags=[other]").trials.map(\.name) == names)
        #expect(try definition(Self.said, "+models.vit.note=its own", "+models.vit.tags=paper").trials.map(\.name) == names)
    }

    @Test("A run keeps what is said about its model: the model's note in the place of the definition's, its tags beside those")
    func runsKeepThem() throws {
        let changed = try definition(Self.said, "+models.vit.note=as in the paper", "+models.vit.tags=[paper, small]")
        let read = try changed.trials.prefix(2).map { try Definition(resolved: $0.resolvedDefinition, name: "x", place: "run.h5") }
        #expect(read.map(\.remarks.note) == ["as in the paper", "the second section's baseline: \"small\""])
        #expect(read.map(\.remarks.tags) == [["baseline", "small", "paper"], ["baseline", "small"]])
        #expect(zip(read, changed.trials).allSatisfy { $0.trials[0].resolvedDefinition == $1.resolvedDefinition && $0.trials[0].hash == $1.hash })
        #expect(try definition(small).trials[0].resolvedDefinition == changed.trials[0].resolvedDefinition(saying: Remarks()))
    }

    @Test("A definition with every default says them too, and means the same")
    func resolved() throws {
        let changed = try definition(Self.said, "+models.vit.note=as in the paper", "+models.vit.train={epochs: 2}", "+models.hybrid.tags=[paper]")
        let again = try definition(changed.resolvedText)
        #expect(again.trials.map(\.resolvedDefinition) == changed.trials.map(\.resolvedDefinition))
        #expect(try again.remarks == definition(Self.said).remarks && again.resolvedText == changed.resolvedText)
    }

    @Test("The remarks of the trial that a run starts from are its own to tell")
    func sources() throws {
        let text = """
            data: {name: digits}
            train: {epochs: 1, batch_size: 64}
            models: {base: {mlp: {widths: [4]}}, tuned: {mlp: {widths: [4]}, train: {init_from: {model: base}}}}
            """
        let plain = try definition(text).trials[1], said = try definition(text + "\nnote: secret\ntags: [a]\n").trials[1]
        #expect(said.hash == plain.hash)
        #expect(said.resolvedDefinition(saying: Remarks()) == plain.resolvedDefinition)
    }

    @Test("What is wrong is said with its place", arguments: [
        ("tags: [a b]", "LINE: tags: found 'a b', expected names of letters, digits, '_', '-' and '+'"),
        ("tags: [a, b, a]", "LINE: tags: 'a' is listed twice"),
        ("tags: {a: b}", "LINE: tags: expected a text, found a map"),
        ("note: [a]", "LINE: note: expected a text, found a list"),
        ("note: \(String(repeating: "a", count: 4_001))", "LINE: note: found 4,001 letters, expected at most 4,000"),
        ("models: {vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2}, tags: [a.b]}}", "LINE: models.vit.tags: found 'a.b', expected names of letters, digits, '_', '-' and '+'"),
        ("models: {vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2}, tag: a}}", "LINE: models.vit.tag: unknown key 'tag' beside vit; did you mean 'tags'?"),
        ("sweep: {grid: {tags: [a, b]}}", "LINE: sweep.grid.tags: 'tags' cannot be swept"),
    ])
    func errors(line: String, sentence: String) throws {
        let lines = small.split(separator: "\n"), before = line.hasPrefix("models:") ? Array(lines.prefix(3)) : lines
        let expected = sentence.replacing("LINE", with: "x.yaml:\(before.count + 1)")
        #expect(throws: UserError(.usage, expected)) { _ = try definition(before.joined(separator: "\n") + "\n\(line)\n") }
    }

    @Test("A model's remarks stand beside its family when definitions are put together")
    func merging() throws {
        let changed = try definition(small, "models.vit.note=first", "models.vit.vit.width=64", "models.hybrid.tags=[a]")
        #expect(changed.models.map(\.ownRemarks.note) == ["first", nil] && changed.models.map(\.ownRemarks.tags) == [[], ["a"]])
    }
}
