import Foundation
import HDF5
import RunStore
import Testing

/// Pictures of what networks learned: every command of the README, what is asked for in vain, and that no run changes.
@Suite(.serialized) struct ShowTests {
    /// Runs of small networks, which all tests share.
    private static let runs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/quickstart.yaml", """
            data:   {name: digits}
            train:  {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 3e-3}}}
            match:  none
            models:
              resnet8:  {resnet: {depth: 8, width: 8}}
              vit:      {vit: {patch: 2, width: 16, depth: 2, heads: 2}}
              fixed:    {vit: {patch: 2, width: 16, depth: 2, heads: 2, position: sincos, pool: mean}}
              mlp:      {mlp: {widths: [8]}}
            """)
        let result = try Program.run(["run", "quickstart", "--threads", "2"], in: folder.url)
        guard result.exitCode == 0 else { throw Failure(text: result.errors) }
        return folder
    }

    private struct Failure: Error { let text: String }

    private let folder: URL

    init() throws { folder = try Self.runs.get().url }

    private func show(_ words: String...) throws -> Program.Result { try Program.run(["show"] + words, in: folder) }
    private func data(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    /// Width and height of a PNG file.
    private func size(_ png: Data) -> [Int] {
        func number(_ start: Int) -> Int { png[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
        return png.starts(with: [0x89, 0x50, 0x4E, 0x47]) ? [number(16), number(20)] : []
    }

    private func state() throws -> [String: Data] {
        let results = folder.appending(path: "Results")
        let files = try FileManager.default.subpathsOfDirectory(atPath: results.path).filter { $0.hasSuffix(".h5") || $0.hasSuffix(".json") || $0.hasSuffix(".tmp") }
        return try Dictionary(uniqueKeysWithValues: files.map { ($0, try Data(contentsOf: results.appending(path: $0))) })
    }

    @Test func theCommandsOfTheREADME() throws {
        let before = try state()
        let readme = try String(contentsOf: Program.packageRoot.appending(path: "README.md"), encoding: .utf8)
        let start = try #require(readme.range(of: "## Show\n\n```bash\n")), end = try #require(readme[start.upperBound...].range(of: "```"))
        let commands = readme[start.upperBound..<end.lowerBound].split(separator: "\n").map { $0.split(separator: " ").dropFirst().map(String.init) }
        #expect(commands.count == 4)
        for words in commands {
            let result = try Program.run(words, in: folder)
            #expect(result.exitCode == 0 && result.output.isEmpty && result.errors.isEmpty, "\(words) \(result.errors)")
        }
        // Eight kernels in a row, squares of 111 pixels; four pairs of an image and its map.
        #expect(size(try data("filters.png")) == [8 * 111 + 9 * 4, 111 + 8])
        let attention = try String(contentsOf: folder.appending(path: "attention.svg"), encoding: .utf8)
        #expect(["Attention of the class token in blocks.1.attn of vit-s0-", ">rollout<", ">head 2<", ">test image 0<", ">7<"].allSatisfy(attention.contains), "\(attention)")
        #expect(try String(contentsOf: folder.appending(path: "gradcam.svg"), encoding: .utf8).components(separatedBy: ">for 7<").count == 5)

        let file = try HDF5Reader(folder.appending(path: "vit.h5").path)
        #expect(try file.attributeStrings("default", of: "/") == ["entry"] && file.attributeStrings("default", of: "/entry") == ["positions"])
        for (group, signal, shape) in [("positions", "cosine", [16, 4, 4]), ("distance", "distance", [2, 2]), ("embedding", "label", [360])] {
            let path = "/entry/\(group)"
            #expect(try file.attributeStrings("NX_class", of: path) == ["NXdata"] && file.attributeStrings("signal", of: path) == [signal])
            // The digits have fewer test images than are asked for.
            #expect(try file.shape(of: "\(path)/\(signal)") == shape, "\(group)")
        }
        #expect(try file.read("/entry/distance/distance", as: Float.self).allSatisfy { $0 > 0.5 && $0 < 8 })
        #expect(try state() == before, "a run was changed")
    }

    @Test func theSameBytesAtAnyNumberOfThreads() throws {
        for words in [["--distance"], ["--embedding", "--count", "100"], ["--gradcam", "--layer", "block1", "--image", "3"], ["--integrated-gradients"], ["--attention"]] {
            for threads in ["1", "3"] {
                let result = try Program.run(["show", "quickstart/vit", "--threads", threads, "--output", "\(threads).svg", "--into", "\(threads).h5"] + words, in: folder)
                #expect(result.exitCode == 0, "\(words) \(result.errors)")
            }
            #expect(try data("1.svg") == data("3.svg") && data("1.h5") == data("3.h5"), "\(words)")
        }
    }

    @Test func everyKindOfEveryNetwork() throws {
        for (run, kinds) in [
            ("resnet8", ["--filters", "--activations=stage2", "--gradcam", "--errors", "--embedding", "--integrated-gradients"]),
            ("vit", ["--filters", "--activations=blocks.0.mlp.fc1", "--attention", "--gradcam"]), ("fixed", ["--attention", "--positions", "--distance"]),
            ("mlp", ["--filters", "--embedding", "--integrated-gradients", "--activations=hidden1"]),
        ] {
            for kind in kinds {
                let result = try show("quickstart/\(run)", kind, "--output", "p.png")
                #expect(result.exitCode == 0, "\(run) \(kind) \(result.errors)")
                #expect(try size(data("p.png")).allSatisfy { $0 >= 24 }, "\(run) \(kind)")
                let drawn = try show("quickstart/\(run)", kind, "--output", "p.svg", "--into", "p.h5")
                #expect(try drawn.exitCode == 0 && String(contentsOf: folder.appending(path: "p.svg"), encoding: .utf8).contains("</svg>"), "\(drawn.errors)")
            }
        }
        // The errors of the run file, to the pixel.
        #expect(try show("quickstart/mlp", "--errors", "--into", "e.h5").exitCode == 0)
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "Results/quickstart").path).first { $0.hasPrefix("mlp") })
        let errors = try #require(try RunReader(RunFolder(path: folder.appending(path: "Results/quickstart/\(name)").path)).errors())
        #expect(try HDF5Reader(folder.appending(path: "e.h5").path).read("/entry/errors/images", as: UInt8.self) == errors.pixels)
        // A picture of a run is an image like any other; the digit itself comes back.
        #expect(try show("quickstart/resnet8", "--gradcam", "--image", "./p.png", "--output", "q.png").exitCode == 0)
    }

    @Test func whatCannotBeShown() throws {
        let none = folder.appending(path: "Results/quickstart-copy")
        try? FileManager.default.removeItem(at: none)
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "Results/quickstart").path).first { $0.hasPrefix("mlp") })
        try FileManager.default.createDirectory(at: none, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: folder.appending(path: "Results/quickstart/\(name)"), to: none.appending(path: "run"))
        try FileManager.default.removeItem(at: none.appending(path: "run/weights"))
        defer { try? FileManager.default.removeItem(at: none) }
        try Data("text".utf8).write(to: folder.appending(path: "taken.png"))
        try? FileManager.default.removeItem(at: folder.appending(path: "mine.h5"))
        let numbers = try HDF5Writer(folder.appending(path: "mine.h5").path)
        try numbers.write([Int64(1), 2], to: "/numbers", shape: [2])
        try numbers.close()
        let mine = try Data(contentsOf: folder.appending(path: "mine.h5"))
        let output = ["--output", "x.png"]
        for (words, code, sentence) in [
            (["Results/quickstart-copy/run", "--filters"] + output, 65, "weights/best.h5: is missing"),
            (["quickstart/resnet8", "--attention"] + output, 64, "resnet has no attention; transformers, hybrids and CNNs with attention_after have"),
            (["quickstart/resnet8", "--positions"] + output, 64, "resnet has no position embeddings; transformers with learned, sincos"),
            (["quickstart/mlp", "--gradcam"] + output, 64, "mlp has no stage with a map over the image; the stages are pixels, hidden1"),
            (["quickstart/mlp", "--gradcam", "--layer", "hidden1"] + output, 64, "the layer 'hidden1' gives [1, 8], which is no map over the image"),
            (["quickstart/vit", "--activations", "blok1"] + output, 64, "the model has no layer 'blok1'; did you mean 'block1'?"),
            (["quickstart/vit", "--attention", "--layer", "blocks.9"] + output, 64, "the model has no attention 'blocks.9'"),
            (["quickstart/vit", "--attention", "--image", "99999"] + output, 64, "there is no test image 99999; expected a number from 0 to "),
            (["quickstart/vit", "--gradcam", "--class", "coat"] + output, 64, "there is no class 'coat'"),
            (["quickstart/vit", "--attention", "--image", "nowhere.png"] + output, 66, "nowhere.png: there is no such file"),
            (["quickstart/vit", "--filters", "--output", "nowhere/x.png"], 74, "nowhere/x.png: its folder does not exist"),
            (["quickstart/vit", "--filters", "--output", "taken.png"], 64, "taken.png: is there already and is no PNG file"),
            (["quickstart/vit", "--filters", "--into", "taken.png"], 64, "taken.png: is there already and is no HDF5 file"),
            (["quickstart/vit", "--filters", "--into", "mine.h5"], 64, "mine.h5: is there already and was not made by show, which replaces its own files alone"),
            (["quickstart/vit", "--activations", ""] + output, 64, "the model has no layer ''"),
            (["quickstart/vit", "--filters", "--output", "x.jpg"], 64, "--output: expected a file that ends in .png or .svg, found 'x.jpg'"),
            (["quickstart/vit", "--filters", "--into", "Results/quickstart/\(name)/run.h5"], 64, "is a file of the run"),
            (["quickstart/mlp", "--filters", "--output", "Results/quickstart/\(name)/new.png"], 64, "lies in the run, into which nothing is written"),
            (["quickstart/vit", "--filters", "--output", "Results/quickstart/\(name)/weights/new.png"], 64, "is a file of the run"),
            (["quickstart/vit", "--attention", "--image", ""] + output, 64, "--image: expected a place, class:NAME or a file, found an empty word"),
            (["quickstart/vit", "--filters"], 64, "expected --output with a file, .png or .svg, or --into with an HDF5 file"),
            (["quickstart/vit"] + output, 64, "expected what to show: --filters, --activations"),
            (["quickstart/vit", "--filters", "--positions"] + output, 64, "--output: takes one kind of picture, found --filters and --positions; --into takes several"),
            (["quickstart/vit", "--filters", "--image", "3"] + output, 64, "--image goes with --activations, --attention"),
            (["quickstart/vit", "--filters", "--weights", "ema"] + output, 64, "the run has no average of its weights by train.ema"),
            (["quickstart/vit", "--filters", "--weights", "new"] + output, 64, "--weights: expected best, last, ema or swa, found 'new'"),
            (["quickstart/nothing", "--filters"] + output, 66, "nothing"),
        ] as [([String], Int32, String)] {
            let result = try Program.run(["show"] + words, in: folder)
            #expect(result.exitCode == code && result.errors.contains(sentence), "\(words): \(result.exitCode) \(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "x.png").path), "\(words)")
        }
        #expect(try Data(contentsOf: folder.appending(path: "mine.h5")) == mine)
        // The word for pictures is one of the commands; an experiment may not take their folder.
        try Data("data: {name: digits}\nmodels: {m: mlp}\n".utf8).write(to: folder.appending(path: "Experiments/figures.yaml"))
        defer { try? FileManager.default.removeItem(at: folder.appending(path: "Experiments/figures.yaml")) }
        let figures = try Program.run(["check", "figures"], in: folder)
        #expect(figures.exitCode == 64 && figures.errors.contains("an experiment cannot be called figures"), "\(figures.errors)")
    }
}
