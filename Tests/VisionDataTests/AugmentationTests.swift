import Foundation
import TensorCore
import Testing
@testable import VisionData

/// The first image of `dataset` as `body` has it written.
private func written(_ dataset: ImageDataset, _ augmentations: [Augmentation] = [], seed: UInt64 = 0, _ body: (ImagePreparer, UnsafeMutablePointer<Float>) throws -> Void) rethrows -> [Float] {
    let preparer = ImagePreparer(dataset, augmentations: augmentations, seed: seed)
    return try [Float](unsafeUninitializedCapacity: dataset.shape.count) { buffer, initialized in
        try body(preparer, buffer.baseAddress!)
        initialized = dataset.shape.count
    }
}

@Suite struct WholePixelTests {
    /// Rows 1 2 3 and 4 5 6, one channel.
    let dataset = try! floatDataset([1, 2, 3, 4, 5, 6], shape: ImageShape(height: 2, width: 3, channels: 1))

    @Test(arguments: [
        (AffineMap.identity, [1, 2, 3, 4, 5, 6] as [Float]),
        (.horizontalFlip, [3, 2, 1, 6, 5, 4]),
        (.shift(x: 1, y: 0), [0, 1, 2, 0, 4, 5]),
        (.shift(x: -1, y: 0), [2, 3, 0, 5, 6, 0]),
        (.shift(x: 0, y: 1), [0, 0, 0, 1, 2, 3]),
        (.shift(x: 2, y: -1), [0, 0, 4, 0, 0, 0]),
        (.shift(x: 3, y: 0), [0, 0, 0, 0, 0, 0]),
        (.shift(x: -7, y: 9), [0, 0, 0, 0, 0, 0]),
        (.shift(x: 1, y: 0).followed(by: .horizontalFlip), [2, 1, 0, 5, 4, 0]),
        (.horizontalFlip.followed(by: .shift(x: 1, y: 0)), [0, 3, 2, 0, 6, 5]),
        (.horizontalFlip.followed(by: .shift(x: -2, y: 1)), [0, 0, 0, 1, 0, 0]),
    ])
    func shiftsAndFlipsMovePixels(map: AffineMap, expected: [Float]) {
        #expect(map.exactMove != nil)
        #expect(written(dataset) { $0.write(0, map: map, to: $1) } == expected)
    }

    @Test func channelsStayTogether() throws {
        let dataset = try floatDataset([1, 10, 2, 20, 3, 30], shape: ImageShape(height: 1, width: 3, channels: 2))
        #expect(written(dataset) { $0.write(0, map: .horizontalFlip, to: $1) } == [3, 30, 2, 20, 1, 10])
        #expect(written(dataset) { $0.write(0, map: .shift(x: 1, y: 0), to: $1) } == [0, 0, 1, 10, 2, 20])
    }

    /// Black is 0 before normalization.
    @Test func whatComesFromOutsideIsNormalizedBlack() throws {
        let dataset = try floatDataset(
            [1, 2, 3, 4], shape: ImageShape(height: 1, width: 2, channels: 2), normalization: .given(mean: [1, 2], std: [0.5, 2]))
        #expect(written(dataset) { $0.write(0, map: .identity, to: $1) } == [0, 0, 4, 1])
        #expect(written(dataset) { $0.write(0, map: .shift(x: 1, y: 0), to: $1) } == [-2, -1, 0, 0])
        // Half a pixel to the right: the mean of black and the first pixel, then of the two pixels.
        #expect(written(dataset) { $0.write(0, map: AffineMap(x: -0.5), to: $1) } == [-1, -0.5, 2, 0.5])
    }

    @Test func bytesAreDividedByTheirMaximum() throws {
        var configuration = DataConfiguration()
        configuration.validation = .count(0)
        configuration.normalization = .given(mean: [0.5], std: [0.25])
        let dataset = try ImageDataset(
            LabeledImages(
                name: "bytes", shape: ImageShape(height: 1, width: 3, channels: 1), pixels: .bytes([0, 8, 16], maximum: 16), labels: [0],
                classCount: 1, classNames: nil, train: 0..<1, validation: nil, test: 1..<1),
            configuration)
        #expect(written(dataset) { $0.write(0, map: .identity, to: $1) } == [-2, 0, 2])
    }
}

@Suite struct ResamplingTests {
    static let shape = ImageShape(height: 5, width: 4, channels: 2)
    static let pixels = (0..<40).map { (i: Int) in Float((i * i * i + 5 * i) % 37) / 4 }

    /// Images computed with NumPy by Tests/Reference/resampling.py.
    static let cases: [(name: String, map: AffineMap, expected: [Float])] = [
        ("rotation", .rotation(degrees: 30), [
            2.1226, 0.56937, 2.73622, 0.613342, 3.125, 2.04635, 0.123927, 0.47561, 3.86117, 2.93598, 3.23385, 2.34898, 4.19559, 2.76374,
            4.37809, 5.60478, 7.24459, 6.32386, 1.64355, 7.19796, 6.23175, 1.58554, 6.28317, 3.87139, 5.6077, 0.973033, 5.31935, 5.70517,
            3.70873, 3.48147, 4.65718, 1.40401, 1.6077, 1.23617, 8.23323, 6.40909, 7.9991, 4.90012, 4.04013, 0.494418,
        ]),
        ("shear", .shear(degrees: 20), [
            3.27573, 1.31801, 3.04412, 0.704045, 5.04779, 1.59191, 1.63236, 0.544119, 6.68015, 6.95313, 3.31801, 3.15809, 2.09007, 1.61397,
            0.318015, 1.43107, 8, 0.75, 0.5, 8.75, 8.5, 1.25, 7, 8.75, 5.08824, 3.97519, 6.09191, 5.93199, 2.29687, 2.56985, 4.88419, 2.34007,
            2.38052, 1.8364, 8.54596, 6.20588, 7.93199, 3.45772, 6.04963, 1.22427,
        ]),
        ("zoom in", .zoom(factor: 1.25), [
            3.61, 3.745, 3.96, 2.285, 2.84, 0.965, 3.47, 1.71, 6.75, 6.41, 3.02, 4.76, 3.98, 1.64, 2.49, 2.86, 5.75, 3.15, 1.3, 8, 7.7, 2,
            7.45, 6.5, 6.83, 5.51, 3.92, 5.8, 2.48, 1.4, 5.73, 3.3, 7.955, 6.13, 6.615, 4.665, 5.135, 0.785, 4.145, 2.89,
        ]),
        ("zoom out", .zoom(factor: 0.6), [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3.72222, 2.77778, 3.16667, 1.19444, 0, 0, 0, 0, 3, 6.08333, 8, 3.75, 0, 0, 0, 0, 7.5, 5.58333,
            4.75, 1.52778, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]),
        ("all", .shift(x: 1, y: -1).followed(by: .horizontalFlip).followed(by: .rotation(degrees: -17)).followed(by: .shear(degrees: 8))
            .followed(by: .zoom(factor: 1.1)), [
            6.04407, 1.68849, 3.03324, 4.70282, 6.66319, 6.81759, 3.23572, 3.38946, 4.58398, 1.33218, 1.92721, 7.52854, 6.47355, 2.62706,
            2.76832, 1.05838, 4.06111, 1.41119, 5.57511, 5.66278, 7.76499, 5.56019, 1.56758, 0.795003, 5.44203, 1.12031, 7.83354, 4.96311,
            7.90857, 6.11728, 0.43864, 0.340403, 0, 0, 0.443455, 0.292711, 2.17493, 1.6778, 0, 0,
        ]),
    ]

    @Test(arguments: cases.indices, [NormalizationConfiguration.none, .given(mean: [3, -1], std: [2, 0.5])])
    func agreesWithNumPy(index: Int, normalization: NormalizationConfiguration) throws {
        let (_, map, expected) = Self.cases[index]
        let dataset = try floatDataset(Self.pixels, shape: Self.shape, normalization: normalization)
        let found = written(dataset) { $0.write(0, map: map, to: $1) }
        let statistics = dataset.normalization
        for position in expected.indices {
            let channel = position % 2
            let value = (Double(expected[position]) - statistics.mean[channel]) / statistics.std[channel]
            // Six digits of values below 10, divided by the smallest sd.
            #expect(abs(Double(found[position]) - value) < 2e-5 / statistics.std[channel], "position \(position)")
        }
    }

    /// A quarter turn is exact up to rounding: rows become columns.
    @Test func aQuarterTurnIsCounterClockwise() throws {
        let dataset = try floatDataset([1, 2, 3, 4], shape: ImageShape(height: 2, width: 2, channels: 1))
        let found = written(dataset) { $0.write(0, map: .rotation(degrees: 90), to: $1) }
        #expect(zip(found, [2, 4, 1, 3] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// Scratch memory of one image must not show in the next.
    @Test func imagesDoNotMix() throws {
        let dataset = try floatDataset(Self.pixels + [Float](repeating: 0, count: 40), shape: Self.shape)
        let found = written(dataset) { preparer, output in
            preparer.write(0, map: .rotation(degrees: 30), to: output)
            preparer.write(1, map: .rotation(degrees: 30), to: output)
        }
        #expect(found == [Float](repeating: 0, count: 40))
    }
}

/// Whether so many of 2,000 draws come with a probability of 1/4, within six standard deviations.
private func isLikely(_ count: Int) -> Bool {
    let deviation: Double = (2000 * 0.25 * 0.75).squareRoot()
    return abs(Double(count) - 500) < 6 * deviation
}

@Suite struct DrawTests {
    private func maps(_ augmentation: Augmentation, count: Int = 2000) -> [AffineMap] {
        (0..<count).map {
            var draws = PhiloxStream(seed: 3, name: "augment").draws(time: 0, sample: UInt64($0))
            return augmentation.drawMap(from: &draws)!
        }
    }

    @Test func shiftsReachEveryOffsetAndNoOther() {
        let offsets = maps(.shift(pixels: 2)).map { [Int($0.x), Int($0.y)] }
        #expect(Set(offsets).count == 25)
        #expect(offsets.allSatisfy { abs($0[0]) <= 2 && abs($0[1]) <= 2 })
    }

    @Test func flipsComeWithTheirProbability() {
        let flips = maps(.horizontalFlip(probability: 0.25)).count { $0.a == -1 }
        #expect(isLikely(flips))
        #expect(maps(.horizontalFlip(probability: 0)).allSatisfy { $0 == .identity })
        #expect(maps(.horizontalFlip(probability: 1)).allSatisfy { $0 == .horizontalFlip })
    }

    @Test func anglesAndFactorsFillTheirRange() {
        let angles = maps(.rotation(degrees: 20)).map { atan2($0.c, $0.a) * 180 / .pi }
        #expect(angles.min()! >= -20 && angles.max()! <= 20)
        #expect(angles.min()! < -19 && angles.max()! > 19)
        let slopes = maps(.shear(degrees: 45)).map(\.b)
        #expect(slopes.min()! >= -1.000001 && slopes.max()! <= 1.000001)
        #expect(slopes.min()! < -0.95 && slopes.max()! > 0.95)
        let factors = maps(.zoom(fraction: 0.2)).map { 1 / $0.a }
        #expect(factors.min()! >= 0.8 - 1e-6 && factors.max()! <= 1.2 + 1e-6)
        #expect(factors.min()! < 0.81 && factors.max()! > 1.19)
    }
}

@Suite struct RandomErasingTests {
    let shape = ImageShape(height: 20, width: 30, channels: 2)

    private func rectangles(_ erasing: RandomErasing) -> [(rows: Range<Int>, columns: Range<Int>)?] {
        (0..<2000).map {
            var draws = PhiloxStream(seed: 5, name: "augment").draws(time: 1, sample: UInt64($0))
            return erasing.drawRectangle(in: shape, from: &draws)
        }
    }

    @Test func rectanglesHaveTheGivenAreaRatioAndProbability() {
        var erasing = RandomErasing()
        erasing.probability = 0.25
        erasing.area = [0.1, 0.3]
        erasing.aspectRatio = [0.5, 2]
        let drawn = rectangles(erasing).compactMap { $0 }
        #expect(isLikely(drawn.count))
        for (rows, columns) in drawn {
            #expect(rows.lowerBound >= 0 && rows.upperBound <= 20 && columns.lowerBound >= 0 && columns.upperBound <= 30)
            // Sides are rounded to whole pixels, so both bounds give half a pixel a side.
            let height = Double(rows.count), width = Double(columns.count)
            #expect((height + 0.5) * (width + 0.5) >= 60 && (height - 0.5) * (width - 0.5) <= 180)
            #expect((height + 0.5) / (width - 0.5) >= 0.5 && (height - 0.5) / (width + 0.5) <= 2)
        }
        #expect(Set(drawn.map(\.rows.lowerBound)).count > 10)
        #expect(Set(drawn.map(\.columns.lowerBound)).count > 10)
    }

    /// A ratio that asks for rectangles wider than any image never fits.
    @Test func whatDoesNotFitLeavesTheImageWhole() {
        var erasing = RandomErasing()
        erasing.probability = 1
        erasing.area = [0.5, 0.6]
        erasing.aspectRatio = [100, 200]
        #expect(rectangles(erasing).allSatisfy { $0 == nil })
    }

    @Test(arguments: RandomErasing.Fill.allCases)
    func onlyTheRectangleChanges(fill: RandomErasing.Fill) throws {
        var erasing = RandomErasing()
        erasing.probability = 1
        erasing.fill = fill
        let dataset = try floatDataset(
            [Float](repeating: 7, count: shape.count), shape: shape, normalization: .given(mean: [2, 3], std: [4, 5]))
        let found = try written(dataset, [.randomErasing(erasing)], seed: 9) { try $0.write(0, epoch: 2, to: $1) }
        var draws = PhiloxStream(seed: 9, name: "augment").draws(time: 2, sample: 0)
        let (rows, columns) = try #require(erasing.drawRectangle(in: shape, from: &draws))
        for row in 0..<20 {
            for column in 0..<30 {
                for channel in 0..<2 {
                    let value = found[(row * 30 + column) * 2 + channel]
                    let mean: Float = channel == 0 ? 2 : 3, std: Float = channel == 0 ? 4 : 5
                    if !rows.contains(row) || !columns.contains(column) {
                        #expect(abs(value - (7 - mean) / std) < 1e-6)
                    } else if fill == .mean {
                        #expect(value == 0)
                    } else {
                        let raw = value * std + mean
                        #expect(raw > -1e-5 && raw < 1 + 1e-5)
                    }
                }
            }
        }
        let inside = Set(rows.flatMap { row in columns.map { found[(row * 30 + $0) * 2] } })
        #expect(fill == .mean ? inside.count == 1 : inside.count > rows.count * columns.count / 2)
    }
}
