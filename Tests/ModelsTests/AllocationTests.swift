import AllocationCounter
import Layers
import Synchronization
import Tasks
import TensorCore
import Testing
@testable import Training
import VisionData

/// A step works in memory that the plan laid out: nothing of ours calls the allocator.
@Suite(.serialized) struct AllocationTests {
    /// Convolution, batch norm, group norm with a residual, both kinds of pooling, dropout, attention, drop path and a head.
    private static func record(_ scope: Scope, _ images: Tensor) -> Tensor {
        let stem = Convolution2D(1, 16, kernel: 3, padding: .symmetric(1), hasBias: false, initialization: .residual, in: scope["conv1"])
        let second = Convolution2D(16, 16, kernel: 3, padding: .symmetric(1), hasBias: true, initialization: .residual, in: scope["conv2"])
        let norms = [NormalizationKind.batch, .group(groups: 4)].enumerated().map {
            Normalization($1, 16, activation: .relu, in: scope["bn\($0 + 1)"])
        }
        let maximum = Pooling(.maximum, window: 2, in: scope["maxpool"]), mean = Pooling(.average, window: 2, in: scope["avgpool"])
        let block = TransformerBlock(width: 16, heads: 2, hidden: 32, dropout: 0.1, dropPath: 0.1, in: scope["block"])
        let norm = LayerNorm(16, in: scope["norm"]), head = Linear(16, 10, in: scope["head"])
        let x = norms[0](stem(images))
        let pooled = mean(maximum(norms[1](second(x), residual: x)))
        let tokens = Dropout(rate: 0.1, in: scope["dropout"])(pooled.reshaped([pooled.shape[0], 49, 16]))
        return head(norm(block(tokens)).mean(axes: [1]))
    }

    /// Counts the calling thread and the pool's, each of which has to come to one task.
    private func count(_ counts: Bool, in pool: WorkerPool) {
        let arrived = Arrivals()
        pool.run(pool.threadCount) { _, _ in
            arrived.count.add(1, ordering: .sequentiallyConsistent)
            while arrived.count.load(ordering: .sequentiallyConsistent) < pool.threadCount {}
            allocation_counter_include_thread(counts ? 1 : 0)
        }
    }

    private final class Arrivals: Sendable { let count = Atomic<Int>(0) }

    @Test(arguments: [1, 2]) func stepsAllocateNothing(threads: Int) throws {
        var configuration = TrainConfiguration()
        (configuration.batchSize, configuration.optimizer, configuration.clipGradientNorm) = (16, .adamw(.init()), 1)
        let pool = WorkerPool(threads: threads)
        let step = try TrainingStep(
            Self.record, Classification(classCount: 10),
            fields: [.image(ImageShape(height: 28, width: 28, channels: 1)), .label(classes: 10)], configuration: configuration, seed: 1, pool: pool)
        let images: [Float] = (0..<16 * 28 * 28).map { pixel in Float((pixel * 37) % 101) / 50 - 1 }
        let labels: [Int32] = (0..<16).map { image in Int32(image % 10) }
        func run(_ numbers: Range<Int>) throws {
            try images.withUnsafeBufferPointer { images in
                try labels.withUnsafeBufferPointer { labels in
                    let fields = [UnsafeRawPointer(images.baseAddress!), UnsafeRawPointer(labels.baseAddress!)]
                    for number in numbers {
                        _ = try step.run(fields, step: number, learningRate: 1e-3)
                    }
                }
            }
        }
        try run(0..<3)
        count(true, in: pool)
        let before = allocation_counter_read()
        try run(3..<103)
        let after = allocation_counter_read()
        count(false, in: pool)
        withExtendedLifetime((images, labels)) {}
        let inOneDNN = Double(after.onednn - before.onednn) / 100
        #expect(after.own == before.own, "ours: \(after.own - before.own) calls in 100 steps; oneDNN's own: \(inOneDNN) in each")
        #expect(after.bytes_in_use == before.bytes_in_use)
        #expect(inOneDNN > 0, "the counter does not see oneDNN's calls, so it may not see ours")
    }
}
