import Checksums
import Configuration
import Foundation
import HDF5
import Layers
import Reports
import RunStore
import TensorCore
import TestSupport
import Testing
import Training

@testable import Experiments

/// `train.init_from`: weights of a file or of another trial.
@Suite(.serialized) struct WeightSourceTests {
    private static let model = "{vit: {patch: 2, width: 16, depth: 1, heads: 2}}"
    private static let text = """
        data:  {name: digits}
        train: {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-3}}}
        models:
          tuned: {vit: {patch: 2, width: 16, depth: 1, heads: 2}, train: {epochs: 3, init_from: {model: base}, optimizer: {sgd: {learning_rate: 0.1}}}}
          base:  \(model)

        """

    @discardableResult
    private func run(_ definition: Definition, in results: String, until limit: Int? = nil) throws -> [RunFolder] {
        let options = Runner.Options(
            threads: 1, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(Experiment(definition, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
    }

    private func read(_ path: String, _ overrides: String...) throws -> Definition {
        try Definition(Composition(of: URL(filePath: path), display: { $0.lastPathComponent }, overrides: overrides))
    }

    /// The checksums of a run's initial weights by name.
    private func start(_ folder: RunFolder) throws -> [String: UInt64] {
        let run = try RunReader(folder).contents()
        return Dictionary(uniqueKeysWithValues: zip(run.description.tensors, try #require(run.digests.first { $0.step == 0 }).checksums))
    }

    /// Whether a run began with the weights of a file.
    private func expectStart(of folder: RunFolder, at path: String) throws {
        let run = try RunReader(folder).contents(), first = try #require(run.digests.first { $0.step == 0 })
        #expect(try WeightsReader(path).firstDifference(from: first, tensors: run.description.tensors) == nil)
    }

    private func expectSame(_ a: RunFolder, _ b: RunFolder) {
        for (first, second) in [(a.runFile, b.runFile), (a.weightsFile(.best), b.weightsFile(.best)), (a.weightsFile(.last), b.weightsFile(.last))] {
            #expect(FileManager.default.contentsEqual(atPath: first, andPath: second), "\(second)")
        }
    }

    // MARK: Another trial

    @Test("A trial starts from the best weights of another, which is trained first; it is resumed and verified, also without the other's run")
    func startsFromAnotherTrial() throws {
        try withTemporaryFolder { results in
            let folders = try run(definition(Self.text), in: "\(results)/whole")
            let (tuned, base) = (folders[0], folders[1])
            try expectStart(of: tuned, at: base.weightsFile(.best))
            #expect(try RunReader(tuned).epochs().count == 3)
            #expect(try RunReader(tuned).contents().description.configuration.contains("\"sgd\""))

            // Only the one, interrupted and gone on with: the other comes first all the same.
            var only = try definition(Self.text)
            try only.keep(models: ["tuned"])
            let cut = try run(only, in: "\(results)/cut", until: 1)
            #expect(cut.count == 1 && cut[0].path.hasSuffix((tuned.path as NSString).lastPathComponent))
            #expect(try RunReader(cut[0]).status == .interrupted)
            try run(only, in: "\(results)/cut")
            expectSame(tuned, cut[0])

            for _ in 0..<2 {
                let verification = try Verification(tuned, threads: 2, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }
                #expect(verification.failure == nil)
                try? FileManager.default.removeItem(atPath: base.path)
            }
            #expect(!FileManager.default.fileExists(atPath: base.path), "verifying writes nothing into the results")
        }
    }

    @Test("What is excepted keeps its initializers' values, and may have another shape")
    func excepted() throws {
        try withTemporaryFolder { results in
            let text = """
                data: {name: digits}
                train: {epochs: 1, batch_size: 64}
                models:
                  base:  {vit: {patch: 2, width: 16, depth: 1, heads: 2}}
                  plain: {vit: {patch: 2, width: 16, depth: 1, heads: 2, mlp_ratio: 2}}
                  tuned: {vit: {patch: 2, width: 16, depth: 1, heads: 2, mlp_ratio: 2}, train: {init_from: {model: base, weights: last, except: ["*.mlp.*", head.weight]}}}

                """
            let folders = try run(definition(text), in: results)
            let plain = try start(folders[1]), tuned = try start(folders[2])
            let same = Set(tuned.keys.filter { tuned[$0] == plain[$0] })
            let excepted = Set(tuned.keys.filter { $0.contains(".mlp.") || $0 == "head.weight" })
            #expect(excepted.count == 5 && same.isSuperset(of: excepted))
            #expect(!same.contains("patch_embed.proj.weight") && !same.contains("pos_embed"))
        }
    }

    @Test("A trial of another definition, beside the file that names it, has its own data, training and name")
    func anotherDefinition() throws {
        try withTemporaryFolder { folder in
            try "data: {name: digits, train_examples: 500}\ntrain: {epochs: 1, batch_size: 32}\nmodels: {first: \(Self.model), other: lenet5}\n".write(
                toFile: "\(folder)/pretrain.yaml", atomically: true, encoding: .utf8)
            try "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64, init_from: {experiment: pretrain, model: first}}\nmodels: {m: \(Self.model)}\n".write(
                toFile: "\(folder)/tune.yaml", atomically: true, encoding: .utf8)
            let tuned = try run(read("\(folder)/tune.yaml"), in: "\(folder)/r")[0]
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/r/pretrain")
            let source = try #require(names.first)
            #expect(names.count == 1 && source.hasPrefix("first-s0-"))
            try expectStart(of: tuned, at: "\(folder)/r/pretrain/\(source)/weights/best.h5")
            let moved = RunFolder(path: "\(folder)/elsewhere/r/tune/\((tuned.path as NSString).lastPathComponent)")
            try FileManager.default.createDirectory(atPath: "\(folder)/elsewhere/r/tune", withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: tuned.path, toPath: moved.path)
            try FileManager.default.removeItem(atPath: "\(folder)/pretrain.yaml")
            // The run keeps the other's definition, so it is repeated without it.
            let verification = try Verification(moved, threads: 1, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)
        }
    }

    @Test("Positions of a trial on images of another size are resampled between the two grids, which are no squares; a hybrid's too")
    func positionsOfAnotherSize() throws {
        try withTemporaryFolder { folder in
            let models = ["vit": "vit: {patch: 4, width: 16, depth: 1, heads: 2}",
                "hybrid": "backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, transformer: {width: 16, depth: 1, heads: 2}"]
            for (name, height, width) in [("wide", 8, 12), ("tall", 12, 8)] {
                let file = try HDF5Writer("\(folder)/\(name).h5")
                for part in ["train", "test"] {
                    try file.write((0..<32 * height * width).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 / 96 * 90) }, to: "/\(part)/images", shape: [32, 1, height, width])
                    try file.write((0..<32).map { UInt8($0 % 2) }, to: "/\(part)/labels")
                }
                try file.close()
            }
            let head = "train: {epochs: 1, batch_size: 16}\nmodels:\n", first = models.map { "  \($0): {\($1)}\n" }.joined()
            let then = models.map { "  \($0): {\($1), train: {init_from: {experiment: first, model: \($0)}}}\n" }.joined()
            try "data: {hdf5: {path: wide.h5}}\n\(head)\(first)".write(toFile: "\(folder)/first.yaml", atomically: true, encoding: .utf8)
            try "data: {hdf5: {path: tall.h5}}\n\(head)\(then)".write(toFile: "\(folder)/then.yaml", atomically: true, encoding: .utf8)
            let definition = try read("\(folder)/then.yaml"), results = URL(filePath: "\(folder)/r"), experiment = try Experiment(definition, dataDirectory: nil)
            let tuned = try run(definition, in: results.path)
            #expect(tuned.count == 2)
            for (trial, folder) in zip(experiment.definition.trials, tuned) {
                let source = try #require(try experiment.sourceExperiment(of: trial)).definition
                let base = try #require(source.trials.first).folder(experiment: source.name, results: results)
                let stored = try #require(try StoredWeights(reading: base.weightsFile(.best)).parameters.first { $0.name == "pos_embed" })
                #expect(stored.shape == [1, 7, 16])
                let expected = PositionEmbedding.resampled(
                    stored.values, from: TokenGrid(prefixTokens: 1, rows: 2, columns: 3), to: TokenGrid(prefixTokens: 1, rows: 3, columns: 2), width: 16)
                #expect(try expected != stored.values && start(folder)["pos_embed"] == expected.withUnsafeBufferPointer { TensorChecksum.whole($0) }, "\(trial.name)")
            }
        }
    }

    @Test("A trial whose source diverges is not trained")
    func divergedSource() throws {
        try withTemporaryFolder { results in
            let text = Self.text.replacing("base:  \(Self.model)", with: "base: {vit: {patch: 2, width: 16, depth: 1, heads: 2}, train: {optimizer: {sgd: {learning_rate: 1e30}}}}")
            let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
            let outcome = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }
            #expect(outcome.divergences.map { $0.prefix(5) } == ["tuned", "base-"])
            #expect(!outcome.folders[0].hasRun)
        }
    }

    @Test("Runs at several seeds are one row of the comparison, though they start from trials at their own seeds")
    func comparison() throws {
        try withTemporaryFolder { results in
            var definition = try definition(Self.text)
            definition.seeds = [0, 1]
            let comparison = try Comparison(run(definition, in: results)), rows = try comparison.rendered(as: .csv).split(separator: "\n")
            #expect(rows.count == 3, "\(rows)")
        }
    }

    @Test("Jobs of a sweep that start from one trial train it once; it may be one of theirs", arguments: [1, 2])
    func sweep(jobs: Int) throws {
        try withTemporaryFolder { results in
            let text = Self.text + "sweep: {grid: {models.tuned.train.epochs: [1, 2, 3]}}\n"
            let options = SweepRunner.Options(
                threads: jobs, jobs: jobs, results: URL(filePath: results), dataDirectory: nil, startsOver: false, retriesFailed: false, command: [])
            let outcome = try SweepRunner(SweepPlan(definition(text)), options: options, terminal: .silent).run { false }
            #expect(outcome.failures == [])
            #expect(outcome.entries.map(\.model) == ["tuned", "base", "tuned", "tuned"])
            let base = outcome.folders[1]
            for (folder, entry) in zip(outcome.folders, outcome.entries) where entry.model == "tuned" {
                try expectStart(of: folder, at: base.weightsFile(.best))
            }
            #expect(Set(outcome.folders.map(\.path)).count == 4)
        }
    }

    // MARK: A file

    @Test("A file of weights counts by what it holds; it is checked, found again and given by hand")
    func file() throws {
        try withTemporaryFolder { folder in
            let base = try run(definition("data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {m: \(Self.model)}\n"), in: "\(folder)/r")[0]
            try FileManager.default.copyItem(atPath: base.weightsFile(.best), toPath: "\(folder)/w.h5")
            let text = "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64, init_from: w.h5}\nmodels: {m: \(Self.model)}\n"
            try text.write(toFile: "\(folder)/x.yaml", atomically: true, encoding: .utf8)
            let tuned = try run(read("\(folder)/x.yaml"), in: "\(folder)/r")[0]
            try expectStart(of: tuned, at: base.weightsFile(.best))
            #expect(try MachineRecord(tuned)?.weightsFile == "\(folder)/w.h5")

            func verify(_ file: String? = nil) throws -> String? {
                try Verification(
                    tuned, threads: 1, steps: nil, dataDirectory: nil, weightsFile: file, command: [], terminal: .silent) { false }.failure
            }
            #expect(try verify() == nil)
            try FileManager.default.createDirectory(atPath: "\(folder)/deeper", withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: "\(folder)/w.h5", toPath: "\(folder)/deeper/v.h5")
            #expect(try verify("\(folder)/deeper/v.h5") == nil)
            let missing = #expect(throws: UserError.self) { try verify() }
            #expect(missing?.kind == .noInput && missing?.message.contains("--weights names the file") == true)
            let other = #expect(throws: UserError.self) { try verify(base.weightsFile(.last)) }
            #expect(other?.kind == .data && "\(other!)".contains("has the SHA-256"))

            // Another place, another way of writing it: the same trial.
            let moved = try read("\(folder)/x.yaml", "train.init_from={file: \(folder)/deeper/v.h5}")
            #expect(moved.trials[0].hash == String(tuned.path.suffix(8)))
            #expect(try read("\(folder)/x.yaml", "train.init_from={file: \(base.weightsFile(.last))}").trials[0].hash != moved.trials[0].hash)
        }
    }

    // MARK: Identity

    @Test("A trial's identity has that of the trial that it starts from, and no names")
    func identity() throws {
        func hash(_ text: String) throws -> String { try definition(text).trials[0].hash }
        let hash0 = try hash(Self.text)
        #expect(try hash(Self.text.replacing("base", with: "basis")) == hash0)
        #expect(try hash(Self.text.replacing("{model: base}", with: "{model: base, weights: best, seed: 0}")) == hash0)
        #expect(try hash(Self.text.replacing("{model: base}", with: "{model: base, weights: last}")) != hash0)
        #expect(try hash(Self.text.replacing("{model: base}", with: "{model: base, seed: 1}")) != hash0)
        #expect(try hash(Self.text.replacing("{model: base}", with: "{model: base, except: [\"head.*\"]}")) != hash0)
        #expect(try hash(Self.text.replacing("1e-3", with: "2e-3")) != hash0, "the other's training")
        // What a run keeps is read back as the same trial, and its source as the same source.
        let trial = try definition(Self.text).trials[0]
        let again = try Definition(resolved: trial.resolvedDefinition, name: "x", place: "/config").trials[0]
        #expect(again.identityDigest == trial.identityDigest && again.resolvedDefinition == trial.resolvedDefinition)
        #expect(again.source?.trials.first?.identityDigest == trial.source?.trials.first?.identityDigest)
    }

    @Test("A model's own training is merged over the definition's, and the resolved text means the same")
    func ownTraining() throws {
        let read = try definition(Self.text)
        #expect(read.models[0].train.epochs == 3 && read.models[1].train.epochs == 2)
        #expect(read.models[0].train.batchSize == 64)
        let again = try definition(read.resolvedText)
        #expect(again.trials.map(\.hash) == read.trials.map(\.hash))
        let preset = try definition("data: {name: digits}\nmodels: {a: {resnet18: , train: {epochs: 1}}}\n")
        #expect(preset.models[0].definition == (try definition("data: {name: digits}\nmodels: {a: resnet18}\n")).models[0].definition)
        // null takes away what all models have.
        let without = try definition(
            "data: {name: digits}\ntrain: {clip_gradient_norm: 1}\nmodels: {a: {mlp: {widths: [4]}, train: {clip_gradient_norm: null}}}\n")
        #expect(without.models[0].train.clipGradientNorm == nil)
        #expect(try definition(without.resolvedText).trials.map(\.hash) == without.trials.map(\.hash))
    }

    @Test("Rows of a sweep that start from different trials say in what, under one name for a key")
    func rowsOfSources() throws {
        try withTemporaryFolder { results in
            let text = """
                data: {name: digits, train_examples: 128, test_examples: 64}
                train: {epochs: 1, batch_size: 64}
                models:
                  base:  {mlp: {widths: [4]}}
                  tuned: {mlp: {widths: [4]}, train: {init_from: {model: base}}}
                sweep: {grid: {models.base.train.optimizer.adamw.learning_rate: [1e-3, 1e-2], train.optimizer.adamw.weight_decay: [0.01, 0]}}

                """
            let options = SweepRunner.Options(
                threads: 1, jobs: 1, results: URL(filePath: results), dataDirectory: nil, startsOver: false, retriesFailed: false, command: [])
            _ = try SweepRunner(SweepPlan(definition(text)), options: options, terminal: .silent).run { false }
            let table = try Comparison(under: [results]).rendered(as: .table)
            for row in [
                "base   learning_rate=1e-3 weight_decay=0.01", "base   learning_rate=1e-2 weight_decay=0",
                "tuned  learning_rate=0.01 init_from.train.optimizer.adamw.weight_decay=0 train.optimizer.weight_decay=0 ",
            ] { #expect(table.contains(row), "\(table)") }
            #expect(!table.contains("mlp.") && !table.contains("models."), "\(table)")
        }
    }

    // MARK: Bad input

    @Test(arguments: [
        ("{model: a, definition: {data: {name: digits}, models: {b: lenet5}}}",
            "x.yaml:4: models.tuned.train.init_from.model: there is no model 'a' in init_from.definition; did you mean 'b'?"),
        ("{model: bas}", "x.yaml:4: models.tuned.train.init_from.model: there is no model 'bas' in x; did you mean 'base'?"),
        ("{model: tuned}", "x.yaml:4: models.tuned.train.init_from: a loop: tuned → tuned; models.tuned.train.init_from=null lets it start from its initializers"),
        ("{model: round}", "x.yaml:4: models.tuned.train.init_from: a loop: tuned → round → tuned; none of these models could be trained first"),
        ("{model: base, definition: abc}", "x.yaml:4: models.tuned.train.init_from.definition: expected a definition, as a run keeps it, found abc"),
        ("{model: base, except: [\"*\"]}", "x.yaml:4: models.tuned.train.init_from: except: leaves nothing that tuned could start from"),
        ("{}", "x.yaml:4: models.tuned.train.init_from: expected where the weights come from: file, or model"),
        ("[base]", "x.yaml:4: models.tuned.train.init_from: expected a map, found a list"),
        ("{model: base, file: a.h5}", "x.yaml:4: models.tuned.train.init_from.model: found beside 'file', expected one of the two"),
        ("{file: a.h5, weights: last}", "x.yaml:4: models.tuned.train.init_from.weights: found beside 'file', expected it with 'model' alone"),
        ("{model: base, weights: bst}", "x.yaml:4: models.tuned.train.init_from.weights: unknown value 'bst'; did you mean 'best'?"),
        ("\"\"", "x.yaml:4: models.tuned.train.init_from.file: expected the path of a file, found an empty one"),
        ("{file: a.h5, sha256: 12}", "x.yaml:4: models.tuned.train.init_from.sha256: expected 64 hexadecimal digits, found '12'"),
        ("no.h5", "x.yaml:4: models.tuned.train.init_from.file: no.h5: there is no such file"),
        ("{model: base, except: [haed.weight]}",
            "x.yaml:4: models.tuned.train.init_from: the weights of base do not fit tuned: except: 'haed.weight' matches nothing; did you mean 'head.weight'?"),
        ("{model: wide}", "x.yaml:4: models.tuned.train.init_from: the weights of wide do not fit tuned: patch_embed.proj.weight has the shape [32, 1, 2, 2], expected [16, 1, 2, 2]; "),
    ])
    func badInput(origin: String, sentence: String) throws {
        let text = Self.text.replacing("{model: base}", with: origin) + "  wide: {vit: {patch: 2, width: 32, depth: 1, heads: 2}}\n"
            + "  round: {vit: {patch: 2, width: 16, depth: 1, heads: 2}, train: {init_from: {model: tuned}}}\n"
        let error = #expect(throws: UserError.self) { try Experiment(definition(text), dataDirectory: nil) }
        #expect("\(error!)".hasPrefix(sentence), "\(error!)")
        #expect("\(error!)".split(separator: "\n").count == 1)
    }

    @Test("Weights that are not those that the source's run recorded are refused, by verify too, until it is repeated")
    func foreignWeights() throws {
        try withTemporaryFolder { results in
            let folders = try run(definition(Self.text), in: results), (tuned, base) = (folders[0], folders[1])
            try FileManager.default.removeItem(atPath: base.weightsFile(.best))
            try FileManager.default.copyItem(atPath: tuned.weightsFile(.best), toPath: base.weightsFile(.best))
            // The replay does not trust them either.
            let verification = try Verification(tuned, threads: 1, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)
            let whole = try Data(contentsOf: URL(filePath: tuned.runFile))
            try FileManager.default.removeItem(atPath: tuned.path)
            let error = #expect(throws: UserError.self) { try run(definition(Self.text), in: results) }
            #expect(error?.kind == .data && error!.message.contains("harness run x --only base --fresh"), "\(error!)")
            let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: true, command: [])
            _ = try Runner(Experiment(definition(Self.text), dataDirectory: nil), options: options, terminal: .silent).run { false }
            #expect(try Data(contentsOf: URL(filePath: tuned.runFile)) == whole, "all is repeated, the source first")
        }
    }

    @Test("A head of another size is named with the pattern that leaves it out; a file larger than memory is not read")
    func otherHeadAndHugeFile() throws {
        try withTemporaryFolder { folder in
            let base = try run(definition("data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {m: {mlp: {widths: [4]}}}\n"), in: "\(folder)/r")[0]
            func error(_ file: String) -> UserError? {
                #expect(throws: UserError.self) {
                    try Experiment(
                        definition("data: {name: digits}\ntrain: {init_from: \(file)}\nmodels: {m: {mlp: {widths: [8, 4]}}}\n"), dataDirectory: nil)
                }
            }
            #expect(error(base.weightsFile(.best))?.message.contains("does not fit m") == true)
            let targets = [NamedShape(name: "a.w", shape: [2]), NamedShape(name: "head.w", shape: [5]), NamedShape(name: "head.b", shape: [1])]
            let sources = [NamedShape(name: "a.w", shape: [2]), NamedShape(name: "head.w", shape: [9])]
            #expect(WeightMatching(targets, from: sources, of: "model").exception == "head.*")
            #expect(FileManager.default.createFile(atPath: "\(folder)/huge.h5", contents: nil))
            #expect(truncate("\(folder)/huge.h5", off_t(MachineLimits.memory()) + 1) == 0)
            let huge = try #require(error("\(folder)/huge.h5"))
            #expect(huge.kind == .data && huge.message.contains("more than the"), "\(huge)")
        }
    }

    @Test("A file's weights and a trial's replace each other, in files and on the command line")
    func alternatives() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/x.yaml"
            func write(_ shared: String, _ own: String) throws {
                let text = "data: {name: digits}\ntrain: {init_from: \(shared)}\nmodels:\n  a: {lenet5: , train: {init_from: null}}\n"
                try (text + "  b: {lenet5: , train: {init_from: \(own)}}\n").write(toFile: path, atomically: true, encoding: .utf8)
            }
            for shared in ["{file: nowhere.h5, except: [\"x.*\"]}", "nowhere.h5"] {
                try write(shared, "{model: a}")
                let origin = try #require(read(path).models[1].train.initialWeights)
                #expect(origin.model == "a" && origin.file == nil && origin.except.isEmpty)
            }
            try write("{file: nowhere.h5}", "{file: null, model: a}")
            #expect(try read(path).models[1].train.initialWeights?.model == "a", "null takes away what is there")
            try write("{experiment: nowhere, model: a, weights: last}", "{file: nowhere.h5}")
            let error = #expect(throws: UserError.self) { try read(path) }
            #expect(error?.message.hasSuffix("nowhere.h5: there is no such file") == true, "the trial's keys are gone")
            try write("{file: nowhere.h5}", "{file: other.h5}")
            let refused = #expect(throws: UserError.self) { try read(path, "models.b.train.init_from.model=a") }
            #expect("\(refused!)".hasSuffix("is file (x.yaml:5); models.b.train.init_from={model: …} makes it model"), "\(refused!)")
        }
    }

    @Test("What is wrong with all sources is said at once; in another definition's with the place that asks for it")
    func allSources() throws {
        try withTemporaryFolder { folder in
            try "data: {name: digits}\ntrain: {epohcs: 1}\nmodels: {m: lenet5}\n".write(toFile: "\(folder)/b.yaml", atomically: true, encoding: .utf8)
            try """
                data: {name: digits}
                models:
                  x: {lenet5: , train: {init_from: {experiment: b, model: m}}}
                  y: {lenet5: , train: {init_from: no.h5}}

                """.write(toFile: "\(folder)/a.yaml", atomically: true, encoding: .utf8)
            let error = #expect(throws: UserError.self) { try read("\(folder)/a.yaml") }
            let lines = error!.message.split(separator: "\n").map(String.init)
            #expect(lines.count == 3 && error?.kind == .usage, "\(lines)")
            #expect(lines[0].hasPrefix("a.yaml:3: models.x.train.init_from.experiment: in ") && lines[0].hasSuffix("b.yaml, where the weights come from:"))
            #expect(lines[1].hasSuffix("b.yaml:2: train.epohcs: unknown key 'epohcs'; did you mean 'epochs'?"))
            #expect(lines[2].hasPrefix("a.yaml:4: models.y.train.init_from.file: ") && lines[2].hasSuffix("no.h5: there is no such file"))
        }
    }

    @Test("Weights that are no finite numbers are refused by the tensor's name", arguments: ["nan", "inf", "integers"])
    func noNumbers(kind: String) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/w.h5"
            do {
                let file = try HDF5Writer(path)
                let values: [Float] = [1, kind == "nan" ? .nan : -.infinity] + [Float](repeating: 0, count: 638)
                if kind == "integers" {
                    try file.write([Int32](repeating: 1, count: 640), to: "/parameters/fc/weight", shape: [10, 64])
                } else {
                    try file.write(values, to: "/parameters/fc/weight", shape: [10, 64])
                }
                try file.write([Float](repeating: 0, count: 10), to: "/parameters/fc/bias")
                try file.close()
            }
            let error = #expect(throws: UserError.self) {
                try Experiment(
                    definition("data: {name: digits}\ntrain: {init_from: \(path)}\nmodels: {m: logistic_regression}\n"), dataDirectory: nil)
            }
            let found = ["nan": "nan at place 1, expected finite numbers", "inf": "-inf at place 1, expected finite numbers"]
            let sentence = "fc.weight holds \(found[kind] ?? "int32, expected floating-point numbers")"
            #expect(error?.kind == .data && error!.message.hasSuffix(sentence), "\(error!)")
        }
    }

    @Test("A loop over several definitions is an error")
    func loopOfFiles() throws {
        try withTemporaryFolder { folder in
            for (name, other) in [("a", "b"), ("b", "a")] {
                try "data: {name: digits}\ntrain: {init_from: {experiment: \(other), model: m}}\nmodels: {m: \(Self.model)}\n".write(
                    toFile: "\(folder)/\(name).yaml", atomically: true, encoding: .utf8)
            }
            let error = #expect(throws: UserError.self) { try read("\(folder)/a.yaml") }
            #expect("\(error!)".contains("train.init_from: a loop: m → m → m; none"))
            #expect(error?.kind == .usage)
        }
    }

    /// A sweep over the model that others start from is checked for those others too, before anything is trained.
    @Test func aSweepOfTheSourceIsChecked() throws {
        let plan = try SweepPlan(definition("""
            data: {name: digits}
            models:
              base: {mlp: {width: 8, depth: 1}}
              x: {mlp: {width: 8, depth: 1}, train: {init_from: {model: base}}}
            sweep: {grid: {models.base.mlp.width: [8, 9]}}

            """))
        #expect { _ = try plan.check(dataDirectory: nil).count } throws: { "\($0)".contains("the weights of base do not fit x") }
    }
}
