import Foundation
import TensorCore
import Testing
import Training

@testable import Models

/// Loss and gradients of a network that answers for every pixel by PyTorch in float64 (`Tests/Reference/pixel_gradients.py`).
struct PixelGradients: Decodable, CustomTestStringConvertible, Sendable {
    struct Gradient: Decodable, Sendable {
        let name: String, norm: Double, projection: Double, entries: [Double]
    }

    let definition: String, size: [Int], channels: Int?, loss: Double, norm: Double, gradients: [Gradient]

    var testDescription: String { definition }

    static func decoded<Value: Decodable>(from fixture: String) throws -> Value {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try JSONDecoder().decode(Value.self, from: Data(contentsOf: tests.appending(path: "Fixtures/\(fixture)")))
    }

    /// Records a network with its losses, each auxiliary one with its weight.
    static func record(_ json: String, size: [Int], channels: Int, shards: Int = 1) throws -> (graph: Graph, images: Tensor, labels: Tensor, loss: Tensor) {
        let graph = Graph(mode: .training, shardCount: shards), count = size[0] / shards
        let images = graph.input("images", [count, size[1], size[2], channels]), labels = graph.input("labels", [count, size[1], size[2]], .int32)
        let outputs = try ModelsTests.definition(json).record(images, classes: 3, in: graph.root)
        func loss(_ logits: Tensor) -> Tensor { logits.softmaxCrossEntropy(labels: labels).mean(axes: [1, 2]).batchMean() }
        let main = loss(outputs.required("logits", in: graph.root))
        return (graph, images, labels, outputs.auxiliaries.reduce(main) { $0 + loss($1.tensor) * Float($1.auxiliaryWeight!) })
    }

    /// The formula's parameters.
    static func store(_ graph: Graph) -> ParameterStore {
        let store = ParameterStore(graph, seed: 0)
        for parameter in graph.parameters {
            let values = FormulaValues.values(parameter.name, parameter.shape).map { $0 + (parameter.name.hasSuffix("bias") ? 1 : 0) }
            store.set(HostTensor(parameter.shape, values), named: parameter.name)
        }
        return store
    }

    /// The classes of a batch's pixels.
    static func classes(_ size: [Int], step: Int = 0) -> HostTensor {
        let (batch, height, width) = (size[0], size[1], size[2])
        return HostTensor(Shape(size), (0..<batch * height * width).map { Int32(($0 / (height * width) + $0 / width % height + $0 % width / 3 + step) % 3) })
    }

    func compare() throws {
        let (graph, images, labels, loss) = try Self.record(definition, size: size, channels: channels ?? 1)
        let found = TensorCore.gradients(of: loss, withRespectTo: graph.parameterTensors)
        let values = try evaluate(
            [loss] + found,
            feeding: [(images, HostTensor(images.shape, FormulaValues.values("images", images.shape))), (labels, Self.classes(size))],
            store: Self.store(graph))
        #expect(abs(Double(values[0].floats[0]) - self.loss) < 1e-5 * self.loss)

        let byName = Dictionary(uniqueKeysWithValues: zip(graph.parameters.map(\.name), values.dropFirst()))
        #expect(Set(byName.keys) == Set(gradients.map(\.name)))
        for expected in gradients {
            let gradient = try #require(byName[expected.name]).floats.map { Double($0) }
            // The biases before batch norm have none but for rounding.
            let allowed = max(1e-3 * expected.norm, 2e-6 * self.norm), direction = FormulaValues.uniform("direction of \(expected.name)", gradient.count)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot(), projection = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(norm - expected.norm) <= allowed, "\(expected.name): norm \(norm), expected \(expected.norm)")
            #expect(abs(projection - expected.projection) <= allowed, "\(expected.name): projection \(projection), expected \(expected.projection)")
            for (index, entry) in expected.entries.enumerated() {
                #expect(abs(gradient[index * gradient.count / expected.entries.count] - entry) <= allowed, "\(expected.name): entry \(index)")
            }
        }
    }
}

/// Ten steps of gradient descent of such a network by PyTorch in float64.
struct PixelTraining: Decodable, CustomTestStringConvertible, Sendable {
    let definition: String, size: [Int], rate: Double, losses: [Double], norms: [String: Double]

    var testDescription: String { definition }

    /// Losses within 10⁻⁴ at every step; then the norms of weights and running statistics within ten times as much.
    func compare(shards: Int, threads: Int) throws {
        let (graph, images, _, loss) = try PixelGradients.record(definition, size: size, channels: 1, shards: shards)
        let store = PixelGradients.store(graph), pool = WorkerPool(threads: threads), whole = Shape([size[0]] + images.shape.dimensions.dropFirst())
        let plan = try Plan(graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store, pool: pool)
        var options = OptimizerConfiguration.SGD()
        (options.learningRate, options.momentum, options.weightDecay) = (rate, 0.9, 0)
        let optimizer = OptimizerConfiguration.sgd(options), update = Optimizer(optimizer, store: store, pool: pool)
        for (step, expected) in losses.enumerated() {
            let pixels = HostTensor(whole, FormulaValues.values("images \(step)", whole)), labels = PixelGradients.classes(size, step: step)
            try pixels.bytes.withUnsafeBytes { pixels in
                try labels.bytes.withUnsafeBytes { labels in try plan.run(feeding: [pixels.baseAddress!, labels.baseAddress!], step: UInt64(step)) }
            }
            update.update(step: step, learningRate: rate, gradientScale: 1)
            let found = Double(plan.output(0).floats[0])
            #expect(abs(found - expected) <= 1e-4 * expected, "step \(step): found \(found), expected \(expected)")
        }
        #expect(Set((graph.parameters + graph.buffers).map(\.name)) == Set(norms.keys))
        for (name, expected) in norms {
            let norm = try #require(store.tensor(named: name)).floats.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(norm - expected) <= 1e-3 * max(expected, 1), "\(name): \(norm), expected \(expected)")
        }
    }
}
