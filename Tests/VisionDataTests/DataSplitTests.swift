import Configuration
import TensorCore
import Testing
@testable import VisionData

private func configuration(_ change: (inout DataConfiguration) -> Void = { _ in }) -> DataConfiguration {
    var configuration = DataConfiguration()
    change(&configuration)
    return configuration
}

/// Images of 1×1 with `counts[c]` training images of class c, mixed, and two test images of each class.
private func dataset(_ counts: [Int], names: [String]? = nil, validation: Int = 0, _ change: (inout DataConfiguration) -> Void) throws -> ImageDataset {
    var labels: [Int32] = [], left = counts
    while let label = left.indices.max(by: { left[$0] < left[$1] }), left[label] > 0 {
        labels.append(Int32(label))
        left[label] -= 1
    }
    let count = labels.count, tests = counts.indices.flatMap { [Int32($0), Int32($0)] }
    let own = (0..<validation).map { Int32($0 % counts.count) }
    labels += own + tests
    return try ImageDataset(
        LabeledImages(
            name: "made", shape: ImageShape(height: 1, width: 1, channels: 1), pixels: .bytes(labels.indices.map { UInt8($0 % 256) }, maximum: 255),
            labels: labels, classCount: counts.count, classNames: names, train: 0..<count, validation: validation == 0 ? nil : count..<count + validation,
            test: count + validation..<labels.count),
        configuration(change))
}

private func counts(_ dataset: ImageDataset, _ split: Split) -> [Int] {
    ClassQuotas(dataset.indices(of: split), labels: dataset.labels, classCount: dataset.classCount).counts
}

@Suite struct FoldTests {
    @Test(arguments: [2, 5, 10], [0, 3] as [UInt64]) func everyImageIsTestedOnce(count: Int, seed: UInt64) throws {
        let all = try (0..<count).map { fold in
            try ImageDataset.load(configuration {
                $0 = DataConfiguration(.digits)
                ($0.folds, $0.fold, $0.splitSeed) = (count, fold, seed)
            })
        }
        let tests = all.map { $0.indices(of: .test) }
        #expect(tests.flatMap(\.self).sorted() == Array(0..<1437), "the data set's own test images are not among them")
        let sizes = tests.map(\.count)
        #expect(sizes.max()! - sizes.min()! <= 1, "\(sizes)")
        for label in 0..<10 {
            let ofClass = all.map { counts($0, .test)[label] }
            #expect(ofClass.max()! - ofClass.min()! <= 1, "\(label): \(ofClass)")
        }
        for (dataset, test) in zip(all, tests) {
            let train = dataset.indices(of: .train), validation = dataset.indices(of: .validation)
            #expect(validation.count == Int((0.1 * Double(1437 - test.count)).rounded()))
            #expect((train + validation + test).sorted() == Array(0..<1437))
            #expect(train == train.sorted() && test == test.sorted())
        }
    }

    @Test func theSeedAloneDecides() throws {
        func test(_ seed: UInt64, _ change: (inout DataConfiguration) -> Void = { _ in }) throws -> [Int32] {
            try dataset([40, 30, 30]) { ($0.folds, $0.fold, $0.splitSeed) = (5, 2, seed); change(&$0) }.indices(of: .test)
        }
        #expect(try test(0) == test(0) { ($0.validation, $0.labelNoise, $0.imagesPerClass) = (.count(5), LabelNoise(rate: 0.5), 3) })
        #expect(try test(0) != test(1))
    }

    /// Every published fold rests on this choice: it must never change.
    @Test func theFoldsOfTheDigitsAreFixed() throws {
        let digits = try ImageDataset.load(configuration {
            $0 = DataConfiguration(.digits)
            ($0.folds, $0.fold) = (5, 2)
        })
        #expect(Array(digits.indices(of: .test).prefix(6)) == [5, 11, 14, 15, 18, 32])
    }

    @Test func noGroupIsTornApart() throws {
        // Thirty groups of 1 to 7 images, of one class each, and images without a group.
        var labels: [Int32] = [], groups: [String?] = []
        for group in 0..<30 {
            for _ in 0...group % 7 {
                labels.append(Int32(group % 3))
                groups.append("g\(group)")
            }
        }
        for label in 0..<30 {
            labels.append(Int32(label % 3))
            groups.append(nil)
        }
        let indices = labels.indices.map(Int32.init)
        let folds = try Folds(4, of: indices, labels: labels, group: { groups[Int($0)] }, seed: 1, of: "made") { "class \($0)" }.parts
        #expect(folds.flatMap(\.self).sorted() == indices)
        let owners = Dictionary(grouping: folds.enumerated().flatMap { fold, images in images.compactMap { image in groups[Int(image)].map { ($0, fold) } } }, by: \.0)
        #expect(owners.count == 30 && owners.values.allSatisfy { Set($0.map(\.1)).count == 1 })
        for label in 0..<3 {
            let ofClass = folds.map { fold in fold.count { labels[Int($0)] == label } }
            #expect(ofClass.max()! - ofClass.min()! <= 1, "images without a group fill what groups leave: \(ofClass)")
        }
        let few = try userError { _ = try Folds(3, of: [0, 1, 2, 3], labels: [0, 0, 0, 0], group: { _ in "one" }, seed: 0, of: "made") { "class \($0)" } }
        #expect(few == UserError(at: "data.folds", "found 3, expected at most 1, the number of groups of training images in made"))
    }
}

@Suite struct TreatmentTests {
    @Test func classesAreChosenByNumberOrName() throws {
        for classes in [[ClassName.index(2), .index(0)], [.name("cat"), .name("ant")]] {
            let chosen = try dataset([20, 30, 10], names: ["ant", "bee", "cat"]) { ($0.classes, $0.validation) = (classes, .count(6)) }
            #expect(chosen.classCount == 2 && chosen.classNames == ["cat", "ant"] && chosen.classNumbers == [2, 0])
            let own = chosen.images.labels
            for split in Split.allCases {
                #expect(chosen.indices(of: split).allSatisfy { own[Int($0)] == [2, 0][Int(chosen.labels[Int($0)])] })
            }
            #expect(chosen.indices(of: .train).count == 24 && chosen.indices(of: .validation).count == 6 && counts(chosen, .test) == [2, 2])
            #expect(chosen.doubtsOfClasses == [])
        }
    }

    @Test func subsetsOfClassesLieWithinLargerOnes() throws {
        let subsets = try [1, 4, 15].map { count in try dataset([40, 30, 20]) { ($0.imagesPerClass, $0.validation) = (count, .count(5)) } }
        #expect(subsets.map { counts($0, .train) } == [[1, 1, 1], [4, 4, 4], [15, 15, 15]])
        for (smaller, larger) in zip(subsets, subsets.dropFirst()) {
            #expect(Set(smaller.indices(of: .train)).isSubset(of: larger.indices(of: .train)))
            #expect(smaller.indices(of: .validation) == larger.indices(of: .validation))
        }
    }

    /// The numbers of images of long-tailed CIFAR-10, of 5,000 each, as Cui et al.'s code makes them.
    @Test(arguments: [
        (100, [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]), (10, [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]),
        (1, [Int](repeating: 5000, count: 10)),
    ] as [(Double, [Int])])
    func longTails(ratio: Double, expected: [Int]) throws {
        let thinned = try countedDataset(train: 50_000, test: 10, configuration { ($0.imbalance, $0.validation) = (ratio, .count(0)) })
        #expect(counts(thinned, .train) == expected && thinned.trainingCounts == expected)
        #expect(counts(thinned, .test) == [Int](repeating: 1, count: 10))
    }

    /// n is as large as the smallest classes allow.
    @Test func longTailsOfUnequalClasses() throws {
        #expect(try counts(dataset([90, 20, 50]) { ($0.imbalance, $0.validation) = (4, .count(0)) }, .train) == [40, 20, 10])
    }

    @Test func noiseReplacesAnExactPartOfTheTrainingLabels() throws {
        func noisy(_ noise: LabelNoise, seed: UInt64 = 0) throws -> ImageDataset {
            try dataset([200, 100, 100]) { ($0.labelNoise, $0.validation, $0.splitSeed) = (noise, .count(50), seed) }
        }
        let clean = try noisy(.none), some = try noisy(LabelNoise(rate: 0.2)), more = try noisy(LabelNoise(rate: 0.6))
        #expect(clean.labels == clean.images.labels && clean.relabeledImages == [] && !clean.isTreated)
        for (dataset, count) in [(some, 70), (more, 210)] {
            let changed = dataset.labels.indices.filter { dataset.labels[$0] != clean.labels[$0] }.map(Int32.init)
            #expect(changed.count == count && changed == dataset.relabeledImages && Set(changed).isSubset(of: dataset.indices(of: .train)))
            #expect(dataset.normalization == clean.normalization && dataset.indices(of: .train) == clean.indices(of: .train))
        }
        #expect(some.relabeledImages.allSatisfy { more.labels[Int($0)] == some.labels[Int($0)] })
        // Every other class is as likely: of class 0's labels about half become 1.
        let ofFirst = more.relabeledImages.filter { clean.labels[Int($0)] == 0 }, ones = ofFirst.count { more.labels[Int($0)] == 1 }
        #expect(abs(Double(ones) - Double(ofFirst.count) / 2) < 4 * (Double(ofFirst.count) / 4).squareRoot(), "\(ones) of \(ofFirst.count)")
        #expect(try noisy(LabelNoise(rate: 0.2), seed: 1).relabeledImages != some.relabeledImages)
        let flipped = try noisy(LabelNoise(.pairFlip, rate: 0.2))
        #expect(flipped.relabeledImages == some.relabeledImages)
        #expect(flipped.relabeledImages.allSatisfy { flipped.labels[Int($0)] == (clean.labels[Int($0)] + 1) % 3 })
        #expect(LabelNoise(.pairFlip, rate: 0) == .none)
    }

    @Test(arguments: [
        ("classes: [0, 3]", "classes", "there is no class 3 in made, whose classes are 0 to 2"),
        ("classes: [ant, cta]", "classes", "there is no class 'cta' in made; did you mean 'cat'?"),
        ("classes: [bee, 1]", "classes", "class 1 (bee) of made is listed twice"),
        ("images_per_class: 6", "images_per_class", "found 6, but class 2 (cat) of made has 5 training images after 0 images were held out"),
        ("classes: [2, 0], images_per_class: 6", "images_per_class", "found 6, but class 2 (cat) of made has 5 training images after 0 images were held out"),
        ("folds: 6", "folds", "found 6, expected at most 5, the number of training images of class 2 (cat) in made"),
        ("imbalance: 50", "imbalance", "found 50, which leaves no image of class 2 (cat); the largest class keeps 20"),
    ])
    func whatIsNotThereIsAnError(text: String, key: String, message: String) throws {
        let errors = ConfigurationErrors(), node = try YAML.node("{name: digits, validation: 0, \(text)}") { SourceMark(file: "x.yaml", line: $0) }
        var fields = FieldReader(node, path: "data", errors: errors)
        let read = DataConfiguration(from: &fields)
        #expect(errors.messages == [])
        let error = try userError { _ = try dataset([20, 10, 5], names: ["ant", "bee", "cat"]) { $0 = read } }
        #expect(error == UserError(at: "data.\(key)", message))
    }

    @Test func otherMismatchesAreErrors() throws {
        let unnamed = try userError { _ = try dataset([3, 3]) { $0.classes = [.name("ant"), .name("bee")] } }
        #expect(unnamed == UserError(at: "data.classes", "found 'ant', but the classes of made have no names; expected numbers from 0 to 1"))
        let own = try userError { _ = try dataset([9, 9], validation: 4) { ($0.folds, $0.validation) = (3, nil) } }
        #expect(own == UserError(at: "data.folds", "made brings its own validation images, which would be those of every fold; expected training images alone"))
        let empty = try userError { _ = try dataset([9, 0, 9]) { $0.sampling = .balanced } }
        #expect(empty == UserError(at: "data.sampling", "balanced draws each class equally often, but class 1 of made has no training images"))
    }

    /// Nothing that is chosen after the images were found makes anybody look for them again.
    @Test func oneSourceServesAllSplits() throws {
        let plain = try dataset([20, 10, 5]) { _ in }
        let other = configuration { ($0.folds, $0.fold, $0.splitSeed, $0.imbalance) = (5, 1, 3, 2) }
        let split = try plain.split(as: other)
        #expect(try split.indices(of: .test) == ImageDataset(plain.images, other).indices(of: .test))
        #expect(other.beforeSplit == configuration().beforeSplit)
        var folder = DataConfiguration(.folder(FolderSource(path: "x")))
        let before = folder.beforeSplit
        folder.labelNoise = LabelNoise(rate: 0.1)
        #expect(folder.beforeSplit == before)
        folder.folds = 3
        #expect(folder.beforeSplit != before, "without folds a test is held out of a folder")
    }
}

extension ImageDataset {
    fileprivate var doubtsOfClasses: [String] { classDoubts }
}

@Suite struct BalancedSamplingTests {
    private static let digits = try! ImageDataset.load(configuration {
        $0 = DataConfiguration(.digits)
        ($0.imbalance, $0.sampling) = (20, .balanced)
    })

    private func batches(
        _ augmentations: [Augmentation] = [], seed: UInt64 = 3, size: Int = 32, epochs: Range<Int> = 0..<3, startingAt: (epoch: Int, batch: Int)? = nil
    ) throws -> [(epoch: Int, samples: [Int32], labels: [Int32], pixels: [Float])] {
        let pipeline = try BatchPipeline(training: Self.digits, batchSize: size, seed: seed, augmentations: augmentations, epochs: epochs, startingAt: startingAt)
        var all: [(epoch: Int, samples: [Int32], labels: [Int32], pixels: [Float])] = []
        while let batch = try pipeline.next() {
            all.append((
                batch.epoch, Array(batch.sampleIndices), Array(UnsafeBufferPointer(start: batch.fields[1].assumingMemoryBound(to: Int32.self), count: size)),
                Array(UnsafeBufferPointer(start: batch.fields[0].assumingMemoryBound(to: Float.self), count: size * 64))
            ))
        }
        return all
    }

    @Test func anEpochDrawsEachClassEquallyOften() throws {
        let digits = Self.digits, train = digits.indices(of: .train), each = digits.trainingCounts
        #expect(each.max()! >= 19 * each.min()!)
        let all = try batches()
        for epoch in 0..<3 {
            let own = all.filter { $0.epoch == epoch }, samples = own.flatMap(\.samples), labels = own.flatMap(\.labels)
            #expect(own.count == train.count / 32, "as many steps as without")
            #expect(Set(samples).isSubset(of: train) && labels == samples.map { digits.labels[Int($0)] })
            let counts = (0..<10).map { label in labels.count { $0 == label } }
            #expect(counts.max()! - counts.min()! <= 1, "\(counts)")
            for (label, count) in counts.enumerated() {
                let draws = Dictionary(grouping: samples.filter { digits.labels[Int($0)] == label }) { $0 }.mapValues(\.count)
                #expect(draws.values.max()! - (draws.count < each[label] ? 0 : draws.values.min()!) <= 1, "of \(each[label]) images \(count) draws: \(draws)")
            }
        }
        let orders = (0..<3).map { epoch in all.filter { $0.epoch == epoch }.flatMap(\.samples) }
        #expect(orders[0] != orders[1] && orders[1] != orders[2])
        #expect(try batches(seed: 4).flatMap(\.samples) != all.flatMap(\.samples))
    }

    /// Epochs and seeds alone decide, so that a resumed training sees what it would have seen.
    @Test(arguments: [(0, 0), (0, 3), (1, 0), (2, 5)]) func aStartInTheMiddleGivesTheRest(epoch: Int, batch: Int) throws {
        let augmentations: [Augmentation] = [.shift(pixels: 1), .rotation(degrees: 20)]
        let all = try batches(augmentations), rest = try batches(augmentations, startingAt: (epoch, batch))
        let each = all.count / 3
        #expect(rest.map(\.samples) == all.dropFirst(epoch * each + batch).map(\.samples))
        #expect(rest.map(\.pixels) == all.dropFirst(epoch * each + batch).map(\.pixels))
    }

    /// The second time in an epoch an image is shifted otherwise.
    @Test func whatIsDrawnAgainLooksOtherwise() throws {
        let all = try batches([.rotation(degrees: 30)], epochs: 0..<1)
        var looks: [Int32: [[Float]]] = [:]
        for batch in all {
            for (place, sample) in batch.samples.enumerated() { looks[sample, default: []].append(Array(batch.pixels[place * 64..<(place + 1) * 64])) }
        }
        let repeated = looks.values.filter { $0.count > 1 }
        #expect(repeated.count > 20 && repeated.allSatisfy { Set($0).count == $0.count })
    }
}
