import Configuration
import Foundation
import TensorCore
import Tasks
import Testing
import VisionData

@testable import Training

/// Against PyTorch and scikit-learn; Tests/Reference/class_weights.py made the fixtures.
@Suite struct ClassWeightTests {
    struct Fixtures: Decodable {
        struct CrossEntropy: Decodable, Sendable {
            let logits: [[Double]], labels: [Int32], weights: [Double], smoothing: Double, loss: Double, gradients: [[Double]]
        }
        let crossEntropy: [CrossEntropy]
        let counts: [Int], balanced: [Double]

        static func read() throws -> Fixtures {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Fixtures.self, from: Data(contentsOf: tests.appending(path: "Fixtures/class_weights.json")))
        }
    }

    /// The loss over the whole batch and its gradient, into however many shards it is cut.
    @Test(arguments: try Fixtures.read().crossEntropy, [1, 4]) func agreesWithPyTorch(_ fixture: Fixtures.CrossEntropy, shards: Int) throws {
        let task = Classification(classCount: fixture.weights.count, labelSmoothing: fixture.smoothing, classWeights: fixture.weights)
        let count = fixture.labels.count / shards
        let graph = Graph(mode: .training, shardCount: shards)
        let logits = graph.input("logits", [count, fixture.weights.count], .float32), labels = graph.input("label", [count], .int32)
        let loss = task.record(logits, [labels]).total()
        let fed = [
            (logits, HostTensor([fixture.labels.count, fixture.weights.count], fixture.logits.flatMap { $0.map { Float($0) } })),
            (labels, HostTensor([fixture.labels.count], fixture.labels)),
        ]
        let results = try evaluate([loss] + gradients(of: loss, withRespectTo: [logits]), feeding: fed, threads: 2)
        #expect(abs(Double(results[0].floats[0]) - fixture.loss) < 1e-6 * max(1, fixture.loss))
        let found = results[1].floats, expected = fixture.gradients.flatMap(\.self)
        #expect(found.count == expected.count)
        for (found, expected) in zip(found, expected) { #expect(abs(Double(found) - expected) < 1e-6) }
    }

    /// Losses of validation and test compare with those of others.
    @Test func anEvaluationIsNotWeighted() throws {
        func loss(_ weights: [Double]?) throws -> [Float] {
            let graph = Graph(mode: .evaluation), logits = graph.input("logits", [2, 2], .float32), labels = graph.input("label", [2], .int32)
            let task = Classification(classCount: 2, labelSmoothing: 0.1, classWeights: weights)
            let recorded = task.record(logits, [labels]).losses[0]
            #expect(recorded.counts == nil)
            return try evaluate([recorded.values], feeding: [(logits, HostTensor([2, 2], [1, 2, 3, -1] as [Float])), (labels, HostTensor([2], [0, 1] as [Int32]))])[0].floats
        }
        #expect(try loss([1, 7]) == loss(nil))
    }

    private static func dataset(_ counts: [Int]) throws -> ImageDataset {
        var labels: [Int32] = []
        for (label, count) in counts.enumerated() { labels += [Int32](repeating: Int32(label), count: count) }
        labels.append(0)
        return try ImageDataset(
            LabeledImages(
                "made", shape: ImageShape(height: 1, width: 1, channels: 1), pixels: .bytes(labels.map { UInt8($0) }, maximum: 255), labels: labels,
                classCount: counts.count, testCount: 1), validation: .count(0))
    }

    private func weights(_ text: String, _ counts: [Int]) throws -> [Double]? {
        let node = try YAML.node("{classification: {class_weights: \(text)}}") { SourceMark(file: "x.yaml", line: $0) }
        let prepared = try TaskRegistry.standard.prepare(node, dataset: Self.dataset(counts), training: TrainConfiguration())
        return (prepared.task as? Classification)?.classWeights
    }

    @Test func balancedWeightsAreScikitLearns() throws {
        let fixtures = try Fixtures.read()
        let found = try #require(try weights("balanced", fixtures.counts))
        for (found, expected) in zip(found, fixtures.balanced) { #expect(abs(found - expected) < 1e-14 * expected) }
        #expect(try weights("[1, 2.5]", [3, 4]) == [1, 2.5])
    }

    @Test(arguments: [
        ("[1, 2, 3]", [3, 4], "task.classification.class_weights: found 3 weights, expected 2, one for each class of made"),
        ("balanced", [3, 0], "task.classification.class_weights: class 1 of made has no training images by which its weight could be balanced"),
        ("[1, 0]", [3, 4], "x.yaml:1: task.classification.class_weights: found 0, expected numbers above 0"),
        ("balance", [3, 4], "x.yaml:1: task.classification.class_weights: expected balanced, or a list of numbers above 0, one a class"),
    ]) func wrongWeightsAreErrors(text: String, counts: [Int], message: String) throws {
        let error = try #require(throws: UserError.self) { _ = try weights(text, counts) }
        #expect("\(error)" == message && error.kind == .usage)
    }

    @Test func onlyWeightsThatAreGivenArePartOfATrial() throws {
        func identity(_ text: String) throws -> String? {
            TaskRegistry.standard.identity(of: try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }).map { YAML.line($0, .json) }
        }
        #expect(try identity("classification") == nil && identity("{classification: {}}") == nil)
        #expect(try identity("{classification: {class_weights: balanced}}") == #"{"classification": {"class_weights": "balanced"}}"#)
    }
}
