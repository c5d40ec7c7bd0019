import Foundation
import HDF5
import RunStore
import TestSupport
import Testing

/// Data of one's own: where they are found, what is said about them, and what of them is in the files of a run.
@Suite struct DataTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("project/definitions/cells.yaml", """
            data:   {hdf5: {path: data/cells.h5}, validation: 4}
            train:  {epochs: 1, batch_size: 8}
            models: {line: logistic-regression}

            """)
        try folder.add("project/definitions/more/other.yaml", "extends: ../cells.yaml\ntrain: {epochs: 2}\n")
        try write("project/definitions/data/cells.h5")
    }

    /// 20 images of 4×4 of two classes for training, and 6 for the test.
    private func write(_ path: String, firstLabel: Int64 = 0, repeatsImage: Bool = false, layout: [Int] = [1, 4, 4]) throws {
        let url = folder.url.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        let file = try HDF5Writer(url.path)
        for (part, count, start) in [("train", 20, 0), ("test", 6, repeatsImage ? 0 : 20)] {
            var pixels: [UInt8] = [], labels: [Int64] = []
            for image in start..<start + count {
                let slope = image % 2 == 0 ? 3 : 11
                for place in 0..<16 { pixels.append(UInt8((image * 37 + place * slope) % 256)) }
                labels.append(firstLabel + Int64(image % 2))
            }
            try file.write(pixels, to: "/\(part)/images", shape: [count] + layout)
            try file.write(labels, to: "/\(part)/labels")
        }
        try file.setAttribute("class_names", of: "/", to: Array(["round", "square", "long"].prefix(Int(firstLabel) + 2)))
        try file.close()
    }

    private func run(_ words: String..., in place: String = "project") throws -> Program.Result {
        try Program.run(words, in: folder.url.appending(path: place), environment: ["HARNESS_HOME": ""])
    }

    private func url(_ path: String) -> URL { folder.url.appending(path: path) }

    // MARK: Places

    @Test func aPathBeginsAtItsFileAndRunsDoNotDependOnWhereItLies() throws {
        let first = try run("run", "definitions/cells.yaml", "--results", "r")
        #expect(first.exitCode == 0, "\(first.errors)")
        #expect(!first.errors.contains("note:"))
        #expect(try run("check", "definitions/more/other.yaml").exitCode == 0)
        #expect(try run("check", "../project/definitions/cells.yaml", in: "project/definitions").exitCode == 0)

        let runs = try RunFolder.discover(under: url("project/r").path), folder = try #require(runs.first)
        let contents = try RunReader(folder).contents()
        #expect(contents.description.configuration.contains("\"path\": \"data/cells.h5\""))
        #expect(try MachineRecord(folder)?.dataFile == url("project/definitions/data/cells.h5").resolvingSymlinksInPath().path)

        // Another checkout: other paths, the same bytes.
        try FileManager.default.createDirectory(at: url("elsewhere"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: url("project/definitions"), to: url("elsewhere/deep"))
        #expect(try run("run", "deep/cells.yaml", "--results", "r", in: "elsewhere").exitCode == 0)
        let other = try #require(try RunFolder.discover(under: url("elsewhere/r").path).first)
        #expect(try Data(contentsOf: URL(filePath: other.runFile)) == Data(contentsOf: URL(filePath: folder.runFile)))

        // `verify` finds them from anywhere, and says so when they have moved.
        #expect(try run("verify", folder.path, in: "elsewhere").exitCode == 0)
        try FileManager.default.moveItem(at: url("project/definitions/data/cells.h5"), to: url("moved.h5"))
        let lost = try run("verify", folder.path, in: "elsewhere")
        #expect(lost.exitCode == 66)
        #expect(lost.errors == "harness: data/cells.h5: there is no such file; --data names the run's data where they are now\n")
        #expect(try run("verify", folder.path, "--data", url("moved.h5").path, in: "elsewhere").exitCode == 0)
        #expect(try run("verify", folder.path, "--data", "nowhere.h5").errors == "harness: nowhere.h5: there is no such file\n")
    }

    @Test func theCurrentFolderIsThePlaceOfOverridesAndOfOldDefinitions() throws {
        try write("project/here.h5")
        #expect(try run("check", "definitions/cells.yaml", "data.hdf5.path=here.h5").exitCode == 0)
        try FileManager.default.moveItem(at: url("project/definitions/data"), to: url("project/data"))
        let old = try run("check", "definitions/cells.yaml")
        #expect(old.exitCode == 0)
        #expect(old.output.contains("""
            note: data.hdf5.path: there is no definitions/data/cells.h5, where a path in a definition begins; taken is data/cells.h5, from the \
            current folder

            """))
        let gone = try run("check", "cells.yaml", in: "project/definitions")
        #expect(gone.exitCode == 66)
        #expect(gone.errors == "harness: data/cells.h5: there is no such file\n")
        let both = try run("check", "../definitions/cells.yaml", in: "project/data")
        #expect(both.exitCode == 66)
        #expect(both.errors.hasSuffix("/definitions/cells.yaml:1: data.hdf5.path: there is no file \(url("project/definitions/data/cells.h5").path)\n"), "\(both.errors)")
    }

    @Test func aSweepFindsItsDataToo() throws {
        try folder.add("project/definitions/swept.yaml", "extends: cells.yaml\nsweep: {grid: {train.epochs: [1, 2]}}\n")
        let result = try run("sweep", "definitions/swept.yaml", "--results", "r")
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try RunFolder.discover(under: url("project/r").path).count == 2)
    }

    @Test func conditionsThatMatchNoCellAreSaid() throws {
        try folder.add("project/definitions/swept.yaml", """
            extends: cells.yaml
            sweep:
              grid: {train.epochs: [1, 2, 3]}
              exclude:
                - {train.epochs: 3}
                - {train.epochs: {above: 8}}

            """)
        let note = "note: definitions/swept.yaml:6: sweep.exclude: matches no cell\n"
        #expect(try run("sweep", "definitions/swept.yaml", "--dry-run").errors == "harness: \(note)")
        #expect(try run("check", "definitions/swept.yaml").output.contains("\n\(note)"))
    }

    @Test func dataIsForHDF5Runs() throws {
        try folder.add("project/tiny.yaml", "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {line: logistic-regression}\n")
        #expect(try run("run", "tiny.yaml", "--results", "t").exitCode == 0)
        let result = try run("verify", "t", "--data", "x.h5")
        #expect(result.exitCode == 64)
        #expect(result.errors == "harness: --data: this run's data have a name; --data-dir names the folder of such data sets\n")
    }

    // MARK: What is needed to use a model

    @Test func theFilesOfARunSayWhatAModelNeeds() throws {
        #expect(try run("run", "definitions/cells.yaml", "--results", "r").exitCode == 0)
        let folder = try #require(try RunFolder.discover(under: url("project/r").path).first)
        let data = try #require(try RunReader(folder).wholeDescription().data), split = try #require(data.split)
        #expect(data.imageShape == [4, 4, 1])
        #expect(data.classNames == ["round", "square"])
        #expect(split.training.count == 16 && split.validation.count == 4 && split.test == Array(0..<6))
        #expect(Set(split.training + split.validation) == Set(0..<20) && !split.bringsValidation)
        // Mean and deviation are those of the training split.
        let pixels = try HDF5Reader(url("project/definitions/data/cells.h5").path).read("/train/images", as: Double.self).map { $0 / 255 }
        let trained = split.training.flatMap { pixels[Int($0) * 16..<Int($0) * 16 + 16] }
        let mean = trained.reduce(0, +) / Double(trained.count)
        let variance = trained.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(trained.count)
        #expect(abs(data.mean[0] - mean) < 1e-12 && abs(data.standardDeviation[0] - variance.squareRoot()) < 1e-12)

        let inspected = try run("inspect", folder.path).output
        #expect(inspected.contains(/\nclasses +2: round, square\n/), "\(inspected)")
        #expect(inspected.contains(/\n *class  name +→0 +→1 +recall\n/), "\(inspected)")
        #expect(inspected.contains(/\n +1  square +\d/))
    }

    @Test func checkAndRunSayWhatMayBeWrong() throws {
        #expect(try run("check", "definitions/cells.yaml").output.contains("images of 4×4×1, 2 classes\nclasses: round, square\n\n"))
        try write("project/definitions/data/cells.h5", firstLabel: 1, repeatsImage: true)
        let notes = [
            "cells.h5: no image is of class 0 (round), but there are 3 classes; labels are counted from 0",
            "cells.h5: 6 of 6 test images are among the training images too (test image 0 is training image 0)",
        ]
        let check = try run("check", "definitions/cells.yaml", "train.schedule={step: {milestones: [9]}}")
        #expect(check.output.contains("classes: round, square, long\n" + notes.map { "note: \($0)\n" }.joined()))
        #expect(check.output.contains("note: override 'train.schedule={step: {milestones: [9]}}': train.schedule.step.milestones: "))
        let trained = try run("run", "definitions/cells.yaml", "--results", "r")
        #expect(trained.exitCode == 0 && trained.errors.hasPrefix(notes.map { "harness: note: \($0)\n" }.joined()), "\(trained.errors)")
    }

    @Test func channelsLastHaveToBeSaid() throws {
        try write("project/definitions/data/cells.h5", layout: [4, 4, 1])
        let refused = try run("check", "definitions/cells.yaml")
        #expect(refused.exitCode == 65)
        #expect(refused.errors.contains("say layout: nhwc in data.hdf5 if channels come last, or layout: nchw if they do not"))
        #expect(try run("check", "definitions/cells.yaml", "data.hdf5.layout=nhwc").output.contains("images of 4×4×1"))
        #expect(try run("check", "definitions/cells.yaml", "data.hdf5.layout=nchw").output.contains("images of 4×1×4"))
    }

    // MARK: Limits

    /// Runs a line of the shell in which `$0` is the program, under a limit of its address space in kibibytes.
    private func limited(_ kibibytes: Int, _ words: String) throws -> Program.Result {
        try Program.run(
            ["-c", "ulimit -v \(kibibytes); exec \"$0\" \(words)", Program.url.path], in: url("project"), environment: ["HARNESS_HOME": ""],
            executable: URL(filePath: "/bin/sh"))
    }

    @Test func imagesThatDoNotFitAreOneSentence() throws {
        let fixtures = Program.packageRoot.appending(path: "Tests/Fixtures/sources")
        let excess = try limited(4_000_000, "check definitions/cells.yaml data.hdf5.path=\(fixtures.path)/images_in_excess.h5")
        #expect(excess.exitCode == 65)
        #expect(excess.errors.contains("images_in_excess.h5: /train/images: declares 536,870,912 images, which need at least "), "\(excess.errors)")
        #expect(excess.errors.split(separator: "\n").count == 1)

        // A file of holes, with a header that declares 2²⁸ images of 8×8.
        let idx: [(String, [UInt8], UInt64)] = [
            ("train-images-idx3-ubyte", [0, 0, 8, 3, 16, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8], 64 << 28), ("train-labels-idx1-ubyte", [0, 0, 8, 1, 16, 0, 0, 0], 1 << 28),
            ("t10k-images-idx3-ubyte", [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8], 64), ("t10k-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 1], 1),
        ]
        for (name, header, count) in idx {
            let file = try folder.add("project/mnist/\(name)")
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: Data(header))
            try handle.truncate(atOffset: UInt64(header.count) + count)
            try handle.close()
        }
        try folder.add("project/holes.yaml", "data: {name: mnist, directory: .}\nmodels: {line: logistic-regression}\n")
        let holes = try limited(4_000_000, "check holes.yaml")
        #expect(holes.exitCode == 65)
        #expect(holes.errors.contains("train-images-idx3-ubyte: declares 268,435,457 images, which need at least "), "\(holes.errors)")
        #expect(holes.errors.split(separator: "\n").count == 1)
    }

    /// Each of a training's parts is the one that no longer fits under some of these limits: parameters, plan, optimizer, evaluation.
    @Test(arguments: Array(stride(from: 480_000, through: 1_080_000, by: 30_000)))
    func aModelThatDoesNotFitIsOneSentence(kibibytes: Int) throws {
        try folder.add("project/wide.yaml", "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {m: {mlp: {widths: [4000, 4000]}}}\n")
        let result = try limited(kibibytes, "check wide.yaml --threads 1")
        #expect([0, 70].contains(result.exitCode), "\(result.exitCode) \(result.errors)")
        if result.exitCode != 0 {
            #expect(result.errors.contains("wide.yaml:3: models.m: needs at least "), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func aPipeIsNoDataSet() throws {
        #expect(mkfifo(url("project/pipe.h5").path, 0o600) == 0)
        let result = try within(seconds: 300) { try run("check", "definitions/cells.yaml", "data.hdf5.path=pipe.h5") }
        #expect(result.exitCode == 65 && result.errors == "harness: pipe.h5: is not a regular file, expected an HDF5 file\n")
    }

    /// As PyTorch does.
    @Test func batchNormOverOneValueIsRefused() throws {
        try folder.add("project/norm.yaml", """
            data: {name: digits}
            train: {epochs: 1, shards: 1, batch_size: 1}
            models: {m: {resnet: {depth: 34, width: 2, stem: 7x7}}}

            """)
        let result = try run("check", "norm.yaml")
        #expect(result.exitCode == 64)
        #expect(result.errors.contains("norm.yaml:3: models.m: layer2.0.bn1: batch statistics over a batch with one value a channel: "), "\(result.errors)")
        #expect(try run("check", "norm.yaml", "train.batch_size=2").exitCode == 0)
        #expect(try run("check", "norm.yaml", "models.m.resnet.norm=layer").exitCode == 0)
    }
}
