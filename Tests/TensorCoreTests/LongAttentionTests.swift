import TensorCore
import TestSupport
import Testing

/// Attention over many tokens, tile by tile, and with what is added to its scores.
struct LongAttentionTests {
    static let file = Result { try FixtureFile("long_attention.h5") }
    static let cases = (try? file.get().cases()) ?? []

    /// The formula of Tests/Reference/long_attention.py: multiples of 1/64 from −2 up to but not 2.
    static func numbers(_ seed: UInt64, _ shape: Shape) -> HostTensor {
        HostTensor(shape, (0..<UInt64(shape.elementCount)).map { place -> Float in
            var z = (place + 1) &* 0x9E37_79B9_7F4A_7C15 &+ seed &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z ^= z >> 27
            return (Float(z >> 56) - 128) / 64
        })
    }

    /// Inputs by the formula, the output of attention over them, and the gradients of its product with a number for each element.
    private struct Attended {
        let graph: Graph
        let inputs: [(Tensor, HostTensor)]
        let output: Tensor
        let gradients: [Tensor]

        func values(_ further: [Tensor] = [], threads: Int = 1) throws -> [HostTensor] {
            try evaluate([output] + gradients + further, feeding: inputs, threads: threads)
        }
    }

    private func attended(
        batch: Int, queries: Int, keys: Int, heads: Int, width: Int, valueWidth: Int? = nil, bias: [Int] = [], mask: HostTensor? = nil, shards: Int = 1,
        precision: Precision = .fp32,
        _ attention: (_ operands: [Tensor], _ bias: Tensor?, _ mask: Tensor?) -> Tensor = { Tensor.attention(query: $0[0], key: $0[1], value: $0[2], bias: $1, mask: $2) }
    ) -> Attended {
        let graph = Graph(mode: .training, shardCount: shards, precision: precision)
        let valueWidth = valueWidth ?? width
        var shapes: [Shape] = [[batch, queries, heads, width], [batch, keys, heads, width], [batch, keys, heads, valueWidth]]
        if !bias.isEmpty { shapes.append(Shape(bias + [queries, keys])) }
        let inputs = shapes.enumerated().map { place, shape in
            (graph.input("\(place)", Shape([shape[0] / shards] + shape.dropFirst())), Self.numbers(UInt64(place + 1), shape))
        }
        let output = attention(inputs.prefix(3).map { $0.0.cast(to: precision.dtype) }, inputs.count > 3 ? inputs[3].0 : nil, mask.map { graph.constant($0) })
        let upstream = graph.input("upstream", output.shape)
        let loss = (output * upstream).sum(axes: [0, 1, 2, 3]).shardSum()
        return Attended(
            graph: graph, inputs: inputs + [(upstream, Self.numbers(6, [batch, queries, heads, valueWidth]))], output: output,
            gradients: gradients(of: loss, withRespectTo: inputs.map(\.0)))
    }

    /// −100 where a number of the formula is above 1.
    private func mask(_ shape: Shape) -> HostTensor { HostTensor(shape, Self.numbers(5, shape).floats.map { $0 > 1 ? Float(-100) : 0 }) }

    private func rows(_ tensor: HostTensor, every step: Int, axes: [Int]) throws -> HostTensor {
        let graph = Graph(mode: .evaluation), x = graph.constant(tensor)
        return try evaluate([axes.reduce(x) { $0.sliced(axis: $1, 0..<tensor.shape[$1], step: step) }])[0]
    }

    private func check(_ fixture: FixtureCase, _ precision: Precision, tolerance: Double) throws {
        let arguments = fixture.arguments, step = try arguments.integer("step"), maskAxes = try arguments.integers("mask")
        let queries = try arguments.integer("queries"), keys = try arguments.integer("keys")
        let values = try attended(
            batch: try arguments.integer("batch"), queries: queries, keys: keys, heads: try arguments.integer("heads"), width: try arguments.integer("width"),
            valueWidth: try arguments.integer("value_width"),
            bias: try arguments.integers("bias"), mask: maskAxes.isEmpty ? nil : mask(Shape(maskAxes + [queries, keys])), precision: precision
        ).values()
        for (place, expected) in (fixture.outputs + fixture.gradients).enumerated() {
            let found = step == 1 ? values[place] : try rows(values[place], every: step, axes: place == 4 ? [2, 3] : [1])
            assertClose(found, expected, tolerance: tolerance, ["output", "dq", "dk", "dv", "dbias"][place])
        }
    }

    @Test func fixturesAreThere() throws { #expect(try Self.file.get().cases().count == 7) }

    @Test(arguments: cases) func valuesAndGradientsMatchPyTorch(_ fixture: FixtureCase) throws { try check(fixture, .fp32, tolerance: 1e-5) }

    /// Probabilities, the scores' gradient and the result are rounded.
    @Test(.needsBFloat16Units, arguments: cases) func valuesAndGradientsMatchPyTorchInBFloat16(_ fixture: FixtureCase) throws {
        try check(fixture, .bf16, tolerance: 3 * 0x1p-8)
    }

    /// The same by products of whole matrices and a softmax, whose probabilities the tap shows.
    @Test(arguments: [1024, 1030]) func tilesGiveWhatWholeMatricesGive(tokens: Int) throws {
        func whole(_ operands: [Tensor], _ bias: Tensor?, _ mask: Tensor?) -> Tensor {
            let parts = operands.map { $0.transposed([0, 2, 1, 3]) }
            return (parts[0].matmul(parts[1], transposeB: true) * 0.25 + bias!).softmax().matmul(parts[2]).transposed([0, 2, 1, 3])
        }
        let tiled = attended(batch: 1, queries: tokens, keys: tokens, heads: 2, width: 16, bias: [1, 1])
        let reference = attended(batch: 1, queries: tokens, keys: tokens, heads: 2, width: 16, bias: [1, 1], whole)
        let tap = try #require(tiled.graph.tap(".probabilities"))
        #expect(tap.shape == [1, 2, tokens, tokens])
        let values = try tiled.values([tap]), expected = try reference.values()
        for place in expected.indices { assertClose(values[place], expected[place], tolerance: 1e-5, "\(place)") }
        let probabilities = values[expected.count].floats
        for row in stride(from: 0, to: 2 * tokens, by: 97) {
            #expect(abs(probabilities[row * tokens..<(row + 1) * tokens].reduce(0, +) - 1) < 1e-5)
        }
        #expect(try tiled.values() == Array(values.dropLast()), "a tap changes no bit")
    }

    @Test func packedOperandsGiveTheSameBits() throws {
        let tokens = 600, heads = 2, width = 8
        let apart = try attended(batch: 2, queries: tokens, keys: tokens, heads: heads, width: width).values()
        let graph = Graph(mode: .training), packed = graph.input("packed", [2, tokens, 3 * heads * width])
        let output = packed.selfAttention(heads: heads), upstream = Self.numbers(6, [2, tokens, heads * width])
        let loss = (output * graph.constant(upstream)).sum(axes: [0, 1, 2])
        // The three parts side by side.
        let parts = (1...3).map { Self.numbers($0, [2 * tokens, heads * width]).floats }
        let values = (0..<2 * tokens).flatMap { row in parts.flatMap { $0[row * heads * width..<(row + 1) * heads * width] } }
        let found = try evaluate(
            [output] + gradients(of: loss.shardSum(), withRespectTo: [packed]), feeding: [(packed, HostTensor([2, tokens, 3 * heads * width], values))])
        #expect(found[0].floats == apart[0].floats)
        let expected = (0..<2 * tokens).flatMap { row in apart[1...].flatMap { $0.floats[row * heads * width..<(row + 1) * heads * width] } }
        #expect(found[1].floats == expected)
    }

    @Test(arguments: [Precision.fp32, .bf16]) func threadsChangeNoBit(precision: Precision) throws {
        guard precision == .fp32 || OneDNN.hasBFloat16Units else { return }
        let attended = attended(batch: 4, queries: 520, keys: 520, heads: 2, width: 8, bias: [4, 1], shards: 4, precision: precision)
        let alone = try attended.values(threads: 1)
        for threads in [2, 3] { #expect(try attended.values(threads: threads) == alone) }
    }

    /// Rows may be masked wholly in some tiles, by −infinity too.
    @Test func wholeTilesMayBeMasked() throws {
        let tokens = 600
        let mask = HostTensor([1, 1, tokens, tokens], (0..<tokens * tokens).map { $0 % tokens / 300 == $0 / tokens / 300 ? Float(0) : -.infinity })
        let values = try attended(batch: 1, queries: tokens, keys: tokens, heads: 1, width: 8, mask: mask).values()
        // The halves by themselves.
        let operands = (1...3).map { Self.numbers($0, [2, 300, 1, 8]) }
        let graph = Graph(mode: .evaluation), tensors = operands.map { graph.constant($0) }
        let halves = try evaluate([Tensor.scaledDotProductAttention(query: tensors[0], key: tensors[1], value: tensors[2])])[0]
        assertClose(values[0], HostTensor([1, tokens, 1, 8], halves.floats), tolerance: 1e-6)
        #expect(values.allSatisfy { $0.floats.allSatisfy(\.isFinite) })
    }

    /// A step's memory by the number of tokens: twice as many need twice as much.
    @Test(arguments: [Precision.fp32, .bf16]) func memoryGrowsWithTheTokens(precision: Precision) throws {
        guard precision == .fp32 || OneDNN.hasBFloat16Units else { return }
        func byteCount(_ tokens: Int) throws -> Int {
            let attended = attended(batch: 1, queries: tokens, keys: tokens, heads: 4, width: 16, precision: precision)
            return try Plan(attended.graph, outputs: [attended.output] + attended.gradients, pool: WorkerPool(threads: 1)).summary.arenaByteCount
        }
        let counts = try [1024, 2048, 4096].map(byteCount)
        #expect(counts[1] - counts[0] > 0 && counts[2] - counts[1] <= 2 * (counts[1] - counts[0]) + 4096)
        #expect(counts[2] < 4096 * 4096, "less than one matrix of scores, of 64 MiB")
    }

    @Test(arguments: [
        ([2, 1, 5, 5], "attention with a bias [2, 1, 5, 5]: expected [1 or a divisor of 3, 1 or 2, 5, 5] in float32"),
        ([1, 1, 5, 4], "attention with a bias [1, 1, 5, 4]: expected [1 or a divisor of 3, 1 or 2, 5, 5] in float32"),
    ]) func biasesOfOtherShapesAreErrors(shape: [Int], message: String) throws {
        let graph = Graph(mode: .evaluation), bias = graph.input("bias", Shape(shape))
        _ = graph.input("x", [3, 5, 12]).selfAttention(heads: 2, bias: bias)
        #expect { try graph.validate() } throws: { "\($0)".contains(message) }
    }
}
