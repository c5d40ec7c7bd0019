import TensorCore
import TestSupport
import Testing

@testable import Models

/// Images that share a sequence, against the same images alone.
struct NaViTTests {
    /// An image of random patches of 4 numbers, as tokens: their numbers, row, column, centre, and the image's place in the sequence.
    private static func tokens(_ rows: Int, _ columns: Int, image: Int, place: Int) -> [Float] {
        (0..<rows).flatMap { row in
            (0..<columns).flatMap { column -> [Float] in
                let pixels = FormulaValues.uniform("image \(image) \(row) \(column)", 4).map { Float($0) }
                return pixels + [Float(row), Float(column), Float(2 * column + 1) / Float(columns) - 1, Float(2 * row + 1) / Float(rows) - 1, Float(place)]
            }
        }
    }

    private static let grids = [(2, 3), (1, 4), (3, 3)]

    private func logits(_ text: String, _ values: [Float], images count: Int) throws -> [Float] { try run(text, values, weights: Array(repeating: 0, count: count)).logits }

    /// Logits, and the gradients of their sum with random weights, each image's times its own.
    private func run(_ text: String, _ values: [Float], weights: [Float]) throws -> (logits: [Float], gradients: [String: [Double]]) {
        let graph = Graph(mode: .training), count = weights.count, images = graph.input("images", [count, values.count / 9 / count, 1, 9])
        let logits = try definition(text).logits(images), store = ParameterStore(graph, seed: 0)
        let direction = FormulaValues.uniform("direction", 10), seed = weights.flatMap { weight in direction.map { weight * Float($0) } }
        let loss = (logits * graph.constant(HostTensor([count, 10], seed))).sum(axes: [0, 1]).shardSum()
        for parameter in graph.parameters { store.set(HostTensor(parameter.shape, FormulaValues.values(parameter.name, parameter.shape)), named: parameter.name) }
        let found = gradients(of: loss, withRespectTo: graph.parameterTensors)
        let results = try evaluate([logits] + found, feeding: [(images, HostTensor(images.shape, values))], store: store)
        return (results[0].floats, Dictionary(uniqueKeysWithValues: zip(graph.parameters.map(\.name), results.dropFirst().map { $0.floats.map(Double.init) })))
    }

    /// The logits of images that share a sequence are those of the images alone, and a parameter's gradient is the sum of theirs, whatever is in the places
    /// that stay free.
    @Test(arguments: [
        #""position": "factorized", "pool": "mean""#, #""position": "factorized", "pool": "attention""#, #""position": "coordinates", "pool": "mean""#,
        #""position": "none", "pool": "attention""#, #""qk_norm": "layer", "mlp": "swiglu", "norm": "rms", "layer_scale": 0.5, "block": "parallel""#,
        #""local_attention": true, "block": "post", "qkv_bias": false"#,
    ])
    func packedImagesEqualThemselvesAlone(options: String) throws {
        let text = #"{"navit": {"width": 24, "depth": 2, "heads": 3, \#(options)}}"#
        // A place that stays free, between images and behind them.
        var sequence = Self.tokens(2, 3, image: 0, place: 0) + Self.tokens(1, 4, image: 1, place: 2) + Self.tokens(3, 3, image: 2, place: 3)
        let count = sequence.count / 9, length = 28, weights: [Float] = [1, 0, -2, 0.5]
        for free in count..<length { sequence += FormulaValues.uniform("free \(free)", 8).map { Float(100 * $0) } + [-1] }
        let packed = try run(text, sequence, weights: weights)
        var sums = packed.gradients.mapValues { $0.map { _ in 0.0 } }
        for (image, place) in [(0, 0), (1, 2), (2, 3)] {
            let alone = try run(text, Self.tokens(Self.grids[image].0, Self.grids[image].1, image: image, place: 0), weights: [weights[place]])
            let found = Array(packed.logits[place * 10..<(place + 1) * 10]), range = alone.logits.max()! - alone.logits.min()!
            let difference = zip(found, alone.logits).map { abs($0 - $1) }.max()!
            #expect(difference <= 1e-5 * range, "image \(image): \(difference / range) of the range")
            for (name, gradient) in alone.gradients { sums[name] = zip(sums[name]!, gradient).map { $0 + $1 } }
        }
        #expect(packed.logits.allSatisfy { $0.isFinite })
        let largest = sums.values.joined().map { abs($0) }.max()!
        for (name, sum) in sums {
            let magnitude = max(sum.map { abs($0) }.max()!, 1e-4 * largest), difference = zip(packed.gradients[name]!, sum).map { abs($0 - $1) }.max()!
            #expect(difference <= 1e-4 * magnitude, "\(name): \(difference / magnitude)")
        }
    }

    /// The same pixels elsewhere give other logits where positions count.
    @Test func positionsCount() throws {
        let text = #"{"navit": {"width": 24, "depth": 1, "heads": 3}}"#
        let upright = try logits(text, Self.tokens(2, 3, image: 0, place: 0), images: 1)
        var turned = Self.tokens(2, 3, image: 0, place: 0)
        for token in 0..<6 { turned.swapAt(token * 9 + 4, token * 9 + 5) }
        #expect(try logits(text, turned, images: 1) != upright)
    }
}
