import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Models

/// What models compute inside, looked at by its path.
struct TapTests {
    private static let model = "{\"vit\": {\"patch\": 7, \"width\": 12, \"depth\": 2, \"heads\": 3}}"

    private func images(_ batch: Int) -> HostTensor {
        var draws = PhiloxStream(seed: 1, name: "images").draws(time: 0, sample: 0)
        return HostTensor([batch, 28, 28, 1], (0..<batch * 784).map { _ in draws.uniform() })
    }

    /// softmax(q kᵀ / √d) of packed projections `[B, N, 3D]`, by slices, products and a softmax.
    private func probabilities(_ packed: Tensor, heads: Int) -> Tensor {
        let (batch, tokens, width) = (packed.shape[0], packed.shape[1], packed.shape[2] / 3 / heads)
        let split = packed.reshaped([batch, tokens, 3, heads, width]).transposed([2, 0, 3, 1, 4])
        let (queries, keys) = (split.sliced(axis: 0, 0..<1), split.sliced(axis: 0, 1..<2))
        let scores = queries.reshaped([batch * heads, tokens, width]).matmul(keys.reshaped([batch * heads, tokens, width]), transposeB: true)
        return (scores / Float(width).squareRoot()).softmax().reshaped([batch, heads, tokens, tokens])
    }

    @Test(arguments: [Graph.Mode.evaluation, .training])
    func attentionProbabilities(mode: Graph.Mode) throws {
        let graph = Graph(mode: mode, shardCount: 2, seed: 3)
        let images = graph.input("images", [2, 28, 28, 1])
        let logits = try definition(Self.model).logits(images)
        // A backward pass records ops under the same paths.
        if mode == .training { _ = gradients(of: logits.square().sum(axes: [0, 1]).batchMean(), withRespectTo: graph.parameterTensors) }
        for block in 0..<2 {
            let tapped = try #require(graph.tap("blocks.\(block).attn.probabilities"))
            #expect(tapped.shape == [2, 3, 17, 17])
            let packed = try #require(graph.tap("blocks.\(block).attn.qkv"))
            let store = ParameterStore(graph, seed: 3)
            let expected = probabilities(packed, heads: 3)
            let values = try evaluate([tapped, expected], feeding: [(images, self.images(4))], store: store)
            #expect(values[0].shape == [4, 3, 17, 17])
            #expect(zip(values[0].floats, values[1].floats).allSatisfy { abs($0 - $1) < 1e-6 })
            // They are no constant, and each row sums to 1.
            #expect(values[0].floats.max()! - values[0].floats.min()! > 1e-4)
            for row in 0..<values[0].floats.count / 17 {
                #expect(abs(values[0].floats[row * 17..<(row + 1) * 17].reduce(0, +) - 1) < 1e-5)
            }
        }
        #expect(graph.tap("blocks.0.attn.probability") == nil && graph.tap("blocks.0.mlp.probabilities") == nil)
        #expect(try #require(graph.tap("blocks.0.attn")).shape == [2, 17, 12], "a module's path still names what it gives")
    }

    /// Who looks changes nothing: gradients with and without a tap are the same bits.
    @Test func aTapChangesNoBit() throws {
        func run(isTapped: Bool) throws -> [[Float]] {
            let graph = Graph(mode: .training, shardCount: 2, seed: 3)
            let images = graph.input("images", [2, 28, 28, 1])
            let logits = try definition(Self.model).logits(images)
            let found = gradients(of: logits.square().sum(axes: [0, 1]).batchMean(), withRespectTo: graph.parameterTensors)
            let taps = isTapped ? [try #require(graph.tap("blocks.1.attn.probabilities"))] : []
            return try evaluate([logits] + found + taps, feeding: [(images, self.images(4))], store: ParameterStore(graph, seed: 3))
                .prefix(1 + found.count).map(\.floats)
        }
        #expect(try run(isTapped: true) == run(isTapped: false))
    }
}
