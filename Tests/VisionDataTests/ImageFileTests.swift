import Configuration
import Foundation
import HDF5
import Testing
import TestSupport
import TensorCore
@testable import VisionData

/// Image files as Pillow reads them (Tests/Reference/image_files.py).
@Suite struct ImageFileTests {
    private static let fixture = try! HDF5Reader(
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/image_files.h5").path)
    private static let names = try! fixture.children(of: "/files")

    private static func bytes(_ name: String) throws -> [UInt8] { try fixture.read("/files/\(name)", as: UInt8.self) }

    private static func pixels(_ image: DecodedImage) throws -> [Float] {
        let size = image.size, count = size.height * size.width * image.channels
        let whole = Rectangle(width: size.width, height: size.height)
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try image.write(whole, resampledTo: size, .bilinear, window: whole, to: buffer.baseAddress!, stride: size.width * image.channels)
            initialized = count
        }
    }

    /// Equal to the bit: the same libraries decode, and what is done afterwards is exact.
    @Test(arguments: names)
    func decoding(name: String) throws {
        let shape = try Self.fixture.shape(of: "/pixels/\(name)"), isDeep = name == "png_16bit"
        let expected: [Float] = isDeep
            ? try Self.fixture.read("/pixels/\(name)", as: Int32.self).map { Float($0) / 257 }
            : try Self.fixture.read("/pixels/\(name)", as: UInt8.self).map(Float.init)
        let image = try DecodedImage(Self.bytes(name), path: name, ImageDecoding(channels: shape[2]))
        #expect([image.size.height, image.size.width, image.channels] == shape)
        let found = try Self.pixels(image)
        // JPEG's gray comes from its luma, not from the colours; all else to the bit.
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 0 }, "\(zip(found, expected).map { abs($0 - $1) }.max() ?? 0)")
        let header = try ImageFileHeader(Self.bytes(name), path: name)
        #expect(header.size == Size2D(shape[0], shape[1]))
    }

    /// Orientation 6: a bar at the left ends at the top.
    @Test(arguments: ["jpeg", "png", "webp"])
    func aBarAtTheLeftEndsAtTheTop(kind: String) throws {
        let image = try DecodedImage(Self.bytes("exif_6_\(kind)"), path: kind, ImageDecoding(channels: 1))
        #expect(image.size == Size2D(20, 12))
        let pixels = try Self.pixels(image)
        #expect(pixels[..<(4 * 12)].allSatisfy { $0 > 200 } && pixels[(5 * 12)...].allSatisfy { $0 < 50 })
    }

    @Test(arguments: try! fixture.children(of: "/resampled"))
    func resampling(name: String) throws {
        let path = "/resampled/\(name)", shape = try Self.fixture.shape(of: path), channels = shape[2]
        let box = try #require(try Self.fixture.attribute("box", of: path, as: Int32.self)).map(Int.init)
        let part = Rectangle(left: box[0], top: box[1], width: box[2] - box[0], height: box[3] - box[1])
        try expect(path, part, Size2D(shape[0], shape[1]), window: Rectangle(width: shape[1], height: shape[0]), channels)
    }

    /// torchvision's Resize and CenterCrop.
    @Test(arguments: try! fixture.children(of: "/shorter"))
    func shorterSide(name: String) throws {
        let path = "/shorter/\(name)", shape = try Self.fixture.shape(of: path)
        let layout = ImageSizing(target: Size2D(shape[0], shape[1]), resize: .shorter).layout(of: Size2D(61, 83))
        try expect(path, layout.part, layout.size, window: layout.window, shape[2])
    }

    private func expect(_ path: String, _ part: Rectangle, _ size: Size2D, window: Rectangle, _ channels: Int) throws {
        let filter = try #require(try Self.fixture.attributeStrings("filter", of: path)?.first.flatMap(ImageInterpolation.init))
        let source = try Self.fixture.read("/sources/\(channels)", as: UInt8.self)
        let image = try DecodedImage(png(source, Size2D(61, 83), channels), path: path, ImageDecoding(channels: channels))
        let found = try [Float](unsafeUninitializedCapacity: window.width * window.height * channels) { buffer, initialized in
            try image.write(part, resampledTo: size, filter, window: window, to: buffer.baseAddress!, stride: window.width * channels)
            initialized = buffer.count
        }
        let expected = try Self.fixture.read(path, as: UInt8.self).map(Float.init)
        #expect(found.count == expected.count)
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1 }, "\(zip(found, expected).map { abs($0 - $1) }.max() ?? 0)")
    }

    /// A PNG file of stored (uncompressed) rows.
    private func png(_ pixels: [UInt8], _ size: Size2D, _ channels: Int) -> [UInt8] { PNGFile(pixels, size, channels: channels).bytes }

    // MARK: Bad files

    /// Changed at random: right, or one sentence that begins with the path; never more memory than the pixels that are allowed.
    @Test func changedFilesAreDecodedOrRefused() throws {
        var draws = PhiloxStream(seed: 14, name: "changes").draws(time: 0, sample: 0)
        let files = try Self.names.map(Self.bytes)
        var refused = 0
        for _ in 0..<3000 {
            var bytes = files[draws.integer(below: files.count)]
            if draws.bernoulli(0.3) {
                bytes = Array(bytes.prefix(draws.integer(below: bytes.count)))
            } else {
                for _ in 0...draws.integer(below: 4) { bytes[draws.integer(below: min(bytes.count, draws.bernoulli(0.5) ? 100 : bytes.count))] = UInt8(draws.integer(below: 256)) }
            }
            do {
                let image = try DecodedImage(bytes, path: "a.jpg", ImageDecoding(channels: draws.bernoulli(0.5) ? 1 : 3))
                #expect(image.size.height > 0 && image.size.width > 0)
            } catch let error as UserError {
                refused += 1
                #expect(error.kind == .data && error.message.hasPrefix("a.jpg: ") && error.message.count < 220, "\(error.message)")
                #expect(!error.message.contains { $0.isNewline })
            }
        }
        #expect(refused > 300)
    }

    @Test func bombsAreRefusedByTheirHeaders() throws {
        var png = try Self.bytes("png_rgb")
        // 65,535×65,535 in IHDR, with its checksum.
        png.replaceSubrange(16..<24, with: [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF])
        png.replaceSubrange(29..<33, with: PNGFile.checksum(png[12..<29]))
        var jpeg = try Self.bytes("jpeg_baseline")
        let frame = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
        for (name, bytes) in [("a.png", png), ("a.jpg", jpeg)] {
            let error = #expect(throws: UserError.self) { try DecodedImage(bytes, path: name, ImageDecoding()) }
            #expect(error?.message.contains("pixels, more than 268 million") == true, "\(error?.message ?? "")")
        }
    }

    @Test func otherFilesAreNamed() throws {
        for (bytes, sentence) in [([], "is empty"), (Array("GIF89a…".utf8), "is no JPEG, PNG or WebP file")] as [([UInt8], String)] {
            let error = #expect(throws: UserError.self) { try DecodedImage(bytes, path: "x.jpg", ImageDecoding()) }
            #expect(error?.message == "x.jpg: \(sentence)")
        }
        let whole = try Self.bytes("jpeg_baseline")
        let cut = #expect(throws: UserError.self) { try DecodedImage(Array(whole.prefix(whole.count - 40)), path: "x.jpg", ImageDecoding()) }
        #expect(cut?.message == "x.jpg: is cut off: a JPEG file that ends before its last row")
    }

    // MARK: Sizing

    @Test func scaledDecodingKeepsEnoughPixels() throws {
        let bytes = try Self.bytes("jpeg_baseline")
        #expect(try DecodedImage(bytes, path: "", ImageDecoding(), least: Size2D(5, 7)).size == Size2D(5, 7))
        #expect(try DecodedImage(bytes, path: "", ImageDecoding(), least: Size2D(6, 7)).size == Size2D(10, 14))
        #expect(try DecodedImage(bytes, path: "", ImageDecoding(), least: Size2D(19, 27)).size == Size2D(19, 27))
    }

    @Test func paddingLeavesSmallImagesAndShrinksLargeOnes() {
        let sizing = ImageSizing(target: Size2D(32, 32), resize: .pad)
        let small = sizing.layout(of: Size2D(10, 20))
        #expect(small.size == Size2D(10, 20) && small.left == 6 && small.top == 11)
        let large = sizing.layout(of: Size2D(64, 128))
        #expect(large.size == Size2D(16, 32) && large.left == 0 && large.top == 8)
    }

    /// Mean area and ratio of 4,000 parts of a square: uniform from 0.08 to 1, where all shapes fit.
    @Test func randomParts() {
        let stream = PhiloxStream(seed: 1, name: "crop"), image = Size2D(400, 400)
        var small = 0, ratios = 0.0
        for sample in 0..<4000 {
            var draws = stream.draws(time: 0, sample: UInt64(sample))
            let part = ImageCrop.randomPart(of: image, draws: &draws)
            #expect(part.left >= 0 && part.top >= 0 && part.left + part.width <= 400 && part.top + part.height <= 400)
            let ratio = Double(part.width) / Double(part.height)
            #expect(ratio > 0.74 && ratio < 1.35)
            ratios += log(ratio)
            if part.width * part.height < 160_000 * 54 / 100 { small += 1 }
        }
        #expect(abs(ratios / 4000) < 0.01)
        #expect(small > 1900 && small < 2350)
    }
}
