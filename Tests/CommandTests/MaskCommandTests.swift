import Foundation
import HDF5
import TensorCore
import TestSupport
import Testing

/// `harness predict` and `harness show` of a model that answers for every pixel, as they are typed.
@Suite(.serialized) struct MaskCommandTests {
    private static let runs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/scenes.yaml", """
            data:   {name: digit-scenes, train_examples: 64, test_examples: 16}
            train:  {epochs: 1, batch_size: 32, optimizer: {adamw: {learning_rate: 5e-3}}}
            task:   segmentation
            match:  none
            models: {unet: {unet: {width: 4, depth: 2, padding: valid}}, setr: {setr: {patch: 8, width: 16, depth: 2, heads: 2, decoder_channels: 8}}}
            """)
        let result = try Program.run(["run", "scenes", "--threads", "2"], in: folder.url)
        guard result.exitCode == 0 else { throw Failure(text: result.errors) }
        return folder
    }

    private struct Failure: Error { let text: String }
    private let folder: URL

    init() throws { folder = try Self.runs.get().url }

    private func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder) }

    private func add(_ name: String, _ size: Size2D) throws {
        let path = folder.appending(path: name)
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let pixels = (0..<size.height * size.width).map { UInt8(truncatingIfNeeded: $0 / size.width * 9 ^ $0 % size.width * 5) }
        try Data(PNGFile(pixels, size, channels: 1).bytes).write(to: path)
    }

    /// Width, height, bits and colour type of a PNG file.
    private func header(_ name: String) throws -> [Int] {
        let png = try Data(contentsOf: folder.appending(path: name))
        func number(_ start: Int) -> Int { png[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
        return png.starts(with: [0x89, 0x50, 0x4E, 0x47]) ? [number(16), number(20), Int(png[24]), Int(png[25])] : []
    }

    @Test("Each image, of whatever size, has a mask of its size with a palette; the same bytes at any number of threads")
    func masksOfImageFiles() throws {
        try add("photos/large.png", Size2D(70, 100))
        try add("photos/small.png", Size2D(11, 9))
        try add("photos/right.png", Size2D(32, 32))
        try Data("no image".utf8).write(to: folder.appending(path: "photos/none.png"))
        let result = try harness("predict", "scenes/unet", "photos", "--output", "masks", "--threads", "2")
        #expect(result.exitCode == 0 && result.output == "" && result.errors.contains("photos/none.png: is no JPEG, PNG or WebP file; passed over"), "\(result.errors)")
        #expect(try header("masks/large.png") == [100, 70, 8, 3] && header("masks/small.png") == [9, 11, 8, 3] && header("masks/right.png") == [32, 32, 8, 3])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "masks").path).sorted() == ["large.png", "right.png", "small.png"])
        // VOC's palette: black, dark red, dark green.
        let bytes = try Data(contentsOf: folder.appending(path: "masks/large.png")), palette = try #require(bytes.range(of: Data("PLTE".utf8)))
        #expect(Array(bytes[palette.upperBound..<palette.upperBound + 9]) == [0, 0, 0, 128, 0, 0, 0, 128, 0])
        #expect(try harness("predict", "scenes/unet", "photos", "--output", "one", "--threads", "1").exitCode == 0)
        for name in ["large", "small", "right"] {
            #expect(try Data(contentsOf: folder.appending(path: "masks/\(name).png")) == Data(contentsOf: folder.appending(path: "one/\(name).png")))
        }
        #expect(try harness("predict", "scenes/setr", "photos/large.png", "--output", "setr", "--overlap", "4").exitCode == 0)
        #expect(try header("setr/large.png") == [100, 70, 8, 3])
    }

    @Test func whatDoesNotGoTogetherIsSaid() throws {
        try add("photos/right.png", Size2D(32, 32))
        try add("other/right.png", Size2D(32, 32))
        // A mask that somebody made is no picture of the program's.
        try FileManager.default.createDirectory(at: folder.appending(path: "truth"), withIntermediateDirectories: true)
        try Data(PNGFile(classes: [UInt8](repeating: 1, count: 32 * 32), Size2D(32, 32)).bytes).write(to: folder.appending(path: "truth/right.png"))
        for (words, sentence) in [
            (["photos/right.png"], "the model answers for every pixel; add --output with a folder for the masks"),
            (["photos/right.png", "--output", "photos/right.png"], "photos/right.png: is a file, expected a folder for the masks"),
            (["photos/right.png", "other", "--output", "m"], "photos/right.png and other/right.png would both have the mask right.png; predict them one by one"),
            (["photos/right.png", "--output", "m", "--overlap", "32"], "--overlap: found 32 pixels, expected fewer than the 32 of the model's images"),
            (["photos/right.png", "--output", "photos"], "photos/right.png: is what is read, expected another file to write"),
            (["photos/right.png", "--output", "other"], "other/right.png: is there already and is no picture of harness, which replaces its own alone; expected another name"),
            (["photos/right.png", "--output", "truth"], "truth/right.png: is there already and is no picture of harness"),
            (["photos/right.png", "--output", "m", "--format", "csv"], "--format: goes with a model that answers for an image; masks are PNG files"),
        ] {
            let result = try Program.run(["predict", "scenes/unet"] + words, in: folder)
            #expect(result.exitCode == 64 && result.errors.contains(sentence), "\(words): \(result.errors)")
        }
        let gradcam = try harness("show", "scenes/unet", "--gradcam", "--output", "g.png")
        #expect(gradcam.exitCode == 64 && gradcam.errors.contains("answers for every pixel and predicts no class of an image; expected --masks, or another model"))
    }

    @Test func showsMasks() throws {
        try add("photos/right.png", Size2D(32, 32))
        #expect(try harness("show", "scenes/unet", "--masks", "--image", "0", "3", "--output", "masks.png", "--into", "masks.h5").exitCode == 0)
        // Two images, each with its mask and the predicted one: six pictures in a row.
        #expect(try header("masks.png")[..<2] == [6 * 96 + 7 * 4, 96 + 8])
        let file = try HDF5Reader(folder.appending(path: "masks.h5").path)
        #expect(try file.shape(of: "/entry/masks/mask") == [2, 32, 32] && file.shape(of: "/entry/masks/predicted") == [2, 32, 32])
        #expect(try Set(file.read("/entry/masks/mask", as: UInt8.self)).count > 1)
        #expect(try harness("show", "scenes/setr", "--attention", "--output", "attention.png").exitCode == 0)
        let svg = try harness("show", "scenes/setr", "--masks", "--image", "photos/right.png", "--output", "masks.svg")
        let text = try String(contentsOf: folder.appending(path: "masks.svg"), encoding: .utf8)
        #expect(svg.exitCode == 0 && text.contains(">predicted<") && text.contains(">right.png<") && !text.contains(">mask<"), "\(svg.errors)")
    }
}
