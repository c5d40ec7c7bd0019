import Layers
import TensorCore
import TestSupport
import Testing

/// A layer that is called twice has one set of parameters.
struct SharedLayerTests {
    static let layers: [(name: String, shape: Shape, make: @Sendable (Scope) -> any Layer)] = [
        ("linear", [4, 6], { Linear(6, 5, in: $0) }),
        ("convolution", [4, 6, 6, 2], { Convolution2D(2, 3, kernel: 3, initialization: .residual, in: $0) }),
        ("layer norm", [4, 6], { LayerNorm(6, in: $0) }),
        ("group norm", [4, 3, 3, 6], { GroupNorm(6, groups: 2, in: $0) }),
        ("class token", [4, 3, 6], { ClassToken(width: 6, in: $0) }),
        ("convolutional stem", [4, 8, 8, 1], { ConvolutionalStem(channels: 1, patch: 4, width: 8, in: $0) }),
        ("MLP block", [4, 3, 6], { MLPBlock(width: 6, hidden: 12, in: $0) }),
        ("attention", [4, 3, 6], { MultiHeadAttention(width: 6, heads: 2, in: $0) }),
        ("patch embedding", [4, 4, 4, 2], { PatchEmbedding(channels: 2, patch: 2, width: 6, in: $0) }),
        ("position embedding", [4, 5, 8], { PositionEmbedding(.learned, rows: 2, columns: 2, prefixTokens: 1, width: 8, in: $0) }),
        ("transformer block", [4, 3, 6], { TransformerBlock(width: 6, heads: 2, hidden: 12, in: $0) }),
    ]

    private func values(_ shape: Shape, seed: UInt64) -> HostTensor {
        var draws = PhiloxStream(seed: seed, name: "values").draws(time: 0, sample: 0)
        return HostTensor(shape, (0..<shape.elementCount).map { _ in draws.uniform(-1, 1) })
    }

    /// The same outputs as of two layers with equal weights, and the sum of their gradients.
    @Test(arguments: layers.indices)
    func callsShareParameters(_ index: Int) throws {
        let (name, shape, make) = Self.layers[index], data = [values(shape, seed: 1), values(shape, seed: 2)]
        func run(_ scopes: [String]) throws -> (names: [String], values: [HostTensor]) {
            let graph = Graph(mode: .training), inputs = [graph.input("a", shape), graph.input("b", shape)]
            let layers = scopes.map { make(graph.root[$0]) }, count = graph.parameters.count
            let outputs = [layers[0](inputs[0]), layers[layers.count - 1](inputs[1])]
            #expect(graph.parameters.count == count, "a call declares nothing")
            let losses = outputs.map { $0.reshaped([$0.shape[0], $0.shape.elementCount / $0.shape[0]]).tanh().square().sum(axes: [1]) }
            let loss = (losses[0] + losses[1] * 3).batchMean()
            let found = gradients(of: loss, withRespectTo: graph.parameterTensors), store = ParameterStore(graph, seed: 5)
            for entry in store.entries {
                let tail = entry.name.drop { $0 != "." }
                store.set(values(entry.shape, seed: tail.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) }), named: entry.name)
            }
            let results = try evaluate(outputs + found, feeding: Array(zip(inputs, data)), store: store)
            return (graph.parameters.map(\.name), results)
        }
        let shared = try run(["m"]), apart = try run(["m", "n"]), count = shared.names.count
        #expect(count > 0 && apart.names.count == 2 * count)
        for output in 0..<2 { assertClose(shared.values[output], apart.values[output], name) }
        for parameter in 0..<count {
            let parts = [apart.values[2 + parameter], apart.values[2 + count + parameter]].map(\.floats)
            #expect(parts.allSatisfy { $0.contains { $0 != 0 } } || name.contains("stem"), "\(shared.names[parameter])")
            let sum = HostTensor(shared.values[2 + parameter].shape, zip(parts[0], parts[1]).map { $0 + $1 })
            assertClose(shared.values[2 + parameter], sum, shared.names[parameter])
        }
    }

    /// Both calls of a batch norm move its running statistics, one after the other; in evaluation both read them.
    @Test func batchNormsMoveOnFromCallToCall() throws {
        let graph = Graph(mode: .training), norm = BatchNorm(1, in: graph.root["bn"])
        let inputs = ["a", "b"].map { graph.input($0, [4, 1]) }
        let outputs = inputs.map { norm($0) }, store = ParameterStore(graph, seed: 0)
        let data = [HostTensor([4, 1], [0, 2, 4, 6] as [Float]), HostTensor([4, 1], [10, 10, 30, 30] as [Float])]
        _ = try evaluate(outputs, feeding: Array(zip(inputs, data)), store: store)
        // Means 3 and 20, unbiased variances 20/3 and 400/3.
        assertClose(try #require(store.tensor(named: "bn.running_mean")), HostTensor([1], [0.9 * 0.1 * 3 + 0.1 * 20] as [Float]))
        let variance = 0.9 * (0.9 * 1 + 0.1 * 20 / 3) + 0.1 * 400 / 3
        assertClose(try #require(store.tensor(named: "bn.running_var")), HostTensor([1], [Float(variance)]))

        let evaluation = Graph(), reader = BatchNorm(1, in: evaluation.root["bn"])
        let x = evaluation.input("x", [1, 1]), calls = [reader(x), reader(x)]
        let seen = try evaluate(calls, feeding: [(x, HostTensor([1, 1], [5] as [Float]))], store: store)
        #expect(seen[0] == seen[1] && abs(seen[0].floats[0] - Float((5 - 2.27) / variance.squareRoot())) < 1e-4)
    }

    /// Each call draws a mask of its own: the first the one that a layer called once draws, the same ones in every graph.
    @Test(arguments: [false, true])
    func randomMasksAreDrawnAnewInEachCall(wholeSamples: Bool) throws {
        func masks(calls: Int) throws -> [[Float]] {
            let graph = Graph(mode: .training, seed: 3), x = graph.input("x", [64, 4]), scope = graph.root["drop"]
            let layer: any Layer = wholeSamples ? DropPath(rate: 0.5, in: scope) : Dropout(rate: 0.5, in: scope)
            let ones = HostTensor([64, 4], repeating: Float(1))
            return try evaluate((0..<calls).map { _ in layer(x) }, feeding: [(x, ones)]).map(\.floats)
        }
        let once = try masks(calls: 1), three = try masks(calls: 3)
        #expect(three[0] == once[0] && Set(three).count == 3)
        #expect(try masks(calls: 3) == three)
        for mask in three { #expect(abs(mask.reduce(0, +) / 256 - 1) < 0.35) }
    }
}
