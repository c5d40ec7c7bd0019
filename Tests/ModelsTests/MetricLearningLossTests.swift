import Foundation
import Models
import TensorCore
import TestSupport
import Testing

@testable import Tasks
@testable import Training

/// Ten training steps of a triplet network and of SimCLR against PyTorch, from the same weights on the same batches; Tests/Reference/metric_learning.py has
/// trained them.
struct MetricLearningLossTests {
    struct Fixture: Decodable, Sendable {
        let trainings: [Case]

        struct Case: Decodable, Sendable {
            let loss: String, mining: String?, margin: Double?, temperature: Double?, losses: [Double], float32Losses: [Double]

            enum CodingKeys: String, CodingKey {
                case loss, mining, margin, temperature, losses, float32Losses = "losses_float32"
            }
        }

        static func read() throws -> [Case] {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            return try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/metric_learning.json"))).trainings
        }
    }

    /// Without hidden layers it is the network that was cut, with its head; with them a perceptron on the same features.
    @Test func aProjectionIsOnTheFeaturesOfItsNetwork() throws {
        var draws = PhiloxStream(seed: 1, name: "images").draws(time: 0, sample: 0)
        let pixels = HostTensor([2, 28, 28, 1], (0..<2 * 784).map { _ in draws.uniform() })
        func logits(_ json: String, setting values: ((String) -> HostTensor?)? = nil) throws -> (values: [Float], pooled: [Float], store: ParameterStore) {
            let graph = Graph(mode: .evaluation), images = graph.input("images", [2, 28, 28, 1]), outputs = try definition(json).record(images, classes: 10, in: graph.root)
            let store = ParameterStore(graph, seed: 3)
            if let values { for entry in store.entries { #expect(store.set(try #require(values(entry.name)), named: entry.name)) } }
            let found = try evaluate([outputs["logits"]!, outputs["features.pooled"]!], feeding: [(images, pixels)], store: store)
            return (found[0].floats, found[1].floats, store)
        }
        let backbone = #""backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}"#
        let whole = try logits(#"{"resnet": {"depth": 8, "width": 4}}"#)
        let linear = try logits("{\"projected\": {\(backbone), \"hidden\": []}}") { name in
            whole.store.tensor(named: name.hasPrefix("backbone.") ? String(name.dropFirst(9)) : name.replacing("head.0", with: "fc"))
        }
        #expect(linear.values == whole.values && linear.pooled == whole.pooled && linear.store.entries.count == whole.store.entries.count)
        let projected = try logits("{\"projected\": {\(backbone), \"hidden\": [5, 3]}}")
        let heads = projected.store.entries.filter { $0.name.hasPrefix("head.") }
        #expect(heads.map(\.name) == ["head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias", "head.4.weight", "head.4.bias"])
        #expect(heads.map(\.shape) == [[5, 16], [5], [3, 5], [3], [10, 3], [10]])
        // By hand from the features.
        func layer(_ x: [Float], _ place: Int) throws -> [Float] {
            let weight = try #require(projected.store.tensor(named: "head.\(place).weight")), bias = try #require(projected.store.tensor(named: "head.\(place).bias")).floats
            return bias.indices.map { row in zip(x, weight.floats[row * x.count..<(row + 1) * x.count]).reduce(bias[row]) { $0 + $1.0 * $1.1 } }
        }
        for image in 0..<2 {
            let first = try layer(Array(projected.pooled[image * 16..<(image + 1) * 16]), 0).map { max($0, 0) }, second = try layer(first, 2).map { max($0, 0) }
            for (found, expected) in zip(projected.values[image * 10..<(image + 1) * 10], try layer(second, 4)) { #expect(abs(found - expected) < 1e-5) }
        }
    }

    @Test(arguments: try Fixture.read(), [1, 2]) func lossesAgreeWithPyTorch(_ fixture: Fixture.Case, threads: Int) throws {
        let weights = try TrainingFixture("lenet5"), graph = Graph(mode: .training, shardCount: 2)
        let images = graph.input("images", [8, 28, 28, 1]), labels = graph.input("labels", [8], .int32), present = graph.input("present", [8])
        var options = MetricLearningOptions()
        (options.loss, options.margin, options.temperature, options.embedding) = (.init(rawValue: fixture.loss)!, fixture.margin, fixture.temperature, 10)
        if let mining = fixture.mining { options.mining = .init(rawValue: mining)! }
        let answer = try definition(#"{"lenet5": {}}"#).logits(images)
        let loss = MetricLearning(classCount: 10, options).record(answer, [labels, present]).total()
        let store = ParameterStore(graph, seed: 0), pool = WorkerPool(threads: threads)
        for (name, value) in weights.initialParameters { #expect(store.set(value, named: name), "\(name)") }
        let plan = try Plan(graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store, pool: pool)
        var sgd = OptimizerConfiguration.SGD()
        (sgd.learningRate, sgd.momentum) = (0.01, 0.9)
        let update = Optimizer(.sgd(sgd), store: store, pool: pool), places = HostTensor([16], [Float](repeating: 1, count: 16))
        #expect(fixture.losses.count == 10)
        // Which triplets have a loss is a step, so that rounding tells: PyTorch's own float32 says how much.
        let rounding = zip(fixture.losses, fixture.float32Losses).map { abs($0 - $1) / $0 }.max()!, tolerance = max(2e-6, 3 * rounding)
        #expect(tolerance < 1e-4)
        for (step, batch) in weights.batches.enumerated() {
            try batch.images.bytes.withUnsafeBytes { images in
                try batch.labels.bytes.withUnsafeBytes { labels in
                    try places.bytes.withUnsafeBytes { places in
                        try plan.run(feeding: [images.baseAddress!, labels.baseAddress!, places.baseAddress!], step: UInt64(step))
                    }
                }
            }
            assertClose(Double(plan.output(0).floats[0]), fixture.losses[step], tolerance: tolerance, "loss of step \(step)")
            update.update(step: step, learningRate: sgd.learningRate, gradientScale: 1)
        }
    }
}
