import Models
import Tasks
import TensorCore
import Testing
import VisionData
@testable import Training

/// Transformer blocks that are computed again in the backward pass change memory and time, but no bit.
struct RecomputationTests {
    private func step(_ model: String, _ recompute: TrainConfiguration.Recomputation) throws -> TrainingStep {
        let preset = try #require(ModelPreset.named(model))
        var configuration = TrainConfiguration()
        (configuration.batchSize, configuration.recompute) = (16, recompute)
        return try TrainingStep(
            { scope, images in preset.definition.logits(images, classes: preset.classes, in: scope) }, Classification(classCount: preset.classes),
            fields: [.image(preset.input), .label(classes: preset.classes)], configuration: configuration, seed: 1, pool: WorkerPool(threads: 2))
    }

    private func run(_ step: TrainingStep, _ images: [Float], _ labels: [Int32], _ number: Int) throws -> TrainingStep.Result {
        try images.withUnsafeBytes { images in
            try labels.withUnsafeBytes { try step.run([images.baseAddress!, $0.baseAddress!], step: number, learningRate: 1e-3) }
        }
    }

    @Test(arguments: ["vit-28", "hybrid-28"]) func sameBitsInLessMemory(model: String) throws {
        let (kept, recomputed) = (try step(model, .none), try step(model, .blocks))
        let count = kept.batchSize * 28 * 28
        let images = (0..<count).map { Float(($0 * 37) % 101) / 50 - 1 }, labels = (0..<kept.batchSize).map { Int32($0 % 10) }
        for number in 0..<3 {
            let results = try [kept, recomputed].map { try run($0, images, labels, number) }
            #expect(results[0].loss.bitPattern == results[1].loss.bitPattern)
            #expect(results[0].gradientNorm.bitPattern == results[1].gradientNorm.bitPattern)
        }
        #expect(kept.store.values.map(\.bitPattern) == recomputed.store.values.map(\.bitPattern))
        #expect(recomputed.plan.summary.workerArenaByteCount < kept.plan.summary.workerArenaByteCount / 2)
    }
}
