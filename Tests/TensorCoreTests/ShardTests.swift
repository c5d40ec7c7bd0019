import TensorCore
import TestSupport
import Testing

/// A batch in shards computes what the batch computes whole, and the number of threads changes no bit.
struct ShardTests {
    /// A convolution, batch norm, group norm, pooling, attention and two losses' worth of gradients in one small model.
    struct Run: Equatable {
        var loss: [Float]
        var logits: [Float]
        var gradients: [UInt32]
        var runningMean: [Float]
    }

    static func run(shards: Int, threads: Int, dropout: Float = 0, steps: UInt64 = 1) throws -> Run {
        let batch = 8, size = 6, classes = 5
        let graph = Graph(mode: .training, shardCount: shards, seed: 3)
        let images = graph.input("images", [batch / shards, size, size, 2])
        let labels = graph.input("labels", [batch / shards], .int32)
        let scope = graph.root
        let initializer = Ramp()
        var x = images.convolution2D(weight: scope.parameter("conv", [6, 2, 3, 3], initializer), padding: .same)
        x = x.batchNorm(
            scale: scope.parameter("scale", [6], ConstantInitializer(1)), offset: scope.parameter("offset", [6], ConstantInitializer(0.1)),
            runningMean: scope.buffer("mean", [6], initialValue: 0), runningVariance: scope.buffer("variance", [6], initialValue: 1), relu: true)
        x = x.groupNorm(
            groups: 3, scale: scope.parameter("group scale", [6], initializer), offset: scope.parameter("group offset", [6], initializer))
        x = x.maxPool(window: 2).dropout(rate: dropout, stream: scope["dropout"].stream)
        let tokens = x.reshaped([batch / shards, 9, 6]) + scope.parameter("position", [1, 9, 6], initializer, role: .positionEmbedding)
        let attended = tokens.linear(weight: scope.parameter("qkv", [18, 6], initializer)).selfAttention(heads: 2)
        let logits = (tokens + attended).mean(axes: [1]).linear(
            weight: scope.parameter("head", [classes, 6], initializer), bias: scope.parameter("bias", [classes], ConstantInitializer(0), role: .bias))
        let loss = logits.softmaxCrossEntropy(labels: labels).batchMean()
        let store = ParameterStore(graph, seed: 1)
        let plan = try Plan(
            graph, outputs: [loss, logits], gradients: gradients(of: loss, withRespectTo: graph.parameterTensors), store: store,
            pool: WorkerPool(threads: threads))
        let pixels = (0..<batch * size * size * 2).map { Float(($0 * 37) % 101) / 50 - 1 }
        let targets = (0..<batch).map { Int32($0 % classes) }
        for step in 0..<steps {
            try pixels.withUnsafeBytes { pixels in
                try targets.withUnsafeBytes { try plan.run(feeding: [pixels.baseAddress!, $0.baseAddress!], step: step) }
            }
        }
        return Run(
            loss: plan.output(0).floats, logits: plan.output(1).floats, gradients: store.gradients.map(\.bitPattern),
            runningMean: try #require(store.tensor(named: "mean")).floats)
    }

    /// Distinct small weights of both signs.
    struct Ramp: Initializer {
        func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
            for index in values.indices { values[index] = Float((index * 29) % 43) / 43 - 0.5 }
        }
    }

    @Test(arguments: [2, 3, 5])
    func threadsChangeNoBit(threads: Int) throws {
        let alone = try Self.run(shards: 8, threads: 1, dropout: 0.3, steps: 3)
        #expect(try Self.run(shards: 8, threads: threads, dropout: 0.3, steps: 3) == alone)
    }

    @Test(arguments: [2, 4, 8])
    func shardsComputeTheWholeBatch(shards: Int) throws {
        let whole = try Self.run(shards: 1, threads: 1), cut = try Self.run(shards: shards, threads: 2)
        func tensor(_ values: [Float]) -> HostTensor { HostTensor([values.count], values) }
        assertClose(tensor(cut.loss), tensor(whole.loss), tolerance: 1e-6)
        assertClose(tensor(cut.logits), tensor(whole.logits), tolerance: 1e-5)
        assertClose(tensor(cut.runningMean), tensor(whole.runningMean), tolerance: 1e-6)
        assertClose(
            tensor(cut.gradients.map { Float(bitPattern: $0) }), tensor(whole.gradients.map { Float(bitPattern: $0) }), tolerance: 1e-5)
        #expect(whole.gradients.contains { Float(bitPattern: $0) != 0 })
    }

    /// Where the upstream gradient is the same for all shards, a parameter still gets it from each of them.
    @Test(arguments: [1, 4]) func linearLossesCountEveryShard(shards: Int) throws {
        let graph = Graph(shardCount: shards)
        let x = graph.input("x", [8 / shards, 3])
        let weight = graph.root.parameter("weight", [1, 3], ConstantInitializer(2))
        let bias = graph.root.parameter("bias", [1], ConstantInitializer(0), role: .bias)
        let loss = x.linear(weight: weight, bias: bias).reshaped([8 / shards]).batchMean()
        let shift = graph.root.parameter("shift", [3], ConstantInitializer(0))
        let total = loss + (x + shift).sum(axes: [0, 1]).shardSum()
        let values = try evaluate(
            gradients(of: total, withRespectTo: [bias, shift]), feeding: [(x, HostTensor([8, 3], repeating: Float(0.5)))],
            store: ParameterStore(graph, seed: 0), threads: 2)
        #expect(values[0].floats == [1])
        #expect(values[1].floats == [8, 8, 8])
    }

    /// What is summed may be an input, read by others too, or come from a view of something else.
    @Test(arguments: [1, 2, 3, 8], [1, 2]) func sumsOverShardsLeaveTheirTermsToOthers(shards: Int, threads: Int) throws {
        let graph = Graph(shardCount: shards)
        let x = graph.input("x", [24 / shards, 2]), y = x * 3, view = (x + 1).reshaped([2, 24 / shards])
        let values = HostTensor([24, 2], (0..<48).map(Float.init))
        let alone = try evaluate([x.shardSum().sum(axes: [0, 1])], feeding: [(x, values)], threads: threads)
        #expect(alone[0].floats == [1128])
        let results = try evaluate(
            [y.shardSum().sum(axes: [0, 1]), y * 1, view.shardSum().sum(axes: [0, 1]), view * 1], feeding: [(x, values)], threads: threads)
        #expect(results[0].floats == [3 * 1128])
        #expect(results[1].floats == values.floats.map { 3 * $0 })
        #expect(results[2].floats == [1128 + 48])
        #expect(results[3].floats == values.floats.map { $0 + 1 })
    }

    /// What makes a term of a sum may go on after it, as from the gradient of values to those of queries and keys: the term stays whole.
    @Test(arguments: [1, 2], [1, 2]) func sumsOverShardsOutlastTheRestOfTheirNode(size: Int, threads: Int) throws {
        let shape = Shape([1, 20 * size, 2, 5]), count = shape.elementCount
        func found(shards: Range<Int>) throws -> [[Float]] {
            let graph = Graph(mode: .training, shardCount: shards.count)
            let inputs = ["query", "key", "weights"].map { graph.input($0, shape) }
            let value = graph.root.parameter("value", shape, Ramp())
            let y = Tensor.scaledDotProductAttention(query: inputs[0], key: inputs[1], value: value)
            let loss = (y * inputs[2]).sum(axes: [0, 1, 2, 3]).shardSum()
            let numbers = inputs.indices.map { input in
                (shards.lowerBound * count..<shards.upperBound * count).map { Float(($0 * 37 + 11 * input) % 101) / 50 - 1 }
            }
            return try evaluate(
                gradients(of: loss, withRespectTo: [value, inputs[0], inputs[1]]),
                feeding: zip(inputs, numbers).map { ($0, HostTensor([shards.count, shape[1], shape[2], shape[3]], $1)) },
                store: ParameterStore(graph, seed: 0), threads: threads
            ).map(\.floats)
        }
        let both = try found(shards: 0..<2), first = try found(shards: 0..<1), second = try found(shards: 1..<2)
        #expect(both[0] == zip(first[0], second[0]).map { $0 + $1 })
        #expect(both[1] == first[1] + second[1])
        #expect(both[2] == first[2] + second[2])
    }

    /// Several kernels that write one shared buffer run in order, also where a wave is shared out.
    @Test func sharedBuffersAreWrittenInOrder() throws {
        let count = 40_000
        let graph = Graph()
        let a = graph.root.parameter("a", [count], ConstantInitializer(1)), b = graph.root.parameter("b", [count], ConstantInitializer(3))
        let joined = Tensor.concatenated([(a + 1).square(), b], axis: 0).padded(before: [count], after: [0], mode: .constant(7)) * 1
        let store = ParameterStore(graph, seed: 0)
        for _ in 0..<20 {
            let values = try evaluate([joined], store: store, threads: 4)[0].floats
            #expect(values == Array(repeating: 7, count: count) + Array(repeating: 4, count: count) + Array(repeating: 3, count: count))
        }
    }

    /// A mask belongs to the sample and the step, not to the shard that computes it.
    @Test func shardsDropTheSameElements() throws {
        func dropped(_ shards: Int, step: UInt64) throws -> [Float] {
            let graph = Graph(mode: .training, shardCount: shards, seed: 7)
            let x = graph.input("x", [12 / shards, 33])
            let y = x.dropout(rate: 0.4, stream: graph.root["drop"].stream)
            return try evaluate([y], feeding: [(x, HostTensor([12, 33], repeating: Float(1)))], step: step)[0].floats
        }
        let whole = try dropped(1, step: 5)
        #expect(try dropped(4, step: 5) == whole)
        #expect(try dropped(1, step: 6) != whole)
        let kept = whole.filter { $0 != 0 }
        #expect(kept.allSatisfy { abs($0 - 1 / 0.6) < 1e-6 })
        #expect((0.5...0.7).contains(Double(kept.count) / Double(whole.count)))
    }

    @Test func dropPathDropsWholeSamples() throws {
        let graph = Graph(mode: .training, seed: 2)
        let x = graph.input("x", [200, 3])
        let y = x.dropPath(rate: 0.25, stream: graph.root["path"].stream)
        let values = try evaluate([y], feeding: [(x, HostTensor([200, 3], repeating: Float(3)))])[0].floats
        let samples = stride(from: 0, to: 600, by: 3).map { Array(values[$0..<$0 + 3]) }
        #expect(samples.allSatisfy { $0 == [0, 0, 0] || $0 == [4, 4, 4] })
        #expect((120...180).contains(samples.filter { $0 == [4, 4, 4] }.count))
    }

    @Test func evaluationDropsNothing() throws {
        let graph = Graph(mode: .evaluation)
        let x = graph.input("x", [4])
        let y = x.dropout(rate: 0.9, stream: graph.root.stream).dropPath(rate: 0.9, stream: graph.root.stream) * 1
        #expect(try evaluate([y], feeding: [(x, HostTensor([4], [1, 2, 3, 4] as [Float]))])[0].floats == [1, 2, 3, 4])
    }

    /// The C kernel and the Swift generator draw the same words.
    @Test func masksFollowTheStream() throws {
        let stream = PhiloxStream(seed: 11, name: "mask")
        let graph = Graph(mode: .training)
        let x = graph.input("x", [3, 9])
        let y = x.dropout(rate: 0.5, stream: stream)
        let mask = try evaluate([y], feeding: [(x, HostTensor([3, 9], repeating: Float(1)))], step: 42)[0].floats.map { $0 != 0 }
        let expected = (0..<3).flatMap { sample in
            var draws = stream.draws(time: 42, sample: UInt64(sample))
            return (0..<9).map { _ in draws.uniform() >= 0.5 }
        }
        #expect(mask == expected)
    }

    /// Weight gradients of two calls of a strided 1×1 convolution add up, whatever lies beside each other in memory: oneDNN's kernel for few
    /// channels writes past the scratchpad that it asks for.
    @Test(arguments: [(8, 4, 2, 8), (8, 3, 2, 14), (4, 1, 2, 28), (16, 8, 2, 14), (8, 4, 1, 8), (8, 5, 3, 28)])
    func gradientsOfSharedPointwiseConvolutions(outputs: Int, channels: Int, stride: Int, size: Int) throws {
        let graph = Graph(mode: .training), shape = Shape([4, size, size, channels])
        let weight = graph.root.parameter("weight", [outputs, channels, 1, 1], ConstantInitializer(0.1))
        let inputs = ["a", "b"].map { graph.input($0, shape) }
        let losses = inputs.map {
            $0.tanh().convolution2D(weight: weight, stride: Size2D(stride, stride)).tanh().square().sum(axes: [1, 2, 3]).batchMean()
        }
        let data = [UInt64(1), 2].map { seed in
            var draws = PhiloxStream(seed: seed, name: "x").draws(time: 0, sample: 0)
            return HostTensor(shape, (0..<shape.elementCount).map { _ in draws.uniform(-1, 1) })
        }
        let found = [losses[0] + losses[1], losses[0], losses[1]].map { gradients(of: $0, withRespectTo: [weight])[0] }
        let values = try found.map {
            try evaluate([$0], feeding: Array(zip(inputs, data)), store: ParameterStore(graph, seed: 1))[0]
        }
        assertClose(values[0], HostTensor(weight.shape, zip(values[1].floats, values[2].floats).map { $0 + $1 }))
        #expect(values[1].floats.allSatisfy { $0 != 0 })
    }
}
