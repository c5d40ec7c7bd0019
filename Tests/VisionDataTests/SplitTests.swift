import Configuration
import TensorCore
import Testing
@testable import VisionData

@Suite struct SplitTests {
    private func configuration(_ change: (inout DataConfiguration) -> Void) -> DataConfiguration {
        var configuration = DataConfiguration()
        change(&configuration)
        return configuration
    }

    @Test(arguments: [(nil, 20), (HeldOut.fraction(0.25), 50), (.fraction(0), 0), (.count(17), 17)] as [(HeldOut?, Int)], [0, 7] as [UInt64])
    func theSplitsAreDisjointAndComplete(held: (validation: HeldOut?, count: Int), seed: UInt64) throws {
        let dataset = try countedDataset(train: 200, test: 30, configuration {
            $0.validation = held.validation
            $0.splitSeed = seed
        })
        let train = dataset.indices(of: .train), validation = dataset.indices(of: .validation)
        #expect(validation.count == held.count)
        #expect(Set(train).isDisjoint(with: validation))
        #expect(Set(train).union(validation) == Set(0..<200))
        #expect(train == train.sorted() && validation == validation.sorted())
        #expect(dataset.indices(of: .test) == Array(200..<230))
    }

    /// Every published result rests on these choices: they must never change.
    @Test func theSplitOfSixtyThousandIsFixed() throws {
        let dataset = try countedDataset(train: 60_000, test: 10_000)
        #expect(dataset.indices(of: .validation).count == 6000)
        #expect(dataset.indices(of: .train).count == 54_000)
        #expect(dataset.indices(of: .validation).prefix(8) == [5, 6, 33, 38, 65, 66, 91, 92])
        #expect(dataset.indices(of: .validation).suffix(4) == [59944, 59947, 59976, 59983])
        let reseeded = try countedDataset(train: 60_000, test: 10_000, configuration { $0.splitSeed = 1 })
        #expect(reseeded.indices(of: .validation).prefix(8) == [4, 15, 17, 33, 37, 60, 71, 73])
    }

    @Test func subsetsLieWithinLargerOnesAndLeaveTheValidationSplitAlone() throws {
        let all = try countedDataset(train: 200, test: 50)
        let subsets = try [10, 60, 180].map { count in
            try countedDataset(train: 200, test: 50, configuration { $0.trainExamples = count; $0.testExamples = count / 6 })
        }
        #expect(subsets.map { $0.indices(of: .train).count } == [10, 60, 180])
        #expect(subsets.map { $0.indices(of: .test).count } == [1, 10, 30])
        for (smaller, larger) in zip(subsets, subsets.dropFirst()) {
            #expect(Set(smaller.indices(of: .train)).isSubset(of: larger.indices(of: .train)))
            #expect(Set(smaller.indices(of: .test)).isSubset(of: larger.indices(of: .test)))
        }
        #expect(subsets.allSatisfy { $0.indices(of: .validation) == all.indices(of: .validation) })
        #expect(subsets[2].indices(of: .train) == all.indices(of: .train))
        #expect(subsets[1].indices(of: .test) != Array(200..<210))
    }

    @Test(arguments: [
        (HeldOut.count(200), nil, nil, "validation", "200 images held out, but counted has only 200 training images"),
        (.count(50), 151, nil, "train_examples", "151 images asked for, but counted has 150 training images after 50 were held out"),
        (.count(50), nil, 31, "test_examples", "31 images asked for, but counted has 30 test images"),
    ] as [(HeldOut, Int?, Int?, String, String)])
    func askingForTooMuchIsAnError(validation: HeldOut, trainExamples: Int?, testExamples: Int?, key: String, message: String) throws {
        let error = try userError {
            _ = try countedDataset(train: 200, test: 30, configuration {
                $0.validation = validation
                $0.trainExamples = trainExamples
                $0.testExamples = testExamples
            })
        }
        #expect(error == UserError(at: "data.\(key)", message))
    }

    @Test func normalizationAndShiftMustFitTheImages() throws {
        let normalization = try userError {
            _ = try countedDataset(train: 20, test: 3, configuration { $0.normalization = .given(mean: [0, 0, 0], std: [1, 1, 1]) })
        }
        #expect(normalization == UserError(
            at: "data.normalization", "mean has 3 and std 3 values, expected 1, one for each channel of counted"))
        let shift = try userError { _ = try countedDataset(train: 20, test: 3, configuration { $0.augment = [.shift(pixels: 1)] }) }
        #expect(shift == UserError(at: "data.augment", "a shift of 1 pixels leaves nothing of images of 1×1×1"))
    }
}

@Suite struct ChannelStatisticsTests {
    /// Two channels, three images of 1×2; only the first two count.
    private func images(_ pixels: LabeledImages.Pixels) -> LabeledImages {
        LabeledImages(
            name: "three", shape: ImageShape(height: 1, width: 2, channels: 2), pixels: pixels, labels: [0, 0, 0], classCount: 1, classNames: nil,
            train: 0..<3, validation: nil, test: 3..<3)
    }

    @Test func bytesCountFromZeroToOne() {
        let statistics = ChannelStatistics(of: images(.bytes([0, 4, 10, 4, 20, 4, 10, 4, 99, 99, 99, 99], maximum: 20)), at: [0, 1])
        #expect(statistics.mean == [0.5, 0.2])
        #expect(abs(statistics.std[0] - (0.125 as Double).squareRoot()) < 1e-15)
        // A channel without variation is left unscaled.
        #expect(statistics.std[1] == 1)
    }

    @Test func floatsCountAsTheyAre() {
        let statistics = ChannelStatistics(of: images(.floats([1, -1, 2, -1, 3, -1, 6, 7, 99, 99, 99, 99])), at: [0, 1])
        #expect(statistics.mean == [3, 1])
        #expect(statistics.std == [3.5, 12].map { ($0 as Double).squareRoot() })
    }

    /// Large offsets do not cancel: the mean is taken off before squaring.
    @Test func floatsFarFromZeroKeepTheirDeviation() {
        let statistics = ChannelStatistics(of: images(.floats([1e6, 0, 1e6 + 1, 0, 1e6, 0, 1e6 + 1, 0, 0, 0, 0, 0])), at: [0, 1])
        #expect(statistics.std[0] == 0.5)
    }
}
