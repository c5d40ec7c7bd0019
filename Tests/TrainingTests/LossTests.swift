import Foundation
import Measures
import TensorCore
import Testing
import VisionData

@testable import Tasks
@testable import Training

/// Against PyTorch, scikit-learn and SciPy; Tests/Reference/losses.py made the fixtures.
@Suite struct LossTests {
    struct Value: Decodable, Sendable { let value: Double, gradient: [Double] }
    struct Fixture: Decodable, Sendable {
        struct Classification: Decodable, Sendable { let count: Int, classes: Int, logits: [Float], labels: [Int32], weights: [Double]?, losses: [String: Value] }
        struct Machine: Decodable, Sendable { let loss: String, logits: [Float], labels: [Int32], weights: [Double], bias: [Double], objective: Double }
        struct Labels: Decodable, Sendable {
            let count: Int, classes: Int, scores: [Float], truth: [Float], loss: Value, weights: [Double], weighted: Value, precisions: [Double], mean: Double, microF1: Double, exact: Double
        }
        struct Regression: Decodable, Sendable {
            let count: Int, length: Int, targets: [Float], outputs: [Float], means: [Double], deviations: [Double], mse: Value, mae: Value, huber: Value
            let absoluteError: Double, r2: Double
        }
        struct Distillation: Decodable, Sendable { let count: Int, classes: Int, temperature: Double, student: [Float], teacher: [Float], loss: Value }
        struct Temperature: Decodable, Sendable { let classes: Int, logits: [Float], labels: [Int64], temperature: Double, before: Double, after: Double }

        let classification: [Classification], machines: [Machine], labels: [Labels], regression: [Regression], distillation: [Distillation], temperatures: [Temperature]

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent(), decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try! decoder.decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/losses.json")))
        }()
    }

    /// The mean over a batch that is cut into two shards, and its gradient.
    private func check(_ expected: Value, _ name: String, _ total: Tensor, of input: Tensor, feeding fed: [(Tensor, HostTensor)]) throws {
        let results = try evaluate([total] + gradients(of: total, withRespectTo: [input]), feeding: fed, threads: 2)
        #expect(abs(Double(results[0].floats[0]) - expected.value) < 3e-6 * max(1, abs(expected.value)), "\(name)")
        let found = results[1].floats
        #expect(found.count == expected.gradient.count)
        for (found, expected) in zip(found, expected.gradient) { #expect(abs(Double(found) - expected) < 2e-6 * max(1, abs(expected)), "\(name)") }
    }

    private static let names: [(name: String, loss: ClassificationLoss)] = [
        ("one_vs_rest", .hinge(.oneVersusRest, isSquared: false)), ("squared_one_vs_rest", .hinge(.oneVersusRest, isSquared: true)),
        ("crammer_singer", .hinge(.crammerSinger, isSquared: false)), ("squared_crammer_singer", .hinge(.crammerSinger, isSquared: true)),
        ("weston_watkins", .hinge(.westonWatkins, isSquared: false)), ("squared_weston_watkins", .hinge(.westonWatkins, isSquared: true)),
        ("focal", .focal(gamma: 2)), ("ordinal", .ordinal),
    ]

    @Test(arguments: Fixture.all.classification.indices) func lossesOfClassesAgree(index: Int) throws {
        let fixture = Fixture.all.classification[index]
        for (name, loss) in Self.names {
            let graph = Graph(mode: .training, shardCount: 2), count = fixture.count / 2
            let logits = graph.input("logits", [count, fixture.classes]), labels = graph.input("labels", [count], .int32)
            let task = Classification(classCount: fixture.classes, loss: loss, classWeights: name == "focal" ? fixture.weights : nil)
            let total = task.record(logits, [labels]).total()
            try check(try #require(fixture.losses[name]), name, total, of: logits, feeding: [
                (logits, HostTensor([fixture.count, fixture.classes], fixture.logits)), (labels, HostTensor([fixture.count], fixture.labels)),
            ])
        }
    }

    /// C Σ losses + ½ |w|² of scikit-learn's LinearSVC, at its own solution.
    @Test(arguments: Fixture.all.machines.indices) func objectiveIsLinearSVCs(index: Int) throws {
        let fixture = Fixture.all.machines[index], count = fixture.labels.count, graph = Graph(mode: .training)
        let logits = graph.input("logits", [count, 3]), labels = graph.input("labels", [count], .int32)
        let losses = ClassificationLoss.hinge(.oneVersusRest, isSquared: fixture.loss == "squared_hinge").values(of: logits, labels: labels)
        let values = try evaluate([losses], feeding: [(logits, HostTensor([count, 3], fixture.logits)), (labels, HostTensor([count], fixture.labels))])[0].floats
        let norm = (fixture.weights + fixture.bias).reduce(0) { $0 + $1 * $1 }
        #expect(abs(0.5 * values.reduce(0) { $0 + Double($1) } + 0.5 * norm - fixture.objective) < 1e-4)
    }

    @Test(arguments: Fixture.all.labels.indices) func severalLabelsAgree(index: Int) throws {
        let fixture = Fixture.all.labels[index], graph = Graph(mode: .training, shardCount: 2), shape: Shape = [fixture.count / 2, fixture.classes]
        let scores = graph.input("scores", shape), truth = graph.input("truth", shape), task = MultiLabel(classCount: fixture.classes)
        let recorded = task.record(scores, [truth]), whole: Shape = [fixture.count, fixture.classes]
        let fed = [(scores, HostTensor(whole, fixture.scores)), (truth, HostTensor(whole, fixture.truth))]
        try check(fixture.loss, "binary cross-entropy", recorded.total(), of: scores, feeding: fed)
        let weighted = MultiLabel(classCount: fixture.classes, positiveWeights: fixture.weights).record(scores, [truth])
        try check(fixture.weighted, "with weights", weighted.total(), of: scores, feeding: fed)
        let measured = try evaluate([recorded.measures[0].values, try #require(recorded.measures[0].counts), recorded.measures[1].values] + recorded.outputs, feeding: fed)
        #expect(abs(Double(measured[0].floats.reduce(0, +) / measured[1].floats.reduce(0, +)) - fixture.microF1) < 1e-6)
        #expect(abs(Double(measured[2].floats.reduce(0, +)) / Double(fixture.count) - fixture.exact) < 1e-6)
        let tables = task.makeTables(of: .test)
        measured[3].floats.withUnsafeBytes { scores in
            measured[4].floats.withUnsafeBytes { truth in
                tables.add(outputs: [scores.baseAddress!, truth.baseAddress!], targets: [], count: fixture.count)
            }
        }
        #expect(abs(try #require(tables.splitValues()["mean_average_precision"]) - fixture.mean) < 1e-12)
        let found = try #require(tables.finish()["class_average_precision"]?.reals)
        for (found, expected) in zip(found, fixture.precisions) { #expect(abs(Double(found) - expected) < 1e-7) }
    }

    /// A class that no image has has no precision, and all that is ranked first has one of 1.
    @Test func cornersOfPrecision() {
        #expect(rankedPrecision(scores: [1, 2], isPositive: [false, false]).isNaN && rankedPrecision(scores: [], isPositive: []).isNaN)
        #expect(rankedPrecision(scores: [1, 2, 3], isPositive: [false, true, true]) == 1)
        #expect(rankedPrecision(scores: [1, 1], isPositive: [false, true]) == 0.5)
        #expect(determination(estimates: [1, 1], targets: [2, 2], count: 1).isNaN)
        #expect(determination(estimates: [1, 7, 2, 7], targets: [1, 3, 3, 3], count: 2) == 0.5, "a number that is the same for all images has no part")
    }

    @Test(arguments: Fixture.all.regression.indices) func regressionAgrees(index: Int) throws {
        let fixture = Fixture.all.regression[index], whole: Shape = [fixture.count, fixture.length]
        for (loss, expected) in [(Regression.LossKind.meanSquaredError, fixture.mse), (.meanAbsoluteError, fixture.mae), (.huber(delta: 0.7), fixture.huber)] {
            let graph = Graph(mode: .training, shardCount: 2), shape: Shape = [fixture.count / 2, fixture.length]
            let outputs = graph.input("outputs", shape), targets = graph.input("targets", shape)
            let task = Regression(.given, loss: loss, means: fixture.means, deviations: fixture.deviations), recorded = task.record(outputs, [targets])
            let fed = [(outputs, HostTensor(whole, fixture.outputs)), (targets, HostTensor(whole, fixture.targets))]
            try check(expected, "\(loss)", recorded.total(), of: outputs, feeding: fed)
            let measured = try evaluate([recorded.measures[0].values] + recorded.outputs, feeding: fed)
            #expect(abs(Double(measured[0].floats.reduce(0, +)) / Double(fixture.count) - fixture.absoluteError) < 1e-5)
            #expect(abs(determination(estimates: measured[1].floats, targets: measured[2].floats, count: fixture.length) - fixture.r2) < 1e-5)
        }
    }

    @Test(arguments: Fixture.all.distillation.indices) func distillationAgrees(index: Int) throws {
        let fixture = Fixture.all.distillation[index], graph = Graph(mode: .training, shardCount: 2), shape: Shape = [fixture.count / 2, fixture.classes]
        let student = graph.input("student", shape), teacher = graph.input("teacher", shape), whole: Shape = [fixture.count, fixture.classes]
        var configuration = DistillationConfiguration()
        configuration.temperature = fixture.temperature
        let divergence = configuration.divergence(of: student, from: teacher)
        try check(fixture.loss, "divergence", divergence.batchMean(), of: student, feeding: [(student, HostTensor(whole, fixture.student)), (teacher, HostTensor(whole, fixture.teacher))])
        // The teacher's share of the whole.
        configuration.weight = 0.75
        var task = RecordedTask(losses: [Loss("cross_entropy", unit: "nat", student.sliced(axis: 1, 0..<1).reshaped([shape[0]]))])
        task.add(configuration, divergence)
        #expect(task.losses.map(\.name) == ["cross_entropy", "distillation"] && task.losses.map(\.weight) == [0.25, 0.75])
    }

    @Test(arguments: Fixture.all.temperatures.indices) func temperaturesAreSciPys(index: Int) throws {
        let fixture = Fixture.all.temperatures[index], scores = try #require(ClassScores(logits: fixture.logits, labels: fixture.labels, classCount: fixture.classes))
        let temperature = scores.calibratingTemperature
        #expect(abs(temperature / fixture.temperature - 1) < 1e-6)
        #expect(abs(scores.negativeLogLikelihood - fixture.before) < 1e-9)
        #expect(abs(try #require(scores.scaled(by: temperature)).negativeLogLikelihood - fixture.after) < 1e-7)
        for (name, value) in [("temperature", temperature), ("scaled_nll", fixture.after)] {
            #expect(abs(try #require(ScoreMeasure(name)).value(of: scores, validation: scores) - value) < 1e-7)
            #expect(try #require(ScoreMeasure(name)).value(of: scores).isNaN)
        }
        // What is always right is the surer the better.
        let sure = try #require(ClassScores(logits: [1, 0, 0, 1], labels: [0, 1], classCount: 2))
        #expect(sure.calibratingTemperature.isNaN && sure.scaled(by: .nan) == nil)
    }
}
