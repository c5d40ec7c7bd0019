import Configuration
import Foundation
import HDF5
import TensorCore
import Testing
@testable import VisionData

@Suite struct HDF5ImagesTests {
    let folder = try! TemporaryFolder()
    private var path: String { folder.path("data.h5") }

    /// Images of 2 channels, 2×3, whose value is their place in the file.
    private func write(
        _ file: borrowing HDF5Writer, _ part: String, count: Int, labels: [Int64], shape: [Int] = [2, 2, 3]
    ) throws {
        let pixels = (0..<count * shape.reduce(1, *)).map { UInt8($0) }
        try file.write(pixels, to: "/\(part)/images", shape: [count] + shape)
        try file.write(labels, to: "/\(part)/labels")
    }

    private func load(classes: Int? = nil, _ change: (inout DataConfiguration) -> Void = { _ in }) throws -> ImageDataset {
        var configuration = DataConfiguration(.hdf5(HDF5Source(path: path, classes: classes)))
        change(&configuration)
        return try ImageDataset.load(configuration)
    }

    @Test func bytesComeChannelsLast() throws {
        let file = try HDF5Writer(path)
        try write(file, "train", count: 4, labels: [0, 1, 2, 1])
        try write(file, "test", count: 1, labels: [3])
        try file.close()
        let dataset = try load { $0.validation = .count(1) }
        #expect(dataset.name == "data.h5")
        #expect(dataset.shape == ImageShape(height: 2, width: 3, channels: 2))
        #expect(dataset.images.labels == [0, 1, 2, 1, 3])
        #expect(dataset.classCount == 4)
        #expect(dataset.indices(of: .train).count == 3)
        #expect(dataset.indices(of: .validation).count == 1)
        #expect(dataset.indices(of: .test) == [4])
        guard case .bytes(let pixels, 255) = dataset.images.pixels else { Issue.record("expected bytes up to 255"); return }
        #expect(pixels.prefix(12) == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])
        #expect(pixels.suffix(12) == pixels.prefix(12))
        #expect(pixels[12] == 12 && pixels[13] == 18)
    }

    /// Deeper integers stand for 0 to 1, doubles for themselves; both are said.
    @Test func otherTypesAreConverted() throws {
        func read<Element: HDF5Element>(_ values: [Element]) throws -> (pixels: [Float], notes: [String]) {
            let file = try HDF5Writer(path)
            for part in ["train", "test"] {
                try file.write(values + values, to: "/\(part)/images", shape: [2, 1, 1, 2])
                try file.write([0, 1] as [UInt8], to: "/\(part)/labels")
            }
            try file.close()
            let dataset = try load { $0.validation = .count(0) }
            guard case .floats(let pixels) = dataset.images.pixels else { return ([], dataset.notes) }
            return (Array(pixels.prefix(2)), dataset.notes)
        }
        let words = try read([65_535, 13_107] as [UInt16])
        #expect(words.pixels == [1, 0.2] && words.notes.contains("\(path): /train/images: uint16 images are used as float32, 65,535 standing for 1"))
        let doubles = try read([-0.1, 1e30] as [Double])
        #expect(doubles.pixels == [-0.1, 1e30] && doubles.notes.contains("\(path): /train/images: float64 images are used as float32"))
        #expect(try userError { _ = try read([0, 1e39] as [Double]) }
            == UserError(.data, "\(path): /train/images: image 0 holds 1e+39, expected numbers that float32 can hold"))
        #expect(try userError { _ = try read([0, .infinity] as [Double]) }
            == UserError(.data, "\(path): /train/images: image 0 holds inf, expected finite numbers"))
    }

    @Test func floatsValidationImagesAndClassesOfTheFile() throws {
        let file = try HDF5Writer(path)
        for (part, value) in [("train", 1), ("val", 2), ("test", 3)] {
            try file.write([Float](repeating: Float(value) / 2, count: 8), to: "/\(part)/images", shape: [2, 1, 2, 2])
            try file.write([0, 1] as [UInt8], to: "/\(part)/labels")
        }
        try file.setAttribute("classes", of: "/", to: 3 as Int32)
        try file.setAttribute("class_names", of: "/", to: ["cat", "dog", "newt"])
        try file.close()
        let dataset = try load()
        #expect(dataset.indices(of: .train) == [0, 1])
        #expect(dataset.indices(of: .validation) == [2, 3])
        #expect(dataset.indices(of: .test) == [4, 5])
        #expect(dataset.classCount == 3)
        #expect(dataset.classNames == ["cat", "dog", "newt"])
        guard case .floats(let pixels) = dataset.images.pixels else { Issue.record("expected floats"); return }
        #expect(pixels == [Float](repeating: 0.5, count: 8) + .init(repeating: 1, count: 8) + .init(repeating: 1.5, count: 8))
        let held = try userError { _ = try load { $0.validation = .fraction(0.1) } }
        #expect(held == UserError(at: "data.validation", "data.h5 brings its own validation images; leave this key out"))
        let named = try userError { _ = try load(classes: 5) }
        #expect(named == UserError(.data, "\(path): class_names has 3 names, expected 5, one for each class"))
    }

    @Test(arguments: [
        (4, [2, 3, 3], [0, 0, 0, 0, 0, 0], .data, "/train/labels: found the shape [6], expected [4], one label for each image of /train/images"),
        (4, [2, 3, 3], [0, 1, 2, 3], .data, "/test/images: found uint8 images of 2×3×2, expected uint8 of 3×3×2 as in /train/images"),
        (4, [2, 2, 3], [0, 1, -2, 3], .data, "/train/labels: label -2 at index 2, expected 0 to 9"),
        (4, [2, 2, 3], [0, 1, 2, 10], .data, "/train/labels: label 10 at index 3, expected 0 to 9"),
        (4, [3, 4], [0, 1, 2, 10], .data, "/train/images: found the shape [4, 3, 4], which lacks an axis for the channels, expected [n, channels, height, width]; images of one channel are [4, 1, 3, 4]"),
        (4, [12], [0, 1, 2, 10], .data, "/train/images: found the shape [4, 12], expected [n, channels, height, width], none of them 0"),
        (0, [2, 2, 3], [], .data, "/train/images: found the shape [0, 2, 2, 3], expected [n, channels, height, width], none of them 0"),
    ] as [(Int, [Int], [Int64], UserError.Kind, String)])
    func whatDoesNotFitIsOneSentence(count: Int, shape: [Int], labels: [Int64], kind: UserError.Kind, message: String) throws {
        let file = try HDF5Writer(path)
        try write(file, "train", count: count, labels: labels, shape: shape)
        try write(file, "test", count: 1, labels: [0])
        try file.close()
        #expect(try userError { _ = try load(classes: 10) } == UserError(kind, "\(path): \(message)"))
    }

    /// Two images of 8×8 with 3 channels, channels last, whose value is their place.
    @Test func channelsLastHaveToBeSaid() throws {
        let file = try HDF5Writer(path), pixels = (0..<2 * 192).map { UInt8(truncatingIfNeeded: $0) }
        for part in ["train", "test"] {
            try file.write(pixels, to: "/\(part)/images", shape: [2, 8, 8, 3])
            try file.write([0, 1] as [Int64], to: "/\(part)/labels")
        }
        try file.close()
        func images(_ layout: HDF5Source.Layout?) throws -> LabeledImages {
            var configuration = DataConfiguration(.hdf5(HDF5Source(path: path, layout: layout)))
            configuration.validation = .count(0)
            return try ImageDataset.load(configuration).images
        }
        #expect(try userError { _ = try images(nil) } == UserError(.data, """
            \(path): /train/images: found the shape [2, 8, 8, 3], which looks like [n, height, width, channels], expected \
            [n, channels, height, width]; say layout: nhwc in data.hdf5 if channels come last, or layout: nchw if they do not
            """))
        let last = try images(.nhwc)
        #expect(last.shape == ImageShape(height: 8, width: 8, channels: 3))
        guard case .bytes(pixels + pixels, 255) = last.pixels else { Issue.record("the bytes are those of the file"); return }
        let first = try images(.nchw)
        #expect(first.shape == ImageShape(height: 8, width: 3, channels: 8))
        guard case .bytes(let moved, 255) = first.pixels else { Issue.record("expected bytes"); return }
        #expect(moved.prefix(3) == [0, 24, 48])
    }

    /// Axes before images are as h5py would write them; channel d · C + c of an image is channel c at depth d.
    @Test("Volumes and sequences come with their channels first or last", arguments: [
        (nil, [2, 2, 3, 4, 5]), (.ncdhw, [2, 2, 3, 4, 5]), (.ndhwc, [2, 3, 4, 5, 2]), (.ndhwc, [2, 3, 4, 5, 1]), (nil, [2, 1, 3, 4, 5]), (nil, [2, 3, 4, 5]),
        (.ncl, [2, 3, 5]), (.nlc, [2, 5, 3]),
    ] as [(HDF5Source.Layout?, [Int])])
    func volumes(layout: HDF5Source.Layout?, dimensions: [Int]) throws {
        let axes = layout.map { Array($0.rawValue.dropFirst()) } ?? (dimensions.count == 5 ? ["c", "d", "h", "w"] : ["d", "h", "w"])
        func length(_ axis: Character) -> Int { axes.firstIndex(of: axis).map { dimensions[$0 + 1] } ?? 1 }
        // A value for each channel, depth, row and column.
        func value(_ c: Int, _ d: Int, _ h: Int, _ w: Int) -> UInt8 { UInt8(c * 100 + d * 27 + h * 6 + w) }
        var one: [UInt8] = []
        for place in 0..<dimensions.dropFirst().reduce(1, *) {
            var rest = place, indices: [Character: Int] = [:]
            for (axis, length) in zip(axes, dimensions.dropFirst()).reversed() { (rest, indices[axis]) = (rest / length, rest % length) }
            one.append(value(indices["c"] ?? 0, indices["d"] ?? 0, indices["h"] ?? 0, indices["w"] ?? indices["l"] ?? 0))
        }
        let file = try HDF5Writer(path)
        for part in ["train", "test"] {
            try file.write(one + one, to: "/\(part)/images", shape: dimensions)
            try file.write([0, 1] as [Int64], to: "/\(part)/labels")
        }
        try file.close()
        var configuration = DataConfiguration(.hdf5(HDF5Source(path: path, layout: layout)))
        configuration.validation = .count(0)
        let images = try ImageDataset.load(configuration).images, width = max(length("w"), length("l"))
        #expect(images.shape == ImageShape(height: length("h"), width: width, channels: length("d") * length("c")))
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes"); return }
        var expected: [UInt8] = []
        for h in 0..<length("h") { for w in 0..<width { for d in 0..<length("d") { for c in 0..<length("c") { expected.append(value(c, d, h, w)) } } } }
        #expect(Array(pixels.prefix(expected.count)) == expected && pixels.count == 4 * expected.count)
    }

    @Test(arguments: [([2, 9, 9, 9, 3], "[2, 9, 9, 9, 3], which looks like [n, depth, height, width, channels], expected [n, channels, depth, height, width]; say layout: ndhwc in data.hdf5 if channels come last, or layout: ncdhw if they do not"), ([2, 9], "[2, 9], expected [n, channels, height, width], none of them 0")])
    func volumesThatMayBeOthersAreRefused(dimensions: [Int], message: String) throws {
        let file = try HDF5Writer(path)
        for part in ["train", "test"] {
            try file.write([UInt8](repeating: 7, count: dimensions.reduce(1, *)), to: "/\(part)/images", shape: dimensions)
            try file.write([0, 1] as [Int64], to: "/\(part)/labels")
        }
        try file.close()
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): /train/images: found the shape \(message)"))
    }

    @Test(arguments: [([2, 3, 8, 4], true), ([2, 8, 8, 2], true), ([2, 8, 3, 3], true), ([2, 4, 4, 4], true), ([2, 8, 5, 4], false), ([2, 2, 2, 1], false)])
    func onlyWhatLooksLikeChannelsIsRefused(shape: [Int], isRead: Bool) throws {
        let file = try HDF5Writer(path)
        for part in ["train", "test"] {
            try file.write([UInt8](repeating: 7, count: shape.reduce(1, *)), to: "/\(part)/images", shape: shape)
            try file.write([0, 1] as [Int64], to: "/\(part)/labels")
        }
        try file.close()
        #expect(((try? load()) != nil) == isRead)
    }

    @Test func onlyOneClassIsRefused() throws {
        let file = try HDF5Writer(path)
        try write(file, "train", count: 3, labels: [2, 2, 2])
        try write(file, "test", count: 2, labels: [0, 2])
        try file.close()
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): all 3 training images have the label 2, expected at least two classes"))
        // A run that was trained so can be repeated.
        #expect(try load { $0.places.isRecorded = true }.classCount == 3)
    }

    @Test func whatMayBeWrongIsSaid() throws {
        let file = try HDF5Writer(path)
        let pixels: [[UInt8]] = [[1, 2], [3, 4], [5, 6], [7, 8], [3, 4], [9, 9], [1, 2], [1, 2]]
        try file.write(Array(pixels[..<5].joined()), to: "/train/images", shape: [5, 1, 1, 2])
        try file.write([1, 2, 1, 2, 2] as [Int64], to: "/train/labels")
        try file.write(Array(pixels[5...].joined()), to: "/test/images", shape: [3, 1, 1, 2])
        try file.write([4, 1, 2] as [Int64], to: "/test/labels")
        try file.setAttribute("class_names", of: "/", to: ["none", "cat", "dog", "newt", "owl"])
        try file.close()
        #expect(try load { $0.validation = .count(0) }.notes == [
            "data.h5: no image is of the classes 0 (none) and 3 (newt), but there are 5 classes; labels are counted from 0",
            "data.h5: there are test images of class 4 (owl), but no training images of it",
            "data.h5: 2 of 3 test images are among the training images too (test image 1 is training image 0)",
        ])
    }

    @Test func nothingIsSaidOfGoodData() throws {
        let file = try HDF5Writer(path)
        for (part, value) in [("train", 1), ("val", 2), ("test", 3)] {
            try file.write((0..<8).map { Float(8 * value + $0) }, to: "/\(part)/images", shape: [2, 1, 2, 2])
            try file.write([0, 1] as [UInt8], to: "/\(part)/labels")
        }
        try file.close()
        #expect(try load().notes == [])
        #expect(try load().location == path)
        #expect(try ImageDataset.load(DataConfiguration(.digits)).location == nil)
    }

    /// `Tests/Reference/sources.py` made them.
    @Test(arguments: [
        ("images_in_part", "/train/images: was declared and not wholly written; what is missing would be read as zeros"),
        ("images_unwritten", "/train/images: was declared and not wholly written; what is missing would be read as zeros"),
        ("images_uncountable", "/train/images: declares 2199023255552 images, expected at most 2147483647"),
    ])
    func imagesThatAreNotThere(name: String, sentence: String) throws {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/sources")
        let path = fixtures.appending(path: "\(name).h5").path
        let error = try userError { _ = try ImageDataset.load(DataConfiguration(.hdf5(HDF5Source(path: path)))) }
        #expect(error == UserError(.data, "\(path): \(sentence)"))
    }

    @Test(arguments: [-3, 0, 10_001, 1_000_000_000_000] as [Int64])
    func aNumberOfClassesOutOfReason(classes: Int64) throws {
        let file = try HDF5Writer(path)
        for part in ["train", "test"] { try write(file, part, count: 1, labels: [0]) }
        try file.setAttribute("classes", of: "/", to: classes)
        try file.close()
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): the attribute classes is \(classes), expected 1 to 10000"))
    }

    @Test func identifiersInThePlaceOfLabels() throws {
        let file = try HDF5Writer(path)
        for part in ["train", "test"] { try write(file, part, count: 1, labels: [1_000_000]) }
        try file.close()
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): /train/labels: label 1000000 at index 0, expected 0 to 9999"))
    }

    @Test func typesAndFiniteness() throws {
        func error(_ body: (borrowing HDF5Writer) throws -> Void) throws -> UserError {
            let file = try HDF5Writer(path)
            try body(file)
            try write(file, "test", count: 1, labels: [0])
            try file.close()
            return try userError { _ = try load() }
        }
        #expect(try error { try $0.write([0] as [Int16], to: "/train/images", shape: [1, 1, 1, 1]) }
            == UserError(.data, "\(path): /train/images: found elements of type int16, expected uint8, uint16, float32 or float64"))
        #expect(try error {
            try $0.write([0] as [UInt8], to: "/train/images", shape: [1, 1, 1, 1])
            try $0.write([0.5] as [Float], to: "/train/labels")
        } == UserError(.data, "\(path): /train/labels: found elements of type float32, expected integers"))
        #expect(try error { _ in } == UserError(.data, "\(path): there is no /train/images in this file"))

        let file = try HDF5Writer(path)
        for part in ["train", "test"] {
            try file.write([0, 1, .nan, 2] as [Float], to: "/\(part)/images", shape: [2, 1, 1, 2])
            try file.write([0, 1] as [Int32], to: "/\(part)/labels")
        }
        try file.close()
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): /train/images: image 1 holds nan, expected finite numbers"))
    }

    @Test func aMissingOrForeignFile() throws {
        #expect(try userError { _ = try load() } == UserError(.noInput, "\(path): there is no such file"))
        try folder.write("data.h5", Array("garbage".utf8))
        #expect(try userError { _ = try load() } == UserError(.data, "\(path): is not an HDF5 file"))
    }
}
