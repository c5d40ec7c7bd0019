import Configuration
import Testing

/// A map that begins on line 1 of a file, with one entry on each line below.
private func map(_ entries: [(String, ConfigurationNode.Value)]) -> ConfigurationNode {
    let entries = entries.enumerated().map { index, entry in
        let mark = SourceMark(file: "x.yaml", line: index + 2)
        return ConfigurationNode.Entry(key: entry.0, mark: mark, node: ConfigurationNode(entry.1, mark: mark))
    }
    return ConfigurationNode(.map(entries), mark: SourceMark(file: "x.yaml", line: 1))
}

private func plain(_ text: String) -> ConfigurationNode.Value { .scalar(text, quoted: false) }

private enum Colour: String, CaseIterable { case red, green }

@Suite struct FieldReaderTests {
    private let errors = ConfigurationErrors()

    private func reader(_ entries: (String, ConfigurationNode.Value)...) -> FieldReader {
        FieldReader(map(entries), path: "train", errors: errors)
    }

    @Test func readsEveryKind() {
        var fields = reader(
            ("epochs", plain("4")), ("rate", plain("1e-3")), ("nesterov", plain("yes")), ("name", plain("7")), ("colour", plain("green")),
            ("seeds", .list([ConfigurationNode(plain("0"), mark: .init(file: "x", line: 1)), .init(plain("2"), mark: .init(file: "x", line: 1))])))
        #expect(fields.integer("epochs", in: 1...) == 4)
        #expect(fields.number("rate", default: 0) == 0.001)
        #expect(fields.boolean("nesterov") == true)
        #expect(fields.string("name") == "7")
        #expect(fields.choice("colour") == Colour.green)
        #expect(fields.integers("seeds") == [0, 2])
        fields.finish()
        #expect(errors.messages == [])
    }

    @Test func missingKeysYieldDefaults() {
        var fields = reader()
        #expect(fields.integer("epochs", default: 3) == 3)
        #expect(fields.choice("colour") == Colour?.none)
        #expect(fields.variant("optimizer") == nil)
        fields.finish()
        #expect(errors.messages == [])
    }

    @Test func collectsEveryErrorWithPlaceAndPath() {
        var fields = reader(
            ("epochs", plain("four")), ("batch_size", plain("0")), ("rate", .scalar("1", quoted: true)), ("clip", plain("nan")),
            ("nesterov", plain("2")), ("colour", plain("gren")), ("shift", .list([])), ("epoch", plain("1")), ("zzz", .null))
        #expect(fields.integer("epochs", default: 9) == 9)
        _ = fields.integer("batch_size", in: 1...)
        _ = fields.number("rate")
        _ = fields.number("clip")
        _ = fields.boolean("nesterov")
        _ = fields.choice("colour") as Colour?
        _ = fields.integer("shift")
        fields.finish()
        #expect(errors.messages == [
            "x.yaml:2: train.epochs: expected an integer, found four",
            "x.yaml:3: train.batch_size: expected an integer of at least 1, found 0",
            "x.yaml:4: train.rate: expected a number, found the text \"1\"",
            "x.yaml:5: train.clip: expected a number, found nan",
            "x.yaml:6: train.nesterov: expected true or false, found 2",
            "x.yaml:7: train.colour: unknown value 'gren'; did you mean 'green'?",
            "x.yaml:8: train.shift: expected an integer, found a list",
            "x.yaml:9: train.epoch: unknown key 'epoch'; did you mean 'epochs'?",
            "x.yaml:10: train.zzz: unknown key 'zzz'; known: batch_size, clip, colour, epochs, nesterov, rate, shift",
        ])
        #expect(throws: UserError(.usage, errors.messages.joined(separator: "\n"))) { try errors.throwIfAny() }
    }

    @Test func aMapIsExpected() {
        var fields = FieldReader(ConfigurationNode(plain("4"), mark: .init(file: "x.yaml", line: 3)), path: "train", errors: errors)
        #expect(fields.integer("epochs") == nil)
        #expect(errors.messages == ["x.yaml:3: train: expected a map, found 4"])
    }

    @Test func variants() {
        let mark = SourceMark(file: "x.yaml", line: 1)
        func variant(_ value: ConfigurationNode.Value) -> (name: String, node: ConfigurationNode, path: String)? {
            FieldReader.variant(of: ConfigurationNode(value, mark: mark), path: "optimizer", errors: errors)
        }
        #expect(variant(plain("sgd"))?.name == "sgd")
        #expect(variant(plain("sgd"))?.node.value == .null)
        let full = variant(map([("sgd", plain("0.1"))]).value)
        #expect(full?.name == "sgd" && full?.path == "optimizer.sgd" && full?.node.value == plain("0.1"))
        #expect(errors.messages == [])
        #expect(variant(map([("sgd", .null), ("adam", .null)]).value) == nil)
        #expect(errors.messages == ["x.yaml:1: optimizer: expected a name or a map with one key, found a map"])
    }

    /// Single precision would make another number of these: 0, infinity, or one with fewer digits.
    @Test(arguments: ["1e-400", "1e-60", "-1e-60", "1e39", "1e400", "-1e400", "1e-50", "1.1e-38"])
    func numbersThatSinglePrecisionCannotHold(text: String) {
        var fields = reader(("rate", plain(text)), ("rates", .list([ConfigurationNode(plain(text), mark: .init(file: "x.yaml", line: 7))])))
        #expect(fields.number("rate") == nil)
        #expect(fields.numbers("rates") == [])
        let sentence = "found \(text), expected 0 or a magnitude from 1.18e-38 to 3.40e+38, which single precision can hold"
        #expect(errors.messages == ["x.yaml:2: train.rate: \(sentence)", "x.yaml:7: train.rates[0]: \(sentence)"])
    }

    @Test(arguments: [
        ("0", 0), ("0.0", 0), ("-0", 0), ("0e7", 0), (".0", 0), ("1.2e-38", 1.2e-38), ("-1.2e-38", -1.2e-38),
        ("3.4028234e38", 3.4028234e38), ("0.1", 0.1),
    ] as [(String, Double)])
    func numbersThatItCanHold(text: String, value: Double) {
        var fields = reader(("rate", plain(text)))
        #expect(fields.number("rate") == value)
        #expect(errors.messages == [])
    }

    /// A bound that is left out does not come back by rounding.
    @Test func aNumberThatRoundsToItsBound() {
        var fields = reader(("rate", plain("0.99999999999")), ("other", plain("0.9999999")))
        #expect(fields.number("rate", in: 0..<1) == nil)
        #expect(fields.number("other", in: 0..<1) == 0.9999999)
        #expect(errors.messages == [
            "x.yaml:2: train.rate: found 0.99999999999, which is 1.0 in single precision, expected a value from 0.0 up to but not 1.0",
        ])
    }

    @Test func everyWrongItemOfAListIsNamed() {
        let mark = SourceMark(file: "x.yaml", line: 2)
        var fields = reader(("seeds", .list([.init(plain("0"), mark: mark), .init(plain("x"), mark: mark), .init(plain("-1"), mark: mark)])))
        _ = fields.integers("seeds", in: 0...)
        #expect(errors.messages == [
            "x.yaml:2: train.seeds[1]: expected an integer of at least 0, found x",
            "x.yaml:2: train.seeds[2]: expected an integer of at least 0, found -1",
        ])
    }
}

@Suite struct SuggestionTests {
    @Test(arguments: [
        ("lr", ["learning_rate", "l1", "momentum"], "learning_rate"), ("LR", ["learning_rate"], "learning_rate"),
        ("wd", ["momentum", "weight_decay"], "weight_decay"), ("bs", ["batch_size", "shards"], "batch_size"),
        ("eps", ["epochs", "epsilon"], "epsilon"), ("train", ["run", "tail"], "run"), ("epoch", ["epochs", "shards"], "epochs"),
        // An abbreviation of nothing that there is, is a word like any other.
        ("lr", ["l1", "momentum"], nil), ("mu", ["nesterov"], nil),
    ] as [(String, [String], String?)])
    func knowsAbbreviations(word: String, candidates: [String], expected: String?) { #expect(nearest(to: word, among: candidates) == expected) }

    @Test(arguments: [
        ("lernet5", "lenet5"), ("resnet2O", "resnet20"), ("vit-", "vit"), ("RESNET20", "resnet20"), ("resent20", "resnet20"),
    ])
    func findsSlipsOfThePen(word: String, meant: String) {
        #expect(nearest(to: word, among: ["lenet5", "resnet20", "vit"]) == meant)
    }

    @Test func listsTheChoicesWhenNoneIsNear() {
        #expect(suggestion(for: "transformer", among: ["vit", "mlp"]) == "; known: mlp, vit")
        #expect(suggestion(for: "x", among: [String]()) == "")
    }
}
