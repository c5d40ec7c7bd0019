import Foundation
import HDF5
import TensorCore
import Testing
import TestSupport

/// From a folder of image files to a comparison and a prediction.
@Suite struct ImageFolderTests {
    /// Bright stripes that run down, across, or nowhere, of several sizes; PNG files, and one JPEG file in each class.
    private static func fill(_ folder: TemporaryFolder, at root: String = "leaves", classes: [String] = ["across", "down", "plain"], count: Int = 12) throws {
        let jpeg = try HDF5Reader(Program.packageRoot.appending(path: "Tests/Fixtures/image_files.h5").path).read("/files/jpeg_progressive", as: UInt8.self)
        for (label, name) in classes.enumerated() {
            for number in 0..<count {
                let size = Size2D(30 + number % 3 * 7, 40 - number % 4 * 3)
                var draws = PhiloxStream(seed: UInt64(number), name: name).draws(time: 0, sample: 0)
                let pixels = (0..<size.height * size.width * 3).map { position -> UInt8 in
                    let (row, column) = (position / 3).quotientAndRemainder(dividingBy: size.width)
                    let isBright = label == 0 ? row / 5 % 2 == 0 : label == 1 ? column / 5 % 2 == 0 : false
                    return UInt8((isBright ? 150 : 40) + draws.integer(below: 40))
                }
                try write(PNGFile(pixels, size, channels: 3).bytes, to: "\(root)/\(name)/\(number).png", in: folder)
            }
            try write(jpeg + [UInt8](repeating: UInt8(label), count: 1), to: "\(root)/\(name)/photo.JPG", in: folder)
        }
    }

    private static func write(_ bytes: [UInt8], to path: String, in folder: TemporaryFolder) throws {
        try Data(bytes).write(to: folder.add(path))
    }

    private static let definition = """
        data: {folder: leaves, size: 16, resize: shorter, crop: random_resized, augment: [horizontal_flip], validation: 0.25}
        seeds: [0]
        train: {epochs: 2, batch_size: 8, checkpoint_every_steps: 1}
        models: {mlp: {mlp: {widths: [16]}}}

        """

    private func run(_ folder: TemporaryFolder, _ words: String..., environment: [String: String] = [:]) throws -> Program.Result {
        try Program.run(words, in: folder.url, environment: environment.merging(["HARNESS_HOME": ""]) { $1 })
    }

    /// The three commands of the README.
    @Test func fromAFolderToAPrediction() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder)
        let check = try run(folder, "data", "check", "leaves", "--write-definition", "leaves.yaml")
        #expect(check.exitCode == 0, "\(check.errors)")
        #expect(check.output.contains("across") && check.output.contains("formats: 36 PNG, 3 JPEG"), "\(check.output)")
        let trained = try run(folder, "run", "leaves.yaml", "train.epochs=1", "seeds=[0]", "--results", "Results")
        #expect(trained.exitCode == 0, "\(trained.errors)")
        #expect(trained.output.contains("hybrid"))
        let predicted = try run(folder, "predict", "leaves/resnet-s0", "leaves/down/3.png", "leaves/plain", "--format", "csv")
        #expect(predicted.exitCode == 0, "\(predicted.errors)")
        let lines = predicted.output.split(separator: "\n")
        #expect(lines.count == 1 + 1 + 13 && lines[0] == "image,class,name,probability" && lines[1].hasPrefix("leaves/down/3.png,"), "\(predicted.output)")
    }

    /// The same bytes at one thread and two, and after kills.
    @Test func threadsAndKillsChangeNothing() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder)
        try folder.add("small.yaml", Self.definition)
        func bytes(_ results: String) throws -> Data {
            let runs = try FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: results).path).filter { $0.hasSuffix("run.h5") }
            return try Data(contentsOf: folder.url.appending(path: "\(results)/\(try #require(runs.first))"))
        }
        for threads in ["1", "2"] { #expect(try run(folder, "run", "small.yaml", "--threads", threads, "--results", "R\(threads)").exitCode == 0) }
        #expect(try bytes("R1") == bytes("R2"))
        let process = try Program.start(["run", "small.yaml", "--results", "R3"], in: folder.url, environment: ["HARNESS_HOME": ""])
        usleep(300_000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(try run(folder, "run", "small.yaml", "--results", "R3").exitCode == 0)
        #expect(try bytes("R1") == bytes("R3"))
        // Where the folder lies is no part of the trial.
        try FileManager.default.moveItem(at: folder.url.appending(path: "leaves"), to: folder.url.appending(path: "moved"))
        let again = try run(folder, "run", "small.yaml", "data.folder=moved", "--results", "R1")
        #expect(again.exitCode == 0 && again.errors.contains("already done") || again.output.contains("already done"), "\(again.errors)\(again.output)")
    }

    @Test func whatIsWrongWithFilesIsNamed() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder)
        try folder.add("small.yaml", Self.definition)
        try folder.add("leaves/down/notes.txt")
        try folder.add("leaves/.ipynb_checkpoints/x.png")
        try FileManager.default.createDirectory(at: folder.url.appending(path: "leaves/empty"), withIntermediateDirectories: true)
        // A name in Latin-1, which no text can hold.
        #expect(mkdir(Array((folder.url.path + "/leaves/fr").utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0], 0o777) == 0)
        let noted = try run(folder, "check", "small.yaml")
        #expect(noted.exitCode == 0, "\(noted.errors)")
        let sentence = "leaves: passed over: 1 folder without images (empty); 1 file outside classes or of other kinds (down/notes.txt); 1 file or folder whose name is not UTF-8 (fr\u{FFFD}); 1 hidden file or folder"
        #expect((noted.output + noted.errors).contains(sentence), "\(noted.output)\(noted.errors)")

        let whole = try Data(contentsOf: folder.url.appending(path: "leaves/plain/photo.JPG"))
        try whole.prefix(300).write(to: folder.url.appending(path: "leaves/plain/photo.JPG"))
        let stopped = try run(folder, "check", "small.yaml")
        #expect(stopped.exitCode == 65 && stopped.errors.hasPrefix("harness: leaves/plain/photo.JPG: is "), "\(stopped.errors)")
        let skipped = try run(folder, "check", "small.yaml", "data.folder={path: leaves, on_error: skip}")
        #expect(skipped.exitCode == 0 && (skipped.output + skipped.errors).contains("leaves: 1 of 39 files are left out, since they cannot be decoded"), "\(skipped.errors)")
        #expect(try run(folder, "data", "convert", "leaves", "leaves.h5").exitCode == 65)
        let converted = try run(folder, "data", "convert", "leaves", "leaves.h5", "--on-error", "skip")
        #expect(converted.exitCode == 0 && converted.output.contains("wrote leaves.h5: 30 training and 8 test images"), "\(converted.output)\(converted.errors)")

        let sizes = try run(folder, "check", "small.yaml", "~data.size", "data.resize=exact", "data.crop=center")
        #expect(sizes.exitCode == 64 && sizes.errors.contains("data.size: is needed, since the images have several sizes"), "\(sizes.errors)")
        let missing = try run(folder, "check", "small.yaml", "data.folder=nowhere")
        #expect(missing.exitCode == 66 && missing.errors.contains("nowhere: there is no such folder"), "\(missing.errors)")
    }

    private func losses(_ results: String, _ folder: TemporaryFolder) throws -> [Float] {
        let run = try #require(try FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: results).path).first { $0.hasSuffix("run.h5") })
        let file = try HDF5Reader(folder.url.appending(path: "\(results)/\(run)").path)
        return try file.read("/metrics/train/loss", as: Float.self) + file.read("/metrics/epoch/val_loss", as: Float.self)
    }

    /// Images that are kept decoded, and those of an HDF5 file with sizes of their own, are trained as the files are; a damaged cache is not missed.
    @Test(arguments: ["center", "random_resized"])
    func keptImagesAreTheFiles(crop: String) throws {
        let folder = try TemporaryFolder(), cache = folder.url.appending(path: "cache")
        try Self.fill(folder)
        try folder.add("small.yaml", Self.definition)
        func run(_ results: String, _ words: String...) throws {
            let result = try Program.run(
                ["run", "small.yaml", "--results", results, "data.crop=\(crop)"] + words, in: folder.url, environment: ["HARNESS_HOME": "", "XDG_CACHE_HOME": cache.path])
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        try run("files")
        #expect(!FileManager.default.fileExists(atPath: cache.path))
        try run("written", "data.folder={path: leaves, cache: true}")
        let kept = try #require(try FileManager.default.contentsOfDirectory(atPath: cache.appending(path: "harness").path).first)
        try run("read", "data.folder={path: leaves, cache: true}")
        let expected = try losses("files", folder)
        #expect(try losses("written", folder) == expected && losses("read", folder) == expected)

        // A flipped bit among the pixels, which the checksum finds; then a file that is no HDF5 file.
        let url = cache.appending(path: "harness/\(kept)")
        var bytes = try Data(contentsOf: url)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: url)
        try run("flipped", "data.folder={path: leaves, cache: true}")
        try Data("nothing".utf8).write(to: url)
        try run("other", "data.folder={path: leaves, cache: true}")
        #expect(try losses("flipped", folder) == expected && losses("other", folder) == expected)

        let converted = try Program.run(["data", "convert", "leaves", "mixed.h5"], in: folder.url, environment: ["HARNESS_HOME": ""])
        #expect(converted.exitCode == 0 && converted.output.contains("test images with sizes of their own, 3 classes"), "\(converted.output)\(converted.errors)")
        try run("mixed", "~data.folder", "data.hdf5={path: mixed.h5}")
        #expect(try losses("mixed", folder) == expected)
    }

    /// Images in their own sizes share sequences: the same bytes at one thread and two and after a kill, verified, predicted, refused for other models.
    @Test func imagesInTheirOwnSizes() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder)
        try folder.add("native.yaml", """
            data: {folder: leaves, size: {native: {patch: 8, tokens: 16}}, crop: random_resized, augment: [horizontal_flip], validation: 0.25}
            seeds: [0]
            train: {epochs: 3, batch_size: 8, shards: 2, checkpoint_every_steps: 1}
            models: {navit: {navit: {width: 16, depth: 2, heads: 2}}}

            """)
        func bytes(_ results: String) throws -> Data {
            let runs = try FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: results).path).filter { $0.hasSuffix("run.h5") }
            return try Data(contentsOf: folder.url.appending(path: "\(results)/\(try #require(runs.first))"))
        }
        let check = try run(folder, "check", "native.yaml")
        #expect(check.exitCode == 0 && (check.output + check.errors).contains("tokens of 8×8 pixels, training images"), "\(check.output)\(check.errors)")
        for threads in ["1", "2"] {
            let result = try run(folder, "run", "native.yaml", "--threads", threads, "--results", "R\(threads)")
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        #expect(try bytes("R1") == bytes("R2"))
        let process = try Program.start(["run", "native.yaml", "--results", "R3"], in: folder.url, environment: ["HARNESS_HOME": ""])
        usleep(300_000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(try run(folder, "run", "native.yaml", "--results", "R3").exitCode == 0)
        #expect(try bytes("R1") == bytes("R3"))

        let runs = try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: "R1/native").path).filter { !$0.contains(".") }
        let name = "R1/native/\(try #require(runs.first))"
        let verified = try run(folder, "verify", name)
        #expect(verified.exitCode == 0, "\(verified.output)\(verified.errors)")
        let predicted = try run(folder, "predict", name, "leaves/down", "leaves/plain/0.png", "--format", "csv")
        #expect(predicted.exitCode == 0 && predicted.output.split(separator: "\n").count == 1 + 13 + 1, "\(predicted.output)\(predicted.errors)")
        let file = try HDF5Reader(folder.url.appending(path: "\(name)/run.h5").path)
        #expect(try file.shape(of: "/evaluation/test/logits") == [9, 3])

        let wrong = try run(folder, "check", "native.yaml", "models={mlp: {mlp: {widths: [8]}}}")
        #expect(wrong.exitCode == 64 && wrong.errors.contains("takes images of one size, and data.size: native gives each in its own"), "\(wrong.errors)")
        let fixed = try run(folder, "check", "native.yaml", "data.size=16")
        #expect(fixed.exitCode == 64 && fixed.errors.contains("takes images in their own sizes"), "\(fixed.errors)")
        let long = try run(folder, "check", "native.yaml", "data.size={native: {patch: 1, tokens: 900, average: 100}}")
        #expect(long.exitCode == 64 && long.errors.contains("more than the 400 of a sequence"), "\(long.errors)")
    }

    /// Any source is looked at; the page has pictures of each class.
    @Test func lookingAtDataSets() throws {
        let folder = try TemporaryFolder()
        let digits = try run(folder, "data", "check", "digits", "--html", "digits.html")
        #expect(digits.exitCode == 0 && digits.output.contains("size: all have 8×8 pixels"), "\(digits.output)\(digits.errors)")
        let page = try String(contentsOf: folder.url.appending(path: "digits.html"), encoding: .utf8)
        #expect(page.components(separatedBy: "<img src=\"data:image/png;base64,").count == 101 && page.components(separatedBy: "<section>").count == 11)

        try Self.fill(folder, at: "set/train", count: 4)
        try Self.fill(folder, at: "set/test", count: 4)
        let copies = try run(folder, "data", "check", "set", "--html", "set.html")
        #expect(copies.exitCode == 0 && copies.output.contains("15 groups of equal images, 15 of them across splits (train/across/0.png, test/across/0.png)"), "\(copies.output)")
        let unknown = try run(folder, "data", "check", "fashon-mnist")
        #expect(unknown.exitCode == 66 && unknown.errors.contains("did you mean 'fashion-mnist'"), "\(unknown.errors)")
        let none = try run(folder, "data", "check", "digits", "--write-definition", "d.yaml")
        #expect(none.exitCode == 64 && none.errors.contains("--write-definition: goes with a folder or a list of image files; digits is none"), "\(none.errors)")
    }

    /// No file of the user's is replaced by one of another kind; images of several sizes go from file to file; lists may name paths anywhere.
    @Test func othersFilesStay() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder, count: 4)
        try folder.add("notes.txt", "mine")
        for words in [["data", "convert", "leaves", "notes.txt"], ["data", "convert", "leaves", "leaves/down/0.png"], ["data", "check", "leaves", "--html", "notes.txt"]] {
            let refused = try Program.run(words, in: folder.url, environment: ["HARNESS_HOME": ""])
            #expect(refused.exitCode == 64 && refused.errors.contains("is there already and is no"), "\(refused.errors)")
        }
        #expect(try String(contentsOf: folder.url.appending(path: "notes.txt"), encoding: .utf8) == "mine")
        for words in [["leaves", "a.h5"], ["a.h5", "b.h5"], ["a.h5", "c.h5", "--size", "16"], ["leaves", "c.h5", "--size", "16"]] {
            let written = try Program.run(["data", "convert"] + words, in: folder.url, environment: ["HARNESS_HOME": ""])
            #expect(written.exitCode == 0, "\(written.errors)")
        }
        let whole = folder.url.appending(path: "leaves").path
        let rows = ["across", "down", "plain"].flatMap { name in (0..<4).map { "\(whole)/\(name)/\($0).png, \(name)" } }
        try folder.add("list.csv", (["path,label", "gone.png,plain"] + rows).joined(separator: "\n") + "\n")
        let looked = try run(folder, "data", "check", "list.csv")
        #expect(looked.exitCode == 0 && looked.output.contains("formats: 12 PNG") && looked.output.contains("gone.png: there is no such file"), "\(looked.output)")
        try folder.add("list.yaml", "data: {folder: {path: list.csv, on_error: skip}, size: 8, validation: 0}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic-regression}\n")
        let skipped = try run(folder, "check", "list.yaml")
        #expect(skipped.exitCode == 0 && (skipped.output + skipped.errors).contains("1 of 13 files are left out"), "\(skipped.errors)")
    }

    /// Files that are left out are counted in the run.
    @Test func filesLeftOutAreCounted() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder)
        try folder.add("small.yaml", Self.definition)
        try Data([0xFF, 0xD8, 0xFF]).write(to: folder.url.appending(path: "leaves/plain/photo.JPG"))
        let trained = try run(folder, "run", "small.yaml", "data.folder={path: leaves, on_error: skip}", "--results", "R")
        #expect(trained.exitCode == 0, "\(trained.errors)")
        let shown = try run(folder, "inspect", "R/small/\(try #require(try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: "R/small").path).first { !$0.contains(".") }))")
        #expect(shown.output.contains("1 image files that could not be decoded"), "\(shown.output)\(shown.errors)")
    }

    /// With folders for splits, classes are matched by name.
    @Test func splitsHaveFolders() throws {
        let folder = try TemporaryFolder()
        try Self.fill(folder, at: "set/train", count: 6)
        try Self.fill(folder, at: "set/val", classes: ["down", "plain"], count: 2)
        try Self.fill(folder, at: "set/test", classes: ["plain", "across"], count: 3)
        try folder.add("set.yaml", "data: {folder: set, size: [12, 16]}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: logistic-regression}\n")
        let result = try run(folder, "check", "set.yaml")
        #expect(result.exitCode == 0 && result.output.contains("set: 21 training, 6 validation and 8 test images of 12×16×3, 3 classes"), "\(result.output)\(result.errors)")
    }
}
