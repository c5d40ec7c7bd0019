import CZlib
import Configuration
import Foundation
import TensorCore
import Testing
@testable import VisionData

/// A folder that is gone when the test is over.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("vision-data-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }
}

/// `level` 0 stores the bytes as they are, so that every version of zlib gives the same file.
func gzip(_ bytes: [UInt8], level: Int32 = 6) throws -> [UInt8] {
    var stream = z_stream()
    try #require(deflateInit2_(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
    defer { deflateEnd(&stream) }
    var input = bytes, output = [UInt8](repeating: 0, count: bytes.count + 1000)
    return try input.withUnsafeMutableBufferPointer { input in
        try output.withUnsafeMutableBufferPointer { output in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            stream.next_out = output.baseAddress
            stream.avail_out = UInt32(output.count)
            try #require(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            return Array(output[..<Int(stream.total_out)])
        }
    }
}

/// An IDX file: its magic number, its sizes, its elements.
func idx(magic: UInt32? = nil, _ sizes: [Int], _ elements: [UInt8]) -> [UInt8] {
    ([magic ?? 0x0800 | UInt32(sizes.count)] + sizes.map(UInt32.init)).flatMap { word in
        stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
    } + elements
}

/// `train`: six images of 2×3 with the labels 0 to 5, `test`: two with the labels 9 and 8. Pixel `p` of image `i` is 10 i + p.
let smallImages: [String: [UInt8]] = [
    "train-images-idx3-ubyte": idx([6, 2, 3], (0..<6).flatMap { image in (0..<6).map { UInt8(10 * image + $0) } }),
    "train-labels-idx1-ubyte": idx([6], [0, 1, 2, 3, 4, 5]),
    "t10k-images-idx3-ubyte": idx([2, 2, 3], (6..<8).flatMap { image in (0..<6).map { UInt8(10 * image + $0) } }),
    "t10k-labels-idx1-ubyte": idx([2], [9, 8]),
]

extension TemporaryFolder {
    func writeSmallImages(in folder: String = "", compressed: Bool = false) throws {
        for (name, bytes) in smallImages {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            try write(compressed ? path + ".gz" : path, compressed ? gzip(bytes) : bytes)
        }
    }
}

/// The `UserError` that `body` throws.
func userError(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) throws -> UserError {
    try #require(throws: UserError.self, sourceLocation: sourceLocation) { try body() }
}

/// A data set of float images, all for training, none held out, not normalized.
func floatDataset(_ pixels: [Float], shape: ImageShape, normalization: NormalizationConfiguration = .none) throws -> ImageDataset {
    let count = pixels.count / shape.count
    var configuration = DataConfiguration()
    configuration.validation = .count(0)
    configuration.normalization = normalization
    return try ImageDataset(
        LabeledImages(
            name: "floats", shape: shape, pixels: .floats(pixels), labels: (0..<Int32(count)).map { $0 % 10 }, classCount: 10, classNames: nil,
            train: 0..<count, validation: nil, test: count..<count),
        configuration)
}

/// A data set of 1×1 images with `train` and `test` images.
func countedDataset(train: Int, test: Int, _ configuration: DataConfiguration = DataConfiguration()) throws -> ImageDataset {
    let count = train + test
    return try ImageDataset(
        LabeledImages(
            name: "counted", shape: ImageShape(height: 1, width: 1, channels: 1), pixels: .bytes((0..<count).map { UInt8($0 % 256) }, maximum: 255),
            labels: (0..<count).map { Int32($0 % 10) }, classCount: 10, classNames: nil, train: 0..<train, validation: nil, test: train..<count),
        configuration)
}
