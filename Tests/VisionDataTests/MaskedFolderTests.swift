import Configuration
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import VisionData

/// Folders of images with masks, as PASCAL VOC has them.
@Suite struct MaskedFolderTests {
    /// Images of 6×4 pixels, whose masks have the class 1 + number at the left and 0 at the right, and 255 in a corner.
    private static func mask(_ number: Int, _ size: Size2D = Size2D(4, 6)) -> [UInt8] {
        (0..<size.height * size.width).map { $0 == 0 ? 255 : $0 % size.width < size.width / 2 ? UInt8(number + 1) : 0 }
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws {
        try FileManager.default.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: path))
    }

    private static func add(_ name: String, _ number: Int, to folder: String, size: Size2D = Size2D(4, 6), images: String = "JPEGImages", masks: String = "SegmentationClass") throws {
        let pixels = (0..<size.height * size.width * 3).map { UInt8(truncatingIfNeeded: $0 * 7 + number * 31) }
        try write(PNGFile(pixels, size, channels: 3).bytes, "\(folder)/\(images)/\(name).png")
        try write(PNGFile(classes: mask(number, size), size).bytes, "\(folder)/\(masks)/\(name).png")
    }

    private static func voc(_ folder: String) throws {
        for number in 0..<5 { try add("2007_00000\(number)", number % 3, to: folder) }
        for (list, names) in [("train", ["2007_000001", "2007_000000", ""]), ("val", ["2007_000002"]), ("test", ["2007_000003.png"])] {
            try write(Array(names.joined(separator: "\n").utf8), "\(folder)/ImageSets/Segmentation/\(list).txt")
        }
    }

    private static func source(_ folder: String, lists: Bool = true, classes: [String] = []) -> FolderSource {
        var source = FolderSource(path: folder)
        (source.masks, source.images, source.lists, source.classes) = ("SegmentationClass", "JPEGImages", lists ? "ImageSets/Segmentation" : nil, classes)
        return source
    }

    private static func load(_ source: FolderSource, size: Size2D? = nil, resize: ResizeKind = .exact) throws -> ImageDataset {
        var configuration = DataConfiguration(.folder(source))
        (configuration.size, configuration.resize) = (size, resize)
        return try ImageDataset.load(configuration)
    }

    @Test func splitsAreThoseOfTheLists() throws {
        try withTemporaryFolder { folder in
            try Self.voc(folder)
            let dataset = try Self.load(Self.source(folder))
            #expect(dataset.indices(of: .train).count == 2 && dataset.indices(of: .validation).count == 1 && dataset.indices(of: .test).count == 1)
            #expect(dataset.images.classCount == 4 && dataset.images.classNames == nil)
            // In the order of their classes and names: the label is that of most pixels.
            #expect(dataset.images.labels == [1, 2, 3, 1])
            #expect(dataset.images.masks == [0, 1, 2, 0].flatMap { Self.mask($0) })
            #expect(dataset.notes.contains { $0.contains("1 image is in no list and not used") })
            let named = try Self.load(Self.source(folder, classes: ["background", "cat", "dog", "cow", "sheep"]))
            #expect(named.images.classCount == 5 && named.images.classNames?.last == "sheep" && named.images.digest != dataset.images.digest)
            // Another mask is other data, and another size is the same.
            #expect(try Self.load(Self.source(folder), size: Size2D(2, 3)).images.digest(inSize: Size2D(4, 6)) == dataset.images.digest)
            try Self.write(PNGFile(classes: Self.mask(1), Size2D(4, 6)).bytes, "\(folder)/SegmentationClass/2007_000000.png")
            #expect(try Self.load(Self.source(folder)).images.digest != dataset.images.digest)
        }
    }

    @Test func splitsAreFoldersOrDrawn() throws {
        try withTemporaryFolder { folder in
            for number in 0..<4 { try Self.add("train/\(number)", number % 2, to: folder) }
            for number in 0..<2 { try Self.add("test/\(number)", number, to: folder) }
            let parted = try Self.load(Self.source(folder, lists: false))
            #expect(parted.indices(of: .test).count == 2 && parted.images.train.count == 4)
        }
        try withTemporaryFolder { folder in
            for number in 0..<10 { try Self.add("\(number)", number % 2, to: folder) }
            let drawn = try Self.load(Self.source(folder, lists: false))
            #expect(drawn.images.test.count == 2 && drawn.images.train.count == 8)
            // Masks go where their images go.
            for index in drawn.images.labels.indices {
                let first = index * 24 + 1
                #expect(Int32(drawn.images.masks?[first] ?? 0) == drawn.images.labels[index])
            }
        }
    }

    /// Each pixel of a mask is the nearest one, where the image's are interpolated; the border around an image is background.
    @Test func masksComeToTheSizeOfTheirImages() throws {
        try withTemporaryFolder { folder in
            for number in 0..<4 { try Self.add("\(number)", 0, to: folder, size: Size2D(number == 0 ? 8 : 4, 6)) }
            let sizing: (ResizeKind) -> ImageSizing = { ImageSizing(target: Size2D(4, 4), resize: $0) }
            func mask(_ size: Size2D, _ kind: ResizeKind) throws -> [UInt8] {
                let path = "\(folder)/m.png"
                try Self.write(PNGFile(classes: (0..<size.height * size.width).map { UInt8($0) }, size).bytes, path)
                return try ImageMask(path, of: ("i", size), sizing(kind), classNames: []).pixels
            }
            #expect(try mask(Size2D(2, 2), .exact) == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
            #expect(try mask(Size2D(2, 3), .pad) == [0, 0, 0, 0, 0, 1, 2, 0, 3, 4, 5, 0, 0, 0, 0, 0])
            #expect(try mask(Size2D(8, 16), .shorter) == [20, 22, 24, 26, 52, 54, 56, 58, 84, 86, 88, 90, 116, 118, 120, 122].map { UInt8($0 + 1) })
            let dataset = try Self.load(Self.source(folder, lists: false), size: Size2D(4, 4))
            #expect(dataset.shape.height == 4 && dataset.images.masks?.count == 4 * 16)
        }
    }

    @Test func whatDoesNotFitIsSaidInASentence() throws {
        try withTemporaryFolder { root in
            try Self.voc("\(root)/whole")
            #expect(try Self.load(Self.source("\(root)/whole")).images.labels.count == 4)
            var number = 0
            func message(of classes: [String] = [], _ change: (_ folder: String) throws -> Void) throws -> String {
                number += 1
                let folder = "\(root)/\(number)"
                try Self.voc(folder)
                try change(folder)
                let error = #expect(throws: UserError.self) { try Self.load(Self.source(folder, classes: classes)) }
                return (error?.message ?? "").replacing("\(folder)/", with: "")
            }
            func mask(_ bytes: [UInt8]) -> (String) throws -> Void { { try Self.write(bytes, "\($0)/SegmentationClass/2007_000001.png") } }
            func list(_ text: String) -> (String) throws -> Void { { try Self.write(Array(text.utf8), "\($0)/ImageSets/Segmentation/train.txt") } }
            #expect(try message(mask(PNGFile(classes: Self.mask(1, Size2D(6, 4)), Size2D(6, 4)).bytes))
                == "SegmentationClass/2007_000001.png: has 6×4 pixels, expected the 4×6 of JPEGImages/2007_000001.png")
            #expect(try message(of: ["a", "b", "c"], mask(PNGFile(classes: Self.mask(6), Size2D(4, 6)).bytes))
                == "SegmentationClass/2007_000001.png: the pixel in row 0 and column 1 has the class 7, expected 0 to 2, or 255 for pixels that do not count")
            #expect(try message(mask(PNGFile(classes: Self.mask(1), Size2D(4, 6), hasPalette: false).bytes)) == "SegmentationClass/2007_000001.png: is damaged: IDAT: Missing PLTE before IDAT")
            #expect(try message(mask(PNGFile([UInt8](repeating: 1, count: 72), Size2D(4, 6), channels: 3).bytes))
                == "SegmentationClass/2007_000001.png: has colours and no palette, expected a PNG file with a palette or gray levels, whose numbers are classes")
            #expect(try message(mask(PNGFile(classes: [UInt8](repeating: 255, count: 24), Size2D(4, 6)).bytes))
                == "SegmentationClass/2007_000001.png: is 255 everywhere, so that no pixel of it counts")
            #expect(try message { try FileManager.default.removeItem(atPath: "\($0)/SegmentationClass/2007_000001.png") }
                == "SegmentationClass/2007_000001.png: there is no such file, the mask of JPEGImages/2007_000001.png")
            #expect(try message(list("2007_000001\nnone\n")) == "ImageSets/Segmentation/train.txt:2: there is no image 'none' in JPEGImages")
            #expect(try message(list("2007_000001\n2007_000002\n"))
                == "ImageSets/Segmentation/val.txt:1: names '2007_000002' again, after ImageSets/Segmentation/train.txt:2")
            #expect(try message { try FileManager.default.removeItem(atPath: "\($0)/ImageSets/Segmentation/train.txt") }
                == "ImageSets/Segmentation: has no train.txt, the names of the training images")
            #expect(try message { try FileManager.default.removeItem(atPath: "\($0)/SegmentationClass") } == "SegmentationClass: there is no such folder")
        }
    }

    /// Gray levels number classes as a palette does.
    @Test func grayMasksAreRead() throws {
        let found = try ImageMask.decode(PNGFile(Self.mask(2), Size2D(4, 6), channels: 1).bytes, path: "m.png")
        #expect(found.size == Size2D(4, 6) && found.pixels == Self.mask(2))
    }
}
