@testable import TensorCore
import TestSupport
import Testing

/// Parameters that keep their values: what a plan leaves out for them.
struct FrozenParameterTests {
    static let shards = 4, batch = 16

    /// The loss of `depth` linear layers, `0.weight` the lowest.
    private static func chain(depth: Int, freezing: @escaping (String) -> Bool) throws -> (plan: Plan, store: ParameterStore) {
        let graph = Graph(mode: .training, shardCount: shards, freezing: freezing)
        var x = graph.input("x", [batch / shards, 16])
        for layer in 0..<depth {
            x = x.linear(weight: graph.root[layer].parameter("weight", [16, 16], ShardTests.Ramp())).tanh()
        }
        return try plan(graph, x.square().sum(axes: [1]).batchMean())
    }

    private static func plan(_ graph: Graph, _ loss: Tensor) throws -> (plan: Plan, store: ParameterStore) {
        let store = ParameterStore(graph, seed: 1)
        let gradients = gradients(of: loss, withRespectTo: graph.trainedParameterTensors)
        return (try Plan(graph, outputs: [loss], gradients: gradients, store: store, pool: WorkerPool(threads: 2)), store)
    }

    private static func run(_ plan: Plan, count: Int) throws -> [Float] {
        let values = (0..<count).map { Float(($0 * 37) % 101) / 50 - 1 }
        try values.withUnsafeBytes { try plan.run(feeding: [$0.baseAddress!]) }
        return plan.output(0).floats
    }

    /// What a plan does in its backward pass, by the names of kernels, and the sums over shards.
    private static func backwardWork(_ plan: Plan) -> [String: Int] {
        var counts: [String: Int] = [:]
        for round in plan.rounds {
            switch round {
            case .shared(let kernels, _), .sharded(let kernels):
                for kernel in kernels where kernel.pass == .backward { counts[kernel.name, default: 0] += 1 }
            case .reductions(let tasks):
                for task in tasks where task.reduction.pass == .backward { counts["reduction", default: 0] += 1 }
            }
        }
        return counts
    }

    @Test func behindFrozenLayersIsNoBackwardWork() throws {
        func work(_ depth: Int) throws -> [String: Int] {
            let top = "\(depth - 1).weight"
            return Self.backwardWork(try Self.chain(depth: depth) { $0 != top }.plan)
        }
        let three = try work(3)
        #expect(try work(9) == three)
        // The same as of a network that is the top layer alone.
        #expect(try work(1) == three)
        #expect(three["shard sum"] == 1)
    }

    @Test func aFrozenLayerBetweenOthersHasNoWeightGradient() throws {
        let all = try Self.chain(depth: 3) { _ in false }, frozen = try Self.chain(depth: 3) { $0 == "1.weight" }
        let (whole, rest) = (Self.backwardWork(all.plan), Self.backwardWork(frozen.plan))
        #expect(whole["shard sum"] == 3)
        #expect(rest["shard sum"] == 2)
        #expect(whole.values.reduce(0, +) - rest.values.reduce(0, +) >= 3, "a product, a sum over shards in two parts")

        let losses = try [all, frozen].map { try Self.run($0.plan, count: Self.batch * 16).map(\.bitPattern) }
        #expect(losses[0] == losses[1])
        for name in ["0.weight", "2.weight"] {
            let (one, other) = (try #require(all.store.gradient(named: name)), try #require(frozen.store.gradient(named: name)))
            #expect(one.floats.map(\.bitPattern) == other.floats.map(\.bitPattern), "\(name)")
            #expect(one.floats.contains { $0 != 0 })
        }
    }

    @Test func theStoreKeepsGradientsOfWhatIsTrained() throws {
        let (_, store) = try Self.chain(depth: 3) { $0 == "0.weight" }
        #expect(store.values.count == 3 * 256)
        #expect(store.gradients.count == 2 * 256)
        #expect(store.entries.map(\.name) == ["0.weight", "1.weight", "2.weight"])
        #expect(store.entries.map(\.isTrained) == [false, true, true])
        #expect(store.entries.map(\.offset) == [512, 0, 256])
        #expect(store.gradient(named: "0.weight") == nil)
        let whole = try Self.chain(depth: 3) { _ in false }.store
        for name in store.entries.map(\.name) { #expect(store.tensor(named: name) == whole.tensor(named: name)) }
    }

    private static func normalized(
        _ mode: Graph.Mode, shards: Int = shards, freezing: @escaping (String) -> Bool
    ) throws -> (plan: Plan, store: ParameterStore) {
        let graph = Graph(mode: mode, shardCount: shards, freezing: freezing), norm = graph.root["norm"]
        let y = graph.input("x", [batch / shards, 8]).linear(weight: graph.root["below"].parameter("weight", [8, 8], ShardTests.Ramp()))
        let z = y.batchNorm(
            scale: norm.parameter("weight", [8], ConstantInitializer(1.5)), offset: norm.parameter("bias", [8], ConstantInitializer(0.25)),
            runningMean: norm.buffer("mean", [8], initialValue: 0.125), runningVariance: norm.buffer("variance", [8], initialValue: 2), relu: true)
        return try plan(graph, z.square().sum(axes: [1]).batchMean())
    }

    @Test("A frozen batch norm keeps its running statistics and normalizes with them")
    func frozenNorm() throws {
        let frozen = try Self.normalized(.training) { $0.hasPrefix("norm.") }
        let fixed = try Self.normalized(.evaluation) { _ in false }
        let loss = try Self.run(frozen.plan, count: Self.batch * 8)
        #expect(try loss == Self.run(fixed.plan, count: Self.batch * 8))
        #expect(frozen.store.gradient(named: "below.weight") == fixed.store.gradient(named: "below.weight"))
        #expect(frozen.store.tensor(named: "norm.mean")!.floats == Array(repeating: 0.125, count: 8))
        #expect(frozen.store.tensor(named: "norm.variance")!.floats == Array(repeating: 2, count: 8))
        // Nothing is summed up for scale and offset.
        #expect(Self.backwardWork(fixed.plan)["batch norm gradient (sums)"] == 1)
        #expect(Self.backwardWork(frozen.plan)["batch norm gradient (sums)"] == nil)
        // With one of the two frozen it is a norm that learns.
        let half = try Self.normalized(.training) { $0 == "norm.weight" }
        _ = try Self.run(half.plan, count: Self.batch * 8)
        #expect(half.store.tensor(named: "norm.mean")!.floats != Array(repeating: 0.125, count: 8))
        #expect(half.store.gradient(named: "norm.bias")!.floats.contains { $0 != 0 })
    }
}
