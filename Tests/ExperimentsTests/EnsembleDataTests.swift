import Configuration
import Foundation
import RunStore
import TensorCore
import TestSupport
import Testing

@testable import Experiments

/// Ensembles and soups of models with data of their own: what they are tested on, and what of them is known before anything is trained.
@Suite(.serialized) struct EnsembleDataTests {
    private final class Lines: Sendable {
        private let lock = NSLock()
        nonisolated(unsafe) private var texts: [String] = []
        func add(_ text: String) { lock.withLock { texts.append(text) } }
        var all: [String] { lock.withLock { texts } }
    }

    /// Trains a definition and makes its ensembles.
    private func make(_ text: String, in results: String) throws -> (files: [String: EnsembleFile], lines: [String], complaints: [String], folders: [RunFolder]) {
        let lines = Lines(), options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
        let runner = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: Terminal { lines.add($0) })
        try runner.checkEnsembles()
        let outcome = try runner.run { false }, before = lines.all.count
        let complaints = try #require(try runner.makeEnsembles(of: outcome) { false })
        let files = try EnsembleFile.paths(in: (outcome.folders[0].path as NSString).deletingLastPathComponent).map(EnsembleFile.init(reading:))
        return (Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0) }), Array(lines.all[before...]), complaints, outcome.folders)
    }

    /// What is wrong with a definition and its data, or with the runs that it names.
    private func complaint(_ text: String, results: String = "/nowhere") -> UserError? {
        do {
            let experiment = try Experiment(definition(text), dataDirectory: nil)
            try experiment.checkEnsembleRuns(in: URL(filePath: results))
            return nil
        } catch { return error as? UserError }
    }

    @Test("A soup is tested, and a greedy one chosen, on its members' own images, as if they were all models'", arguments: [
        "classes: [5, 6, 7]", "size: 16", "validation: 0.3, normalization: none, test_examples: 100", "folds: 3, fold: 1",
    ])
    func ownData(keys: String) throws {
        func text(_ data: String, _ own: String) -> String {
            """
            data:   \(data)
            train:  {epochs: 1, batch_size: 96}
            models:
              base: {resnet: {depth: 8, width: 4}\(own)}
              x:    {resnet: {depth: 8, width: 4}\(own), train: {init_from: {model: base}}}
              y:    {resnet: {depth: 8, width: 4}\(own), train: {init_from: {model: base}, epochs: 2}}
            ensembles: {uniform: {models: [x, y], soup: uniform}, greedy: {models: [x, y], soup: greedy}, mean: {models: [x, y]}}

            """
        }
        try withTemporaryFolder { results in
            let own = try make(text("{name: digits}", ", data: {\(keys)}"), in: "\(results)/own")
            let all = try make(text("{name: digits, \(keys)}", ""), in: "\(results)/all")
            #expect(own.files == all.files && own.files.count == 3 && own.complaints == [])
            #expect(own.files["greedy"]?.validation.isEmpty == false && own.files["uniform"]?.validation.isEmpty == false)
        }
    }

    @Test("What members do not agree in is said before anything is trained", arguments: [
        ("a, c", "{classes: [0, 1, 2]}", nil, "c has 3 classes and a 10 classes, expected runs of the same classes"),
        ("a, c", "{classes: [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]}", nil, "class 0 of c is '1' and of a '0', expected runs of the same classes in the same order"),
        ("a, c", "{test_examples: 50}", nil, "c is tested on 50 images and a on 360, expected runs of the same test images"),
        ("a, d, c", "{folds: 5, fold: 0}", nil, "c is tested on 288 images and a on 360, expected runs of the same test images"),
        ("a, c", "{folds: 5}", nil, "the runs of c's 5 folds are tested on different images; expected one of them (data.fold) or no folds"),
        ("a, c", "{test_examples: 50}", "uniform", "c is tested on 50 images and a on 360, expected runs of the same test images"),
        ("a, c", "{size: 16}", "uniform", "c and a differ in data.size (16×16×1 and 8×8×1), expected members of a soup to get the images in one form"),
        ("a, c", "{normalization: {mean: [30], std: [0.01]}}", "greedy",
            "c and a differ in data.normalization (mean 30.00000, deviation 0.01000 and mean 0.00000, deviation 1.00000), expected members of a soup to get the images in one form"),
        ("a, c", "{split_seed: 3}", "greedy", "c and a hold out different images for validation, by which a greedy soup is chosen; expected the same ones"),
        ("c, a", "{validation: 0}", "greedy", "a greedy soup is chosen by images for validation, but data.validation holds out none of digits"),
    ] as [(String, String, String?, String)])
    func disagreement(models: String, own: String, soup: String?, sentence: String) throws {
        let text = """
            data:   {name: digits, normalization: none}
            models:
              a: {mlp: {widths: [8]}}
              d: {mlp: {widths: [8]}, data: {augment: [{shift: 1}]}}
              c: {mlp: {widths: [8]}, data: \(own)}
            ensembles:
              e: {models: [\(models)]\(soup.map { ", soup: \($0)" } ?? "")}

            """
        let error = try #require(complaint(text))
        #expect(error.kind == .usage && error.message.hasPrefix("x.yaml:7: ensembles.e") && error.message.hasSuffix(": \(sentence)"), "\(error)")
        // Without the model that is other, and with other images for training and validation alone, there is nothing to say.
        #expect(complaint(text.replacing("[\(models)]", with: "[a, d]")) == nil)
    }

    @Test("Members of a uniform soup may hold out other images for validation, by which it is then not measured")
    func otherValidation() throws {
        try withTemporaryFolder { results in
            let made = try make("""
                data:   {name: digits, normalization: none}
                train:  {epochs: 1, batch_size: 96}
                models: {a: {mlp: {widths: [8]}}, c: {mlp: {widths: [8]}, data: {split_seed: 3}}}
                ensembles: {s: {models: [a, c], soup: uniform}}

                """, in: results)
            #expect(made.complaints == [] && made.files["s"]?.validation == [] && made.files["s"]?.test.count == 2)
        }
    }

    @Test("Names and lists of an ensemble", arguments: [
        ("a: {models: [a, b]}", "ensembles.a: is the name of a model too, expected another one, by which tables tell it from that"),
        ("e: {models: [a, b], seeds: [0, 0]}", "ensembles.e.seeds: 0 is listed twice"),
        ("e: {models: [a], runs: [x/b, x/b]}", "ensembles.e.runs: x/b is listed twice"),
    ])
    func names(ensemble: String, sentence: String) throws {
        let error = try #require(complaint("data: {name: digits}\nmodels: {a: {mlp: {widths: [8]}}, b: {mlp: {widths: [4]}}}\nensembles: {\(ensemble)}\n"))
        #expect(error.message == "x.yaml:3: \(sentence)")
    }

    // MARK: Runs of other experiments

    @Test("Runs that are not there, are many, or are tested on other images are refused before anything is trained; one that comes to be is waited for")
    func runs() throws {
        func text(_ runs: String, _ data: String = "{name: digits}", models: String = "a, ab") -> String {
            """
            data:   \(data)
            train:  {epochs: 1, batch_size: 96}
            models: {a: {mlp: {widths: [8]}}, ab: {mlp: {widths: [4]}}}
            ensembles:
              e: {models: [\(models)], runs: \(runs)}

            """
        }
        try withTemporaryFolder { results in
            var other = try definition(text("[x/a-s0]", "{name: digits, test_examples: 50}"))
            (other.name, other.ensembles) = ("other", [])
            let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
            let run = (try Runner(Experiment(other, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0].path as NSString).lastPathComponent

            let missing = UserError(.noInput, "x.yaml:5: ensembles.e.runs[0]: there is no run 'nothing/x' in \(results)")
            #expect(complaint(text("[nothing/x]"), results: results) == missing)
            let preview = #expect(throws: UserError.self) {
                try ExperimentPreview(Experiment(definition(text("[nothing/x]")), dataDirectory: nil), results: URL(filePath: results), threads: 1)
            }
            #expect(preview == missing)
            let images = "x.yaml:5: ensembles.e.runs[1]: \(run) is tested on 50 images and a on 360, expected runs of the same test images"
            #expect(complaint(text("[x/ab-s0, other/a-s0]"), results: results) == UserError(.data, images))
            let many = try #require(complaint(text("[other/a]"), results: results))
            #expect(many.kind == .usage && many.message.hasPrefix("x.yaml:5: ensembles.e.runs[0]: 'other/a' is the beginning of 2 runs' names: a-s0-"))
            #expect(complaint(text("[x/a-s0]"), results: results) == nil)
            // What is not made here is nobody's business.
            var only = try definition(text("[nothing/x]"))
            try only.keep(models: ["a"])
            try Experiment(only, dataDirectory: nil).checkEnsembleRuns(in: URL(filePath: results))
            var smoke = try definition(text("[nothing/x]"))
            smoke.makeSmokeTest()
            #expect(smoke.ensembles.isEmpty)

            let made = try make(text("[x/ab]", models: "a"), in: results)
            #expect(made.files["e"]?.members.count == 2 && made.complaints == [])
        }
    }

    @Test("The same trial under two names counts once; members that go back to common weights get no note")
    func trials() throws {
        try withTemporaryFolder { results in
            func text(_ ensembles: String) -> String {
                """
                data:   {name: digits}
                train:  {epochs: 1, batch_size: 96}
                models:
                  a:    {mlp: {widths: [8]}}
                  twin: {mlp: {widths: [8]}}
                  b:    {mlp: {widths: [8]}, train: {init_from: {model: a}}}
                  c:    {mlp: {widths: [8]}, train: {init_from: {model: b}, epochs: 2}}
                  d:    {mlp: {widths: [8]}, train: {init_from: {model: a}, epochs: 2}}
                  e:    {mlp: {widths: [8]}, train: {epochs: 2}}
                ensembles: {\(ensembles)}

                """
            }
            var other = try definition(text("w: {models: [a, b]}"))
            (other.name, other.ensembles) = ("other", [])
            let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
            let first = try Runner(Experiment(other, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
            let made = try make(text("""
                one: {models: [a, b], soup: uniform}, two: {models: [c, d], soup: uniform}, none: {models: [d, e], soup: uniform},
                  same: {models: [a, twin, b]}, again: {models: [a, b], runs: [other/a]}
                """), in: results)
            let name = (first.path as NSString).lastPathComponent
            #expect(made.complaints == [])
            #expect(made.lines.filter { $0.contains("note") } == [
                "none  note: its members go back to no common trained weights (train.init_from), and the mean of such members is seldom any good",
                "same  note: a s0 and twin s0 are the same trial, which counts once",
                "again  note: x/\(name) and other/\(name) are the same trial, which counts once",
            ], "\(made.lines)")
            #expect(made.files.mapValues(\.members.count) == ["one": 2, "two": 2, "none": 2, "same": 2, "again": 2])
        }
    }

    // MARK: Images in files

    @Test("Members may see one folder of images in several sizes; files that changed between two runs are other images")
    func sizes() throws {
        try withTemporaryFolder { folder in
            func write(_ path: String, shade: Int) throws {
                let url = URL(filePath: "\(folder)/images/\(path)")
                try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                let pixels = (0..<12 * 12).map { UInt8(truncatingIfNeeded: shade + 3 * $0) }
                try Data(PNGFile(pixels, Size2D(12, 12), channels: 1).bytes).write(to: url)
            }
            for number in 0..<8 { for label in 0..<2 { try write("train/c\(label)/\(number).png", shade: 20 + 90 * label + number) } }
            for number in 0..<3 { for label in 0..<2 { try write("test/c\(label)/\(number).png", shade: 30 + 90 * label + number) } }
            func text(_ models: String, _ ensembles: String) -> String {
                """
                data:   {folder: {path: \(folder)/images}, size: 8}
                train:  {epochs: 1, batch_size: 8}
                models: {v: {vit: {patch: 4, width: 8, depth: 1, heads: 1}}\(models)}
                ensembles: {\(ensembles)}

                """
            }
            let others = """
                , u: {vit: {patch: 4, width: 8, depth: 1, heads: 1}, data: {size: 12}}, n: {navit: {width: 8, depth: 1, heads: 2}, data: {size: {native: {patch: 4, tokens: 9}}}}
                """
            let results = "\(folder)/results", first = try make(text(others, "all: {models: [v, u, n]}"), in: results)
            #expect(first.complaints == [] && first.files["all"]?.members.count == 3, "\(first.lines)")
            let digests = try first.folders.map { try #require(RunReader($0).description.dataDigest) }
            #expect(Set(digests).count == 3)
            // Runs in other sizes, whose images are those in memory.
            let names = first.folders.map { "x/\(($0.path as NSString).lastPathComponent)" }
            let again = try make(text(", w: {mlp: {widths: [4]}}", "old: {models: [w], runs: [\(names[1]), \(names[2])]}"), in: results)
            #expect(again.complaints == [] && again.files["old"]?.members.count == 3, "\(again.lines)")

            // One test image is another now, in a file of the same name.
            try write("test/c1/2.png", shade: 200)
            for name in names {
                let error = try #require(complaint(text(", w: {mlp: {widths: [4]}}", "old: {models: [w], runs: [\(name)]}"), results: results))
                let run = name.dropFirst(2)
                #expect(error == UserError(.data, "x.yaml:4: ensembles.old.runs[0]: \(run) and w are tested on different images, expected runs of the same test images"))
            }
            #expect(complaint(text(others, "all: {models: [v, u, n]}"), results: results) == nil)
        }
    }

    // MARK: Networks

    @Test("What changes the training or the initial values alone makes no other network", arguments: [
        ("vit: {patch: 4, width: 8, depth: 1, heads: 2}", [
            ("vit: {patch: 4, width: 8, depth: 1, heads: 2, dropout: 0.1, drop_path: 0.1, attention_dropout: 0.1}", true),
            ("vit: {patch: 4, width: 8, depth: 1, heads: 2, patch_dropout: 0.5}", true),
            ("vit: {patch: 4, width: 8, depth: 1, heads: 1}", false), ("vit: {patch: 2, width: 8, depth: 1, heads: 2}", false),
            ("vit: {patch: 4, width: 8, depth: 1, heads: 2, pool: mean}", false), ("vit: {patch: 4, width: 8, depth: 1, heads: 2, position: none}", false),
            ("vit: {patch: 4, width: 8, depth: 1, heads: 2, layer_scale: 1}", false),
        ]),
        ("vit: {patch: 4, width: 8, depth: 1, heads: 2, layer_scale: 0.1}", [("vit: {patch: 4, width: 8, depth: 1, heads: 2, layer_scale: 0.00001}", true)]),
        ("resnet: {depth: 8, width: 8}", [
            ("resnet: {depth: 8, width: 8, initialization: {he: {fan: in}}}", true), ("resnet: {depth: 8, width: 8, zero_init_residual: true}", true),
            ("resnet: {depth: 8, width: 8, activation: gelu}", false), ("resnet: {depth: 8, width: 8, norm: {group: {groups: 4}}}", false),
            ("resnet: {depth: 14, width: 8}", false), ("mlp: {widths: [8]}", false),
        ]),
        ("swin: {blocks: [1, 1], width: 8, heads: [1, 2], window: 2, patch: 1}", [
            ("swin: {blocks: [1, 1], width: 8, heads: [1, 2], window: 2, patch: 1, attention_dropout: 0.2, drop_path: 0.3}", true),
            ("swin: {blocks: [1, 1], width: 8, heads: [2, 2], window: 2, patch: 1}", false),
        ]),
        ("mlp: {widths: [8]}", [("mlp: {widths: [8], dropout: 0.5}", true), ("mlp: {width: 8, depth: 1}", true), ("mlp: {widths: [8], activation: tanh}", false)]),
    ] as [(String, [(String, Bool)])])
    func networks(model: String, others: [(String, Bool)]) throws {
        for (other, isSame) in others {
            let text = "data: {name: digits}\nmodels: {a: {\(model)}, b: {\(other)}}\nensembles: {s: {models: [a, b], soup: uniform}}\n"
            let sentence = "x.yaml:3: ensembles.s.models: a and b are different networks, whose weights have no mean"
            #expect(complaint(text)?.message == (isSame ? nil : sentence), "\(other)")
        }
    }

    @Test("A soup of a network trained with dropout and without")
    func dropout() throws {
        try withTemporaryFolder { results in
            let made = try make("""
                data:   {name: digits}
                train:  {epochs: 1, batch_size: 96}
                models:
                  b: {vit: {patch: 4, width: 8, depth: 1, heads: 1}}
                  x: {vit: {patch: 4, width: 8, depth: 1, heads: 1}, train: {init_from: {model: b}}}
                  y: {vit: {patch: 4, width: 8, depth: 1, heads: 1, dropout: 0.1, drop_path: 0.1}, train: {init_from: {model: b}}}
                ensembles: {s: {models: [x, y], soup: uniform}}

                """, in: results)
            #expect(made.complaints == [] && made.files["s"]?.members.count == 2)
        }
    }
}
