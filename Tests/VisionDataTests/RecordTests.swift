import Configuration
import Foundation
import TensorCore
import Testing
@testable import VisionData

/// CIFAR-10, CIFAR-100 and STL-10 in small files of their forms; EMNIST, whose images lie on their sides.
@Suite struct RecordTests {
    private static func write(_ bytes: [UInt8], _ name: String, _ folder: TemporaryFolder) throws {
        let url = URL(filePath: folder.path(name))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    /// A value by channel, row and column.
    private static func value(_ image: Int, _ channel: Int, _ row: Int, _ column: Int) -> UInt8 { UInt8(truncatingIfNeeded: image * 7 + channel * 50 + row * 3 + column) }

    private static func planes(_ image: Int, side: Int, columnsFirst: Bool = false) -> [UInt8] {
        (0..<3).flatMap { channel in
            (0..<side * side).map { place in columnsFirst ? value(image, channel, place % side, place / side) : value(image, channel, place / side, place % side) }
        }
    }

    private func expect(_ images: LabeledImages, side: Int, labels: [Int32], train: Int) {
        #expect(images.labels == labels && images.train == 0..<train && images.test == train..<labels.count)
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes"); return }
        for (image, row, column, channel) in [(0, 0, 0, 0), (1, 2, 5, 1), (labels.count - 1, side - 1, side - 2, 2)] {
            #expect(pixels[((image * side + row) * side + column) * 3 + channel] == Self.value(image, channel, row, column))
        }
    }

    @Test func cifar10() throws {
        let folder = try TemporaryFolder()
        for (index, name) in ((1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]).enumerated() {
            try Self.write([UInt8(index)] + Self.planes(index, side: 32), "cifar-10-batches-bin/\(name)", folder)
        }
        let found = try NamedDataset.cifar10.find(in: folder.path)
        #expect(found.directory == folder.path("cifar-10-batches-bin"))
        expect(try found.load(), side: 32, labels: [0, 1, 2, 3, 4, 5], train: 5)
        try Self.write([UInt8](repeating: 0, count: 3072), "cifar-10-batches-bin/test_batch.bin", folder)
        let error = #expect(throws: UserError.self) { try NamedDataset.cifar10.find(in: folder.path).load() }
        #expect(error?.message.hasSuffix("test_batch.bin: has 3,072 bytes, expected a multiple of 3,073, the length of an image with its label") == true)
    }

    @Test func cifar100HasTwoLabels() throws {
        let folder = try TemporaryFolder()
        try Self.write([3, 99] + Self.planes(0, side: 32) + [4, 7] + Self.planes(1, side: 32), "train.bin", folder)
        try Self.write([5, 8] + Self.planes(2, side: 32), "test.bin", folder)
        expect(try NamedDataset.cifar100.find(in: folder.path).load(), side: 32, labels: [99, 7, 8], train: 2)
        #expect(Set(RecordForm.cifar100ClassNames).count == 100)
    }

    @Test func thePythonFormIsNamed() throws {
        let folder = try TemporaryFolder()
        try Self.write([0x80], "cifar-10/data_batch_1", folder)
        let error = #expect(throws: UserError.self) { try NamedDataset.cifar10.find(in: folder.path) }
        #expect(error?.message.contains("data_batch_1: is the form for Python") == true && error?.message.contains("cifar-10-binary.tar.gz") == true)
    }

    @Test func stl10HasColumnsFirstAndLabelsFromOne() throws {
        let folder = try TemporaryFolder()
        try Self.write(Self.planes(0, side: 96, columnsFirst: true) + Self.planes(1, side: 96, columnsFirst: true), "stl10_binary/train_X.bin", folder)
        try Self.write(Self.planes(2, side: 96, columnsFirst: true), "stl10_binary/test_X.bin", folder)
        try Self.write([1, 10], "stl10_binary/train_y.bin", folder)
        try Self.write([2], "stl10_binary/test_y.bin", folder)
        expect(try NamedDataset.stl10.find(in: folder.path).load(), side: 96, labels: [0, 9, 1], train: 2)
        try Self.write([0, 10], "stl10_binary/train_y.bin", folder)
        let error = #expect(throws: UserError.self) { try NamedDataset.stl10.find(in: folder.path).load() }
        #expect(error?.message.hasSuffix("train_y.bin: label 0 at index 0, expected 1 to 10") == true)
    }

    @Test func emnistIsTurned() throws {
        let folder = try TemporaryFolder()
        let image: [UInt8] = [1, 2, 3, 4]
        for part in ["train", "test"] {
            try Self.write(idx([1, 2, 2], image), "gzip/emnist-letters-\(part)-images-idx3-ubyte", folder)
            try Self.write(idx([1], [26]), "gzip/emnist-letters-\(part)-labels-idx1-ubyte", folder)
        }
        let letters = try #require(NamedDataset.emnist.first { $0.name == "emnist-letters" })
        let images = try letters.find(in: folder.path).load()
        #expect(images.labels == [25, 25] && images.classNames?.last == "Z")
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes"); return }
        #expect(pixels == [1, 3, 2, 4, 1, 3, 2, 4])
        #expect(NamedDataset.emnist.map(\.classNames.count) == [47, 62, 47, 10, 26, 10])
    }
}
