import Foundation
import Measures
import TensorCore
import Testing
import VisionData

@testable import Tasks
@testable import Training

/// Against PyTorch and scikit-learn; Tests/Reference/segmentation.py made the fixtures.
@Suite struct SegmentationTests {
    struct Fixture: Decodable, Sendable {
        let shape: [Int], logits: [Float], mask: [Int32], weights: [Double]?, smoothing: Double
        let crossEntropy: Double, crossEntropyGradient: [Double], dice: Double, diceGradient: [Double]
        let pixelAccuracy: Double, iou: [Double], meanIou: Double, torchmetricsIou: [Double], torchmetricsMeanIou: Double

        static func read() throws -> [Fixture] {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode([Fixture].self, from: Data(contentsOf: tests.appending(path: "Fixtures/segmentation.json")))
        }

        func task(_ loss: SegmentationOptions.LossKind) -> Segmentation {
            Segmentation(size: (shape[1], shape[2]), classCount: shape[3], loss: loss, labelSmoothing: smoothing, classWeights: weights)
        }

        /// What the task records of the logits, and what is fed.
        func recorded(_ loss: SegmentationOptions.LossKind, _ mode: Graph.Mode, shards: Int) -> (task: RecordedTask, logits: Tensor, fed: [(Tensor, HostTensor)]) {
            let graph = Graph(mode: mode, shardCount: shards), count = shape[0] / shards
            let logits = graph.input("logits", Shape([count] + shape[1...]), .float32), mask = graph.input("mask", [count, shape[1], shape[2]], .int32)
            return (
                task(loss).record(logits, [mask]), logits,
                [(logits, HostTensor(Shape(shape), self.logits)), (mask, HostTensor(Shape(Array(shape[..<3])), self.mask))])
        }
    }

    /// The losses over the whole batch and their gradients, into however many shards it is cut; and the sum of both.
    @Test(arguments: try Fixture.read(), [1, 2]) func lossesAgreeWithPyTorch(_ fixture: Fixture, shards: Int) throws {
        for (kind, loss, gradient) in [
            (SegmentationOptions.LossKind.crossEntropy, fixture.crossEntropy, fixture.crossEntropyGradient), (.dice, fixture.dice, fixture.diceGradient),
            (.both, fixture.crossEntropy + fixture.dice, zip(fixture.crossEntropyGradient, fixture.diceGradient).map(+)),
        ] {
            let (task, logits, fed) = fixture.recorded(kind, .training, shards: shards), total = task.total()
            let results = try evaluate([total] + gradients(of: total, withRespectTo: [logits]), feeding: fed, threads: 2)
            #expect(abs(Double(results[0].floats[0]) - loss) < 2e-6 * max(1, loss), "\(kind)")
            let found = results[1].floats
            #expect(found.count == gradient.count)
            for (found, expected) in zip(found, gradient) { #expect(abs(Double(found) - expected) < 1e-6, "\(kind)") }
        }
    }

    /// Pixel accuracy by sums, IoU from the confusion matrix, whatever the batches are; pixels that do not count, count nowhere.
    @Test(arguments: try Fixture.read()) func measuresAgreeWithScikitLearn(_ fixture: Fixture) throws {
        let (task, _, fed) = fixture.recorded(.crossEntropy, .evaluation, shards: 1), accuracy = task.measures[0]
        let results = try evaluate([accuracy.values, try #require(accuracy.counts), task.outputs[0]], feeding: fed)
        #expect(abs(Double(results[0].floats.reduce(0, +) / results[1].floats.reduce(0, +)) - fixture.pixelAccuracy) < 1e-6)
        let tables = fixture.task(.crossEntropy).makeTables(of: .test), pixels = fixture.shape[1] * fixture.shape[2]
        let predictions = results[2].elements(as: Int32.self)
        predictions.withUnsafeBufferPointer { predictions in
            fixture.mask.withUnsafeBufferPointer { mask in
                // One image, then the others.
                for images in [0..<1, 1..<fixture.shape[0]] {
                    tables.add(
                        outputs: [UnsafeRawPointer(predictions.baseAddress! + images.lowerBound * pixels)],
                        targets: [UnsafeRawPointer(mask.baseAddress! + images.lowerBound * pixels)], count: images.count)
                }
            }
        }
        #expect(abs(try #require(tables.splitValues()["mean_iou"]) - fixture.meanIou) < 1e-12)
        let finished = tables.finish(), iou = try #require(finished["iou"]?.reals)
        #expect(iou.map { $0.isNaN ? -1 : $0 } == fixture.iou.map { Float($0) })
        // torchmetrics computes in float32, and has 0 for a class that is nowhere.
        #expect(zip(iou, fixture.torchmetricsIou).allSatisfy { $0.isNaN ? $1 == 0 : abs($0 - Float($1)) < 1e-6 })
        #expect(abs(try #require(tables.splitValues()["mean_iou"]) - fixture.torchmetricsMeanIou) < 1e-6)
        #expect(try #require(finished["confusion"]?.integers).reduce(0, +) == Int64(fixture.mask.filter { $0 != 255 }.count))
    }

    /// The losses of validation and test compare with those of others.
    @Test func anEvaluationIsNotWeighted() throws {
        let fixture = try Fixture.read()[2]
        func losses(_ task: Segmentation) throws -> [Float] {
            let graph = Graph(mode: .evaluation), shape = fixture.shape
            let logits = graph.input("logits", Shape(shape), .float32), mask = graph.input("mask", Shape(Array(shape[..<3])), .int32)
            let loss = task.record(logits, [mask]).losses[0]
            #expect(loss.counts == nil)
            let fed = [(logits, HostTensor(Shape(shape), fixture.logits)), (mask, HostTensor(Shape(Array(shape[..<3])), fixture.mask))]
            return try evaluate([loss.values], feeding: fed)[0].floats
        }
        #expect(try losses(fixture.task(.crossEntropy)) == losses(Segmentation(size: (fixture.shape[1], fixture.shape[2]), classCount: fixture.shape[3])))
    }
}
