import TensorCore
import TestSupport
import Testing

/// What a plan keeps, and for how long.
struct PlanMemoryTests {
    static let batch = 16, shards = 4, size = 8, channels = 16
    /// Of one shard's feature map.
    static let mapByteCount = batch / shards * size * size * channels * 4

    /// Convolutions with batch norm and ReLU one behind the other, each second one with a shortcut if asked.
    static func network(depth: Int, residual: Bool = false, fused: Bool = true) throws -> (plan: Plan, store: ParameterStore) {
        let graph = Graph(mode: .training, shardCount: shards, seed: 1)
        let images = graph.input("images", [batch / shards, size, size, channels])
        let scope = graph.root
        func normalized(_ x: Tensor, _ scope: Scope, residual: Tensor?) -> Tensor {
            let scale = scope.parameter("scale", [channels], ConstantInitializer(0.9))
            let offset = scope.parameter("offset", [channels], ConstantInitializer(0.05))
            let mean = scope.buffer("mean", [channels], initialValue: 0), variance = scope.buffer("variance", [channels], initialValue: 1)
            func norm(residual: Tensor?, relu: Bool) -> Tensor {
                x.batchNorm(scale: scale, offset: offset, runningMean: mean, runningVariance: variance, residual: residual, relu: relu)
            }
            guard let residual else { return norm(residual: nil, relu: true) }
            return fused ? norm(residual: residual, relu: true) : (norm(residual: nil, relu: false) + residual).relu()
        }
        var x = images
        for layer in 0..<depth {
            let weight = scope["conv"][layer].parameter("weight", [channels, channels, 3, 3], ShardTests.Ramp())
            let y = x.convolution2D(weight: weight, padding: .same)
            x = normalized(y, scope["norm"][layer], residual: residual && layer % 2 == 1 ? x : nil)
        }
        let loss = x.square().mean(axes: [1, 2, 3]).batchMean()
        let store = ParameterStore(graph, seed: 1)
        let plan = try Plan(
            graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store,
            pool: WorkerPool(threads: 2))
        return (plan, store)
    }

    static func run(_ plan: Plan) throws -> [Float] {
        let pixels = (0..<batch * size * size * channels).map { Float(($0 * 37) % 101) / 50 - 1 }
        try pixels.withUnsafeBytes { try plan.run(feeding: [$0.baseAddress!]) }
        return plan.output(0).floats
    }

    /// The input of a batch norm is kept for the backward pass, its output is not.
    @Test(arguments: [false, true]) func batchNormsKeepTheirInputsOnly(residual: Bool) throws {
        let short = try Self.network(depth: 3, residual: residual).plan.summary
        let long = try Self.network(depth: 9, residual: residual).plan.summary
        let growth = long.shardArenaByteCount - short.shardArenaByteCount
        // Of a chain of residuals every fourth is kept.
        #expect(growth >= 6 * Self.mapByteCount)
        #expect(growth <= (residual ? 8 : 6) * Self.mapByteCount + 6 * 1024)
    }

    /// Only one layer's reordered weights and gradients are in memory at a time.
    @Test func weightsAreReorderedWhereTheyAreRead() throws {
        let short = try Self.network(depth: 3).plan.summary, long = try Self.network(depth: 9).plan.summary
        let weight = Self.channels * Self.channels * 9 * 4
        #expect(long.sharedArenaByteCount - short.sharedArenaByteCount < weight)
        #expect(long.pairArenaByteCount == short.pairArenaByteCount)
    }

    /// Without batch norm all weight gradients meet at the end of the one phase, a copy for two shards.
    @Test(arguments: [(1, 1), (5, 3), (8, 4)]) func gradientsAreKeptOnceForTwoShards(shards: Int, copies: Int) throws {
        let graph = Graph(shardCount: shards)
        var x = graph.input("x", [2, 64])
        for layer in 0..<4 { x = x.linear(weight: graph.root[layer].parameter("weight", [64, 64], ShardTests.Ramp())).tanh() }
        let loss = x.sum(axes: [1]).batchMean()
        let store = ParameterStore(graph, seed: 1)
        let summary = try Plan(
            graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store,
            pool: WorkerPool(threads: 1)).summary
        let weights = 4 * 64 * 64 * 4
        #expect(summary.pairArenaByteCount >= weights)
        #expect(summary.pairArenaByteCount <= weights + 4096)
        #expect(summary.arenaByteCount < copies * summary.pairArenaByteCount + weights)
    }

    /// A residual and a ReLU in the batch norm's own pass change no bit.
    @Test func fusedResidualsGiveTheSameBits() throws {
        let (fused, fusedStore) = try Self.network(depth: 8, residual: true)
        let (apart, apartStore) = try Self.network(depth: 8, residual: true, fused: false)
        #expect(try Self.run(fused).map(\.bitPattern) == Self.run(apart).map(\.bitPattern))
        #expect(fusedStore.gradients.map(\.bitPattern) == apartStore.gradients.map(\.bitPattern))
        #expect(fusedStore.gradients.contains { $0 != 0 })
    }
}
