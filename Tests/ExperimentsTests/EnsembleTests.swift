import Configuration
import Foundation
import Measures
import Reports
import RunStore
import TensorCore
import TestSupport
import Testing
import Training

@testable import Experiments

/// `ensembles:` of a definition: means of probabilities and of weights, in files of their own and as rows of the comparison.
@Suite(.serialized) struct EnsembleTests {
    private static let text = """
        data:   {name: digits}
        train:  {epochs: 1, batch_size: 96}
        seeds:  [0, 1]
        models:
          base:  {resnet: {depth: 8, width: 4}}
          small: {mlp: {widths: [8]}}
          tuned: {resnet: {depth: 8, width: 4}, train: {init_from: {model: base, seed: 0}}}
          fast:  {resnet: {depth: 8, width: 4}, train: {optimizer: {adamw: {learning_rate: 0.05}}, init_from: {model: base, seed: 0}}}
        ensembles:
          all:     {models: [small, base]}
          pair:    {models: [small]}
          uniform: {models: [tuned], soup: uniform}
          greedy:  {models: [tuned, fast], soup: greedy}

        """

    private struct Made {
        let folders: [RunFolder]
        let lines: [String]
        let complaints: [String]
        let experiment: Experiment

        func folder(_ name: String) -> RunFolder { folders.first { ($0.path as NSString).lastPathComponent.hasPrefix(name) }! }
        /// The folder of the experiment's runs.
        var place: String { (folders[0].path as NSString).deletingLastPathComponent }

        func file(_ name: String) throws -> EnsembleFile {
            try EnsembleFile.paths(in: place).map(EnsembleFile.init(reading:)).first { $0.name == name }!
        }
    }

    private final class Lines: Sendable {
        private let lock = NSLock()
        nonisolated(unsafe) private var texts: [String] = []
        func add(_ text: String) { lock.withLock { texts.append(text) } }
        var all: [String] { lock.withLock { texts } }
    }

    private func make(_ definition: Definition, in results: String, threads: Int = 1) throws -> Made {
        let lines = Lines(), experiment = try Experiment(definition, dataDirectory: nil)
        let options = Runner.Options(threads: threads, results: URL(filePath: results), startsOver: false, command: [])
        let runner = Runner(experiment, options: options, terminal: Terminal { lines.add($0) }), outcome = try runner.run { false }
        let before = lines.all.count, complaints = try #require(try runner.makeEnsembles(of: outcome) { false })
        return Made(folders: outcome.folders, lines: Array(lines.all[before...]), complaints: complaints, experiment: experiment)
    }

    @Test("All kinds, from the runs' logits and weights, once: not again while their members are the same, and to the same bytes at any number of threads")
    func made() throws {
        try withTemporaryFolder { results in
            let made = try make(definition(Self.text), in: "\(results)/one")
            #expect(made.complaints == [] && made.lines.count == 4 && made.lines[0].hasPrefix("all  ensemble of 4: test accuracy 0."), "\(made.lines)")
            let again = try make(definition(Self.text), in: "\(results)/one", threads: 2)
            #expect(again.lines == [] && again.complaints == [])
            let two = try make(definition(Self.text), in: "\(results)/two", threads: 2)
            let names = try FileManager.default.contentsOfDirectory(atPath: EnsembleFile.folder(in: made.place)).sorted()
            #expect(names.count == 6 && names.count { $0.hasSuffix("-weights.h5") } == 2)
            for name in names {
                let isSame = FileManager.default.contentsEqual(
                    atPath: "\(EnsembleFile.folder(in: made.place))/\(name)", andPath: "\(EnsembleFile.folder(in: two.place))/\(name)")
                #expect(isSame, "\(name)")
            }

            try expectMean(made.file("all"), ["small-s0", "small-s1", "base-s0", "base-s1"].map(made.folder))
            try expectMean(made.file("pair"), ["small-s0", "small-s1"].map(made.folder))
            try expectSoups(made)
            try expectRows(made)
        }
    }

    /// The softmax of the logits in the run files, averaged here.
    private func expectMean(_ file: EnsembleFile, _ members: [RunFolder]) throws {
        #expect(file.members.map(\.run) == members.map { ($0.path as NSString).lastPathComponent } && file.kind == .ensemble && file.validation.isEmpty)
        let tests = try members.map { try #require(try RunReader($0).evaluation()) }
        let labels = try #require(tests[0].tables["labels"]?.integers)
        var loss = 0.0, right = 0
        for (image, label) in labels.enumerated() {
            var mean = [Double](repeating: 0, count: 10)
            for test in tests {
                let powers = test.tables["logits"]!.reals![image * 10..<(image + 1) * 10].map { exp(Double($0)) }
                for place in 0..<10 { mean[place] += powers[place] / powers.reduce(0, +) / Double(tests.count) }
            }
            loss -= log(mean[Int(label)]) / Double(labels.count)
            if mean.indices.max(by: { mean[$0] < mean[$1] }) == Int(label) { right += 1 }
        }
        #expect(file.test.map(\.measure) == ["loss", "accuracy"] && abs(file.test[0].value - loss) < 1e-12)
        #expect(file.test[1].value == Double(right) / Double(labels.count))
        let singles = tests.map { $0.values[0]! }
        #expect(loss < singles.reduce(0, +) / Double(singles.count), "the mean of probabilities is better than the mean model (Jensen)")
        let descriptions = try members.map { try RunReader($0).description }
        #expect(file.parameters == descriptions.reduce(0) { $0 + $1.parameters })
    }

    private func values(_ path: String) throws -> [String: [Float]] {
        let file = try WeightsReader(path)
        return try Dictionary(uniqueKeysWithValues: (file.parameters + file.buffers).map { entry in
            var values = [Float](repeating: 0, count: entry.count)
            try values.withUnsafeMutableBufferPointer { try file.read(entry, into: $0) }
            return (entry.name, values)
        })
    }

    private func expectSoups(_ made: Made) throws {
        let trials = made.experiment.definition.trials
        let uniform = try made.file("uniform"), greedy = try made.file("greedy"), best = { (name: String) in made.folder(name).weightsFile(.best) }
        #expect(uniform.kind == .uniformSoup && uniform.members.allSatisfy(\.isTaken) && uniform.members.count == 2)
        let parts = try [best("tuned-s0"), best("tuned-s1")].map(values), mean = try values(uniform.weightsPath(in: made.place))
        #expect(Set(mean.keys) == Set(parts[0].keys))
        for (name, values) in mean {
            let expected = zip(parts[0][name]!, parts[1][name]!).map { Float((Double($0) + Double($1)) / 2) }
            #expect((values == expected) == !name.contains("running"), "\(name)")
        }
        // The file's weights give the recorded measures.
        let evaluation = try made.experiment.evaluation(of: trials.first { $0.model.name == "tuned" }!, pool: WorkerPool(threads: 2))
        for file in [uniform, greedy] {
            try WeightsReader(file.weightsPath(in: made.place)).fill(evaluation.arrays)
            for (split, values) in [(EvaluatedSplit.test, file.test), (.validation, file.validation)] {
                let found = try #require(try evaluation.evaluate(split == .test ? .test : .validation) { false })
                #expect(found.values.values == values.map(\.value) && values.map(\.measure) == ["loss", "accuracy"])
            }
        }
        // The greedy choice, made again: of each set of members on the way, the validation.
        let members = ["tuned-s0", "tuned-s1", "fast-s0", "fast-s1"]
        #expect(greedy.members.map(\.run) == members.map { (made.folder($0).path as NSString).lastPathComponent } && greedy.kind == .greedySoup)
        func accuracy(_ taken: [Int]) throws -> Double {
            let soup = WeightSoup(evaluation, of: taken.map { made.folder(members[$0]) }, monitor: Monitor(.accuracy), lastEpoch: 0) { false }
            try soup.takeAll()
            return try #require(try soup.measure(.validation)["accuracy"])
        }
        let alone = try members.indices.map { try accuracy([$0]) }
        #expect(alone == (try members.map { try #require(RunReader(made.folder($0)).epochs()[0].validation[1]) }))
        var taken: [Int] = [], value = 0.0
        for member in members.indices.sorted(by: { (-alone[$0], $0) < (-alone[$1], $1) }) {
            let next = try accuracy(taken + [member])
            if next >= value { (taken, value) = (taken + [member], next) }
        }
        #expect(members.indices.filter { greedy.members[$0].isTaken } == taken.sorted() && greedy.validation[1].value == value)
        #expect((1..<4).contains(taken.count), "the fast runs spoil the mean: \(taken)")
        #expect(greedy.title == "greedy soup of \(taken.count) of 4")
    }

    private func expectRows(_ made: Made) throws {
        let table = try Comparison(made.folders), all = try made.file("all"), greedy = try made.file("greedy")
        let text = try table.rendered(as: .table), lines = text.split(separator: "\n").map(String.init)
        let row = try #require(lines.first { $0.hasPrefix("all (ensemble of 4) ") })
        #expect(row.contains(" – ") && row.contains(decimals(all.test[1].value, 4)), "\(row)")
        #expect(lines.contains { $0.hasPrefix("greedy (\(greedy.title)) ") && $0.contains(decimals(greedy.test[1].value, 4)) })
        #expect(text.contains("ensemble: the mean of its members' probabilities; soup: the mean of its members' weights; no part of the statistics over runs"))
        // The rows of runs, their n and tests, are those without ensembles.
        let csv = try table.rendered(as: .csv).split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(csv.count == 1 + 4 + 4 && csv.allSatisfy { $0.count == csv[0].count } && csv[0].suffix(2) == ["ensemble", "members"])
        let others = FileManager.default
        let ensembles = EnsembleFile.folder(in: made.place)
        try others.moveItem(atPath: ensembles, toPath: ensembles + "-away")
        let plain = try Comparison(made.folders).rendered(as: .csv).split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(plain == csv[..<5].map { Array($0.dropLast(2)) })
        try others.moveItem(atPath: ensembles + "-away", toPath: ensembles)
        var options = Comparison.Options()
        options.metric = .test("loss")
        let losses = try JSONSerialization.jsonObject(with: Data(Comparison(made.folders, options: options).rendered(as: .json).utf8)) as? [[String: Any]]
        let record = try #require(losses?.first { $0["model"] as? String == "all" })
        #expect(record["mean"] as? Double == all.test[0].value && (record["ensemble"] as? [String: Any])?["kind"] as? String == "ensemble")
        // A table of some of the members has no row of it.
        let some = try Comparison(made.folders.filter { !$0.path.contains("/small") })
        #expect(try !some.rendered(as: .table).contains("all (ensemble"))
        options.by = ["model"]
        #expect(try !Comparison(made.folders, options: options).rendered(as: .table).contains("ensemble"))

        let inspection = try Inspection(greedy.path(in: made.place))
        let left = greedy.members.filter { !$0.isTaken }.map(\.run)
        #expect(inspection.text.hasPrefix("greedy soup ") && inspection.json.components(separatedBy: "\"is_taken\" : false").count == 1 + left.count)
        #expect(inspection.text.split(separator: "\n").filter { $0.hasSuffix("no") }.map { String($0.prefix { $0 != " " }) } == left)
        // A member that is another run now.
        let member = made.folder("small-s0")
        var contents = try RunReader(member).contents()
        contents.evaluations[.test]!.values[1] = 0.125
        try RunWriter(member).start(contents).finish(.finished)
        let changed = try Comparison(made.folders)
        #expect(changed.notes.contains("all (ensemble of 4) is left out: \((member.path as NSString).lastPathComponent) is not the run that it was made of; harness run makes it again"))
    }

    @Test("Members that are not there, tested on other images or of other classes, or without logits: a sentence each")
    func members() throws {
        try withTemporaryFolder { results in
            func text(_ ensembles: String, _ data: String = "{name: digits}", _ train: String = "") -> String {
                """
                data:   \(data)
                train:  {epochs: 1, batch_size: 96\(train)}
                models: {small: {mlp: {widths: [8]}}, other: {mlp: {widths: [4]}}}
                ensembles: \(ensembles)

                """
            }
            func other(_ name: String, _ data: String, _ train: String = "") throws -> String {
                var definition = try definition(text("null", data, train).replacing("ensembles: null\n", with: ""))
                definition.name = name
                try definition.keep(models: ["small"])
                return (try make(definition, in: results).folders[0].path as NSString).lastPathComponent
            }
            let same = try other("same", "{name: digits, augment: [{shift: 1}]}"), fewer = try other("fewer", "{name: digits, classes: [0, 1, 2, 3, 4]}")
            let parts = try other("parts", "{name: digits, test_examples: 100}"), silent = try other("silent", "{name: digits, augment: [{shift: 2}]}", ", store_outputs: false")
            let made = try make(definition(text("""
                {good: {models: [small], runs: [same/small-s0]}, classes: {models: [small], runs: [fewer/small]}, images: {models: [small], runs: [parts/small]},
                 logits: {models: [small], runs: [silent/small]}, absent: {models: [small], runs: [same/vit]}, twice: {models: [small], runs: [x/small]},
                 alone: {models: [small]}}
                """)), in: results)
            let own = (made.folders[0].path as NSString).lastPathComponent
            #expect(made.complaints == [
                "x.yaml:4: ensembles.classes: \(fewer) has 5 classes and \(own) 10 classes, expected runs of the same classes",
                "x.yaml:4: ensembles.images: \(parts) is tested on 100 images and \(own) on 360, expected runs of the same test images",
                "x.yaml:5: ensembles.logits: \(silent): has no logits of the test images (train.store_outputs: false), from which an ensemble is made",
                "x.yaml:5: ensembles.absent: there is no run 'same/vit' in \(results)", "x.yaml:5: ensembles.twice: \(own) is a member twice",
            ])
            #expect(made.lines.last == "alone  is left out: it has one member, expected at least two")
            let good = try made.file("good")
            #expect(good.members.map(\.run) == [own, "../same/\(same)"])
            #expect(try Comparison(made.folders).rendered(as: .table).contains("good (ensemble of 2)"))

            var only = try definition(text("{both: {models: [small, other]}}"))
            try only.keep(models: ["other"])
            #expect(try make(only, in: "\(results)/only").lines == ["both  is left out: small is not trained here"])
        }
    }

    @Test("What does not go together in a definition is said before anything is trained", arguments: [
        ("{a: {models: [bass]}}", "x.yaml:9: ensembles.a.models[0]: there is no model 'bass'; did you mean 'base'?"),
        ("{a: {models: [base, base]}}", "x.yaml:9: ensembles.a.models: base is listed twice"),
        ("{a: {models: [base], seeds: [7]}}", "x.yaml:9: ensembles.a.seeds: there is no seed 7; the definition has 0, 1"),
        ("{a: {}}", "x.yaml:9: ensembles.a: expected at least one of models, found none"),
        ("{a: {models: [base, small], soup: uniform}}", "x.yaml:9: ensembles.a.models: base and small are different networks, whose weights have no mean"),
        ("{a: {models: [base], soup: best}}", "x.yaml:9: ensembles.a.soup: unknown value 'best'"),
        ("{a: {models: [base], soup: uniform, runs: [b/c]}}", "x.yaml:9: ensembles.a.runs: found beside soup, which averages the weights of this definition's models alone"),
        ("{a: {model: base}}", "x.yaml:9: ensembles.a.model: unknown key 'model'; did you mean 'models'?"),
        ("{a/b: {models: [base]}}", "x.yaml:9: ensembles.a/b: expected a name of at most 200 letters, digits, '_', '-' and '+'"),
        ("[base]", "x.yaml:9: ensembles: expected a map of names and ensembles, such as {all: {models: [vit]}}, found a list"),
    ])
    func badInput(ensembles: String, sentence: String) throws {
        let lines = Self.text.split(separator: "\n", omittingEmptySubsequences: false).prefix(8).joined(separator: "\n")
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("\(lines)\nensembles: \(ensembles)\n"), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test("Nor are ensembles of folds, of sweeps, without logits, or greedy soups without validation; none is part of a trial", arguments: [
        ("data={name: digits, folds: 3}", "ensembles.all.models: the runs of small's 3 folds are tested on different images; expected one of them (data.fold) or no folds"),
        ("+sweep={grid: {train.epochs: [1, 2]}}", "ensembles: found beside sweep, expected either of the two"),
        ("+train.store_outputs=false", "ensembles.all.models: small keeps no logits of the test images (train.store_outputs: false), from which an ensemble is made"),
        ("+data.validation=0", "ensembles.greedy: a greedy soup is chosen by images for validation, but data.validation holds out none of digits"),
    ])
    func refused(override: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition(Self.text, override), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
        let with = try definition(Self.text), without = try definition(Self.text, "~ensembles")
        #expect(with.trials.map(\.identityDigest) == without.trials.map(\.identityDigest) && with.trials.map(\.resolvedDefinition) == without.trials.map(\.resolvedDefinition))
        #expect(try definition(with.resolvedText).ensembles.map(\.configuration) == with.ensembles.map(\.configuration))
    }

    @Test("SciPy's and scikit-learn's loss and accuracy of mean probabilities") func meanProbabilities() throws {
        struct Case: Decodable {
            let name: String
            let classes: Int
            let labels: [Int64]
            let logits: [[Float]]
            let loss, accuracy: Double
        }
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/ensembles.json")
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
        #expect(cases.count == 3)
        for known in cases {
            let mean = MeanProbabilities(known.logits, labels: known.labels, classes: known.classes)
            #expect(abs(mean.loss - known.loss) < 1e-12 * known.loss && mean.accuracy == known.accuracy, "\(known.name)")
        }
    }
}
