import Configuration
import Foundation
import HDF5
import TensorCore
import TestSupport
import Testing

@testable import VisionData

/// What people put beside the images of an HDF5 file, and what is made of it.
@Suite struct HDF5TargetTests {
    private static let count = 4, side = 10

    /// A file of training and test images, each 4 of 10×10, to which `change` adds.
    private func load(in folder: String, labels: [Int64]? = nil, _ change: (borrowing HDF5Writer, _ part: String) throws -> Void) throws -> LabeledImages {
        let path = "\(folder)/\(UUID().uuidString).h5", file = try HDF5Writer(path)
        for part in ["train", "test"] {
            try file.write((0..<Self.count * 100).map { UInt8($0 % 251) }, to: "/\(part)/images", shape: [Self.count, 1, Self.side, Self.side])
            if let labels { try file.write(labels, to: "/\(part)/labels") }
            try change(file, part)
        }
        try file.close()
        return try loadHDF5Images(HDF5Source(path: path), at: path).images
    }

    /// float32 is enough for most numbers, and not for small steps far from 0.
    @Test func targetsThatFloat32CannotTellApart() throws {
        try withTemporaryFolder { folder in
            let thirds: [Double] = [0.1, 0.4, 0.7, 1.1], years: [Double] = [0, 1e9 + 1, 2, 1e9 + 3, 4, 1e9 + 5, 6, 1e9 + 7]
            let near = try load(in: folder) { try $0.write(thirds, to: "/\($1)/targets") }
            #expect(near.targets?.values.count == 2 * Self.count)
            let error = try #require(#expect(throws: UserError.self) {
                _ = try load(in: folder) { try $0.write(years, to: "/\($1)/targets", shape: [Self.count, 2]) }
            })
            #expect(error.message.contains("/train/targets: the numbers of column 1 spread by 2.24 about 1e+09, which float32 does not tell apart; expected them less their mean"))
        }
    }

    private static let boxes: [Float] = [
        2, 0.5, 1.25, 3.5, 4, 1, 0, 0, 10, 9.75, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 2, 2, 1, 1, -1, 0, 0, 0, 0, 1, 1, 1, 8, 8, -1, 0, 0, 0, 0,
    ]

    @Test func boxesMayHaveFractions() throws {
        try withTemporaryFolder { folder in
            let images = try load(in: folder) { try $0.write(Self.boxes, to: "/\($1)/boxes", shape: [Self.count, 2, 5]) }
            let found = try #require(images.boxes?.boxes)
            #expect(found[0] == [InstanceBox(label: 2, x: 0.5, y: 1.25, width: 3.5, height: 4), InstanceBox(label: 1, x: 0, y: 0, width: 10, height: 9.75)])
            // Labels are those of the largest boxes, and the classes are as many as there are.
            #expect(Array(images.labels[images.train]) == [1, 0, 0, 1] && images.classCount == 3)
            // Models get them as they are.
            let dataset = try ImageDataset(images, validation: .count(0)), field = try #require(dataset.field(named: "boxes"))
            var rows = [Float](repeating: 7, count: 10)
            try rows.withUnsafeMutableBytes { try dataset.makeWriter(of: [field], augmentations: [], seed: 1).write(0, epoch: 0, place: 0, in: [$0.baseAddress!]) }
            #expect(rows == [2, 0.5, 1.25, 4, 5.25, 1, 0, 0, 10, 9.75])
            // They are kept in a file, and are part of what the data are.
            try images.write(to: "\(folder)/again.h5")
            let again = try loadHDF5Images(HDF5Source(path: "\(folder)/again.h5"), at: "\(folder)/again.h5").images
            #expect(again.boxes == images.boxes && again.digest == images.digest)
            let other = try load(in: folder) { file, part in
                try file.write([Float](Self.boxes.map { $0 == 0.5 ? 0.25 : $0 }), to: "/\(part)/boxes", shape: [Self.count, 2, 5])
            }
            #expect(other.digest != images.digest)
            // Whole numbers are the same data as integers and as fractions.
            let whole = Self.boxes.map { $0.rounded(.down) }
            let integers = try load(in: folder) { try $0.write(whole.map { Int64($0) }, to: "/\($1)/boxes", shape: [Self.count, 2, 5]) }
            let floats = try load(in: folder) { try $0.write(whole.map { Double($0) }, to: "/\($1)/boxes", shape: [Self.count, 2, 5]) }
            #expect(integers.digest == floats.digest)
            for (place, value, sentence) in [
                (0, 1.5, "/train/boxes: the class 1.5 at index 0, expected a whole number"), (3, 0, "is 0 pixels wide and 4 high, expected more than 0"),
                (3, .nan, "has the numbers [0.5, 1.25, nan, 4], expected finite ones"), (0, 3_000_000, "the class 3000000 in masks or boxes, expected 0 to 9999"), (3, 9.75, "begins at (0.5, 1.25) with 9.75×4 pixels, which lies outside the image of 10×10×1"),
            ] as [(Int, Float, String)] {
                var wrong = Self.boxes
                wrong[place] = value
                let error = #expect(throws: UserError.self) { try load(in: folder) { try $0.write(wrong, to: "/\($1)/boxes", shape: [Self.count, 2, 5]) } }
                #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
            }
        }
    }

    @Test func masksNeedNoLabels() throws {
        try withTemporaryFolder { folder in
            let mask = (0..<Self.count * 100).map { UInt8($0 % 100 < 30 ? 255 : $0 % 100 < 50 ? 3 : $0 % 100 < 60 ? 1 : 0) }
            func masked(_ names: [String]?, labels: [Int64]? = nil) throws -> LabeledImages {
                try load(in: folder, labels: labels) { file, part in
                    try file.write(mask, to: "/\(part)/masks", shape: [Self.count, Self.side, Self.side])
                    if let names, part == "train" { try file.write(names, to: "/class_names") }
                }
            }
            let images = try masked(nil)
            #expect(images.labels.allSatisfy { $0 == 3 } && images.classCount == 4 && images.classNames == nil)
            let named = try masked(["ground", "road", "car", "tree", "sky"])
            #expect(named.classCount == 5 && named.classNames?.last == "sky")
            // A file with labels of fewer classes than its masks have is no error any more.
            #expect(try masked(nil, labels: [0, 1, 0, 1]).classCount == 4)
            let error = #expect(throws: UserError.self) { _ = try masked(["ground", "road", "car"]) }
            #expect(error?.message.contains("the mask of /train/images at index 0 has the class 3, expected 0 to 2") == true, "\(error?.message ?? "")")
            // What goes by classes of images says so.
            for (key, change) in [
                ("sampling", { $0.sampling = .balanced }), ("images_per_class", { $0.imagesPerClass = 1 }), ("imbalance", { $0.imbalance = 2 }),
            ] as [(String, (inout DataConfiguration) -> Void)] {
                var configuration = DataConfiguration()
                configuration.validation = .count(0)
                change(&configuration)
                let error = #expect(throws: UserError.self) { try ImageDataset(named, configuration) }
                #expect(error?.message == "data.\(key): goes by the class of an image, that of its largest object or of most of its pixels; no training image of \(named.name) is of class 0 (ground), so leave this key out", "\(error?.message ?? "")")
            }
        }
    }

    /// `pad_to` puts images into a border that does not count.
    @Test func aBorderDoesNotCount() throws {
        let shape = ImageShape(height: 6, width: 9, channels: 1), mask = (0..<54).map { UInt8($0 % 3) }
        let images = try LabeledImages(
            "masked", shape: shape, pixels: .bytes([UInt8](repeating: 200, count: 108), maximum: 255), labels: [0, 1], classCount: 3, testCount: 1, masks: mask + mask,
            boxes: InstanceBoxes(maximum: 1, [[InstanceBox(label: 1, x: 1, y: 2, width: 3, height: 4)], []]))
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization, configuration.padTo) = (.count(0), .none, 4)
        let dataset = try ImageDataset(images, configuration), fields = try ["image", "mask", "boxes"].map { try #require(dataset.field(named: $0)) }
        #expect(dataset.shape == ImageShape(height: 8, width: 12, channels: 1))
        var image = [Float](repeating: -1, count: 96), found = [Int32](repeating: -1, count: 96), box = [Float](repeating: 0, count: 5)
        try image.withUnsafeMutableBytes { image in
            try found.withUnsafeMutableBytes { found in
                try box.withUnsafeMutableBytes { box in
                    try dataset.makeWriter(of: fields, augmentations: [.shift(pixels: 2)], seed: 1)
                        .write(0, epoch: 3, place: 0, in: [image.baseAddress!, found.baseAddress!, box.baseAddress!])
                }
            }
        }
        for row in 0..<8 {
            for column in 0..<12 where !(1..<7).contains(row) || !(1..<10).contains(column) { #expect(found[row * 12 + column] == 255 && image[row * 12 + column] == 0) }
        }
        // What a shift brings into the image is background, as without a border.
        #expect(found.count { $0 == 255 } == 96 - 54 && Set(found).isSubset(of: [0, 1, 2, 255]))
        #expect(box[0] == -1 || box[1] >= 1 && box[3] <= 10)
        // A point of the model's image comes back.
        let whole = WholeImage(name: "", size: Size2D(6, 9), pixels: images.pixels, layout: ImageSizing(target: Size2D(8, 12), resize: .pad).layout(of: Size2D(6, 9)), target: Size2D(8, 12))
        #expect(whole.restored(x: 1, y: 1) == (0, 0) && whole.restored(x: 10, y: 7) == (9, 6))
        let smaller = WholeImage(name: "", size: Size2D(100, 50), pixels: images.pixels, layout: ImageSizing(target: Size2D(40, 40), resize: .pad).layout(of: Size2D(100, 50)), target: Size2D(40, 40))
        #expect(smaller.restored(x: 10, y: 0) == (0, 0) && smaller.restored(x: 30, y: 40) == (50, 100))
    }
}
