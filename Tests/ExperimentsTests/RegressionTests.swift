import Configuration
import Foundation
import Measures
import Reports
import RunStore
import TensorCore
import TestSupport
import Tasks
import Testing
import Training
import VisionData

@testable import Experiments

/// A task that is nowhere but here: the program trains, resumes, verifies, sweeps and reports it without knowing it.
@Suite(.serialized) struct RegressionTests {
    /// One number for each image, by its squared error and by how large it is.
    private struct Regression: TrainingTask {
        /// Of the second loss.
        let weight: Double
        let monitored: String

        var name: String { "regression" }
        var targets: [String] { ["target"] }
        var outputShape: Shape { [1] }
        var outputDescription: String { "1 number" }
        var splitMeasures: [Measure] { [Measure("median_error", unit: "m", better: .smaller)] }

        func record(_ output: Tensor, _ targets: [Tensor]) -> RecordedTask {
            let target = targets[0], weights = target.reshaped([target.shape[0]]), error = output.meanSquaredError(target)
            return RecordedTask(
                losses: [
                    Loss("squared_error", unit: "m²", error), Loss("size", unit: "m²", weight: weight, output.meanSquaredError(target * 0)),
                ],
                measures: [RecordedMeasure(Measure("weighted_error", unit: "m²", better: .smaller), error * weights, counts: weights)],
                outputs: [output])
        }

        func layout(of split: Split) -> EvaluationLayout {
            guard split == .test else { return EvaluationLayout() }
            return EvaluationLayout(columns: [EvaluationColumn("estimates", title: "estimate", unit: "m", kind: .real, rowShape: [1])])
        }

        func makeTables(of split: Split) -> any EvaluationTables { Estimates() }

        private final class Estimates: EvaluationTables {
            var values: [Float] = [], errors: [Double] = []

            func add(outputs: [UnsafeRawPointer], targets: [UnsafeRawPointer], count: Int) {
                let estimates = UnsafeBufferPointer(start: outputs[0].assumingMemoryBound(to: Float.self), count: count)
                values += estimates
                errors += zip(estimates, UnsafeBufferPointer(start: targets[0].assumingMemoryBound(to: Float.self), count: count)).map {
                    abs(Double($0) - Double($1))
                }
            }

            func splitValues() -> [String: Double] { ["median_error": median(errors)] }

            func finish() -> [String: TableValues] { ["estimates": .reals(values)] }
        }
    }

    /// Digits with a tenth of what they show as a number, which no class has.
    private struct Numbers: SampleSource {
        let digits: ImageDataset

        var name: String { "numbers" }
        var fields: [Field] { [.image(digits.shape), Field("target", [1])] }
        var byteCount: Int { digits.byteCount }
        func indices(of split: Split) -> [Int32] { digits.indices(of: split) }

        func makeWriter(of fields: [Field], augmentations: [Augmentation], seed: UInt64) -> any SampleWriter {
            Writer(digits: digits, images: digits.makeWriter(of: [fields[0]], augmentations: augmentations, seed: seed))
        }

        private struct Writer: SampleWriter {
            let digits: ImageDataset
            let images: any SampleWriter

            func write(_ sample: Int, epoch: Int, place: Int, in batch: [UnsafeMutableRawPointer]) throws {
                try images.write(sample, epoch: epoch, place: place, in: [batch[0]])
                batch[1].assumingMemoryBound(to: Float.self)[place] = Float(digits.images.labels[sample]) / 10
            }
        }
    }

    private static let registry = Registry.standard.adding(
        task: TaskKind("regression", "One number for each image.", options: Options.self) { options, dataset, _ in
            PreparedTask(Regression(weight: options.weight, monitored: options.monitor), on: Numbers(digits: dataset))
        })

    private struct Options: Configurable {
        static let options: [Key<Options>] = [
            Key("weight", \.weight, .number(in: 0...1), "How much the size of the numbers counts in the loss."),
            Key("monitor", \.monitor, .text, "The measure by which the best weights are found."),
        ]
        var weight = 0.5
        var monitor = "weighted_error"
    }

    private static let text = """
        data:   {name: digits, augment: [{shift: 1}]}
        train:  {epochs: 3, batch_size: 64, optimizer: {adamw: {learning_rate: 3e-3}}, early_stopping: {patience: 2, metric: val_squared_error}}
        task:   {regression: {weight: 0.125}}
        models: {mlp: {mlp: {widths: [16]}}}

        """

    private func run(_ text: String = Self.text, in results: String, threads: Int = 1, until limit: Int? = nil) throws -> RunFolder {
        let experiment = try Experiment(definition(text, registry: Self.registry), dataDirectory: nil)
        let options = Runner.Options(
            threads: threads, results: URL(filePath: results), startsOver: false, command: [], epochLimit: limit)
        return try Runner(experiment, options: options, terminal: .silent).run { false }.folders[0]
    }

    @Test("It trains, resumes to the same bytes, verifies, and is inspected and compared")
    func isTrainedLikeAnyOther() throws {
        try withTemporaryFolder { results in
            let whole = try run(in: "\(results)/whole", threads: 2)
            let reader = try RunReader(whole), contents = try reader.contents(), measures = contents.description.measures
            #expect(reader.status == .finished)
            #expect(measures.map(\.name) == ["loss", "squared_error", "size", "weighted_error", "median_error"])
            #expect(measures.prefix(4).allSatisfy { $0.unit == "m²" && $0.better == .smaller && $0.bounds == nil && $0.occasion == .always })
            #expect(measures[4] == Measure("median_error", unit: "m", better: .smaller, occasion: .evaluation))
            #expect(contents.description.monitored == "weighted_error")
            for step in contents.steps {
                #expect(abs(step.values[0] - step.values[1] - 0.125 * step.values[2]) < 1e-6, "the loss is the weighted sum of its parts")
            }
            let losses = contents.epochs.map { $0.validation[0]! }
            #expect(losses.last! < losses[0] / 2, "it learns")
            // The weighted error and the loss of the test, from what was estimated for each image.
            let test = try #require(contents.evaluations[.test]), digits = try ImageDataset.load(DataConfiguration(.digits))
            let estimates = try #require(test.tables["estimates"]?.reals)
            let targets = digits.indices(of: .test).map { Float(digits.images.labels[Int($0)]) / 10 }
            try #require(estimates.count == targets.count)
            let errors = zip(estimates, targets).map { Double(($0 - $1) * ($0 - $1)) }
            let weighted = zip(errors, targets).reduce(0) { $0 + $1.0 * Double($1.1) } / targets.reduce(0) { $0 + Double($1) }
            #expect(abs(test.values[3]! - weighted) < 1e-6)
            #expect(abs(test.values[1]! - errors.reduce(0, +) / Double(errors.count)) < 1e-6)
            // What is measured of the whole split has a value of each validation, and none of the training.
            #expect(test.values[4]! == median(zip(estimates, targets).map { abs(Double($0) - Double($1)) }))
            #expect(contents.epochs.allSatisfy { $0.training[4].isNaN && $0.validation[4]! > 0 })

            // Interrupted after an epoch and resumed.
            let cut = try run(in: "\(results)/cut", until: 1)
            #expect(try RunReader(cut).status == .interrupted)
            #expect(try run(in: "\(results)/cut").path == cut.path)
            #expect(FileManager.default.contentsEqual(atPath: whole.runFile, andPath: cut.runFile))
            #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(.best), andPath: cut.weightsFile(.best)))

            let verification = try Verification(
                whole, threads: 1, steps: nil, dataDirectory: nil, registry: Self.registry, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)

            let inspection = try Inspection(whole.path)
            #expect(inspection.text.contains("train weighted error (m²)") && inspection.text.contains("test weighted error (m²)"))
            #expect(inspection.text.contains("val median error (m)") && !inspection.text.contains("train median error"))
            #expect(!inspection.text.contains("accuracy"))
            let table = try Comparison(under: ["\(results)/whole"]).rendered(as: .table)
            #expect(table.contains("test weighted error"))
            #expect(throws: UserError.self) {
                var options = Comparison.Options()
                options.metric = .test("accuracy")
                _ = try Comparison(under: ["\(results)/whole"], options: options)
            }
        }
    }

    @Test("What is measured of a whole split finds the best weights, ends the training early, and is compared")
    func wholeSplitsAreMonitored() throws {
        try withTemporaryFolder { results in
            let text = Self.text.replacing("weight: 0.125", with: "monitor: median_error").replacing("epochs: 3", with: "epochs: 8")
                .replacing("{patience: 2, metric: val_squared_error}", with: "{patience: 1, metric: val_median_error, min_delta: 0.02}")
            let folder = try run(text, in: results), contents = try RunReader(folder).contents()
            let medians = contents.epochs.map { $0.validation[4]! }
            #expect(contents.description.monitored == "median_error" && contents.status == .finished)
            // The last epoch is the first that is not better by 0.02 than the best before it.
            var best = medians[0]
            for (epoch, value) in medians.enumerated().dropFirst() {
                #expect((value < best - 0.02) == (epoch < medians.count - 1))
                best = min(best, value)
            }
            #expect(medians.count < 8)
            let verification = try Verification(
                folder, threads: 2, steps: nil, dataDirectory: nil, registry: Self.registry, command: [], terminal: .silent) { false }
            #expect(verification.failure == nil)
            #expect(try Comparison(under: [results]).rendered(as: .table).contains("test median error"))
        }
    }

    @Test("Its cells are swept and halved by what it measures")
    func isSwept() throws {
        try withTemporaryFolder { results in
            let text = Self.text + "sweep: {grid: {train.optimizer.adamw.learning_rate: [1e-9, 3e-3]}, halving: {metric: val_weighted_error, factor: 2, first: 1}}\n"
            let plan = try SweepPlan(definition(text, registry: Self.registry))
            let options = SweepRunner.Options(
                threads: 1, jobs: 1, results: URL(filePath: results), dataDirectory: nil, startsOver: false, retriesFailed: false, command: [])
            _ = try SweepRunner(plan, options: options, terminal: .silent).run { false }
            let file = try SweepFile(reading: SweepFile.path(experiment: "x", results: results))
            #expect(file.entries.map(\.outcome) == [.stopped(epoch: 1), .finished])
        }
    }

    @Test(arguments: [
        ("{regresion: {}}", "early_stopping: {metric: val_size}", "task: unknown task 'regresion'; did you mean 'regression'?"),
        ("{regression: {weigth: 1}}", "epochs: 1", "task.regression.weigth: unknown key 'weigth'; did you mean 'weight'?"),
        ("regression", "early_stopping: {metric: val_accuracy}", "train.early_stopping.metric: the task regression does not measure 'val_accuracy'"),
        ("[regression]", "epochs: 1", "task: expected the name of a task, or a map of one name to its options"),
    ])
    func badInput(task: String, train: String, message: String) throws {
        let text = "data: {name: digits}\ntrain: {\(train)}\ntask: \(task)\nmodels: {m: {mlp: {widths: [4]}}}\n"
        let error = #expect(throws: UserError.self) {
            _ = try Experiment(definition(text, registry: Self.registry), dataDirectory: nil)
        }
        #expect(error?.kind == .usage)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("x.yaml:") == true, "\(error?.message ?? "")")
    }

    @Test("Options of a task that are written out at their defaults change nothing; others do")
    func identityOfOptions() throws {
        func identity(_ task: String) throws -> String? {
            Self.registry.tasks.identity(of: try YAML.node(task) { SourceMark(file: "x.yaml", line: $0) }).map { YAML.line($0, .json) }
        }
        #expect(Self.registry.tasks.identity(of: nil) == nil)
        for task in ["classification", "{classification: {}}", "null"] { #expect(try identity(task) == nil, "\(task)") }
        for task in ["regression", "{regression: {}}", "{regression: {weight: 0.5}}", "{regression: {monitor: weighted_error, weight: 5e-1}}"] {
            #expect(try identity(task) == "\"regression\"", "\(task)")
        }
        #expect(try identity("{regression: {weight: 0.25, monitor: weighted_error}}") == "{\"regression\": {\"weight\": 0.25}}")
        #expect(try identity("{other: {weight: 0.5}}") == "{\"other\": {\"weight\": 0.5}}")
        #expect(Self.registry.tasks.description.children.first { $0.name == "regression" }?.children.map(\.name) == ["weight", "monitor"])
    }

    @Test("A task that is written out although it is the default changes no hash; another one does")
    func identity() throws {
        func hash(_ task: String) throws -> String {
            try definition("data: {name: digits}\n\(task)\nmodels: {m: {mlp: {widths: [4]}}}\n").trials[0].hash
        }
        let plain = try hash("")
        #expect(try hash("task: classification") == plain && hash("task: {classification: {}}") == plain)
        #expect(try hash("task: regression") != plain)
        #expect(try hash("task: {regression: {weight: 1}}") != hash("task: {regression: {weight: 0}}"))
    }
}
