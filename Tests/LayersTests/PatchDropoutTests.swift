import TensorCore
import TestSupport
import Testing

@testable import Layers

/// A random part of each image's patches in training.
struct PatchDropoutTests {
    private func values(_ shape: Shape, _ name: String, scale: Float = 1) -> HostTensor {
        var draws = PhiloxStream(seed: 4, name: name).draws(time: 0, sample: 0)
        return HostTensor(shape, (0..<shape.elementCount).map { _ in draws.uniform(-scale, scale) })
    }

    /// Which of 2 + 10 tokens stay, of each of eight images, 4 of the 10 being dropped.
    private func kept(step: UInt64, shards: Int = 1, threads: Int = 1, seed: UInt64 = 0) throws -> [[Int32]] {
        let graph = Graph(mode: .training, shardCount: shards, seed: seed), x = graph.input("x", [8 / shards, 12, 3])
        let (y, subset) = PatchDropout(rate: 0.4, prefixTokens: 2, in: graph.root["patch_drop"])(x)
        #expect(y.shape == [8 / shards, 8, 3])
        let places = try #require(subset).places
        let indices = try evaluate([places], feeding: [(x, values([8, 12, 3], "x"))], threads: threads, step: step)[0].elements(as: Int32.self)
        return (0..<8).map { Array(indices[$0 * 8..<($0 + 1) * 8]) }
    }

    @Test func aFixedNumberStaysInItsOrder() throws {
        let first = try kept(step: 0)
        for tokens in first {
            #expect(tokens.prefix(2) == [0, 1] && tokens.count == 8)
            #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 } && tokens.last! < 12)
        }
        #expect(Set(first).count > 4, "images differ")
        #expect(try kept(step: 1) != first && kept(step: 0, seed: 1) != first)
        // What an image loses depends on its place in the batch alone.
        for (shards, threads) in [(1, 2), (2, 1), (4, 2), (8, 2)] { #expect(try kept(step: 0, shards: shards, threads: threads) == first) }
    }

    /// Each of the ten patches stays in 6 of 10 cases, each pair of neighbours in 6 · 5 of 10 · 9: within four standard deviations.
    @Test func everyPatchIsAsLikely() throws {
        var counts = [Int](repeating: 0, count: 10), pairs = counts, total = 0
        for step in 0..<200 {
            for tokens in try kept(step: UInt64(step)) {
                total += 1
                for token in tokens.dropFirst(2) {
                    counts[Int(token) - 2] += 1
                    if tokens.contains(2 + (token - 1) % 10) { pairs[Int(token) - 2] += 1 }
                }
            }
        }
        for (counts, probability) in [(counts, 0.6), (pairs, 1.0 / 3)] {
            let deviation = (Double(total) * probability * (1 - probability)).squareRoot()
            #expect(counts.allSatisfy { abs(Double($0) - Double(total) * probability) < 4 * deviation }, "\(counts) of \(total)")
        }
    }

    @Test(arguments: [(10, 0.75, 2), (10, 0.99, 1), (1, 0.5, 1), (196, 0.5, 98)])
    func howManyStay(patches: Int, rate: Double, count: Int) {
        let graph = Graph(mode: .training), x = graph.input("x", [2, 1 + patches, 4])
        #expect(PatchDropout(rate: rate, prefixTokens: 1, in: graph.root)(x).tokens.shape == [2, 1 + count, 4])
    }

    @Test func evaluationSeesAll() {
        let graph = Graph(), x = graph.input("x", [2, 5, 4]), (y, subset) = PatchDropout(rate: 0.5, prefixTokens: 1, in: graph.root)(x)
        #expect(y.shape == x.shape && subset == nil && graph.layerSummary().isEmpty)
    }

    /// A block on the tokens that stay gives what one on all tokens gives where nobody attends to the others, with rotations and a bias by distance at the
    /// tokens' own places; so do the gradients.
    @Test func positionsFollow() throws { try checkPositions(.fp32) }

    @Test(.needsBFloat16Units) func positionsFollowInBFloat16() throws { try checkPositions(.bf16) }

    private func checkPositions(_ precision: Precision) throws {
        let (rows, columns, heads, width, batch) = (3, 4, 2, 16, 3), tokens = 1 + rows * columns
        let graph = Graph(mode: .training, precision: precision), x = graph.input("x", [batch, tokens, width])
        let relative = RelativePositionBias(rows: rows, columns: columns, heads: heads, in: graph.root)
        let rotary = RotaryPositions(rows: rows, columns: columns, prefixTokens: 1, headWidth: width / heads, in: graph.root)
        let block = TransformerBlock(width: width, heads: heads, hidden: 2 * width, in: graph.root["block"])
        let bias = relative().padded(before: [0, 0, 1, 1], after: [0, 0, 0, 0])
        let (part, subset) = PatchDropout(rate: 0.5, prefixTokens: 1, in: graph.root["patch_drop"])(x), kept = try #require(subset)
        let few = block(part, bias: kept.taken(ofPairs: bias), positions: rotary.taken(of: kept)).cast(to: .float32)

        let feeding = [(x, values([batch, tokens, width], "x"))], store = ParameterStore(graph, seed: 0)
        for entry in store.entries where entry.role != .normalization { store.set(values(entry.shape, entry.name, scale: 0.5), named: entry.name) }
        let stay = try evaluate([kept.places], feeding: feeding, store: store, step: 2)[0].elements(as: Int32.self), count = stay.count / batch
        let masks = (0..<batch).flatMap { image in
            (0..<tokens).map { token in stay[image * count..<(image + 1) * count].contains(Int32(token)) ? Float(0) : -1e9 }
        }
        let all = block(x, bias: bias + graph.constant(HostTensor([batch, 1, 1, tokens], masks)), positions: rotary)
        let taken = kept.taken(of: all).cast(to: .float32), seed = graph.constant(values(few.shape, "seed"))
        func gradients(_ y: Tensor) -> [Tensor] {
            TensorCore.gradients(of: (y * seed).sum(axes: [0, 1, 2]).shardSum(), withRespectTo: [x] + graph.parameterTensors)
        }
        let found = [few] + gradients(few), expected = [taken] + gradients(taken), names = ["value", "x"] + graph.parameters.map(\.name)
        #expect(names.contains("relative_position_bias_table"))
        let results = try evaluate(found + expected, feeding: feeding, store: store, step: 2)
        for (index, name) in names.enumerated() {
            assertClose(results[index], results[names.count + index], tolerance: precision == .fp32 ? 1e-5 : 0x1p-6, name)
        }
    }
}
