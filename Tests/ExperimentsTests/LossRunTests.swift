import Configuration
import Foundation
import HDF5
import Measures
import Reports
import RunStore
import Synchronization
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// Features made by hand, other losses, several labels, numbers, and what a teacher says: from the definition to the comparison.
@Suite(.serialized) struct LossRunTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let task: String, model: String, measures: [String]
        var data = "{name: digits, test_examples: 64}", train = ""
        var testDescription: String { "\(task) \(model)" }
    }

    private static let scenes = "{name: digit-scenes, train_examples: 96, test_examples: 32}"
    private static let cases = [
        Case(task: "{classification: {loss: squared_hinge}}", model: "{hog: {pixels_per_cell: 2}}", measures: ["loss", "accuracy"], train: "cache_features: always"),
        Case(task: "{classification: {loss: hinge, multiclass: crammer_singer, class_weights: balanced}}", model: "{edges: {filters: [sobel, canny], pool: 2}}", measures: ["loss", "accuracy"]),
        Case(task: "{classification: {loss: focal, gamma: 1.5}}", model: "{bag_of_words: {patch: 4, stride: 2, words: 8, samples: 400}}", measures: ["loss", "accuracy"],
             data: "{name: digits, test_examples: 64, augment: [{shift: 1}]}", train: "ema: {decay: 0.9}, swa: {start_epoch: 2}"),
        Case(task: "{classification: {loss: ordinal}}", model: "{mlp: {widths: [16]}}", measures: ["loss", "accuracy", "rank_error"]),
        Case(task: "{multi_label: {positive_weights: balanced}}", model: "{lenet5: {}}", measures: ["loss", "micro_f1", "exact_match", "mean_average_precision"], data: scenes),
        Case(task: "{regression: {loss: huber}}", model: "{lenet5: {}}", measures: ["loss", "absolute_error", "r2"], data: scenes),
        Case(task: "{regression: {target: brightness, loss: mae}}", model: "{mlp: {widths: [16]}}", measures: ["loss", "absolute_error", "r2"]),
    ]

    private static func text(_ item: Case) -> String { """
        data:   \(item.data)
        train:  {epochs: 2, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}\(item.train.isEmpty ? "" : ", \(item.train)")}
        task:   \(item.task)
        models: {m: \(item.model)}

        """
    }

    @Test("It trains to the same bytes on one thread and two, resumes to them, verifies, and is inspected and compared", arguments: cases)
    func isTrainedLikeAnyOther(item: Case) throws {
        try withTemporaryFolder { results in
            let whole = try trainedTwice(Self.text(item), in: results), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name).filter { !$0.hasPrefix("ema_") && !$0.hasPrefix("swa_") } == item.measures)
            let test = try #require(contents.evaluations[.test])
            if item.task.contains("multi_label") {
                let scores = try #require(test.tables["scores"]?.reals), truth = try #require(test.tables["label_sets"]?.integers)
                let values = (0..<11).map { label in
                    rankedPrecision(scores: (0..<32).map { scores[$0 * 11 + label] }, isPositive: (0..<32).map { truth[$0 * 11 + label] == 1 })
                }.filter { !$0.isNaN }
                #expect(test.values[3]! == values.reduce(0, +) / Double(values.count) && values.count >= 8)
            }
            if item.task.contains("regression") {
                let estimates = try #require(test.tables["estimates"]?.reals), targets = try #require(test.tables["targets"]?.reals)
                #expect(test.values[2]! == determination(estimates: estimates, targets: targets, count: 1))
                #expect(abs(test.values[1]! - zip(estimates, targets).reduce(0) { $0 + Double(abs($1.0 - $1.1)) } / Double(targets.count)) < 1e-5)
                let errors = EstimateErrors(estimates: estimates, targets: targets, number: 0, of: 1)
                #expect(errors.determination == test.values[2]! && abs(errors.meanAbsolute - test.values[1]!) < 1e-5)
                let page = try Report(under: ["\(results)/whole"])
                #expect(page.html.contains("Estimated numbers") && page.html.contains(String(format: "%.4f", errors.rootMeanSquare)))
                #expect(page.figureFiles().contains { $0.name == "estimates-m-170mm.svg" })
            }
            if item.model.contains("bag_of_words") {
                let file = try WeightsReader(whole.weightsFile(.best))
                #expect(file.buffers.map(\.name) == ["codebook"] && contents.description.tensors.contains("codebook"))
            }
            #expect(try Inspection(whole.path).text.contains("test \(item.measures.last!.replacing("_", with: " "))"))
            #expect(try Comparison(under: ["\(results)/whole"]).rendered(as: .table).contains("test \(contents.description.monitored.replacing("_", with: " "))"))
            if item.task.contains("hinge") { try expectNoProbabilities(of: whole, in: results) }
            if item.task.contains("ordinal") {
                var options = Comparison.Options()
                (options.metric, options.others) = (.test("scaled_nll"), [.test("temperature"), .test("scaled_ece")])
                let scaled = try Comparison(under: ["\(results)/whole"], options: options)
                #expect(try scaled.rendered(as: .table).contains("test temperature"))
            }
        }
    }

    /// Margins are ranked, and taken for no probabilities.
    private func expectNoProbabilities(of run: RunFolder, in results: String) throws {
        let inspection = try Inspection(run.path)
        #expect(inspection.text.contains("test AUC") || inspection.text.contains("test auc"), "\(inspection.text)")
        for name in ["nll", "ece", "brier"] { #expect(!inspection.text.contains("test \(name)") && !inspection.json.contains("\"\(name)\"")) }
        #expect(try !Report(under: ["\(results)/whole"]).html.contains("Calibration"))
        for metric in ["nll", "ece", "brier", "temperature", "scaled_nll"] {
            var options = Comparison.Options()
            options.metric = .test(metric)
            let error = #expect(throws: UserError.self) { try Comparison(under: ["\(results)/whole"], options: options) }
            #expect(error?.message.contains("has no test_\(metric): its logits are the margins of a hinge loss, which are no probabilities") == true, "\(error?.message ?? "")")
        }
        let reader = try RunReader(run), test = try #require(try reader.evaluation()), logits = try #require(test.tables["logits"]?.reals)
        if let errors = try reader.errors() {
            let largest = test.labels.indices.filter { test.labels[$0] != test.predictions[$0] }.map { logits[$0 * 10 + test.predictions[$0]] }.sorted(by: >)
            #expect(errors.areMargins && errors.confidences == Array(largest.prefix(errors.count)))
        }
        let trained = try TrainedModel(of: run)
        #expect(trained.kind == .margin)
        #expect(logits.withUnsafeBufferPointer { ImagePrediction(UnsafeBufferPointer(rebasing: $0[..<10]), count: 1, as: trained.kind) }.scores == [logits[..<10].max()!])
    }

    /// Neither runs of the definition nor runs of others that answer with margins are members of an ensemble.
    @Test func marginsMakeNoEnsemble() throws {
        let text = "data: {name: digits, test_examples: 64}\ntrain: {epochs: 1}\ntask: {classification: {loss: hinge}}\nmodels: {m: {mlp: {widths: [4]}}}\nseeds: [0, 1]\nensembles: {both: {models: [m]}}\n"
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition(text), dataDirectory: nil) }
        #expect(error?.message.contains("ensembles.both: m answers with the margins of a hinge loss, which are no probabilities, whose mean an ensemble is") == true, "\(error?.message ?? "")")
        #expect(throws: Never.self) { _ = try Experiment(definition(text.replacing("[m]}}", with: "[m], soup: uniform}}")), dataDirectory: nil) }
    }

    /// Black images have no words.
    @Test func imagesWithoutGradientsAreSaidWithTheirModel() throws {
        try withTemporaryFolder { folder in
            let file = try HDF5Writer("\(folder)/black.h5")
            for (part, count) in [("train", 40), ("test", 8)] {
                try file.write([UInt8](repeating: 0, count: count * 64), to: "/\(part)/images", shape: [count, 1, 8, 8])
                try file.write((0..<count).map { Int32($0 % 2) }, to: "/\(part)/labels", shape: [count])
            }
            try file.close()
            let text = "data: {hdf5: {path: \(folder)/black.h5}, normalization: none}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {b: {bag_of_words: {patch: 4, words: 4}}}\n"
            let options = Runner.Options(threads: 1, results: URL(filePath: folder), startsOver: false, command: [])
            let error = #expect(throws: UserError.self) { _ = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false } }
            #expect(error?.message.hasPrefix("x.yaml:3: models.b.bag_of_words: found no gradient in ") == true, "\(error?.message ?? "")")
        }
    }

    private static let distilled = """
        data:   {name: digits, test_examples: 64, augment: [{shift: 1}]}
        train:  {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 5e-3}}}
        models:
          big:   {resnet: {depth: 8, width: 4}, train: {epochs: 1}}
          small: {mlp: {widths: [8]}, train: {distill: {teacher: big, temperature: 3, weight: 0.7}}}

        """

    /// The teacher is trained first, and the student like any other.
    @Test func aStudentIsTrainedLikeAnyOther() throws {
        try withTemporaryFolder { results in
            func student(_ text: String) throws -> Definition {
                var read = try definition(text)
                try read.keep(models: ["small"])
                return read
            }
            func run(_ name: String, threads: Int, until limit: Int? = nil) throws -> RunFolder {
                let options = Runner.Options(threads: threads, results: URL(filePath: "\(results)/\(name)"), startsOver: false, command: [], epochLimit: limit)
                return try Runner(Experiment(student(Self.distilled), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
            }
            let whole = try run("whole", threads: 2), contents = try RunReader(whole).contents()
            #expect(contents.description.measures.map(\.name) == ["loss", "cross_entropy", "distillation", "accuracy"])
            #expect(contents.description.measures.map(\.occasion) == [.always, .always, .training, .always])
            // 0.3 of the task's loss and 0.7 of the teacher's.
            let step = contents.steps[0].values
            #expect(abs(step[0] - (0.3 * step[1] + 0.7 * step[2])) < 1e-5 * step[0])
            #expect(contents.epochs[1].training[2] < contents.epochs[0].training[2], "it learns from the teacher")
            // The weights are the student's alone.
            #expect(try WeightsReader(whole.weightsFile(.best)).parameters.allSatisfy { $0.shape.contains(8) || $0.shape == [10] })
            let cut = try run("cut", threads: 1, until: 1)
            #expect(try RunReader(cut).status == .interrupted)
            #expect(try run("cut", threads: 1).path == cut.path)
            #expect(FileManager.default.contentsEqual(atPath: whole.runFile, andPath: cut.runFile))
            #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(.best), andPath: cut.weightsFile(.best)))
            func verified() throws -> String? {
                try Verification(whole, threads: 1, steps: nil, dataDirectory: nil, registry: .standard, command: [], terminal: .silent) { false }.failure
            }
            #expect(try verified() == nil)
            // Without its teacher's run, that is trained again.
            let teacher = try #require(try FileManager.default.contentsOfDirectory(atPath: "\(results)/whole/\(contents.description.experiment)").first { $0.hasPrefix("big-") })
            try FileManager.default.removeItem(atPath: "\(results)/whole/\(contents.description.experiment)/\(teacher)")
            #expect(try verified() == nil)
        }
    }

    /// Students of several seeds, whose teachers have those seeds, are one row, whose name says nothing of the teachers' files.
    @Test func studentsOfSeveralSeedsAreOneRow() throws {
        try withTemporaryFolder { results in
            let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
            _ = try Runner(Experiment(definition(Self.distilled + "seeds: [0, 1]\n"), dataDirectory: nil), options: options, terminal: .silent).run { false }
            let lines = try Comparison(under: [results]).rendered(as: .csv).split(separator: "\n")
            #expect(lines.count == 3 && lines[1].hasPrefix("x,big,test_accuracy,2,") && lines[2].hasPrefix("x,small,test_accuracy,2,"), "\(lines)")
        }
    }

    /// What a student is depends on who teaches it, how, and not on other models.
    @Test func identityOfAStudent() throws {
        func hash(_ changes: (String) -> String) throws -> String { try definition(changes(Self.distilled)).trials[1].hash }
        let plain = try hash { $0 }
        #expect(try hash { $0.replacing("temperature: 3", with: "temperature: 2") } != plain)
        #expect(try hash { $0.replacing("width: 4", with: "width: 8") } != plain, "another teacher")
        #expect(try hash { $0.replacing("{teacher: big, temperature: 3", with: "{teacher: {model: big}, temperature: 3") } == plain)
        #expect(try hash { $0.replacing(", train: {distill: {teacher: big, temperature: 3, weight: 0.7}}", with: "") } != plain)
        let recorded = try definition(Self.distilled).trials[1]
        #expect(try Definition(resolved: recorded.resolvedDefinition, name: "x", place: "x", registry: .standard).trials[0].hash == plain, "the run keeps the teacher's definition")
    }

    @Test("What does not go together is said in a sentence before anything is trained", arguments: [
        ("task: {classification: {gamma: 3}}\nmodels: {l: logistic_regression}", "task.classification.gamma: goes with loss: focal"),
        ("task: {classification: {multiclass: crammer_singer}}\nmodels: {l: logistic_regression}", "task.classification.multiclass: goes with loss: hinge or squared_hinge"),
        ("task: {classification: {loss: hinge}}\ntrain: {label_smoothing: 0.1}\nmodels: {l: logistic_regression}", "train.label_smoothing: goes with task.classification.loss: cross_entropy, found hinge"),
        ("task: {classification: {loss: focus}}\nmodels: {l: logistic_regression}", "task.classification.loss"),
        ("task: multi_label\nmodels: {l: logistic_regression}", "digits says one class for each image, and multi_label needs sets of them"),
        ("task: regression\nmodels: {l: logistic_regression}", "digits has no targets, which regression needs"),
        ("task: {regression: {target: object_size}}\nmodels: {l: logistic_regression}", "object_size is made from boxes, and digits has none"),
        ("task: {regression: {target: given}}\nmodels: {l: logistic_regression}", "digits brings no targets"),
        ("task: {regression: {target: brightness, delta: 2}}\nmodels: {l: logistic_regression}", "task.regression.delta: goes with loss: huber"),
        ("models: {b: {bag_of_words: {patch: 4, words: 8}}}\nseeds: [0, 1]\nensembles: {s: {models: [b], soup: uniform}}", "ensembles.s: b fits its codebook to training images at each seed, of which there is no mean"),
        ("models: {h: hog}", "a block of 2×2 cells of 8 pixels is larger than the image of 8×8"),
        ("models: {e: {edges: {filters: []}}}", "expected at least one filter"),
        ("models: {e: {edges: {sigma: 2}}}", "models.e.edges.sigma: goes with filters: [canny]"),
        ("models: {e: {edges: {filters: [canny], low: 1}}}", "models.e.edges.high: found 0.2, expected at least low, 1.0"),
        ("models: {b: {bag_of_words: {patch: 6}}}", "found 6, expected a multiple of 4"),
        ("models: {b: {bag_of_words: {patch: 4, words: 500, samples: 100}}}", "found 500 words from 100 descriptors"),
        ("train: {distill: {temperature: 2}}\nmodels: {l: logistic_regression}", "train.distill.teacher: missing; expected the name of a model"),
        ("train: {distill: {teacher: x}}\nmodels: {l: logistic_regression}", "there is no model 'x'"),
        ("train: {distill: {teacher: l}}\nmodels: {l: logistic_regression}", "a loop: l → l; a model cannot teach itself"),
        ("train: {cache_features: always, distill: {teacher: x}}\nmodels: {l: logistic_regression}", "train.cache_features: found always beside distill, whose teacher needs the images"),
        ("train: {distill: {teacher: {file: x.h5}}}\nmodels: {l: logistic_regression}", "found file, which says no network; expected model"),
        ("task: {classification: {loss: hinge}}\nmodels: {l: logistic_regression, s: {mlp: {widths: [8]}, train: {distill: {teacher: l}}}}", "goes with a task and a loss that give probabilities of classes, found classification with a hinge loss"),
        ("models: {l: {mlp: {widths: [8]}, data: {classes: [0, 1, 2]}}, s: {mlp: {widths: [8]}, data: {classes: [3, 4, 5]}, train: {distill: {teacher: l}}}}", "l tells the classes 0, 1, 2 of digits apart, expected 3, 4, 5 in this order, as s does"),
        ("models: {l: {mlp: {widths: [8]}, data: {classes: [0, 1]}}, s: {mlp: {widths: [8]}, data: {classes: [1, 0]}, train: {distill: {teacher: l}}}}", "expected 1, 0 in this order"),
        ("models: {l: {lenet5: {}, data: {size: 32}}, s: {mlp: {widths: [8]}, train: {distill: {teacher: l}}}}", "l was trained with images of 32×32"),
    ])
    func misfitsAreSaid(rest: String, sentence: String) throws {
        let error = #expect(throws: UserError.self) { _ = try Experiment(definition("data: {name: digits}\n\(rest)\n"), dataDirectory: nil) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    /// A training that has not converged says so, and one that has does not.
    @Test func aMachineThatHasNotConverged() throws {
        for (epochs, rate, isDone) in [(2, 1e-3, false), (40, 0.05, true)] {
            try withTemporaryFolder { results in
                let text = """
                    data: {name: digits, test_examples: 64}
                    train: {epochs: \(epochs), batch_size: 64, cache_features: always, optimizer: {adamw: {learning_rate: \(rate)}}, schedule: {cosine: {}}}
                    task: {classification: {loss: squared_hinge}}
                    models: {m: {hog: {pixels_per_cell: 4}}}

                    """
                let said = Mutex("")
                let options = Runner.Options(threads: 2, results: URL(filePath: results), startsOver: false, command: [])
                _ = try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: Terminal { line in said.withLock { $0 += line } }).run { false }
                #expect(said.withLock { $0 }.contains("the support vector machine has not converged: its loss fell by") != isDone)
            }
        }
    }

    /// Of losses of 0 nothing is left to say, and after one epoch nothing can be said.
    @Test(arguments: [([0.5], "has seen the images once"), ([0.5, 0, 0], nil), ([0.5, 0.4, 0.3], "its loss fell by 25.0 %"), ([0.5, 0.4, 0.399], nil),
        ([10, 10, 10], "its loss stayed at 10"), ([9, 1, 2, 3], "its loss is 3.0000 after the last epoch and was 1.0000 before"), ([0.5, 0.4, 0.402], nil)] as [([Double], String?)])
    func convergenceIsJudgedByTheLastEpochs(losses: [Double], words: String?) {
        let said = Runner.doubtOfConvergence(losses)
        #expect(words.map { said?.contains($0) == true } ?? (said == nil), "\(said ?? "nothing")")
    }

    /// Sets of labels and numbers in a file take the place of labels.
    @Test func filesBringLabelSetsAndTargets() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/data.h5"
            func write(_ part: String, _ count: Int, to file: borrowing HDF5Writer) throws {
                let images = try file.makeColumn("/\(part)/images", of: UInt8.self, rowShape: [1, 8, 8], rowsPerChunk: 16)
                try images.append((0..<count * 64).map { UInt8(truncatingIfNeeded: $0 / 64 * 7 + $0 % 13) })
                try images.close()
                let sets = try file.makeColumn("/\(part)/label_sets", of: UInt8.self, rowShape: [3], rowsPerChunk: 16)
                try sets.append((0..<count).flatMap { [UInt8($0 % 2), UInt8($0 / 2 % 2), 1] })
                try sets.close()
                let targets = try file.makeColumn("/\(part)/targets", of: Float.self, rowShape: [2], rowsPerChunk: 16)
                try targets.append((0..<count).flatMap { [Float($0), Float($0) / 2 - 3] })
                try targets.close()
            }
            do {
                let file = try HDF5Writer(path)
                try write("train", 80, to: file)
                try write("test", 16, to: file)
                try file.close()
            }
            for (task, tables) in [("multi_label", ["label_sets": 3]), ("regression", ["targets": 2])] {
                let text = "data: {hdf5: {path: \(path)}}\ntrain: {epochs: 2, batch_size: 24, optimizer: {adamw: {learning_rate: 1e-2}}}\ntask: \(task)\nmodels: {m: {mlp: {widths: [16]}}}\n"
                let whole = try trainedTwice(text, in: "\(folder)/\(task)"), test = try #require(try RunReader(whole).contents().evaluations[.test])
                for (name, count) in tables {
                    #expect(test.tables[name]?.count == 16 * count)
                    if name == "targets" { #expect(test.tables[name]?.reals?.suffix(2) == [15, 4.5]) } else { #expect(test.tables[name]?.integers?.suffix(3) == [1, 1, 1]) }
                }
            }
            let classifier = #expect(throws: UserError.self) { _ = try Experiment(definition("data: {hdf5: {path: \(path)}}\nmodels: {m: {mlp: {widths: [4]}}}\n"), dataDirectory: nil) }
            let few = #expect(throws: UserError.self) {
                _ = try Experiment(definition("data: {hdf5: {path: \(path)}, images_per_class: 3}\ntask: multi_label\nmodels: {m: {mlp: {widths: [4]}}}\n"), dataDirectory: nil)
            }
            #expect(few?.message.contains("counts images by one class of each") == true, "\(few?.message ?? "")")
            #expect(classifier?.message.contains("data.h5 has label_sets and no labels, one class for each image, which this task needs") == true)
            // Another digest, where a number is another.
            let images = try #require(try definition("data: {hdf5: {path: \(path)}}\ntask: regression\nmodels: {m: lenet5}\n").data.load(dataDirectory: nil)).images
            #expect(images.labelSets?.classCount == 3 && images.classCount == 3 && images.targets?.count == 2 && images.labels[1] == 0 && images.labels[2] == 1)
        }
    }
}
