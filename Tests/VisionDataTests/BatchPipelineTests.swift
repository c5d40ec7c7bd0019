import Configuration
import TestSupport
import Testing
@testable import VisionData

/// A batch copied out of the pipeline's memory.
private struct Copy: Equatable {
    let epoch: Int, index: Int, samples: [Int32], labels: [Int32], images: [Float]

    init(_ batch: Batch, size: Int, imageCount: Int) {
        epoch = batch.epoch
        index = batch.indexInEpoch
        samples = Array(batch.sampleIndices)
        labels = Array(UnsafeBufferPointer(start: batch.labels, count: size))
        images = Array(UnsafeBufferPointer(start: batch.images, count: size * imageCount))
        #expect(samples.count == batch.count)
    }

    func image(_ place: Int, _ imageCount: Int) -> [Float] { Array(images[place * imageCount..<(place + 1) * imageCount]) }
}

private let everything: [Augmentation] = [
    .shift(pixels: 1), .horizontalFlip(probability: 0.5), .rotation(degrees: 20), .shear(degrees: 10), .zoom(fraction: 0.2),
    .randomErasing(RandomErasing()),
]

@Suite struct BatchPipelineTests {
    let digits = try! ImageDataset.load(DataConfiguration(.digits))

    private func batches(_ pipeline: BatchPipeline, of dataset: ImageDataset) throws -> [Copy] {
        var copies: [Copy] = []
        while let batch = try pipeline.next() { copies.append(Copy(batch, size: pipeline.batchSize, imageCount: dataset.shape.count)) }
        return copies
    }

    private func training(
        batchSize: Int = 100, seed: UInt64 = 4, _ augmentations: [Augmentation] = everything, epochs: Range<Int> = 0..<2,
        startingAt: (epoch: Int, batch: Int)? = nil
    ) throws -> [Copy] {
        try batches(
            BatchPipeline(
                training: digits, batchSize: batchSize, seed: seed, augmentations: augmentations, epochs: epochs, startingAt: startingAt),
            of: digits)
    }

    @Test func anEpochGoesOnceThroughTheSplitInAnOrderOfItsOwn() throws {
        let split = digits.indices(of: .train)
        #expect(split.count == 1293)
        let copies = try training(batchSize: 100)
        #expect(copies.map(\.epoch) == Array(repeating: 0, count: 12) + Array(repeating: 1, count: 12))
        #expect(copies.map(\.index) == Array(0..<12) + Array(0..<12))
        let epochs = [copies[..<12], copies[12...]].map { $0.flatMap(\.samples) }
        for order in epochs {
            #expect(order.count == 1200)
            #expect(Set(order).count == 1200)
            #expect(Set(order).isSubset(of: split))
        }
        #expect(epochs[0] != epochs[1])
        #expect(Set(epochs[0]) != Set(epochs[1]), "the dropped images change from epoch to epoch")
        for copy in copies { #expect(copy.labels == copy.samples.map { digits.images.labels[Int($0)] }) }
        #expect(try training(batchSize: 100) == copies)
        #expect(try training(batchSize: 100, seed: 5).first?.samples != copies.first?.samples)
    }

    /// Every published result rests on this order: it must never change.
    @Test func theOrderIsFixed() throws {
        let copies = try training(batchSize: 6, seed: 0, [], epochs: 0..<2)
        #expect(copies[0].samples == [628, 1180, 128, 277, 1276, 1367])
        #expect(copies[copies.count / 2].samples == [118, 572, 1246, 552, 1277, 242])
    }

    @Test func anImagesAugmentationDoesNotDependOnItsBatch() throws {
        let imageCount = digits.shape.count
        func byImage(_ copies: [Copy]) -> [[Int]: [Float]] {
            var images: [[Int]: [Float]] = [:]
            for copy in copies {
                for (place, sample) in copy.samples.enumerated() { images[[copy.epoch, Int(sample)]] = copy.image(place, imageCount) }
            }
            return images
        }
        let small = byImage(try training(batchSize: 7)), large = byImage(try training(batchSize: 431))
        #expect(large.count == 2 * 1293)
        #expect(small.count == 2 * 1288)
        for (key, image) in small { #expect(large[key] == image) }
        let changed = digits.indices(of: .train).count { large[[0, Int($0)]] != large[[1, Int($0)]] }
        #expect(changed > 1290, "an image looks different in each epoch")
        #expect(byImage(try training(batchSize: 431, seed: 5)) != large)
    }

    /// The pipeline's images are those that a preparer writes alone, in any order.
    @Test func theImagesAreThoseOfThePreparer() throws {
        let copies = try training(batchSize: 50, epochs: 3..<4)
        let preparer = ImagePreparer(digits, augmentations: everything, seed: 4)
        var image = [Float](repeating: 0, count: digits.shape.count)
        for copy in copies.reversed() {
            for (place, sample) in copy.samples.enumerated().reversed() {
                try image.withUnsafeMutableBufferPointer { try preparer.write(Int(sample), epoch: 3, to: $0.baseAddress!) }
                #expect(copy.image(place, image.count) == image)
            }
        }
    }

    @Test(arguments: [(0, 0), (0, 5), (1, 0), (1, 11), (1, 12), (2, 0), (0, 12)])
    func aStartInTheMiddleGivesTheRest(epoch: Int, batch: Int) throws {
        let all = try training(batchSize: 100)
        let rest = try training(batchSize: 100, startingAt: (epoch, batch))
        #expect(rest == Array(all[min(24, epoch * 12 + batch)...]))
    }

    @Test func evaluationIsInOrderUnchangedAndPadded() throws {
        let copies = try batches(BatchPipeline(evaluating: digits, split: .test, batchSize: 100), of: digits)
        #expect(copies.map(\.samples.count) == [100, 100, 100, 60])
        #expect(copies.flatMap(\.samples) == Array(1437..<1797))
        let last = try #require(copies.last)
        #expect(last.labels[60...].allSatisfy { $0 == 0 })
        #expect(last.images[(60 * 64)...].allSatisfy { $0 == 0 })
        guard case .bytes(let pixels, 16) = digits.images.pixels else { Issue.record("expected bytes up to 16"); return }
        let mean = digits.normalization.mean[0], std = digits.normalization.std[0]
        for (index, value) in copies.flatMap({ $0.images.prefix($0.samples.count * 64) }).enumerated() {
            #expect(abs(Double(value) - (Double(pixels[1437 * 64 + index]) / 16 - mean) / std) < 1e-6)
        }
    }

    @Test func anEmptySplitHasNoBatches() throws {
        var configuration = DataConfiguration(.digits)
        configuration.validation = .count(0)
        let dataset = try ImageDataset.load(configuration)
        let pipeline = BatchPipeline(evaluating: dataset, split: .validation, batchSize: 8)
        #expect(pipeline.batchesPerEpoch == 0)
        #expect(try pipeline.next() == nil)
    }

    @Test func theEndStaysTheEnd() throws {
        let pipeline = BatchPipeline(evaluating: digits, split: .test, batchSize: 360)
        #expect(try pipeline.next() != nil)
        #expect(try pipeline.next() == nil)
        #expect(try pipeline.next() == nil)
    }

    /// A batch keeps its content while the thread runs ahead, until the next one is taken.
    @Test func aBatchIsValidUntilTheNextOne() throws {
        let pipeline = try BatchPipeline(training: digits, batchSize: 10, seed: 4, augmentations: everything, epochs: 0..<50)
        let expected = try training(batchSize: 10, epochs: 0..<1)
        for copy in expected.prefix(20) {
            let batch = try #require(try pipeline.next())
            let first = Copy(batch, size: 10, imageCount: 64)
            for _ in 0..<200 { #expect(Copy(batch, size: 10, imageCount: 64) == first) }
            #expect(first == copy)
        }
    }

    /// Dropping a pipeline at any point ends its thread, which holds the last reference to the memory.
    @Test(arguments: [0, 1, 2, 5])
    func aConsumerMayStopEarly(taken: Int) async throws {
        weak var producer: BatchProducer?
        do {
            let pipeline = try BatchPipeline(training: digits, batchSize: 100, seed: 4, augmentations: everything, epochs: 0..<1000)
            for index in 0..<taken { #expect(try pipeline.next()?.indexInEpoch == index) }
            producer = pipeline.producer
            #expect(producer != nil)
        }
        for _ in 0..<1000 where producer != nil { try await Task.sleep(for: .milliseconds(10)) }
        #expect(producer == nil)
    }

    @Test func aBatchLargerThanTheSplitIsAnError() throws {
        let error = try userError {
            _ = try BatchPipeline(training: digits, batchSize: 2000, seed: 0, augmentations: [], epochs: 0..<1)
        }
        #expect(error == UserError(at: "train.batch_size", "2000 is larger than the training split of digits, which has 1293 images"))
    }
}
