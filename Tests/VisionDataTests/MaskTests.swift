import Configuration
import Foundation
import HDF5
import TensorCore
import TestSupport
import Testing

@testable import VisionData

@Suite struct MaskTests {
    private static let shape = ImageShape(height: 6, width: 9, channels: 1)

    /// An image whose pixels are the classes of its mask, and one for the test.
    private static func images(_ mask: [UInt8], classes: Int, maximum: UInt8 = 1, shape: ImageShape = shape, boxes: InstanceBoxes? = nil) throws -> LabeledImages {
        try LabeledImages(
            "masked", shape: shape, pixels: .bytes(mask + mask, maximum: maximum), labels: [0, 1], classCount: classes, testCount: 1, masks: mask + mask, boxes: boxes)
    }

    private static let mask: [UInt8] = (0..<54).map { UInt8($0 * 7 % 10) }

    private static func dataset(_ images: LabeledImages, size: Size2D? = nil, resize: ResizeKind = .exact) throws -> ImageDataset {
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization, configuration.size, configuration.resize) = (.count(0), .none, size, resize)
        return try ImageDataset(images, configuration)
    }

    /// Image and mask of the first sample in an epoch.
    private static func written(_ dataset: ImageDataset, _ augmentations: [Augmentation], epoch: Int) throws -> (image: [Float], mask: [Int32]) {
        let fields = try ["image", "mask"].map { try #require(dataset.field(named: $0)) }, count = dataset.shape.height * dataset.shape.width
        let writer = dataset.makeWriter(of: fields, augmentations: augmentations, seed: 3)
        var image = [Float](repeating: -1, count: count), mask = [Int32](repeating: -1, count: count)
        try image.withUnsafeMutableBytes { image in
            try mask.withUnsafeMutableBytes { mask in try writer.write(0, epoch: epoch, place: 0, in: [image.baseAddress!, mask.baseAddress!]) }
        }
        return (image, mask)
    }

    @Test func aMaskMovesWithItsImage() throws {
        let dataset = try Self.dataset(Self.images(Self.mask, classes: 10))
        #expect(dataset.field(named: "mask") == Field("mask", [6, 9], .int32, meaning: .classes(10)))
        var seen = Set<[Int32]>()
        for epoch in 0..<40 {
            let (image, mask) = try Self.written(dataset, [.shift(pixels: 3), .horizontalFlip(probability: 0.5)], epoch: epoch)
            #expect(image == mask.map { Float($0) })
            seen.insert(mask)
        }
        #expect(seen.count > 20)
    }

    /// Of two classes, an interpolated pixel above ¾ has its nearest one in the object, and one below ¼ in the background.
    @Test(arguments: [[Augmentation.rotation(degrees: 40)], [.shear(degrees: 30)], [.zoom(fraction: 0.4)], [.horizontalFlip(probability: 1), .rotation(degrees: 90), .shift(pixels: 2)]])
    func aResampledMaskIsThatOfTheNearestPixels(augmentations: [Augmentation]) throws {
        let object: [UInt8] = (0..<54).map { pixel in
            let row = pixel / 9, column = pixel % 9
            return (1...4).contains(row) && (2...7).contains(column) && row != column ? 1 : 0
        }
        let dataset = try Self.dataset(Self.images(object, classes: 2))
        var clear = 0
        for epoch in 0..<50 {
            let (image, mask) = try Self.written(dataset, augmentations, epoch: epoch)
            for (value, label) in zip(image, mask) {
                #expect(label == 0 || label == 1)
                if value > 0.7501 || value < 0.2499 {
                    #expect(label == (value > 0.5 ? 1 : 0))
                    clear += label == 1 ? 1 : 0
                }
            }
        }
        #expect(clear > 200)
    }

    @Test func aMaskIsResizedWithItsImage() throws {
        let images = try Self.images([1, 2, 3, 4, 5, 255], classes: 10, maximum: 255, shape: ImageShape(height: 2, width: 3, channels: 1))
        #expect(try Self.written(Self.dataset(images, size: Size2D(4, 6)), [], epoch: 0).mask
            == [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 255, 255, 4, 4, 5, 5, 255, 255])
        #expect(try Self.written(Self.dataset(images, size: Size2D(1, 1)), [], epoch: 0).mask == [5])
        #expect(try Self.written(Self.dataset(images, size: Size2D(3, 5), resize: .pad), [], epoch: 0).mask
            == [0, 1, 2, 3, 0, 0, 4, 5, 255, 0, 0, 0, 0, 0, 0])
    }

    @Test func masksAndBoxesArePartOfTheDigest() throws {
        func digest(_ mask: [UInt8]?, _ boxes: InstanceBoxes?) throws -> String {
            try LabeledImages(
                "masked", shape: Self.shape, pixels: .bytes(Self.mask + Self.mask, maximum: 9), labels: [0, 1], classCount: 10, testCount: 1,
                masks: mask.map { $0 + $0 }, boxes: boxes).digest
        }
        var other = Self.mask
        other[7] = 255
        let box = InstanceBox(label: 2, x: 1, y: 2, width: 3, height: 4), wider = InstanceBox(label: 2, x: 1, y: 2, width: 4, height: 4)
        let digests = try [
            digest(nil, nil), digest(Self.mask, nil), digest(other, nil), digest(nil, InstanceBoxes(maximum: 1, [[box], []])),
            digest(nil, InstanceBoxes(maximum: 1, [[], [box]])), digest(nil, InstanceBoxes(maximum: 2, [[box], []])),
            digest(nil, InstanceBoxes(maximum: 1, [[wider], []])),
        ]
        #expect(Set(digests).count == digests.count)
    }

    @Test func whatDoesNotFitIsSaidInASentence() {
        func message(_ mask: [UInt8]?, _ boxes: [[InstanceBox]]? = nil, maximum: Int = 1) -> String? {
            let error = #expect(throws: UserError.self) {
                try LabeledImages(
                    "masked", shape: Self.shape, pixels: .bytes(Self.mask + Self.mask, maximum: 9), labels: [0, 1], classCount: 10, testCount: 1, masks: mask,
                    boxes: boxes.map { InstanceBoxes(maximum: maximum, $0) })
            }
            return error?.message
        }
        #expect(message(Self.mask) == "masked: found 54 pixels of masks for 2 images, expected 54 for each image of 6×9×1")
        #expect(message(Self.mask + Self.mask.map { $0 == 3 ? 12 : $0 })
            == "masked: the mask of image 1 has the class 12, expected 0 to 9, or 255 for pixels that do not count")
        #expect(message(Self.mask + Self.mask.map { _ in 255 }) == "masked: the mask of image 1 is 255 everywhere, so that no pixel of it counts")
        func box(_ label: Int32 = 0, x: Float = 0, y: Float = 0, width: Float = 1, height: Float = 1) -> InstanceBox {
            InstanceBox(label: label, x: x, y: y, width: width, height: height)
        }
        #expect(message(nil, [[]]) == "masked: found boxes of 1 images, expected those of 2")
        #expect(message(nil, [[], [box(), box()]]) == "masked: image 1 has 2 boxes, expected at most 1")
        #expect(message(nil, [[box(10)], []]) == "masked: a box of image 0 has the class 10, expected 0 to 9")
        #expect(message(nil, [[box(width: 0)], []]) == "masked: a box of image 0 is 0 pixels wide and 1 high, expected more than 0")
        #expect(message(nil, [[box(x: 7, width: 3)], []]) == "masked: a box of image 0 begins at (7, 0) with 3×1 pixels, which lies outside the image of 6×9×1")
        #expect(message(nil, [[box(y: -1)], []]) == "masked: a box of image 0 begins at (0, -1) with 1×1 pixels, which lies outside the image of 6×9×1")
    }

    /// What `harness data convert` writes is read as it was; what is wrong in a file is said with its place.
    @Test func masksAndBoxesAreKeptInAFile() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/scenes.h5", scenes = try FashionScenes.digits()
            try scenes.write(to: path)
            let found = try loadHDF5Images(HDF5Source(path: path), at: path).images
            #expect(found.masks == scenes.masks && found.boxes == scenes.boxes && found.digest == scenes.digest)

            func message(_ change: (borrowing HDF5Writer) throws -> Void) throws -> String? {
                let path = "\(folder)/\(UUID().uuidString).h5", file = try HDF5Writer(path)
                for part in ["train", "test"] {
                    let column = try file.makeColumn("/\(part)/images", of: UInt8.self, rowShape: [1, 2, 3], rowsPerChunk: 1)
                    try column.append([UInt8](repeating: 7, count: 12))
                    try column.close()
                    try file.write([0, 1] as [Int64], to: "/\(part)/labels")
                }
                try file.setAttribute("classes", of: "/", to: 2 as Int64)
                try change(file)
                try file.close()
                let error = #expect(throws: UserError.self) { try loadHDF5Images(HDF5Source(path: path), at: path) }
                return error.map { String($0.message.dropFirst(path.count)) }
            }
            func write(_ file: borrowing HDF5Writer, _ name: String, _ rowShape: [Int], _ values: [Int64]) throws {
                let column = try file.makeColumn(name, of: Int64.self, rowShape: rowShape, rowsPerChunk: 1)
                try column.append(values)
                try column.close()
            }
            let masks = [Int64](repeating: 1, count: 12)
            #expect(try message { try write($0, "/train/masks", [2, 3], masks) } == ": there is no /test/masks, but /train/masks")
            #expect(try message { try write($0, "/train/masks", [3, 2], masks) } == ": /train/masks: found the shape [2, 3, 2], expected [2, 2, 3]")
            #expect(try message { try write($0, "/train/masks", [2, 3], masks.dropLast() + [300]) }
                == ": /train/masks: class 300 in the mask at index 1, expected 0 to 255")
            #expect(try message { try write($0, "/train/masks", [2, 3], masks.dropLast() + [.max]) }?.hasSuffix("in the mask at index 1, expected 0 to 255") == true)
            #expect(try message {
                try write($0, "/train/label_sets", [2], [1, 0, -1, 1])
                try write($0, "/test/label_sets", [2], [1, 0, 0, 1])
            } == ": /train/label_sets: found -1 for class 0 at index 1, expected 0 or 1")
            #expect(try message {
                try write($0, "/train/masks", [2, 3], masks)
                try write($0, "/test/masks", [2, 3], masks.dropLast() + [4])
            } == ": the mask of /test/images at index 1 has the class 4, expected 0 to 1, or 255 for pixels that do not count")
            #expect(try message { try write($0, "/train/boxes", [1, 4], [Int64](repeating: 0, count: 8)) }
                == ": /train/boxes: found the shape [2, 1, 4], expected [2, most of an image, 5]")
            #expect(try message {
                try write($0, "/train/boxes", [1, 5], [-1, 0, 0, 0, 0, 0, 2, 0, 2, 1])
                try write($0, "/test/boxes", [1, 5], [Int64](repeating: -1, count: 10))
            } == ": a box of /train/images at index 1 begins at (2, 0) with 2×1 pixels, which lies outside the image of 2×3×1")
        }
    }
}
