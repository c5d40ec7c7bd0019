import Configuration
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
        #expect(named == UserError(.data, "\(path): the attribute class_names has 3 names, expected 5, one for each class"))
    }

    @Test(arguments: [
        (4, [2, 3, 3], [0, 0, 0, 0, 0, 0], .data, "/train/labels: found the shape [6], expected [4], one label for each image of /train/images"),
        (4, [2, 3, 3], [0, 1, 2, 3], .data, "/test/images: found uint8 images of 2×3×2, expected uint8 of 3×3×2 as in /train/images"),
        (4, [2, 2, 3], [0, 1, -2, 3], .data, "/train/labels: label -2 at index 2, expected 0 to 9"),
        (4, [2, 2, 3], [0, 1, 2, 10], .data, "/train/labels: label 10 at index 3, expected 0 to 9"),
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
            == UserError(.data, "\(path): /train/images: found elements of type int16, expected uint8 or float32"))
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
