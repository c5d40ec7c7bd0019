import Foundation
import HDF5
import TensorCore
import TestSupport
import Testing

/// Commands whose results are images: `predict` and `show` of models of images, and `stylize`, as they are typed.
@Suite(.serialized) struct ImageCommandTests {
    private static let runs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/codes.yaml", """
            data:   {name: digits, test_examples: 40}
            train:  {epochs: 1, batch_size: 64}
            task:   {reconstruction: {corruption: {masking: 0.3}}}
            models: {codes: {autoencoder: {widths: [16], code: 4}}}
            """)
        try folder.add("Experiments/classes.yaml", """
            data:   {name: digits, test_examples: 40, size: 16}
            train:  {epochs: 1, batch_size: 64}
            models: {vgg: {vgg: {blocks: [1, 1], width: 4, hidden: [], pool: 1}}, vit: {vit: {patch: 8, width: 8, depth: 1, heads: 1}}}
            """)
        try folder.add("Experiments/solids.yaml", """
            data:   {shapes_3d: {train_shapes: 32, test_shapes: 8, views: 3}}
            train:  {epochs: 1, batch_size: 16}
            models: {vgg: {vgg: {blocks: [1, 1], width: 4, hidden: [], pool: 1}}}
            """)
        try folder.add("Experiments/sets.yaml", """
            data:   {name: digit-scenes, train_examples: 64, test_examples: 20}
            train:  {epochs: 1, batch_size: 32}
            task:   multi_label
            models: {m: {mlp: {widths: [8]}}}
            """)
        for name in ["codes", "classes", "solids", "sets"] {
            let result = try Program.run(["run", name, "--threads", "2"], in: folder.url)
            guard result.exitCode == 0 else { throw Failure(text: "\(name): \(result.errors)") }
        }
        for (name, step) in [("a", 7), ("b", 11), ("style", 3)] {
            let pixels = (0..<20 * 24).map { UInt8(($0 * step + $0 / 24 * 13) % 256) }
            try Data(PNGFile(pixels, name == "style" ? Size2D(24, 20) : Size2D(20, 24), channels: 1).bytes).write(to: folder.url.appending(path: "\(name).png"))
        }
        try Data(PNGFile([7], Size2D(1, 1), channels: 1).bytes).write(to: folder.url.appending(path: "point.png"))
        // What a header says of 16,384×16,384 pixels of four channels and 16 bits.
        var hollow = PNGFile([7], Size2D(1, 1), channels: 1).bytes
        hollow.replaceSubrange(16..<26, with: [0, 0, 0x40, 0, 0, 0, 0x40, 0, 16, 6])
        hollow.replaceSubrange(29..<33, with: PNGFile.checksum(hollow[12..<29]))
        try Data(hollow).write(to: folder.url.appending(path: "hollow.png"))
        return folder
    }

    private struct Failure: Error { let text: String }
    private let folder: URL

    init() throws { folder = try Self.runs.get().url }

    private func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder) }
    private func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    /// Height and width, as a PNG file says them.
    private func size(_ name: String) throws -> [Int] {
        let header = Array(try bytes(name).prefix(24))
        return [20, 16].map { place in header[place..<place + 4].reduce(0) { $0 * 256 + Int($1) } }
    }

    @Test("A model of images makes a picture of each image, and shows those of its test") func reconstructs() throws {
        let made = try harness("predict", "codes", "a.png", "b.png", "--output", "made")
        #expect(made.exitCode == 0 && made.errors == "", "\(made.errors)")
        #expect(try size("made/a.png") == [8, 8])
        #expect(try bytes("made/a.png") != bytes("made/b.png"))
        #expect(try harness("predict", "codes", "a.png").errors.contains("the model makes images of images; add --output with a folder for them"))
        #expect(try harness("predict", "codes", "a.png", "--output", "made", "--top", "2").errors.contains("--top: goes with a model that predicts classes; this one makes images"))
        // What makes no picture leaves no folder.
        let none = try harness("predict", "codes", "Experiments/codes.yaml", "--output", "none/deeper")
        #expect(none.exitCode == 65 && none.errors.contains("none of the 1 files can be decoded") && !FileManager.default.fileExists(atPath: folder.appending(path: "none").path))
        #expect(try harness("show", "codes", "--reconstructions", "--output", "rows.png").exitCode == 0)
        let other = try harness("show", "codes", "--reconstructions", "--weights", "last", "--output", "last.png")
        #expect(other.exitCode == 64 && other.errors.contains("--weights: --reconstructions shows what the run's test kept"), "\(other.errors)")
        #expect(try harness("show", "codes", "--embedding", "--count", "30", "--output", "codes.svg").exitCode == 0)
        #expect(try String(decoding: bytes("codes.svg"), as: UTF8.self).contains("Codes of codes"))
        let numbers = try harness("show", "codes", "--reconstructions", "--into", "rows.h5")
        #expect(try numbers.exitCode == 0 && HDF5Reader(folder.appending(path: "rows.h5").path).shape(of: "/entry/reconstructions/seen") == [12, 8, 8])
        for (option, sentence) in [("--masks", "makes images of images, which have no classes; expected --reconstructions"), ("--gradcam", "expected --reconstructions")] {
            #expect(try harness("show", "codes", option, "--output", "x.png").errors.contains(sentence))
        }
        #expect(try harness("show", "classes/vgg", "--reconstructions", "--output", "x.png").errors.contains("keeps no reconstructions: the run is of another task"))
        let report = try harness("report", "Results/codes", "--output", "codes.html")
        #expect(try report.exitCode == 0 && String(decoding: bytes("codes.html"), as: UTF8.self).contains("Reconstructions of codes"))
    }

    @Test("A run of label sets predicts the classes above one half, at least one, unless --top says how many") func predictsSets() throws {
        let made = try harness("predict", "sets", "a.png", "b.png", "style.png", "--output", "sets.h5", "--format", "csv")
        #expect(made.exitCode == 0, "\(made.errors)")
        let file = try HDF5Reader(folder.appending(path: "sets.h5").path), logits = try file.read("/logits", as: Float.self), classes = try file.read("/classes", as: Int32.self)
        #expect(logits.count == 33 && classes.count == 33)
        var expected: [[Int]] = []
        for image in 0..<3 {
            let own = Array(logits[image * 11..<image * 11 + 11]), order = own.indices.sorted { own[$0] > own[$1] }
            expected.append(Array(order.prefix(max(1, own.count { $0 > 0 }))))
            #expect(classes[image * 11..<image * 11 + 11].map { Int($0) } == expected[image] + Array(repeating: -1, count: 11 - expected[image].count))
        }
        let rows = made.output.split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
        #expect(rows.map { Int($0[2]) } == expected.flatMap(\.self), "\(made.output)")
        let two = try harness("predict", "sets", "a.png", "--top", "2", "--format", "csv")
        #expect(two.output.split(separator: "\n").count == 3, "\(two.output)")
    }

    @Test("Images for which there is no memory are one sentence, before they are decoded", arguments: [
        (3_000_000, ["--content", "a.png", "--size", "12000"], "images of 12000×14400×1 need at least 8"),
        (2_400_000, ["--content", "hollow.png", "--size", "20"], "hollow.png: an image of 16384×16384, brought to 20×20, needs at least 2.7 GB of memory"),
    ])
    func largeImages(kibibytes: Int, words: [String], sentence: String) throws {
        let words = ["stylize", "--style", "style.png", "--output", "large.png", "--run", "classes/vgg", "--steps", "2"] + words
        let result = try Program.run(
            ["-c", "ulimit -v \(kibibytes); exec \"$0\" \"$@\"", Program.url.path] + words, in: folder, executable: URL(filePath: "/bin/sh"))
        #expect(result.exitCode == 70 && result.errors.contains(sentence) && result.errors.split(separator: "\n").count == 1, "\(result.exitCode) \(result.errors)")
    }

    @Test("A network's file of weights says its channels, and --classes its classes") func stylizesByWeights() throws {
        let runs = folder.appending(path: "Results/solids").path, run = try #require(FileManager.default.contentsOfDirectory(atPath: runs).first { $0.hasPrefix("vgg-s0") })
        let words = ["stylize", "--content", "a.png", "--style", "style.png", "--network", "{vgg: {blocks: [1, 1], width: 4, hidden: [], pool: 1}}", "--weights",
            "\(runs)/\(run)/weights/best.h5", "--steps", "2", "--output", "weights.png"]
        let unsaid = try Program.run(words, in: folder), said = try Program.run(words + ["--classes", "8"], in: folder)
        #expect(unsaid.exitCode == 65 && unsaid.errors.contains("with 10 classes for images of 28×28×3"), "\(unsaid.errors)")
        #expect(said.exitCode == 0, "\(said.errors)")
    }

    @Test("Images get a style: several at once the same bytes as each alone, at any number of threads") func stylizes() throws {
        let one = try harness("stylize", "--content", "a.png", "--style", "style.png", "--run", "classes/vgg", "--steps", "12", "--every", "6", "--output", "one.png", "--threads", "1")
        #expect(one.exitCode == 0, "\(one.errors)")
        #expect(one.errors.contains("step 12 of 12") && FileManager.default.fileExists(atPath: folder.appending(path: "one-6.png").path))
        let both = try harness("stylize", "--content", "a.png", "b.png", "--style", "style.png", "--run", "classes/vgg", "--steps", "12", "--output", "both", "--threads", "2")
        #expect(both.exitCode == 0, "\(both.errors)")
        #expect(try bytes("one.png") == bytes("both/a.png"))
        #expect(try size("one.png") == [20, 24])
        // The loss falls.
        let losses = one.errors.matches(of: /loss ([0-9.e+-]+)/).compactMap { Double($0.1) }
        #expect(losses.count > 3 && losses.last! < losses[0])
        let adam = try harness("stylize", "--content", "a.png", "--style", "style.png", "--run", "classes/vgg", "--steps", "4", "--optimizer", "adam", "--size", "24", "--output", "adam.png")
        #expect(try adam.exitCode == 0 && size("adam.png") == [24, 29])
        let same = try harness("stylize", "--content", "style.png", "--style", "style.png", "--run", "classes/vgg", "--steps", "3", "--output", "same.png")
        #expect(same.exitCode == 0 && same.errors.contains("style: stays as it was: all gradients are 0"), "\(same.errors)")
        let far = try harness(
            "stylize", "--content", "a.png", "--style", "style.png", "--run", "classes/vgg", "--steps", "3", "--optimizer", "adam", "--learning-rate", "1e5", "--output", "far.png")
        #expect(far.exitCode == 0 && far.errors.contains("a: stays as it was: no step made its loss smaller"), "\(far.errors)")
        let tests = try harness("stylize", "--content", "0", "class:3", "--style", "a.png", "--run", "classes/vgg", "--steps", "3", "--size", "32", "--output", "tests")
        #expect(tests.exitCode == 0, "\(tests.errors)")
        #expect(try size("tests/test-0.png") == [32, 32] && size("tests/3.png") == [32, 32])
    }

    @Test("What stylize cannot do is one sentence", arguments: [
        (["--content", "a.png", "--run", "classes/vit"], "vit has no stages of feature maps; expected a convolutional network, such as vgg19"),
        (["--content", "a.png", "--run", "classes/vgg", "--style-layers", "stage9"], "vgg has no layer 'stage9'; did you mean 'stage1'?"),
        (["--content", "missing.png", "--run", "classes/vgg"], "missing.png"),
        (["--content", "a.png", "--run", "classes/vgg", "--steps", "0"], "--steps: expected a number from 1 to 1000000, found 0"),
        (["--content", "a.png", "--network", "vgg19"], "--network: expected --weights with it"),
        (["--content", "a.png", "a.png", "--run", "classes/vgg"], "would both become a.png"),
        (["--content", "a.png", "--run", "classes/vgg", "--output", "nowhere/out.png"], "nowhere/out.png: its folder is not there, or cannot be written to"),
        (["--content", "a.png", "--run", "classes/vgg", "--style-weight", "1e300"], "the losses are no numbers at the first step; expected smaller weights"),
        (["--content", "a.png", "--run", "classes/vgg", "--optimizer", "adam", "--learning-rate", "1e38"], "the losses are no numbers at step 2; expected a smaller --learning-rate"),
        (["--content", "point.png", "--run", "classes/vgg"], "vgg does not take images of 1×1×1; expected sides of at least 4 pixels (--size)"),
        (["--content", "a.png", "--run", "classes/vgg", "--classes", "3"], "--classes goes with --network: a run knows its classes"),
        (["--content", "a.png", "--run", "classes/vgg", "--content-layers", "stage1", "stage1"], "the layer 'stage1' is named twice"),
        (["--content", "a.png", "--run", "solids"], "the model takes images of 3 channels, such as views or slices of voxels, which image files are not"),
        (["--content", "40", "--run", "classes/vgg"], "there is no test image 40; expected a number from 0 to 39"),
        (["--content", "4", "--network", "vgg11", "--weights", "a.png"], "4: is a test image, which a run has and --network has not; expected a file, such as ./4"),
        (["--content", "a.png", "--run", "classes/vgg", "--learning-rate", "1"], "--learning-rate goes with --optimizer adam"),
    ])
    func misfitsAreSaid(words: [String], sentence: String) throws {
        let result = try Program.run(["stylize", "--style", "style.png", "--output", "out.png"] + words, in: folder)
        #expect(result.exitCode != 0 && result.errors.contains(sentence), "\(result.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out.png").path))
    }
}
