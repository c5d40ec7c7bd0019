import Configuration
import Testing
@testable import Training

@Suite struct ParameterRuleTests {
    private func rule(_ match: String, _ change: (inout ParameterRule) -> Void = { _ in }) -> ParameterRule {
        var rule = ParameterRule()
        rule.match = match
        change(&rule)
        return rule
    }

    private func message(_ rules: [ParameterRule], _ names: [String]) -> String? {
        do { _ = try rules.treatments(of: names) } catch let error as UserError {
            return error.kind == .usage ? error.message : "not a usage error"
        } catch { return "not a user error" }
        return nil
    }

    @Test("A star stands for any text", arguments: [
        ("blocks.0.*", "blocks.0.attn.qkv.weight", true), ("blocks.1.*", "blocks.10.norm.weight", false), ("*", "head.bias", true),
        ("*.bias", "blocks.3.mlp.fc1.bias", true), ("*.bias", "bias", false), ("head.weight", "head.weight", true), ("head", "head.weight", false),
        ("blocks.*.norm*.weight", "blocks.11.norm1.weight", true), ("blocks.*.norm*.weight", "blocks.11.norm1.bias", false),
        ("*a*b", "aabab", true), ("*a*b", "aaba", false), ("**", "x", true), ("", "x", false), ("head.weight*", "head.weight", true),
    ])
    func patterns(pattern: String, name: String, matches: Bool) {
        #expect(rule(pattern).matches(name) == matches)
    }

    @Test func theFirstRuleThatMatchesCounts() throws {
        let rules = [
            rule("blocks.0.*") { $0.freeze = true }, rule("*.bias") { $0.weightDecay = 0 }, rule("blocks.*") { $0.learningRateFactor = 0.1 },
        ]
        let treatments = try rules.treatments(of: ["blocks.0.bias", "blocks.1.bias", "blocks.1.weight", "head.weight"])
        #expect(treatments.map(\.isFrozen) == [true, false, false, false])
        #expect(treatments.map(\.weightDecay) == [nil, 0, nil, nil])
        #expect(treatments.map(\.learningRateFactor) == [1, 1, 0.1, 1])
        #expect(treatments[3] == ParameterTreatment())
    }

    static let names = ["cls_token", "blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.bias", "blocks.1.attn.qkv.weight", "head.weight", "head.bias"]

    @Test("A pattern that matches nothing names what is near", arguments: [
        ("block.0.*", "'block.0.*' matches no parameter; did you mean 'blocks.0.*'?"),
        ("head.wieght", "'head.wieght' matches no parameter; did you mean 'head.weight'?"),
        ("*.biass", "'*.biass' matches no parameter; did you mean '*.bias'?"),
        ("nothing of this kind", "'nothing of this kind' matches no parameter; the names begin with blocks, cls_token, head"),
    ])
    func unmatched(pattern: String, sentence: String) {
        #expect(message([rule("head.*"), rule(pattern)], Self.names) == "train.parameters[1].match: \(sentence)")
    }

    @Test func aRuleBehindAnotherThatTakesAll() {
        #expect(
            message([rule("head.*"), rule("head.weight")], Self.names)
                == "train.parameters[1].match: 'head.weight' has no parameter left; train.parameters[0] comes first for head.weight")
    }

    @Test func everythingFrozen() {
        #expect(
            message([rule("*") { $0.freeze = true }], Self.names)
                == "train.parameters: all 6 parameters are frozen, expected at least one that is trained")
    }

    @Test func everythingFrozenAtTheBeginning() {
        let rules = [rule("head.*") { $0.freezeUntilEpoch = 2 }, rule("*") { $0.freeze = true }]
        #expect(
            message(rules, Self.names) == "train.parameters: all 6 parameters are frozen in the first epoch, expected at least one that is trained")
    }

    @Test func stagesOfFreezing() {
        let rules = [
            rule("a.*") { $0.freeze = true }, rule("b.*") { $0.freezeUntilEpoch = 3 }, rule("c.*") { $0.freezeUntilEpoch = 1 }, rule("d.*"),
        ]
        #expect(rules.stages == [0, 1, 3])
        #expect([ParameterRule]().stages == [0])
        let frozen = (0...3).map { epoch in ["a.x", "b.x", "c.x", "d.x"].filter(rules.freezing(in: epoch)) }
        #expect(frozen == [["a.x", "b.x", "c.x"], ["a.x", "b.x"], ["a.x", "b.x"], ["a.x"]])
    }

    private func read(_ written: Written) -> (TrainConfiguration, [String]) {
        let errors = ConfigurationErrors()
        var fields = FieldReader(written.node, path: "train", errors: errors)
        let configuration = TrainConfiguration(from: &fields)
        fields.finish()
        return (configuration, errors.messages)
    }

    @Test func readsRules() {
        let (configuration, errors) = read(["parameters": [
            ["match": "backbone.*", "learning_rate_factor": "0.1", "weight_decay": "0"], ["match": "*.bias", "freeze": "true"],
            ["match": "stem.*", "freeze_until_epoch": "3"],
        ]])
        #expect(errors == [])
        #expect(configuration.parameters == [
            rule("backbone.*") { ($0.learningRateFactor, $0.weightDecay) = (0.1, 0) }, rule("*.bias") { $0.freeze = true },
            rule("stem.*") { $0.freezeUntilEpoch = 3 },
        ])
    }

    @Test("One sentence for each mistake", arguments: [
        (["freeze": "true"], "train.parameters[0].match: is missing, expected a pattern of parameter names, such as \"blocks.0.*\""),
        (["match": "*", "frozen": "true"], "train.parameters[0].frozen: unknown key 'frozen'; did you mean 'freeze'?"),
        (["match": "*", "learning_rate_factor": "0"], "train.parameters[0].learning_rate_factor: found 0, expected a number above 0"),
        (["match": "*", "freeze_until_epoch": "-1"], "train.parameters[0].freeze_until_epoch: expected a value from 0 to 1000000, found -1"),
        (["match": "*", "freeze": "true", "freeze_until_epoch": "1"],
         "train.parameters[0].freeze_until_epoch: is given for parameters that the rule freezes, expected either of the two"),
        (["match": "*", "freeze": "true", "weight_decay": "1"],
         "train.parameters[0].weight_decay: is given for parameters that the rule freezes, expected either of the two"),
    ] as [(Written, String)])
    func mistakes(rule: Written, sentence: String) {
        #expect(read(["parameters": [rule]]).1 == ["x.yaml:1: \(sentence)"])
    }

    /// The identity of a trial is made of what differs from the defaults, and the resolved definition has no key that came later.
    @Test("Without rules, a definition and its identity are what they were", arguments: [[:], ["parameters": []]] as [Written])
    func withoutRules(written: Written) {
        let (configuration, errors) = read(written)
        #expect(errors == [])
        #expect(configuration == TrainConfiguration())
        #expect(configuration.identity == TrainConfiguration().identity)
        #expect(configuration.node["parameters"] == nil)
        let (ruled, _) = read(["parameters": [["match": "*.bias", "weight_decay": "0"]]])
        #expect(ruled.identity != configuration.identity)
        #expect(ruled.node["parameters"] != nil)
        // A key that came later is written where it says something, and its default changes nothing.
        let (zero, _) = read(["parameters": [["match": "*.bias", "weight_decay": "0", "freeze_until_epoch": "0"]]])
        let (later, _) = read(["parameters": [["match": "*.bias", "weight_decay": "0", "freeze_until_epoch": "1"]]])
        #expect(zero.identity == ruled.identity && zero.node == ruled.node)
        #expect(later.identity != ruled.identity && later.node != ruled.node)
    }
}
