import TensorCore
import Testing

/// What the profile of a plan counts; its times are the machine's.
struct PlanProfileTests {
    @Test(arguments: [1, 2])
    func countsEveryKernelOfAStep(threads: Int) throws {
        let shards = 4, runs = 3
        let graph = Graph(mode: .training, shardCount: shards, seed: 0)
        let images = graph.input("images", [2, 6, 6, 3])
        let labels = graph.input("labels", [2], .int32)
        let scope = graph.root
        let features = images.convolution2D(weight: scope.parameter("conv", [8, 3, 3, 3], ShardTests.Ramp()), padding: .same)
        let logits = features.reshaped([2, 6 * 6 * 8]).linear(weight: scope.parameter("head", [5, 288], ShardTests.Ramp()))
        let loss = logits.softmaxCrossEntropy(labels: labels).batchMean()
        let store = ParameterStore(graph, seed: 0)
        let plan = try Plan(
            graph, outputs: [loss], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store,
            pool: WorkerPool(threads: threads))
        let pixels = (0..<8 * 108).map { Float($0 % 13) / 13 }, targets = (0..<8).map { Int32($0 % 5) }
        func run() throws {
            try pixels.withUnsafeBytes { pixels in try targets.withUnsafeBytes { try plan.run(feeding: [pixels.baseAddress!, $0.baseAddress!]) } }
        }
        try run()
        let expected = store.gradients.map(\.bitPattern)
        let profile = PlanProfile(of: plan)
        plan.profile = profile
        for _ in 0..<runs { try run() }
        plan.profile = nil
        try run()
        #expect(store.gradients.map(\.bitPattern) == expected, "timing changes nothing")

        let rows = profile.rows
        func row(_ operation: String, _ pass: Pass) throws -> PlanProfile.Row {
            try #require(rows.first { $0.operation == operation && $0.pass == pass }, "\(rows.map { ($0.operation, $0.pass) })")
        }
        // Multiply-adds by hand: an output element of the convolution takes 27, one of the logits 288.
        let convolution = try row("convolution", .forward), gradient = try row("convolution gradient (weights)", .backward)
        for row in [convolution, gradient] { #expect((row.runCount, row.multiplyAdds) == (runs * shards, runs * 8 * 36 * 8 * 27)) }
        #expect(try row("linear", .forward).multiplyAdds == runs * 8 * 5 * 288)
        #expect(rows.filter { $0.pass == .backward && $0.multiplyAdds > 0 }.reduce(0) { $0 + $1.multiplyAdds }
            == runs * 8 * (36 * 8 * 27 + 2 * 5 * 288), "the images get no gradient, the logits' product two")
        #expect(try row("shard sum", .backward).byteCount > 0)
        #expect(rows.allSatisfy { $0.runCount > 0 && $0.seconds > 0 && $0.byteCount > 0 })
        #expect(rows == rows.sorted { $0.seconds > $1.seconds })

        #expect(profile.runCount == runs)
        let busy = rows.reduce(0) { $0 + $1.seconds }, waiting = profile.waiting.reduce(0) { $0 + $1.seconds }
        #expect(abs((busy + waiting) / (profile.seconds * Double(threads)) - 1) < 1e-6, "work and waiting are all there is")
        #expect(profile.waiting.allSatisfy { $0.seconds >= 0 })
    }
}
