import Configuration
import Foundation
import HDF5
import Reports
import RunStore
import TestSupport
import Testing
import Training
import VisionData

@testable import Experiments

/// Models with data of their own beside their family: what others start from is trained on other classes.
@Suite(.serialized) struct OwnDataTests {
    private static let text = """
        data:  {name: digits, classes: [5, 6, 7, 8, 9], images_per_class: 20, normalization: none}
        train: {epochs: 2, batch_size: 32}
        models:
          scratch: {mlp: {widths: [8]}}
          tuned:   {mlp: {widths: [8]}, train: {init_from: {model: base, except: ["fc2.*"]}, parameters: [{match: "fc1.*", freeze: true}]}}
          base:    {mlp: {widths: [8]}, data: {classes: [0, 1, 2], images_per_class: null}}

        """

    @discardableResult
    private func run(_ definition: Definition, in results: String) throws -> [RunFolder] {
        let options = Runner.Options(threads: 1, results: URL(filePath: results), startsOver: false, command: [])
        return try Runner(Experiment(definition, dataDirectory: nil), options: options, terminal: .silent).run { false }.folders
    }

    @Test("They are merged over the definition's, are part of the identity, and are written out to mean the same")
    func reading() throws {
        let read = try definition(Self.text), trials = read.trials
        #expect(trials.map { $0.data.imagesPerClass } == [20, 20, nil])
        #expect(trials.map { $0.data.classes?.count } == [5, 5, 3])
        #expect(trials[2].data.normalization == .none)
        #expect(trials[1].source?.trials.map(\.name) == [trials[2].name])
        // The same trial as of a definition that says so of all models.
        let alone = try definition("""
            data:  {name: digits, classes: [0, 1, 2], normalization: none}
            train: {epochs: 2, batch_size: 32}
            models: {base: {mlp: {widths: [8]}}}
            """)
        #expect(alone.trials[0].hash == trials[2].hash)
        #expect(try definition(Self.text.replacing(", data: {classes: [0, 1, 2], images_per_class: null}", with: "")).trials[0].hash == trials[0].hash)
        #expect(try definition(read.resolvedText).trials.map(\.hash) == trials.map(\.hash))
        for trial in trials {
            let again = try Definition(resolved: trial.resolvedDefinition, name: "x", place: "/config").trials
            #expect(again.map(\.hash) == [trial.hash] && again.map(\.resolvedDefinition) == [trial.resolvedDefinition])
        }
        #expect(try definition(Self.text, "models.base.data.classes=[0, 1]").trials[2].data.classes?.count == 2)
    }

    @Test("Trained, verified and predicted with, each with its own images; the source's training is that of the definition with its data")
    func training() throws {
        try withTemporaryFolder { results in
            let folders = try run(definition(Self.text), in: results)
            let numbers = try folders.map { try RunReader($0).contents().description.data?.split?.treatment?.classNumbers ?? [] }
            #expect(numbers == [[5, 6, 7, 8, 9], [5, 6, 7, 8, 9], [0, 1, 2]])
            for folder in folders {
                #expect(try Verification(folder, threads: 1, steps: nil, dataDirectory: nil, command: [], terminal: .silent) { false }.failure == nil)
                _ = try TrainedModel(of: folder)
            }
            // The frozen layer is the source's, and never changes.
            let tuned = try WeightsReader(folders[1].weightsFile(.last)), base = try WeightsReader(folders[2].weightsFile(.best))
            func values(_ file: WeightsReader) throws -> [Float] {
                let entry = try #require(file.parameters.first { $0.name == "fc1.weight" })
                var values = [Float](repeating: 0, count: entry.count)
                try values.withUnsafeMutableBufferPointer { try file.read(entry, into: $0) }
                return values
            }
            #expect(try values(tuned) == values(base))
            // A comparison says that the rows were tested on other classes, and gives no difference between them.
            let comparison = try Comparison(folders), table = try comparison.rendered(as: .csv)
            #expect(comparison.notes.contains {
                $0 == "tested on other classes than scratch ([5, 6, 7, 8, 9]), so without a difference to it: base ([0, 1, 2])"
            }, "\(comparison.notes)")
            #expect(table.split(separator: "\n").count == 4)
        }
    }

    @Test("A sweep over the definition's data trains the source once, which has other ones")
    func sweep() throws {
        try withTemporaryFolder { results in
            let text = Self.text + "sweep: {grid: {data.images_per_class: [10, 20]}}\n"
            let plan = try SweepPlan(definition(text))
            #expect(plan.entries.map { SweepPlan.label($0) } == [
                "scratch s0  images_per_class=10", "tuned s0  images_per_class=10", "base s0", "scratch s0  images_per_class=20",
                "tuned s0  images_per_class=20",
            ])
            let options = SweepRunner.Options(
                threads: 1, jobs: 1, results: URL(filePath: results), dataDirectory: nil, startsOver: false, retriesFailed: false, command: [])
            let outcome = try SweepRunner(plan, options: options, terminal: .silent).run { false }
            #expect(outcome.failures == [])
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(results)/x").count { $0.hasPrefix("base-") } == 1)
            var rows = Comparison.Options()
            rows.conditions = ["images_per_class=10"]
            let table = try Comparison(under: [results], options: rows).rendered(as: .csv)
            #expect(table.split(separator: "\n").count == 3, "the source has no such key: \(table)")
        }
    }

    @Test("harness check tells each model's own data")
    func preview() throws {
        let preview = try ExperimentPreview(Experiment(definition(Self.text), dataDirectory: nil), results: URL(filePath: "/nowhere"), threads: 1)
        #expect(preview.dataLine.hasSuffix("images of 8×8×1, 5 classes"))
        #expect(preview.ownDataLines.first?.hasPrefix("base: digits: ") == true && preview.ownDataLines.first?.hasSuffix("3 classes") == true)
        #expect(preview.models.map(\.name) == ["scratch", "tuned", "base"])
        #expect(preview.models[0].parameters - preview.models[2].parameters == 2 * 9)
        #expect(preview.trials[1].source == "x/\(preview.trials[2].name)")
    }

    @Test("Folds are those of each model's data")
    func folds() throws {
        let text = Self.text.replacing("images_per_class: 20, ", with: "folds: 2, ").replacing("images_per_class: null", with: "folds: null")
        let trials = try definition(text).trials
        #expect(trials.map { $0.label } == ["scratch s0 f0", "tuned s0 f0", "base s0", "scratch s0 f1", "tuned s0 f1"])
        let error = try #require(throws: UserError.self) { try Experiment(definition(text), dataDirectory: nil) }
        #expect("\(error)".contains("base of x is trained on other folds than tuned"), "\(error)")
    }

    @Test("One sentence for each mistake, with its place", arguments: [
        ("data: {classes: [0, 1, 12]", "x.yaml:6: models.base.data.classes: there is no class 12 in digits, whose classes are 0 to 9"),
        ("data: {classes: [0, 1, 1]", "x.yaml:6: models.base.data.classes: class 1 (1) of digits is listed twice"),
        ("data: {classes: [0, -1]", "x.yaml:6: models.base.data.classes: expected a list of at least two classes, by number or name, such as [0, 2]"),
        ("data: {clases: [0, 1]", "x.yaml:6: models.base.data.clases: unknown key 'clases'; did you mean 'classes'?"),
        ("data: {classes: [0, 1], train_examples: 100000",
            "x.yaml:6: models.base.data.train_examples: 100000 images asked for, but digits has 247 training images after 28 were held out"),
    ])
    func mistakes(written: String, sentence: String) throws {
        let text = Self.text.replacing("data: {classes: [0, 1, 2]", with: written)
        let error = try #require(throws: UserError.self) { try Experiment(definition(text), dataDirectory: nil) }
        #expect(error.kind == .usage && "\(error)" == sentence)
    }

    @Test("What is wrong in the data of all models is said once")
    func sharedMistakes() throws {
        let error = try #require(throws: UserError.self) { try definition(Self.text.replacing("images_per_class: 20", with: "images_per_clas: 20")) }
        #expect("\(error)" == "x.yaml:1: data.images_per_clas: unknown key 'images_per_clas'; did you mean 'images_per_class'?")
        let list = try #require(throws: UserError.self) { try definition(Self.text.replacing("data: {classes: [0, 1, 2], images_per_class: null}", with: "data: [digits]")) }
        #expect("\(list)".hasPrefix("x.yaml:6: models.base.data: expected a map, found a list"), "\(list)")
    }

    @Test("A source of images with other channels does not fit, nor a cache of features with augmentation")
    func otherChannels() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/colour.h5"
            do {
                let file = try HDF5Writer(path)
                for (split, count) in [("train", 64), ("test", 16)] {
                    try file.write((0..<count * 192).map { UInt8($0 * 7 % 251) }, to: "/\(split)/images", shape: [count, 3, 8, 8])
                    try file.write((0..<count).map { Int32($0 % 3) }, to: "/\(split)/labels")
                }
                try file.close()
            }
            let text = Self.text.replacing("data: {classes: [0, 1, 2]", with: "data: {name: null, hdf5: {path: \(path)}, classes: null")
            let error = try #require(throws: UserError.self) { try Experiment(definition(text), dataDirectory: nil) }
            #expect("\(error)" == "x.yaml:5: models.tuned.train.init_from: the weights of base do not fit tuned: fc1.weight has the shape [8, 192], expected [8, 64]; except: [\"fc1.*\"] leaves that out", "\(error)")
        }
        let augmented = Self.text.replacing("normalization: none", with: "normalization: none, augment: [{shift: 1}]")
            .replacing("parameters:", with: "cache_features: always, parameters:")
        let error = try #require(throws: UserError.self) { try Experiment(definition(augmented), dataDirectory: nil) }
        #expect("\(error)" == """
            x.yaml:5: models.tuned.train.cache_features: always does not go with augmentation, which changes the images in every epoch; leave out data.augment, \
            or this key
            """)
    }
}
