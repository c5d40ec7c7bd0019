import Foundation
import HDF5
import RunStore
import TestSupport
import Testing

/// `harness convert` and `harness predict`, as they are typed.
@Suite(.serialized, WithSmallRuns()) struct WeightCommandTests {
    private let runs: SmallRuns

    init() throws { runs = try #require(WithSmallRuns.current) }

    /// A folder with some images of the run's size.
    private func images(_ values: [Float], count: Int) throws -> TemporaryFolder {
        let folder = try TemporaryFolder(), file = try HDF5Writer(folder.url.appending(path: "images.h5").path)
        try file.write(values, to: "/images", shape: [count, 1, 8, 8])
        try file.close()
        return folder
    }

    private static let few: [Float] = (0..<3 * 64).map { (index: Int) -> Float in Float(index * 29 % 17) / 16 }

    @Test("A run by its folder, by the beginning of its name, and in every format")
    func predictsByRun() throws {
        let folder = try images(Self.few, count: 3), path = folder.url.appending(path: "images.h5").path, run = runs.runFolder("whole")
        func predict(_ words: String..., in place: URL? = nil) throws -> Program.Result {
            try Program.run(["predict"] + words + ["--input", path, "--threads", "1"], in: place ?? runs.folder.url)
        }
        let csv = try predict(run.path, "--top", "2", "--format", "csv")
        #expect(csv.exitCode == 0 && csv.errors == "")
        let rows = csv.output.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
        #expect(rows.count == 7 && rows[0] == ["image", "rank", "class", "name", "probability"])
        #expect(rows.dropFirst().map { $0[0] + $0[1] } == ["01", "02", "11", "12", "21", "22"])
        let shares = rows.dropFirst().map { Float($0.last!)! }
        #expect(stride(from: 0, to: 6, by: 2).allSatisfy { shares[$0] >= shares[$0 + 1] && shares[$0] + shares[$0 + 1] <= 1.0001 })

        let json = try predict(run.path, "--format", "json")
        let parsed = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
        #expect(parsed.count == 3 && (parsed[2]["predictions"] as? [[String: Any]])?.first?["class"] as? Int == Int(rows[5][2]))
        let table = try predict(run.path)
        #expect(table.output.split(separator: "\n").count == 5 && table.output.contains("probability"))

        // In a place whose Results hold the run.
        let place = try TemporaryFolder()
        try FileManager.default.createDirectory(at: place.url.appending(path: "Results/e"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: run, to: place.url.appending(path: "Results/e/\(run.lastPathComponent)"))
        for word in ["e/vit", "Results/e/vit-s", "\(place.url.path)/Results/e/v", "vit-s0", run.lastPathComponent.dropLast(3).description, "e"] {
            #expect(try predict(word, "--format", "csv", "--top", "2", in: place.url).output == csv.output, "\(word)")
        }
        let second = run.lastPathComponent.dropLast() + (run.lastPathComponent.hasSuffix("0") ? "1" : "0")
        try FileManager.default.copyItem(at: run, to: place.url.appending(path: "Results/e/\(second)"))
        let several = try predict("vit-s0", in: place.url)
        #expect(several.exitCode == 64 && several.errors.hasPrefix("harness: 'vit-s0' is the beginning of 2 runs' names: Results/e/vit-s0-"))
        let none = try predict("resnet-s0", in: place.url)
        #expect(none.exitCode == 66 && none.errors.hasPrefix("harness: there is no file or folder 'resnet-s0'"))
    }

    @Test("Weights go to safetensors and back, and give the same logits by the model's name")
    func convertsAndPredictsByModel() throws {
        let folder = try images(Self.few, count: 3), run = runs.runFolder("whole")
        let model = "{vit: {patch: 2, width: 32, depth: 2, heads: 2, dropout: 0.1}}"
        func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }
        let best = run.appending(path: "weights/best.h5").path
        let there = try harness("convert", best, "vit.safetensors", "--names", "torchvision")
        #expect(there.exitCode == 0 && there.output.hasPrefix("vit.safetensors: ") && there.output.hasSuffix(", with the names of torchvision\n"))
        let back = try harness("convert", "vit.safetensors", "vit.h5", "--names", "timm", "--model", model, "--input", "1x8x8")
        #expect(back.exitCode == 0, "\(back.errors)")
        var logits: [[Float]] = []
        for weights in [best, "vit.safetensors", "vit.h5"] {
            let result = try harness("predict", "--model", model, "--weights", weights, "--input", "images.h5", "--output", "out.h5", "--top", "3")
            #expect(result == Program.Result(exitCode: 0, output: "", errors: ""))
            let file = try HDF5Reader(folder.url.appending(path: "out.h5").path)
            logits.append(try file.read("/logits", as: Float.self))
            #expect(try file.shape(of: "/logits") == [3, 10] && file.shape(of: "/classes") == [3, 3] && file.shape(of: "/probabilities") == [3, 3])
        }
        #expect(logits[0].count == 30 && logits[1] == logits[0] && logits[2] == logits[0])
        let inspected = try harness("inspect", "vit.safetensors")
        #expect(inspected.exitCode == 0 && inspected.output.contains("encoder.layers.encoder_layer_0.ln_1.weight"))

        let few = try harness("predict", "--model", model, "--classes", "7", "--weights", "vit.safetensors", "--input", "images.h5", "--output", "no.h5")
        #expect(few.exitCode == 65)
        #expect(few.errors == """
            harness: vit.safetensors: does not fit \(model) with 7 classes for images of 8×8×1:
            harness: head.weight has the shape [10, 32], expected [7, 32]
            harness: head.bias has the shape [10], expected [7]

            """)
        let written = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
        #expect(written == ["images.h5", "out.h5", "vit.h5", "vit.safetensors"])
    }

    @Test("What a command writes replaces no input, no file of a run and no device, and nothing that lies beside it")
    func outputsReplaceNothingElse() throws {
        let folder = try images(Self.few, count: 3), run = runs.runFolder("whole"), model = "{vit: {patch: 2, width: 32, depth: 2, heads: 2, dropout: 0.1}}"
        func path(_ name: String) -> String { folder.url.appending(path: name).path }
        func harness(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }
        func predict(to output: String) throws -> Program.Result {
            try harness("predict", "--model", model, "--weights", "w.safetensors", "--input", "images.h5", "--output", output, "--threads", "1")
        }
        let best = run.appending(path: "weights/best.h5").path
        #expect(try harness("convert", best, "w.safetensors").exitCode == 0)
        #expect(mkfifo(path("pipe.h5"), 0o600) == 0)
        try FileManager.default.createSymbolicLink(atPath: path("link.h5"), withDestinationPath: "images.h5")
        try FileManager.default.copyItem(atPath: run.path, toPath: path("run"))
        let before = try Data(contentsOf: URL(filePath: path("images.h5")))
        let refusals: [(words: Program.Result, reason: String)] = [
            (try predict(to: "images.h5"), "images.h5: is what is read, expected another file to write"),
            (try predict(to: "link.h5"), "link.h5: is what is read, expected another file to write"),
            (try predict(to: "w.safetensors"), "w.safetensors: is what is read, expected another file to write"),
            (try predict(to: "pipe.h5"), "pipe.h5: is not a regular file, expected a new file or one to replace"),
            (try predict(to: "run"), "run: is a folder, expected a new file or one to replace"),
            (try predict(to: "run/run.h5"), "run/run.h5: is a file of the run "),
            (try harness("convert", "w.safetensors", "run/weights/last.h5"), "run/weights/last.h5: is a file of the run "),
            (try harness("convert", best, best), "best.h5: is what is read, expected another file to write"),
            (try harness("models", "lenet5", "--svg", "pipe.h5"), "pipe.h5: is not a regular file, expected a new file or one to replace"),
            (try harness("models", "lenet5", "--svg", "images.h5"), "images.h5: is there already and is no SVG file, which alone is replaced; expected another name"),
        ]
        for (result, reason) in refusals { #expect(result.exitCode == 64 && result.output == "" && result.errors.contains(reason), "\(result) \(reason)") }
        #expect(try Data(contentsOf: URL(filePath: path("images.h5"))) == before)

        // A link stays one; what lies beside an output stays.
        for name in ["out.h5.tmp", "new.safetensors.tmp", "new.svg.tmp"] { try Data("mine".utf8).write(to: URL(filePath: path(name))) }
        try Data().write(to: URL(filePath: path("out.h5")))
        try FileManager.default.createSymbolicLink(atPath: path("way.h5"), withDestinationPath: "out.h5")
        #expect(try predict(to: "way.h5") == Program.Result(exitCode: 0, output: "", errors: ""))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path("way.h5")) == "out.h5")
        #expect(try HDF5Reader(path("out.h5")).shape(of: "/logits") == [3, 10])
        #expect(try harness("convert", best, "new.safetensors").exitCode == 0 && harness("models", "lenet5", "--svg", "new.svg").exitCode == 0)
        for name in ["out.h5.tmp", "new.safetensors.tmp", "new.svg.tmp"] { #expect(try String(contentsOfFile: path(name), encoding: .utf8) == "mine") }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
        #expect(!left.contains { $0.hasPrefix(".") }, "\(left)")
    }

    @Test("Wrong words and files", arguments: [
        (["convert", "model.pth", "x.h5"], 65, "harness: model.pth: is a pickle of PyTorch's"), (["convert", "none.h5", "x.h5"], 66, "harness: there is no file or folder 'none.h5'"),
        (["convert", "images.h5", "x.h5"], 65, "harness: images.h5: is not a weights file (it has no /parameters)"),
        (["convert", "images.h5", "x.h5", "--classes", "3"], 64, "--input and --classes go with --model"),
        (["convert", "images.h5", "x.h5", "--names", "jax"], 64, "'--names <names>'"),
        (["predict", "--input", "images.h5"], 64, "expected a run, or --model and --weights"), (["predict", "r", "--model", "lenet5", "--input", "images.h5"], 64, "found both"),
        (["predict", "--model", "lenet5", "--input", "images.h5"], 64, "expected --weights with it"), (["predict", "r", "--classes", "3", "--input", "images.h5"], 64, "--classes goes with --model"),
        (["predict", "r", "--weights", "x.h5", "--input", "images.h5"], 64, "expected best, last, ema or swa of the run's, found 'x.h5'"),
        (["predict", "r", "--top", "0", "--input", "images.h5"], 64, "--top: expected a number from 1, found 0"),
        (["predict", "--model", "lenet5", "--weights", "images.h5", "--input", "none.h5"], 66, "there is no file or folder 'none.h5'"),
        (["predict", "--model", "lenet5", "--weights", "images.h5", "--input", "model.pth"], 65, "model.pth: is not an HDF5 file"),
    ])
    func refused(words: [String], code: Int32, part: String) throws {
        let folder = try images(Self.few, count: 3)
        try Data([0x50, 0x4B, 0x03, 0x04] + [UInt8](repeating: 0, count: 60)).write(to: folder.url.appending(path: "model.pth"))
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == code && result.errors.contains(part), "\(result.errors)")
    }
}
