import Configuration
import Foundation
import TensorCore
import TestSupport
import Testing
@testable import VisionData

@Suite struct IDXTests {
    @Test(arguments: [false, true], ["", "mnist"])
    func readsPlainAndCompressedFiles(compressed: Bool, folder: String) throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages(in: folder, compressed: compressed)
        let images = try IDXDataset(finding: .mnist, directory: directory.path).load()
        #expect(images.shape == ImageShape(height: 2, width: 3, channels: 1))
        #expect(images.train == 0..<6)
        #expect(images.test == 6..<8)
        #expect(images.validation == nil)
        #expect(images.labels == [0, 1, 2, 3, 4, 5, 9, 8])
        #expect(images.classCount == 10)
        guard case .bytes(let pixels, 255) = images.pixels else { Issue.record("expected bytes up to 255"); return }
        #expect(pixels == (0..<8).flatMap { image in (0..<6).map { UInt8(10 * image + $0) } })
    }

    @Test func aSubfolderWithTheNameGoesFirst() throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages()
        try directory.writeSmallImages(in: "kmnist")
        #expect(try IDXDataset(finding: .kmnist, directory: directory.path).directory == directory.path("kmnist"))
        #expect(try IDXDataset(finding: .mnist, directory: directory.path).directory == directory.path)
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let file: String
        let replacement: [UInt8]?
        let kind: UserError.Kind
        /// `{}` stands for the folder.
        let message: String
        var compressed = false
        var testDescription: String { message }
    }

    static let images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte", testImages = "t10k-images-idx3-ubyte"
    static let compressedImages: [UInt8] = try! gzip(smallImages[images]!, level: 0)

    static let damages: [Damage] = [
        Damage(file: images, replacement: idx(magic: 0x801, [6, 2, 3], []), kind: .data,
            message: "{}/train-images-idx3-ubyte: the magic number is 0x00000801, expected 0x00000803 (IDX, unsigned bytes, 3 dimensions)"),
        Damage(file: labels, replacement: idx(magic: 0xdead_beef, [6], [0, 1, 2, 3, 4, 5]), kind: .data,
            message: "{}/train-labels-idx1-ubyte: the magic number is 0xdeadbeef, expected 0x00000801 (IDX, unsigned bytes, 1 dimension)"),
        Damage(file: images, replacement: [0, 0, 8], kind: .data,
            message: "{}/train-images-idx3-ubyte: truncated: the content ends after 3 bytes, expected a header of 16 bytes"),
        Damage(file: images, replacement: [], kind: .data,
            message: "{}/train-images-idx3-ubyte: truncated: the content ends after 0 bytes, expected a header of 16 bytes"),
        Damage(file: images, replacement: idx([0, 2, 3], []), kind: .data,
            message: "{}/train-images-idx3-ubyte: the header declares 0 × 2 × 3 elements, expected at least one"),
        Damage(file: images, replacement: idx([6, 2, 3], [UInt8](repeating: 0, count: 30)), kind: .data,
            message: "{}/train-images-idx3-ubyte: truncated: the content ends after 46 bytes, expected 52 as its header declares"),
        Damage(file: images, replacement: idx([6, 2, 3], [UInt8](repeating: 0, count: 12)), kind: .data,
            message: "{}/train-images-idx3-ubyte: truncated: the header declares 6 × 2 × 3 elements, more than the file of 28 bytes can hold"),
        Damage(file: images, replacement: idx([Int(UInt32.max), Int(UInt32.max), Int(UInt32.max)], [0]), kind: .data,
            message: """
                {}/train-images-idx3-ubyte: truncated: the header declares 4294967295 × 4294967295 × 4294967295 elements, \
                more than the file of 17 bytes can hold
                """),
        Damage(file: images, replacement: idx([6, 2, 3], [UInt8](repeating: 0, count: 37)), kind: .data,
            message: "{}/train-images-idx3-ubyte: more bytes follow the content, expected 52 as its header declares"),
        Damage(file: labels, replacement: idx([5], [0, 1, 2, 3, 4]), kind: .data,
            message: "{}/train-labels-idx1-ubyte: found 5 labels, expected 6, one for each image of {}/train-images-idx3-ubyte"),
        Damage(file: labels, replacement: idx([6], [0, 1, 2, 37, 4, 5]), kind: .data,
            message: "{}/train-labels-idx1-ubyte: label 37 at index 3, expected 0 to 9"),
        Damage(file: testImages, replacement: idx([2, 3, 3], [UInt8](repeating: 0, count: 18)), kind: .data,
            message: "{}/t10k-images-idx3-ubyte: found images of 3×3×1, expected 2×3×1 as in {}/train-images-idx3-ubyte"),
        Damage(file: labels, replacement: nil, kind: .noInput,
            message: """
                {}: train-labels-idx1-ubyte (plain or .gz) is missing; mnist needs train-images-idx3-ubyte, train-labels-idx1-ubyte, \
                t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte
                """),
        Damage(file: images, replacement: Array("no gzip".utf8), kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: not a gzip file: it starts with 6e 6f, expected 1f 8b", compressed: true),
        Damage(file: images, replacement: [], kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: not a gzip file: it starts with nothing, expected 1f 8b", compressed: true),
        Damage(file: images, replacement: compressedImages.dropLast(20), kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: truncated: the gzip stream breaks off after 40 bytes of content", compressed: true),
        Damage(file: images, replacement: compressedImages.dropLast(4), kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: truncated: the gzip stream breaks off after 52 bytes of content", compressed: true),
        Damage(file: images, replacement: Array(compressedImages[..<10]) + [0xff, 0xff, 0xff], kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: damaged gzip data near byte 0 of the content: invalid block type", compressed: true),
        Damage(file: images, replacement: compressedImages.enumerated().map { $0 == compressedImages.count - 8 ? ~$1 : $1 }, kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: damaged gzip data near byte 52 of the content: incorrect data check", compressed: true),
        Damage(file: images, replacement: compressedImages + [1, 2], kind: .data,
            message: "{}/train-images-idx3-ubyte.gz: unexpected bytes follow the end of the gzip stream", compressed: true),
    ]

    @Test(arguments: damages) func everyDamageIsOneSentence(damage: Damage) throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages(compressed: damage.compressed)
        let name = damage.compressed ? damage.file + ".gz" : damage.file
        if let replacement = damage.replacement { try directory.write(name, replacement) } else { try directory.remove(name) }
        let error = try userError { _ = try IDXDataset(finding: .mnist, directory: directory.path).load() }
        #expect(error.message == damage.message.replacingOccurrences(of: "{}", with: directory.path))
        #expect(error.kind == damage.kind)
    }

    /// A gzip file is one member or several (RFC 1952), as `cat a.gz b.gz` and parallel compressors make them.
    @Test(arguments: [[16], [1, 30], [0, 52], [16, 17, 18, 18, 40, 51]])
    func severalMembersAreReadAsOne(cuts: [Int]) throws {
        let bytes = smallImages[Self.images]!, ends = cuts + [bytes.count], starts = [0] + cuts
        let directory = try TemporaryFolder()
        try directory.writeSmallImages(compressed: true)
        let members = try zip(starts, ends).flatMap { try gzip(Array(bytes[$0..<$1])) }
        try directory.write(Self.images + ".gz", members)
        guard case .bytes(let pixels, 255) = try IDXDataset(finding: .mnist, directory: directory.path).load().pixels else {
            Issue.record("expected bytes up to 255")
            return
        }
        #expect(pixels == (0..<8).flatMap { image in (0..<6).map { UInt8(10 * image + $0) } })

        try directory.write(Self.images + ".gz", members.dropLast(9))
        let cut = try userError { _ = try IDXDataset(finding: .mnist, directory: directory.path).load() }
        #expect(cut.message.contains("train-images-idx3-ubyte.gz: truncated: the gzip stream breaks off after "))
        try directory.write(Self.images + ".gz", members + members)
        let twice = try userError { _ = try IDXDataset(finding: .mnist, directory: directory.path).load() }
        #expect(twice.message.hasSuffix("train-images-idx3-ubyte.gz: more bytes follow the content, expected 52 as its header declares"))
    }

    /// Members that are larger than what is read of the file at a time, and than zlib's counters' first digits.
    @Test func largeMembersAreReadAsOne() throws {
        let part = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        let directory = try TemporaryFolder()
        try directory.write("x.gz", try gzip(part, level: 0) + gzip([], level: 6) + gzip(part, level: 6))
        #expect(try ByteStream(path: directory.path("x.gz")).readAll() == part + part)
    }

    /// Opening a pipe waits for its other end.
    @Test(arguments: ["", ".gz"]) func aPipeIsNoFile(ending: String) throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages(compressed: !ending.isEmpty)
        try directory.remove(Self.labels + ending)
        #expect(mkfifo(directory.path(Self.labels + ending), 0o600) == 0)
        let error = try within(seconds: 300) { [path = directory.path] in
            try userError { _ = try IDXDataset(finding: .mnist, directory: path).load() }
        }
        #expect(error == UserError(.noInput, "\(directory.path)/\(Self.labels)\(ending): not a regular file"))
    }

    @Test func onlyOneClassIsRefused() throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages()
        try directory.write(Self.labels, idx([6], [5, 5, 5, 5, 5, 5]))
        let error = try userError { _ = try ImageDataset.load(DataConfiguration(.mnist), dataDirectory: directory.path) }
        #expect(error == UserError(.data, "\(directory.path): all 6 training images have the label 5, expected at least two classes"))
    }

    @Test func aMissingDataSetSaysWhereItWasLookedForAndHowToGetIt() throws {
        let directory = try TemporaryFolder()
        let error = try userError { _ = try ImageDataset.load(DataConfiguration(.fashionMNIST), dataDirectory: directory.path) }
        #expect(error.kind == .noInput)
        #expect(error.message == """
            data set fashion-mnist not found: looked for train-images-idx3-ubyte (plain or .gz) in \(directory.path)/fashion-mnist, \(directory.path); \
            install the package dataset-fashion-mnist (apt install dataset-fashion-mnist), or give its folder with --data-dir
            """)
        #expect(IDXDataset.places(of: .fashionMNIST, directory: nil).last == "/usr/share/datasets/fashion-mnist")
    }

    @Test func theCommandLinesFolderGoesBeforeTheDefinitions() throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages()
        var configuration = DataConfiguration(.mnist)
        configuration.directory = directory.path("nowhere")
        #expect(throws: UserError.self) { try ImageDataset.load(configuration) }
        #expect(try ImageDataset.load(configuration, dataDirectory: directory.path).images.labels.count == 8)
    }

    @Test func aSurveyReadsHeadersOrSaysWhatIsWrong() throws {
        let directory = try TemporaryFolder()
        try directory.writeSmallImages(in: "kmnist", compressed: true)
        try directory.write("mnist/train-labels-idx1-ubyte", [])
        let all = NamedDataset.standard.prefix(4).map { DatasetSurvey($0, dataDirectory: directory.path).description }
        #expect(all[1].contains("""
              from https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz, 9,912,422 bytes
                sha256 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609

            """))
        let surveys = all.map { $0.split(separator: "\n").filter { !$0.hasPrefix("  from ") && !$0.hasPrefix("    sha256 ") }.joined(separator: "\n") }
        #expect(surveys == [
            """
            fashion-mnist: not available
              install the package dataset-fashion-mnist (apt install dataset-fashion-mnist), or give its folder with --data-dir
              looked in: \(directory.path)/fashion-mnist, \(directory.path)
            """,
            """
            mnist: not available
              \(directory.path)/mnist: train-images-idx3-ubyte (plain or .gz) is missing; mnist needs train-images-idx3-ubyte, \
            train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte
              looked in: \(directory.path)/mnist, \(directory.path)
            """,
            """
            kmnist: 6 training and 2 test images of 2×3×1, \(directory.path)/kmnist
              10 classes: o, ki, su, tsu, na, ha, ma, ya, re, wo
              looked in: \(directory.path)/kmnist, \(directory.path)
            """,
            """
            digits: 1437 training and 360 test images of 8×8×1, part of the program
              10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
            """,
        ])
    }
}

@Suite struct FashionMNISTTests {
    static let isInstalled = FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")

    /// Mean and standard deviation are the widely published 0.2860 and 0.3530.
    @Test(.enabled(if: isInstalled, "the package dataset-fashion-mnist is not installed"))
    func hasTheKnownCountsAndStatistics() throws {
        var configuration = DataConfiguration(.fashionMNIST)
        configuration.validation = .count(0)
        let dataset = try ImageDataset.load(configuration)
        #expect(dataset.indices(of: .train) == Array(0..<60_000))
        #expect(dataset.indices(of: .test) == Array(60_000..<70_000))
        #expect(dataset.shape == ImageShape(height: 28, width: 28, channels: 1))
        #expect(abs(dataset.normalization.mean[0] - 0.2860) < 5e-5)
        #expect(abs(dataset.normalization.std[0] - 0.3530) < 5e-5)
        for label in Int32(0)..<10 {
            #expect(dataset.images.labels[..<60_000].count { $0 == label } == 6000)
            #expect(dataset.images.labels[60_000...].count { $0 == label } == 1000)
        }
        #expect(dataset.images.labels.prefix(10) == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    }
}

@Suite struct DigitsTests {
    @Test func hasTheKnownCountsClassesAndPixels() throws {
        let digits = try loadDigits()
        #expect(digits.train == 0..<1437)
        #expect(digits.test == 1437..<1797)
        #expect(digits.shape == ImageShape(height: 8, width: 8, channels: 1))
        // The class counts of the published data.
        #expect((0..<10).map { label in digits.labels.count { $0 == label } } == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
        guard case .bytes(let pixels, 16) = digits.pixels else { Issue.record("expected bytes up to 16"); return }
        #expect(pixels.count == 1797 * 64)
        #expect(pixels.max() == 16)
        // The sum over all pixels, computed with NumPy from the source.
        #expect(pixels.reduce(0) { $0 + Int($1) } == 561_718)
    }

    /// The split is part of every result on the digits: it must never change.
    @Test func theSplitIsFixed() throws {
        let digits = try loadDigits()
        #expect(digits.labels.prefix(12) == [8, 3, 4, 8, 0, 9, 7, 7, 4, 4, 8, 6])
        #expect(digits.labels.suffix(12) == [5, 0, 6, 1, 8, 1, 8, 6, 1, 7, 1, 0])
    }
}
