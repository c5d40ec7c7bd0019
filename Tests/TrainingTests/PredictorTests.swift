import Configuration
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Training

@Suite struct PredictorTests {
    private static let image: Shape = [8, 8, 1]

    private func loop() throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize) = (1, 64)
        return try TrainingLoop(
            network, configuration: configuration, dataset: ImageDataset.load(DataConfiguration(.digits)), augmentations: [], seed: 0,
            pool: WorkerPool(threads: 1))
    }

    @Test("The outputs are those of the training's own evaluation, whatever the batches and threads")
    func agreesWithTheEvaluation() throws {
        let loop = try loop(), digits = try #require(loop.source as? ImageDataset), indices = digits.indices(of: .test)
        guard case .completed(let test) = try loop.run([]) else { Issue.record("the training did not end"); return }
        let recorded = try #require(test.tables["logits"]?.reals)
        for (batchSize, threads) in [(64, 1), (8, 2), (512, 1)] {
            let predictor = try Predictor(
                network, image: Self.image, weights: loop.weights, batchSize: batchSize, pool: WorkerPool(threads: threads))
            #expect(predictor.outputs == [Predictor.Output(name: "logits", shape: [10])])
            let logits = try #require(try predictor.outputs(for: indices, of: digits)["logits"])
            #expect(logits.shape == [360, 10] && logits.floats.count == recorded.count)
            #expect(zip(logits.floats, recorded).allSatisfy { abs($0 - $1) < 1e-4 })
            if batchSize == 64 { #expect(logits.floats == recorded, "the same batches give the same bits") }
            var order: [Int32] = []
            try predictor.forEachBatch(of: [5, 900, 3], from: digits) { batch in
                order += batch.sampleIndices
                #expect(batch["logits"]?.count == 30 && batch["features"] == nil)
            }
            #expect(order == [5, 900, 3])
            #expect(try predictor.outputs(for: [], of: digits)["logits"]?.shape == [0, 10])
        }
    }

    @Test("Weights of another model, an output that is not there, and other images are refused")
    func badInput() throws {
        let loop = try loop(), pool = WorkerPool(threads: 1)
        let other = #expect(throws: UserError.self) {
            _ = try Predictor({ linear($0["other"], $1.reshaped([$1.shape[0], 64]), 10) }, image: Self.image, weights: loop.weights, pool: pool)
        }
        #expect(other?.message == "the weights have no other.weight [10, 64], no other.bias [10]")
        let missing = #expect(throws: UserError.self) {
            _ = try Predictor(network, outputs: ["logit"], image: Self.image, weights: loop.weights, pool: pool)
        }
        #expect(missing?.message == "the model has no output 'logit'; did you mean 'logits'?")
        let larger = try Predictor({ linear($0, $1.reshaped([$1.shape[0], 144]), 2) }, image: [12, 12, 1], weights: Initializers(seed: 0), pool: pool)
        let images = #expect(throws: UserError.self) { _ = try larger.outputs(for: [0], of: loop.source) }
        #expect(images?.message == "the samples of digits have image [8, 8, 1], label []; expected image [12, 12, 1], as the model takes")
    }
}
