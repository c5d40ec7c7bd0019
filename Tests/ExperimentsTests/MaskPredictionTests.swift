import Configuration
import Foundation
import HDF5
import Models
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Experiments

/// Masks of images of any size.
@Suite struct MaskPredictionTests {
    private static let classes = 4

    /// A model for images of 64×64 pixels or of another size, with the same weights.
    private func withModels(_ json: String, sizes: [Size2D], _ body: ([TrainedModel], _ folder: String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let definition = try Definition.model(json), graph = Graph(mode: .evaluation)
            _ = definition.record(graph.input("images", [1, 64, 64, 1]), classes: Self.classes, in: graph.root)
            try graph.validate()
            let store = try ParameterStore(graph, from: Initializers(seed: 3))
            func arrays(_ declared: [Parameter]) -> [NamedArray] { declared.map { NamedArray(name: $0.name, shape: Array($0.shape), values: store.tensor(named: $0.name)!.floats) } }
            try StoredWeights(parameters: arrays(graph.parameters), buffers: arrays(graph.buffers)).write(to: "\(folder)/weights.h5")
            let models = try sizes.map { size in
                try TrainedModel(
                    "unet", definition, input: ImageShape(height: size.height, width: size.width, channels: 1), classes: Self.classes, weights: "\(folder)/weights.h5")
            }
            try body(models, folder)
        }
    }

    private func write(_ count: Int, _ size: Size2D, _ path: String) throws -> UnlabeledImages {
        let pixels = (0..<count * size.height * size.width).map { (index: Int) -> Float in
            let (row, column) = (index / size.width % size.height, index % size.width)
            return sin(Float(row) * 0.31) * cos(Float(column) * 0.23) + Float(index &* 2_654_435_761 >> 7 & 255) / 256
        }
        let file = try HDF5Writer(path)
        try file.write(pixels, to: "/images", shape: [count, 1, size.height, size.width])
        try file.close()
        return try UnlabeledImages(path, mayBeBytes: false)
    }

    private func masks(_ model: TrainedModel, _ images: UnlabeledImages, overlap: Int? = nil, threads: Int = 2) throws -> [[UInt8]] {
        var options = MaskOptions(), found: [[UInt8]] = []
        options.overlap = overlap
        try model.predictMasks(images, options, threads: threads) { image, mask in
            #expect(image.size.height * image.size.width == mask.count)
            found.append(mask)
        }
        return found
    }

    /// Convolutions of a U-Net of depth 2 that do not pad see 20 pixels around each, so that tiles which overlap by twice that give what the whole image gives, even
    /// at its border, where both mirror it.
    @Test func tilesGiveWhatTheWholeImageGives() throws {
        let size = Size2D(128, 160)
        try withModels("{unet: {width: 4, depth: 2, padding: valid}}", sizes: [Size2D(64, 64), size]) { models, folder in
            let images = try write(2, size, "\(folder)/images.h5")
            let whole = try masks(models[1], images), tiled = try masks(models[0], images, overlap: 48)
            #expect(whole.count == 2 && whole == tiled)
            #expect(Set(whole[0]).count > 1, "the model tells pixels apart")
            // Too small an overlap shows.
            #expect(try masks(models[0], images, overlap: 0) != whole)
            #expect(try masks(models[0], images, overlap: 48, threads: 1) == tiled)
        }
    }

    /// Smaller images are mirrored to the model's size, and sizes in between are cut.
    @Test func imagesOfAnySizeHaveMasksOfTheirSize() throws {
        try withModels("{unet: {width: 4, depth: 2}}", sizes: [Size2D(64, 64)]) { models, folder in
            for (number, size) in [Size2D(5, 7), Size2D(64, 64), Size2D(1, 200), Size2D(100, 65)].enumerated() {
                let images = try write(3, size, "\(folder)/\(number).h5"), found = try masks(models[0], images)
                #expect(found.count == 3)
            }
            let images = try write(1, Size2D(80, 80), "\(folder)/few.h5")
            #expect(throws: UserError(.usage, "--overlap: found 64 pixels, expected fewer than the 64 of the model's images")) {
                try masks(models[0], images, overlap: 64)
            }
        }
    }
}
