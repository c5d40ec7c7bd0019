import Configuration
import Foundation
import TensorCore
import Testing
@testable import VisionData

/// `.npz` files as NumPy writes them (Tests/Reference/numpy_files.py).
@Suite struct NumPyTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/numpy").path

    private static func value(_ image: Int, _ row: Int, _ column: Int, _ channel: Int) -> Float { Float((image * 7 + row * 3 + column + channel * 50) % 256) }

    @Test func imagesOfOneChannelWithValidation() throws {
        let (images, notes) = try loadNumPyImages(NumPySource(path: ""), at: "\(Self.folder)/medmnist.npz")
        #expect(images.shape == ImageShape(height: 5, width: 6, channels: 1) && images.train == 0..<9 && images.validation == 9..<12 && images.test == 12..<16)
        #expect(images.labels == (0..<9).map { $0 % 3 } + [0, 1, 2] + [0, 1, 2, 0] && images.classCount == 3 && notes.isEmpty)
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes"); return }
        #expect(Float(pixels[(4 * 5 + 2) * 6 + 3]) == Self.value(4, 2, 3, 0))
    }

    @Test(arguments: [("uint8", 255, 0), ("uint16", 1, 1), ("float32", 1, 0), ("float64", 1, 1)])
    func elementTypes(type: String, scale: Float, noteCount: Int) throws {
        let (images, notes) = try loadNumPyImages(NumPySource(path: ""), at: "\(Self.folder)/keras_\(type).npz")
        #expect(images.shape == ImageShape(height: 5, width: 6, channels: 3) && images.validation == nil && notes.count == noteCount)
        for (image, row, column, channel) in [(0, 0, 0, 0), (8, 4, 5, 2), (12, 1, 0, 1)] {
            let place = ((image * 5 + row) * 6 + column) * 3 + channel, expected = Self.value(image < 9 ? image : image - 9, row, column, channel) / 255 * scale
            switch images.pixels {
            case .bytes(let values, _): #expect(Float(values[place]) == expected)
            case .floats(let values): #expect(abs(values[place] - expected) < 1e-6)
            case .files: Issue.record("expected numbers")
            }
        }
    }

    /// Arrays in files of their own are those of the archive, which holds these files.
    @Test func aFolderOfFiles() throws {
        let folder = try TemporaryFolder(), archive = try NumPyFile("\(Self.folder)/keras_uint8.npz")
        for name in archive.names {
            let array = try #require(try archive.array(name))
            var header = "{'descr': '|\(array.type)', 'fortran_order': False, 'shape': (\(array.shape.map { "\($0)," }.joined())), }"
            header += String(repeating: " ", count: 118 - header.utf8.count - 1) + "\n"
            let bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8) + array.elements
            try Data(bytes).write(to: URL(filePath: folder.path("\(name).npy")))
        }
        #expect(NumPySource.isFolder(folder.path) && !NumPySource.isFolder(Self.folder))
        let found = try loadNumPyImages(NumPySource(path: ""), at: folder.path).images
        #expect(try found.digest == loadNumPyImages(NumPySource(path: ""), at: "\(Self.folder)/keras_uint8.npz").images.digest)
    }

    /// Cut or changed at any place: right, or a sentence.
    @Test func damagedFilesAreRefused() throws {
        let folder = try TemporaryFolder(), path = folder.path("a.npz"), whole = [UInt8](try Data(contentsOf: URL(filePath: "\(Self.folder)/medmnist.npz")))
        let expected = try loadNumPyImages(NumPySource(path: ""), at: "\(Self.folder)/medmnist.npz").images.digest
        var draws = PhiloxStream(seed: 3, name: "changes").draws(time: 0, sample: 0), refused = 0
        for round in 0..<400 {
            var bytes = whole
            if round % 4 == 0 { bytes = Array(bytes.prefix(draws.integer(below: bytes.count))) } else { bytes[draws.integer(below: bytes.count)] ^= UInt8(1 << draws.integer(below: 8)) }
            try Data(bytes).write(to: URL(filePath: path))
            do {
                let images = try loadNumPyImages(NumPySource(path: ""), at: path).images
                #expect(images.digest == expected)
            } catch let error as UserError {
                refused += 1
                #expect(error.kind == .data && error.message.hasPrefix("\(path): ") && !error.message.contains { $0.isNewline }, "\(error.message)")
            }
        }
        #expect(refused > 250)
    }
}
