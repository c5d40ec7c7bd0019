import TensorCore
import TestSupport
import Testing

/// A residual addition and the layer norm beside it are one kernel, whose bits are those of two.
struct FusedAdditionTests {
    struct Run {
        var outputs: [HostTensor]
        var gradients: [UInt32] = []
        /// How often a shard ran the kernels of a name and pass: `forward add`.
        var kernels: [String: Int]
    }

    static func run(_ outputs: [Tensor], gradients: [Tensor] = [], threads: Int = 1, feeding inputs: [[Float]]) throws -> Run {
        let graph = outputs[0].graph, store = ParameterStore(graph, seed: 0)
        let plan = try Plan(graph, outputs: outputs, gradients: gradients, store: store, pool: WorkerPool(threads: threads))
        let profile = PlanProfile(of: plan)
        plan.profile = profile
        func run(_ rest: ArraySlice<[Float]>, _ pointers: [UnsafeRawPointer]) throws {
            guard let first = rest.first else { return try plan.run(feeding: pointers) }
            try first.withUnsafeBytes { try run(rest.dropFirst(), pointers + [$0.baseAddress!]) }
        }
        try run(inputs[...], [])
        let counts = profile.rows.map { ("\($0.pass) \($0.operation)", $0.runCount / graph.shardCount) }
        return Run(
            outputs: outputs.indices.map(plan.output), gradients: store.gradients.map(\.bitPattern),
            kernels: Dictionary(uniqueKeysWithValues: counts))
    }

    /// Both signs, zeros, and few values that bfloat16 has.
    static func numbers(_ count: Int, _ seed: Int) -> [Float] { (0..<count).map { Float(($0 * 37 + seed * 11) % 101 - 50) / 13 } }

    /// With `apart`, between the norm and the additions lies a reshape, which moves nothing and is no addition.
    static func norm(_ x: Tensor, _ scope: Scope, isAffine: Bool = true, apart: Bool) -> Tensor {
        let width = x.shape[-1], flat = Shape([x.shape.elementCount / width, width])
        let scale = isAffine ? scope.parameter("scale", [width], ShardTests.Ramp()) : nil
        let offset = isAffine ? scope.parameter("offset", [width], ShardTests.Ramp()) : nil
        return (apart ? x.reshaped(flat) : x).layerNorm(scale: scale, offset: offset, epsilon: 1e-6).reshaped(x.shape)
    }

    // MARK: One norm

    static let widths = [1, 2, 7, 16, 17, 50, 64, 192, 197]

    @Test(arguments: widths, [DType.float32, .bfloat16])
    func oneNormGivesTheSameBits(width: Int, dtype: DType) throws {
        for isAffine in [true, false] {
            let shape = Shape([3, 3, width]), count = 2 * shape.elementCount
            func run(apart: Bool) throws -> Run {
                let graph = Graph(mode: .training, shardCount: 2)
                let a = graph.input("a", shape), b = graph.input("b", shape), weights = graph.input("weights", shape)
                let sum = a.cast(to: dtype) + b.cast(to: dtype)
                let y = Self.norm(sum, graph.root, isAffine: isAffine, apart: apart)
                // The sum is read by others before and after the norm is recorded, and leaves the plan.
                let loss = ((y * 3 + sum) * weights).sum(axes: [0, 1, 2], dtype: .float32).shardSum()
                let found = gradients(of: loss, withRespectTo: graph.parameterTensors + [a, b])
                return try Self.run(
                    [loss, y, sum] + found.suffix(2), gradients: Array(found.dropLast(2)),
                    feeding: [Self.numbers(count, 0), Self.numbers(count, 5), Self.numbers(count, 9)])
            }
            let fused = try run(apart: false), apart = try run(apart: true)
            #expect(fused.kernels["forward add + layer norm"] == 1 && fused.kernels["backward layer norm gradient + add"] == 1, "\(fused.kernels)")
            #expect(apart.kernels.keys.allSatisfy { !$0.contains(" + ") } && apart.kernels["backward layer norm gradient"] == 1)
            for (one, two) in zip(fused.outputs, apart.outputs) { #expect(one.bytes == two.bytes) }
            #expect(fused.gradients == apart.gradients)
            #expect(fused.outputs[3].floats.contains { $0 != 0 })
        }
    }

    // MARK: A transformer

    /// Two pre-norm blocks and a norm behind them.
    static func transformer(precision: Precision, apart: Bool, recomputes: Bool = false, threads: Int = 2) throws -> Run {
        let (shards, images, tokens, width) = (4, 2, 5, 24)
        let graph = Graph(mode: .training, shardCount: shards, precision: precision)
        let pixels = graph.input("pixels", [images, tokens, 7])
        func linear(_ x: Tensor, _ scope: Scope, _ outputs: Int) -> Tensor {
            x.linear(
                weight: scope.parameter("weight", [outputs, x.shape[-1]], ShardTests.Ramp()),
                bias: scope.parameter("bias", [outputs], ShardTests.Ramp(), role: .bias))
        }
        var x = linear(pixels, graph.root["patches"], width)
        for block in 0..<2 {
            let scope = graph.root["blocks"][block]
            x = graph.recordSegment {
                let normalized = Self.norm(x, scope["norm1"], apart: apart)
                let attended = x + linear(linear(normalized, scope["qkv"], 3 * width).selfAttention(heads: 3), scope["proj"], width)
                let hidden = linear(Self.norm(attended, scope["norm2"], apart: apart), scope["fc1"], 2 * width).gelu()
                return attended + linear(hidden, scope["fc2"], width)
            }
        }
        let logits = linear(Self.norm(x, graph.root["norm"], apart: apart).mean(axes: [1]), graph.root["head"], 3)
        let loss = logits.square().sum(axes: [0, 1], dtype: .float32).shardSum()
        return try Self.run(
            [loss, logits], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors, recomputesSegments: recomputes),
            threads: threads, feeding: [Self.numbers(shards * images * tokens * 7, 3)])
    }

    private func check(_ precision: Precision, recomputes: Bool) throws {
        let fused = try Self.transformer(precision: precision, apart: false, recomputes: recomputes)
        let apart = try Self.transformer(precision: precision, apart: true, recomputes: recomputes)
        #expect(fused.outputs.map(\.bytes) == apart.outputs.map(\.bytes))
        #expect(fused.gradients == apart.gradients)
        #expect(fused.gradients.contains { Float(bitPattern: $0) != 0 } && fused.gradients.allSatisfy { Float(bitPattern: $0).isFinite })
        #expect(try Self.transformer(precision: precision, apart: false, threads: 1).gradients == fused.gradients)

        // Of the five norms all but the first follow an addition; going back, all but the last precede one.
        func counts(_ run: Run) -> [Int] {
            ["forward add + layer norm", "forward layer norm", "forward add", "backward layer norm gradient + add", "backward layer norm gradient",
             "backward add", "backward add + layer norm", "backward layer norm"].map { run.kernels[$0] ?? 0 }
        }
        #expect(counts(fused) == [4, 1, 0, 4, 1, 0] + (recomputes ? [2, 2] : [0, 0]))
        #expect(counts(apart) == [0, 5, 4, 0, 5, recomputes ? 6 : 4, 0, recomputes ? 4 : 0])
    }

    @Test(arguments: [false, true])
    func aTransformerGivesTheSameBits(recomputes: Bool) throws { try check(.fp32, recomputes: recomputes) }

    @Test(.needsBFloat16Units, arguments: [false, true])
    func aTransformerInBFloat16GivesTheSameBits(recomputes: Bool) throws { try check(.bf16, recomputes: recomputes) }

    // MARK: What is left alone

    static let rows: Shape = [4, 6]

    /// Outputs recorded from two tensors of a shape, and the kernels with an addition or a norm in them that they take.
    static let patterns: [(what: String, record: @Sendable (Tensor, Tensor) -> [Tensor], kernels: Set<String>)] = [
        ("a sum", { a, b in [(a + b).layerNorm(epsilon: 1e-6)] }, ["add + layer norm"]),
        ("a sum of one tensor with itself", { a, _ in [(a + a).layerNorm(epsilon: 1e-6)] }, ["add + layer norm"]),
        ("a sum that leaves the plan", { a, b in
            let sum = a + b
            return [sum, sum.layerNorm(epsilon: 1e-6)]
        }, ["add + layer norm"]),
        ("one sum, two norms", { a, b in
            let sum = a + b
            return [sum.layerNorm(epsilon: 1e-6), sum.layerNorm(epsilon: 1e-3)]
        }, ["add + layer norm", "layer norm"]),
        ("a difference", { a, b in [(a - b).layerNorm(epsilon: 1e-6)] }, ["layer norm"]),
        ("a row that is stretched", { a, b in [(a + b.sliced(axis: 0, 0..<1)).layerNorm(epsilon: 1e-6)] }, ["add", "layer norm"]),
        ("two element types", { a, b in [(a.cast(to: .bfloat16) + b).layerNorm(epsilon: 1e-6)] }, ["add", "layer norm"]),
        ("a norm before the addition", { a, b in [a.layerNorm(epsilon: 1e-6) + b] }, ["add", "layer norm"]),
        ("a scale that comes after the sum", { a, b in
            let sum = a + b, scale = a.graph.root.parameter("scale", [6], ShardTests.Ramp())
            return [sum.layerNorm(scale: scale.square(), offset: scale, epsilon: 1e-6)]
        }, ["add", "layer norm"]),
        ("a sum with the norm's scale", { a, b in
            let x = row(a), y = row(b)
            return [(x + y).layerNorm(scale: x, offset: y, epsilon: 1e-6)]
        }, ["add", "layer norm"]),
        ("a gradient of what is scaled and scales", { a, b in
            let x = row(a)
            return gradients(of: x.layerNorm(scale: x, offset: row(b), epsilon: 1e-6).square().sum(axes: [0]).shardSum(), withRespectTo: [x])
        }, ["layer norm", "layer norm gradient", "add"]),
        ("a gradient", { a, b in [gradient(a) + b] }, ["layer norm", "layer norm gradient + add"]),
        ("a gradient on the left or right", { a, b in [b + gradient(a)] }, ["layer norm", "layer norm gradient + add"]),
        ("a gradient that leaves the plan", { a, b in
            let dx = gradient(a)
            return [dx, dx + b]
        }, ["layer norm", "layer norm gradient", "add"]),
        ("a gradient with two readers", { a, b in
            let dx = gradient(a)
            return [dx + b, dx.square()]
        }, ["layer norm", "layer norm gradient", "add"]),
        ("a gradient added to itself", { a, _ in
            let dx = gradient(a)
            return [dx + dx]
        }, ["layer norm", "layer norm gradient", "add"]),
        ("a gradient that is stretched", { a, b in [gradient(a) + b.reshaped([1, 4, 6]).broadcast(to: [2, 4, 6])] },
         ["layer norm", "layer norm gradient", "add"]),
        ("an addend that comes after the gradient", { a, b in
            let dx = gradient(a)
            return [dx + b.square()]
        }, ["layer norm", "layer norm gradient", "add"]),
    ]

    /// Of a layer norm of x, for an upstream gradient of its own.
    private static func gradient(_ x: Tensor) -> Tensor {
        gradients(of: x.layerNorm(epsilon: 1e-6).square().sum(axes: [0, 1]).shardSum(), withRespectTo: [x])[0]
    }

    private static func row(_ x: Tensor) -> Tensor { x.sliced(axis: 0, 0..<1).reshaped([6]) }

    @Test(arguments: patterns.indices)
    func onlyThePatternsAreFused(_ index: Int) throws {
        let pattern = Self.patterns[index], graph = Graph(mode: .training, shardCount: 2)
        let a = graph.input("a", Self.rows), b = graph.input("b", Self.rows)
        let count = 2 * Self.rows.elementCount
        let run = try Self.run(pattern.record(a, b), feeding: [Self.numbers(count, 1), Self.numbers(count, 6)])
        let kernels = Set(run.kernels.keys.map { String($0.split(separator: " ", maxSplits: 1)[1]) }.filter { $0.contains("add") || $0.contains("norm") })
        #expect(kernels == pattern.kernels, "\(pattern.what)")
    }
}
