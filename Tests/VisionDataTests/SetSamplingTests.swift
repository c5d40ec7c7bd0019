import Configuration
import TensorCore
import Testing

@testable import VisionData

/// Images side by side that are compared with each other: P classes × K images, and views of each image.
@Suite struct SetSamplingTests {
    private typealias Batch = (epoch: Int, samples: [Int32], labels: [Int32], pixels: [[Float]])

    private func dataset(_ sets: SetSampling, unseen: [Int]? = nil) throws -> ImageDataset {
        var data = DataConfiguration(.digits)
        (data.sampling, data.unseenClasses, data.imbalance) = (.sets(sets), unseen.map { $0.map { .index($0) } }, unseen == nil ? 5 : 1)
        return try ImageDataset.load(data)
    }

    private func batches(
        _ dataset: ImageDataset, _ size: Int, seed: UInt64 = 3, epochs: Range<Int> = 0..<2, startingAt: (epoch: Int, batch: Int)? = nil
    ) throws -> [Batch] {
        let augmentations: [Augmentation] = [.shift(pixels: 1), .rotation(degrees: 20)]
        let pipeline = try BatchPipeline(training: dataset, batchSize: size, seed: seed, augmentations: augmentations, epochs: epochs, startingAt: startingAt)
        var all: [Batch] = []
        while let batch = try pipeline.next() {
            let pixels = batch.fields[0].assumingMemoryBound(to: Float.self)
            all.append((
                batch.epoch, Array(batch.sampleIndices), Array(UnsafeBufferPointer(start: batch.fields[1].assumingMemoryBound(to: Int32.self), count: size)),
                (0..<size).map { place in (0..<64).map { pixels[place * 64 + $0] } }
            ))
        }
        return all
    }

    @Test(arguments: [(SetSampling(classes: 4, images: 3), 24), (SetSampling(classes: 3, images: 2, views: 2), 24), (SetSampling(classes: 10, images: 4), 40)])
    func aSetHasSomeImagesOfSomeClasses(sets: SetSampling, size: Int) throws {
        let dataset = try dataset(sets), all = try batches(dataset, size), count = dataset.indices(of: .train).count
        #expect(all.count == 2 * (count * sets.views / size))
        var drawn = [Int](repeating: 0, count: 10), classes: Set<[Int32]> = []
        for batch in all {
            for start in stride(from: 0, to: size, by: sets.count) {
                let samples = Array(batch.samples[start..<start + sets.count]), labels = batch.labels[start..<start + sets.count]
                let counts = Dictionary(grouping: labels) { $0 }.mapValues(\.count)
                #expect(counts.count == sets.classes && counts.values.allSatisfy { $0 == sets.images! * sets.views })
                #expect(Set(samples).count == sets.count / sets.views, "no image twice but for its views")
                for (label, number) in counts { drawn[Int(label)] += number }
                classes.insert(labels.sorted())
                for place in stride(from: start, to: start + sets.count, by: sets.views) {
                    #expect(Set(batch.samples[place..<place + sets.views]).count == 1)
                    #expect(Set(batch.pixels[place..<place + sets.views]).count == sets.views, "views differ")
                }
            }
        }
        #expect(Double(drawn.max()!) < 1.6 * Double(drawn.min()!), "\(drawn)")
        if sets.classes! < 10 { #expect(classes.count > 5) }
    }

    /// Each image once an epoch in two views, which differ, also from those of the next epoch.
    @Test func viewsOfEachImage() throws {
        let dataset = try dataset(SetSampling(views: 2)), all = try batches(dataset, 32), train = dataset.indices(of: .train)
        for epoch in 0..<2 {
            let samples = all.filter { $0.epoch == epoch }.flatMap(\.samples)
            #expect(samples.count == train.count * 2 / 32 * 32)
            let images = stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
            #expect(stride(from: 1, to: samples.count, by: 2).map { samples[$0] } == images)
            #expect(Set(images).count == images.count && Set(images).isSubset(of: train))
        }
        var looks: [Int32: Set<[Float]>] = [:], times: [Int32: Int] = [:]
        for batch in all {
            for (place, sample) in batch.samples.enumerated() {
                looks[sample, default: []].insert(batch.pixels[place])
                times[sample, default: 0] += 1
            }
        }
        #expect(looks.allSatisfy { $1.count == times[$0] })
        #expect(all.filter { $0.epoch == 0 }.flatMap(\.samples) != all.filter { $0.epoch == 1 }.flatMap(\.samples))
        #expect(try batches(dataset, 32, seed: 4).flatMap(\.samples) != all.flatMap(\.samples))
    }

    /// Epochs and seeds alone decide, so that a resumed training sees what it would have seen.
    @Test(arguments: [(0, 3), (1, 0), (1, 4)], [SetSampling(classes: 4, images: 3, views: 2), SetSampling(views: 2)])
    func aStartInTheMiddleGivesTheRest(start: (epoch: Int, batch: Int), sets: SetSampling) throws {
        let dataset = try dataset(sets), all = try batches(dataset, 48), rest = try batches(dataset, 48, startingAt: start)
        #expect(rest.map(\.samples) == all.dropFirst(start.epoch * all.count / 2 + start.batch).map(\.samples))
        #expect(rest.map(\.pixels) == all.dropFirst(start.epoch * all.count / 2 + start.batch).map(\.pixels))
    }

    @Test func classesOfTheTestAlone() throws {
        let all = try ImageDataset.load(DataConfiguration(.digits)), dataset = try dataset(SetSampling(classes: 7, images: 2), unseen: [9, 2, 5])
        #expect(dataset.unseenClasses == [2, 5, 9] && dataset.classCount == 10)
        for split in [Split.train, .validation] { #expect(!dataset.indices(of: split).contains { [2, 5, 9].contains(dataset.labels[Int($0)]) }) }
        #expect(dataset.indices(of: .test) == all.indices(of: .test))
        #expect(!dataset.notes.contains { $0.contains("no training images") }, "nobody is warned of what was asked for")
        let pool = all.indices(of: .train).count + all.indices(of: .validation).count, unseen = (all.indices(of: .train) + all.indices(of: .validation)).count { [2, 5, 9].contains(all.labels[Int($0)]) }
        #expect(dataset.indices(of: .train).count + dataset.indices(of: .validation).count == pool - unseen)
        #expect(Set(try batches(dataset, 14).flatMap(\.labels)) == [0, 1, 3, 4, 6, 7, 8])
        let tooMany = try userError { _ = try self.dataset(SetSampling(classes: 8, images: 2), unseen: [9, 2, 5]) }
        #expect(tooMany == UserError(at: "data.sampling.classes", "found 8, but digits has 7 classes to train on"))
    }

    /// A definition without the new keys is written and named as before.
    @Test func theKeysAreWritten() throws {
        func read(_ text: String) throws -> DataConfiguration {
            let errors = ConfigurationErrors()
            var fields = FieldReader(try YAML.node("{name: digits, \(text)}") { SourceMark(file: "x.yaml", line: $0) }, path: "data", errors: errors)
            let data = DataConfiguration(from: &fields)
            fields.finish()
            #expect(errors.messages == [])
            return data
        }
        let data = try read("sampling: {classes: 4, images: 2}, unseen_classes: [1, 2]")
        #expect(data.sampling == .sets(SetSampling(classes: 4, images: 2)))
        #expect(YAML.line(data.identity).contains("sampling: {classes: 4, images: 2}") && YAML.line(data.identity).contains("unseen_classes: [1, 2]"))
        #expect(YAML.line(try read("sampling: {views: 2}").node).contains("views: 2"))
        #expect(try !YAML.line(read("sampling: shuffled").node).contains("sampling") && !YAML.line(DataConfiguration(.digits).node).contains("unseen"))
    }
}
