import Foundation
import TensorCore
import Testing
@testable import VisionData

/// Changes of colours against torchvision's.
@Suite struct ColorTests {
    private struct Fixture: Decodable {
        struct Change: Decodable {
            let kind: String, factor: Float
            var change: ColorJitter.Change {
                switch kind {
                case "brightness": .brightness(factor)
                case "contrast": .contrast(factor)
                case "saturation": .saturation(factor)
                default: .hue(factor)
                }
            }
        }
        struct Case: Decodable { let channels: Int, changes: [Change], image: [Float], result: [Float] }
        struct Gray: Decodable { let image: [Float], result: [Float] }
        struct Blur: Decodable { let height: Int, width: Int, channels: Int, sigma: Float, image: [Float], result: [Float] }
        let changes: [Case], gray: Gray, blurs: [Blur]

        static let all: Fixture = {
            let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            return try! JSONDecoder().decode(Fixture.self, from: Data(contentsOf: tests.appending(path: "Fixtures/colors.json")))
        }()
    }

    private static let means: [Float] = [0.5, 0.4, 0.3], deviations: [Float] = [0.25, 0.5, 0.2]

    /// How far a change of a normalized image is from the expected pixels at most.
    private func difference(_ image: [Float], _ shape: ImageShape, from expected: [Float], _ change: (ColoredImage) -> Void) -> Float {
        let channels = shape.channels
        var values = image.enumerated().map { ($1 - Self.means[$0 % channels]) / Self.deviations[$0 % channels] }
        values.withUnsafeMutableBufferPointer {
            change(ColoredImage(values: $0, shape: shape, means: Array(Self.means.prefix(channels)), deviations: Array(Self.deviations.prefix(channels)), isBounded: true))
        }
        let pixels = values.enumerated().map { $1 * Self.deviations[$0 % channels] + Self.means[$0 % channels] }
        return zip(pixels, expected).map { abs($0 - $1) }.max()!
    }

    @Test func coloursChangeAsInTorchvision() {
        for item in Fixture.all.changes {
            let shape = ImageShape(height: 4, width: 5, channels: item.channels)
            #expect(difference(item.image, shape, from: item.result) { $0.apply(item.changes.map(\.change)) } < 1e-5, "\(item.changes)")
        }
        let gray = Fixture.all.gray
        #expect(difference(gray.image, ImageShape(height: 3, width: 4, channels: 3), from: gray.result) { $0.becomeGray() } < 1e-6)
    }

    @Test func blursAsTorchvisionDoes() {
        for item in Fixture.all.blurs {
            let shape = ImageShape(height: item.height, width: item.width, channels: item.channels)
            #expect(difference(item.image, shape, from: item.result) { $0.blur(sigma: item.sigma) } < 1e-5, "\(item.sigma)")
        }
        // One pixel has no neighbours, and as many channels as there are.
        #expect(difference([0.1, 0.2], ImageShape(height: 1, width: 1, channels: 2), from: [0.1, 0.2]) { $0.blur(sigma: 3) } < 1e-6)
    }

    /// Factors are within their reach, orders of all kinds, and images without a change as many as asked for.
    @Test func draws() {
        var jitter = ColorJitter()
        (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue, jitter.probability) = (1.5, 0.2, 0, 0.1, 0.75)
        let drawn = (0..<2_000).map { image -> [ColorJitter.Change] in
            var draws = PhiloxStream(seed: 3, name: "augment").draws(time: 1, sample: UInt64(image))
            return jitter.drawn(from: &draws)
        }
        let changed = drawn.filter { !$0.isEmpty }
        #expect(abs(Double(changed.count) / 2_000 - 0.75) < 0.03 && changed.allSatisfy { $0.count == 4 })
        var least: [Float] = [9, 9, 9, 9], most: [Float] = [-9, -9, -9, -9], orders: [[Int]: Int] = [:]
        for changes in changed {
            orders[changes.map { change in
                let (place, factor): (Int, Float) = switch change {
                case .brightness(let factor): (0, factor)
                case .contrast(let factor): (1, factor)
                case .saturation(let factor): (2, factor)
                case .hue(let factor): (3, factor)
                }
                (least[place], most[place]) = (min(least[place], factor), max(most[place], factor))
                return place
            }, default: 0] += 1
        }
        #expect(orders.count == 24 && orders.values.allSatisfy { (30...100).contains($0) })
        for (place, range) in [Float(0)...2.5, 0.8...1.2, 1...1, -0.1...0.1].enumerated() {
            let width = range.upperBound - range.lowerBound
            #expect(least[place] >= range.lowerBound && most[place] <= range.upperBound && most[place] - least[place] >= 0.98 * width)
        }
    }

    /// Bytes are cut off at black and white, stored floats are not; nothing is drawn of what comes after.
    @Test func imagesOfATraining() throws {
        func views(_ augmentations: [Augmentation], _ image: Int) throws -> [Float] {
            let dataset = try floatDataset([Float](repeating: 3, count: 2 * 2 * 3), shape: ImageShape(height: 2, width: 2, channels: 3))
            let preparer = ImagePreparer(dataset, augmentations: augmentations, seed: 5)
            return try [Float](unsafeUninitializedCapacity: 12) { buffer, count in
                try preparer.write(0, epoch: image, to: buffer.baseAddress!)
                count = 12
            }
        }
        var jitter = ColorJitter()
        (jitter.brightness, jitter.probability) = (0.5, 1)
        let seen = try (0..<20).map { try views([.colorJitter(jitter)], $0) }
        #expect(Set(seen).count == 20 && seen.contains { $0[0] > 3.2 } && seen.contains { $0[0] < 2.8 })
        #expect(try views([.blur(RandomBlur()), .grayscale(probability: 1)], 0).allSatisfy { abs($0 - 3 * 0.9999) < 1e-5 })
        #expect(try views([.grayscale(probability: 0), .colorJitter(jitter)], 1) != views([.colorJitter(jitter)], 1), "each draws in its place")
    }
}
