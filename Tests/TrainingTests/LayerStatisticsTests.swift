import Configuration
import TensorCore
import TestSupport
import Testing
@testable import Training
@testable import VisionData

/// Keeps what it hears of layers, steps and epochs, and the checkpoints of the epochs' ends.
private final class Recorder: TrainingListener {
    var layers: [LayerStatistics] = []
    var steps: [StepMetrics] = []
    var epochs: [EpochMetrics] = []
    var checkpoints: [Checkpoint] = []
    /// What came one after another, steps aside.
    var order: [String] = []

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
        switch event {
        case .layersMeasured(let statistics):
            layers.append(statistics)
            order.append("layers \(statistics.epoch)")
        case .stepFinished(let metrics): steps.append(metrics)
        case .epochFinished(let metrics, _):
            epochs.append(metrics)
            checkpoints.append(loop.checkpoint())
            order.append("epoch \(metrics.epoch)")
        case .digested(let digest): if digest.step == 0 { order.append("digest") }
        default: break
        }
    }
}

struct LayerStatisticsTests {
    private static let dataset = try! ImageDataset.load(DataConfiguration(.digits))

    private func loop(
        _ model: @escaping ModelRecorder, isMeasured: Bool = true, precision: Precision = .fp32, threads: Int = 1, shards: Int = 8
    ) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (3, 64, shards)
        (configuration.precision, configuration.layerStatistics) = (precision, isMeasured)
        return try TrainingLoop(
            model, configuration: configuration, dataset: Self.dataset, augmentations: [.shift(pixels: 1)], seed: 0,
            pool: WorkerPool(threads: threads))
    }

    private func train(_ loop: TrainingLoop) throws -> (TrainingOutcome, Recorder) {
        let recorder = Recorder()
        return (try loop.run([recorder]), recorder)
    }

    /// The batch's images, one after another.
    private func firstImages() throws -> [[Double]] {
        let pipeline = BatchPipeline(evaluating: Self.dataset, split: .train, batchSize: 64)
        defer { withExtendedLifetime(pipeline) {} }
        let batch = try #require(try pipeline.next())
        return (0..<64).map { sample in (0..<64).map { Double(batch.images[64 * sample + $0]) } }
    }

    /// All weights of the first layer are 1/4 and of the second 0: every unit gives a quarter of the image's sum, and all classes get the same share.
    @Test(arguments: [1, 2, 8])
    func numbersThatCanBeWrittenDown(shards: Int) throws {
        let measured = try loop({ scope, images in
            let hidden = linear(scope["fc1"], images.reshaped([images.shape[0], 64]), 5, ConstantInitializer(0.25))
            return linear(scope["fc2"], hidden, 10, ConstantInitializer(0))
        }, shards: shards)
        #expect(measured.layerNames == ["fc1", "fc2"])
        let found = try #require(try measured.layerStatistics())
        let images = try firstImages()
        let squares = images.flatMap(\.self).reduce(0) { $0 + $1 * $1 } / 4096
        #expect(found.epoch == 0)
        #expect(abs(found.inputSecondMoment / squares - 1) < 1e-12)
        let outputs = images.map { $0.reduce(0, +) / 4 }, mean = outputs.reduce(0, +) / 64
        let variance = outputs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 64
        #expect(abs(found.activationMeans[0] / mean - 1) < 1e-5 && abs(found.activationVariances[0] / variance - 1) < 1e-5)
        #expect(found.activationMeans[1] == 0 && found.activationVariances[1] == 0)
        // Of a logit 0.1 − 1 for the right class and 0.1 for the nine others, each by 1/64.
        #expect(abs(found.gradientVariances[1] / ((0.81 + 9 * 0.01) / 10 / 4096) - 1) < 1e-6)
        #expect(found.gradientVariances[0] == 0)
    }

    @Test("Who looks changes nothing, and no number of threads what is seen")
    func lookingChangesNothing() throws {
        let (plainOutcome, plain) = try train(loop(network, isMeasured: false))
        #expect(plain.layers == [] && plain.order == ["digest", "epoch 0", "epoch 1", "epoch 2"])
        var first: [LayerStatistics] = []
        for threads in [1, 2, 3] {
            let measured = try loop(network, threads: threads)
            #expect(measured.layerNames == ["conv", "head"])
            let (outcome, recorder) = try train(measured)
            // Not compared within #expect, which would print every weight.
            let isSame = (outcome == plainOutcome, recorder.checkpoints == plain.checkpoints)
            #expect(isSame == (true, true))
            #expect(recorder.steps == plain.steps && recorder.epochs == plain.epochs)
            #expect(recorder.order == ["digest", "layers 0", "layers 1", "epoch 0", "layers 2", "epoch 1", "layers 3", "epoch 2"])
            if first.isEmpty { first = recorder.layers }
            #expect(recorder.layers == first)
            #expect(Set(recorder.layers.map { $0.gradientVariances[0] }).count == 4)
            #expect(recorder.layers.allSatisfy { $0.activationVariances.allSatisfy { $0 > 0 } && $0.gradientVariances.allSatisfy { $0 > 0 } })
            // Asked again, it sees the same.
            #expect(try measured.layerStatistics() == recorder.layers[3])
        }
    }

    @Test("Gone on with after an epoch, the rest is measured as before")
    func restore() throws {
        let (_, whole) = try train(loop(network))
        let resumed = try loop(network, threads: 2)
        try resumed.restore(whole.checkpoints[0])
        let (_, rest) = try train(resumed)
        #expect(rest.layers == Array(whole.layers[2...]))
    }

    @Test("In bf16 the same to two digits, and training is as without", .needsBFloat16Units)
    func bfloat16() throws {
        let (_, plain) = try train(loop(network, isMeasured: false, precision: .bf16))
        let (_, measured) = try train(loop(network, precision: .bf16))
        let isSame = measured.checkpoints == plain.checkpoints
        #expect(isSame)
        let exact = try #require(try loop(network).layerStatistics()), rounded = measured.layers[0]
        for (a, b) in zip(exact.activationVariances + exact.gradientVariances, rounded.activationVariances + rounded.gradientVariances) {
            #expect(abs(b / a - 1) < 0.02)
        }
    }

    @Test func itsMemoryIsForetold() throws {
        // 64 images of 3×3×8 and 10 numbers, each with a gradient.
        let counted = 64 * (3 * 3 * 8 + 10) * 2 * 4
        let difference = try loop(network).byteCount - loop(network, isMeasured: false).byteCount
        #expect(difference > counted && difference < 20 * counted)
    }
}
