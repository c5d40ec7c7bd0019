import Configuration
import Foundation
import Measures
import RunStore
import TestSupport
import Testing

@testable import Reports

/// Against scikit-learn, torchmetrics and statsmodels; Tests/Reference/class_scores.py made the fixtures.
struct ClassScoreFixtures: Decodable {
    struct Case: Decodable, Sendable {
        let classes: Int
        let labels: [Int64]
        let logits: [Float]
        let top: [String: Double]
        let balancedAccuracy, macroF1, macroPrecision, ece, brier, nll: Double
        let auc: Double?
        let precision, recall, f1, areas: [Double?]

        enum CodingKeys: String, CodingKey {
            case classes, labels, logits, top, ece, brier, nll, auc, precision, recall, f1, areas
            case balancedAccuracy = "balanced_accuracy", macroF1 = "macro_f1", macroPrecision = "macro_precision"
        }
    }
    struct Discordance: Decodable, Sendable {
        let first, second: Int
        let p: Double
    }
    struct Wilson: Decodable, Sendable {
        let right, count: Int
        let interval: [Double]
    }
    let cases: [Case]
    let mcnemar: [Discordance]
    let wilson: [Wilson]

    static func read() throws -> ClassScoreFixtures {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try JSONDecoder().decode(Self.self, from: Data(contentsOf: tests.appending(path: "Fixtures/class_scores.json")))
    }
}

struct ClassScoreTests {
    @Test(arguments: try ClassScoreFixtures.read().cases)
    func agreeWithScikitLearnAndTorchmetrics(_ fixture: ClassScoreFixtures.Case) throws {
        let scores = try #require(ClassScores(logits: fixture.logits, labels: fixture.labels, classCount: fixture.classes))
        func isClose(_ value: Double, _ expected: Double?, _ tolerance: Double = 1e-12) -> Bool {
            guard let expected else { return value.isNaN }
            return abs(value - expected) <= tolerance
        }
        for (k, expected) in fixture.top { #expect(isClose(scores.topAccuracy(Int(k)!), expected), "top \(k)") }
        #expect(scores.topAccuracy(fixture.classes) == 1)
        #expect(isClose(scores.balancedAccuracy, fixture.balancedAccuracy))
        #expect(isClose(scores.macroF1, fixture.macroF1))
        #expect(isClose(scores.macroPrecision, fixture.macroPrecision))
        #expect(isClose(scores.macroAUC, fixture.auc))
        #expect(isClose(scores.brierScore, fixture.brier))
        #expect(isClose(scores.negativeLogLikelihood, fixture.nll))
        // torchmetrics has its bins' sums in float32.
        #expect(isClose(scores.calibrationError(), fixture.ece, 1e-6), "\(scores.calibrationError()) \(fixture.ece)")
        for (place, measures) in scores.classes().enumerated() {
            #expect(isClose(measures.precision, fixture.precision[place]) && isClose(measures.recall, fixture.recall[place]), "class \(place)")
            #expect(isClose(measures.f1, fixture.f1[place]) && isClose(measures.auc, fixture.areas[place]), "class \(place)")
        }
        #expect(scores.reliability().reduce(0) { $0 + $1.count } == fixture.labels.count)
    }

    /// What no library has a number for.
    @Test func edges() throws {
        let one = try #require(ClassScores(logits: [3, -1], labels: [0, 0], classCount: 1))
        #expect(one.topAccuracy(1) == 1 && one.balancedAccuracy == 1 && one.macroF1 == 1 && one.macroAUC.isNaN)
        #expect(one.brierScore == 0 && one.negativeLogLikelihood == 0 && one.calibrationError() == 0)
        let none = try #require(ClassScores(logits: [], labels: [], classCount: 3))
        let broken = try #require(ClassScores(logits: [1, .nan, 2, 1], labels: [0, 1], classCount: 2))
        for scores in [none, broken] {
            for name in ScoreMeasure.names { #expect(ScoreMeasure(name)!.value(of: scores).isNaN, "\(name)") }
            #expect(scores.reliability().allSatisfy { $0.count == 0 })
        }
        #expect(ClassScores(logits: [1, 2, 3], labels: [0], classCount: 2) == nil && ClassScores(logits: [1, 2], labels: [2], classCount: 2) == nil)
        // Of equal logits the first class is predicted, and ranks before the others.
        let tied = try #require(ClassScores(logits: [1, 1, 1, 1, 1, 1], labels: [0, 2], classCount: 3))
        #expect(tied.predictions == [0, 0] && tied.topAccuracy(1) == 0.5 && tied.topAccuracy(2) == 0.5 && tied.topAccuracy(3) == 1)
        #expect(tied.areaUnderCurve(of: 0) == 0.5)
        // A confidence of 1 is of the last bin.
        let sure = try #require(ClassScores(logits: [100, 0], labels: [0], classCount: 2))
        #expect(sure.confidence(image: 0) == 1 && sure.reliability()[14].count == 1)
    }

    @Test func namesAreReadAndWritten() {
        for name in ScoreMeasure.names + ["top17_accuracy"] { #expect(ScoreMeasure(name)?.name == name) }
        for name in ["top0_accuracy", "top_accuracy", "top-1_accuracy", "accuracy", "ECE", "top05_accuracy"] { #expect(ScoreMeasure(name) == nil) }
    }

    @Test func theMeanOfProbabilities() throws {
        let first = try #require(ClassScores(logits: [0, 0, 3, 0], labels: [0, 1], classCount: 2))
        let second = try #require(ClassScores(logits: [2, 0, -900, 0], labels: [0, 1], classCount: 2))
        let mean = try #require(ClassScores(meanOf: [first, second]))
        for image in 0..<2 {
            for place in 0..<2 {
                let expected = (first.probability(of: place, image: image) + second.probability(of: place, image: image)) / 2
                #expect(abs(mean.probability(of: place, image: image) - expected) < 1e-7)
            }
        }
        #expect(ClassScores(meanOf: []) == nil)
    }
}

/// The same as metrics of runs.
struct ScoreMetricTests {
    private func write(_ results: String, _ model: String, seed: Int, _ fixture: ClassScoreFixtures.Case, storesLogits: Bool = true) throws {
        try Example.writeScoredRun(
            results, model: model, seed: seed, logits: fixture.logits, labels: fixture.labels, classes: fixture.classes, storesLogits: storesLogits)
    }

    @Test func compareComputesThem() throws {
        try withTemporaryFolder { results in
            let fixtures = try ClassScoreFixtures.read().cases
            try write(results, "a", seed: 0, fixtures[1])
            try write(results, "silent", seed: 0, fixtures[1], storesLogits: false)
            var options = Comparison.Options()
            (options.metric, options.others) = (.test("ece"), [.test("macro_f1"), .test("top2_accuracy"), .validation("nll"), .test("brier")])
            let comparison = try Comparison(under: [results], options: options)
            #expect(comparison.rows.map(\.measured.count) == [1, 0])
            #expect(abs(comparison.rows[0].measured[0].value - fixtures[1].ece) < 1e-6)
            #expect(comparison.notes.contains { $0.contains(" has no test_ece: its file keeps no logits of the test images (train.store_outputs: false)") }, "\(comparison.notes)")
            let table = try comparison.rendered(as: .table)
            #expect(table.contains("test ece") && table.contains(decimals(fixtures[1].macroF1, 4)) && table.contains(decimals(fixtures[1].nll, 4)), "\(table)")
            #expect(table.contains("test expected calibration error, 15 bins"), "\(table)")
            for (metric, sentence) in [
                (Metric.test("top6_accuracy"), "--metric: top6_accuracy is of the 6 largest logits, expected at most 5, the number of classes"),
                (.test("macro_f2"), "unknown metric 'test_macro_f2'; did you mean 'test_macro_f1'?"),
            ] {
                let error = #expect(throws: UserError.self) {
                    var options = Comparison.Options()
                    options.metric = metric
                    _ = try Comparison(under: [results], options: options)
                }
                #expect(error?.message == sentence)
            }
        }
    }

    @Test func inspectHasATableOfClasses() throws {
        try withTemporaryFolder { results in
            let fixture = try ClassScoreFixtures.read().cases[1]
            let folder = try Example.writeScoredRun(results, model: "a", seed: 0, logits: fixture.logits, labels: fixture.labels, classes: 5)
            let inspection = try Inspection(folder.path)
            let rows = inspection.text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(rows.contains(["class", "images", "predicted", "precision", "recall", "F1", "AUC"]), "\(inspection.text)")
            let images = fixture.labels.count { $0 == 3 }
            #expect(rows.contains { row in
                row.starts(with: ["3", "\(images)"]) && row.suffix(4) == [fixture.precision[3], fixture.recall[3], fixture.f1[3], fixture.areas[3]].map { decimals($0!, 4) }[...]
            }, "\(inspection.text)")
            #expect(inspection.text.contains("test ece") && inspection.text.split(separator: "\n").contains { $0.hasPrefix("test top2 accuracy") && $0.hasSuffix(decimals(fixture.top["2"]!, 4)) })
            let json = try #require(try JSONSerialization.jsonObject(with: Data(inspection.json.utf8)) as? [String: Any]), test = try #require(json["test"] as? [String: Any])
            #expect(abs((test["macro_f1"] as? Double ?? 0) - fixture.macroF1) < 1e-12)
            #expect((test["classes"] as? [[String: Any]])?.count == 5)

            let silent = try Inspection(Example.writeScoredRun(results, model: "b", seed: 0, logits: fixture.logits, labels: fixture.labels, classes: 5, storesLogits: false).path)
            #expect(silent.text.contains("no AUC, calibration or top-k accuracy: the file keeps no logits of the test images") && silent.text.contains(decimals(fixture.f1[3]!, 4)))
        }
    }
}
