import Configuration
import TensorCore
import Testing
@testable import VisionData

/// `data.size`: images in another size than they are stored in.
@Suite struct ImageSizeTests {
    private func dataset(
        _ pixels: [Float], _ shape: ImageShape, _ size: Size2D, _ resize: ResizeKind = .exact,
        normalization: NormalizationConfiguration = .none, augment: [Augmentation] = []
    ) throws -> ImageDataset {
        var configuration = DataConfiguration()
        configuration.validation = .count(0)
        configuration.normalization = normalization
        (configuration.size, configuration.resize, configuration.augment) = (size, resize, augment)
        return try ImageDataset(
            LabeledImages(
                name: "floats", shape: shape, pixels: .floats(pixels), labels: [0], classCount: 1, classNames: nil, train: 0..<1, validation: nil,
                test: 1..<1),
            configuration)
    }

    private func first(_ dataset: ImageDataset, _ augmentations: [Augmentation] = []) -> [Float] {
        let preparer = ImagePreparer(dataset, augmentations: augmentations, seed: 0)
        return [Float](unsafeUninitializedCapacity: dataset.shape.count) { buffer, initialized in
            // Images in memory can always be read.
            try! preparer.write(0, epoch: 0, to: buffer.baseAddress!)
            initialized = dataset.shape.count
        }
    }

    /// The weights of a doubled axis are 1, ¾ and ¼; those of a halved one, antialiased, ⅛, ⅜, ⅜, ⅛, at the border without what lies beyond.
    @Test func exactStretches() throws {
        let wide = try dataset([0, 4, 8, 12], ImageShape(height: 1, width: 4, channels: 1), Size2D(1, 8))
        #expect(first(wide) == [0, 1, 3, 5, 7, 9, 11, 12])
        let narrow = try dataset([0, 7, 14, 7], ImageShape(height: 1, width: 4, channels: 1), Size2D(1, 2))
        // (3·0 + 3·7 + 1·14) / 7 and (1·7 + 3·14 + 3·7) / 7.
        #expect(zip(first(narrow), [5, 10]).allSatisfy { abs($0 - $1) < 1e-5 })
        let tall = try dataset([0, 1, 4, 5], ImageShape(height: 2, width: 1, channels: 2), Size2D(4, 1))
        #expect(first(tall) == [0, 1, 1, 2, 3, 4, 4, 5])
    }

    /// The same as the operation on tensors, whose values are PyTorch's.
    @Test func isWhatModelsWouldResize() throws {
        let shape = ImageShape(height: 5, width: 7, channels: 3), pixels = (0..<105).map { Float(($0 * 37) % 101) / 50 - 1 }
        for size in [Size2D(9, 3), Size2D(2, 11), Size2D(5, 7)] {
            let graph = Graph(), x = graph.constant(HostTensor([1, 5, 7, 3], pixels))
            let expected = try evaluate([x.resized(to: size, .bilinear, antialias: true)])[0].floats
            let found = first(try dataset(pixels, shape, size))
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 } && found.count == expected.count)
        }
    }

    @Test func padLeavesPixelsAndAddsBlack() throws {
        let padded = try dataset(
            [1, 2], ImageShape(height: 1, width: 2, channels: 1), Size2D(2, 5), .pad, normalization: .given(mean: [1], std: [0.5]))
        #expect(first(padded) == [-2, 0, 2, -2, -2, -2, -2, -2, -2, -2])
        #expect(padded.shape == ImageShape(height: 2, width: 5, channels: 1))
    }

    @Test func augmentationComesBefore() throws {
        let flipped = try dataset([0, 4], ImageShape(height: 1, width: 2, channels: 1), Size2D(1, 4))
        #expect(first(flipped) == [0, 1, 3, 4])
        #expect(first(flipped, [.horizontalFlip(probability: 1)]) == [4, 3, 1, 0])
    }

    @Test func whatDoesNotFitIsSaid() throws {
        #expect(throws: UserError.self) { try dataset([1, 2], ImageShape(height: 1, width: 2, channels: 1), Size2D(4, 1), .pad) }
        func errors(_ text: String) throws -> String {
            let errors = ConfigurationErrors()
            var fields = FieldReader(try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }, path: "data", errors: errors)
            _ = DataConfiguration(from: &fields)
            fields.finish()
            do { try errors.throwIfAny() } catch { return "\(error)" }
            return ""
        }
        #expect(try errors("{name: digits, size: 32}") == "")
        #expect(try errors("{name: digits, size: [32, 40], resize: pad}") == "")
        #expect(try errors("{name: digits, resize: pad}").contains("data.resize: there is no size to which images are brought"))
        #expect(try errors("{name: digits, size: [1, 2, 3]}").contains("data.size: found 3 numbers, expected one, or [height, width]"))
        #expect(try errors("{name: digits, size: 5000}").contains("data.size"))
        #expect(try errors("{name: digits, size: natve}").contains("data.size: expected a number of pixels from 1 to 4096, [height, width], or native, found natve"))
        #expect(try errors("{name: digits, size: 32, resize: crop}").contains("data.resize: unknown value 'crop'"))
    }

    @Test func theIdentityHoldsTheSize() throws {
        var configuration = DataConfiguration()
        let plain = "\(configuration.identity)"
        configuration.size = Size2D(32, 32)
        #expect("\(configuration.identity)" != plain)
    }
}
