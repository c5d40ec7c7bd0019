import Foundation
import Testing

/// Words, help, exit codes and sentences of every subcommand that needs no training.
@Suite struct CommandLineTests {
    /// A folder with an `Experiments` of its own.
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/tiny.yaml", "data: {name: digits}\ntrain: {epochs: 1, batch_size: 64}\nmodels: {line: logistic-regression}\n")
        try folder.add("Experiments/wrong.yaml", "data: {name: digit}\ntrain: {epoch: 1}\nmodels: {line: logistic-regresion}\n")
        try folder.add("Experiments/large.yaml", "data: {name: digits, train_examples: 9999}\nmodels: {line: logistic-regression}\n")
        try folder.add("Experiments/patch.yaml", "data: {name: digits}\nmodels: {v: {vit: {patch: 3, width: 8, depth: 1, heads: 1}}}\n")
        let widths = Array(repeating: "65536", count: 100).joined(separator: ", ")
        try folder.add("Experiments/wide.yaml", "data: {name: digits}\ntrain: {epochs: 1}\nmodels: {m: {mlp: {widths: [\(widths)]}}}\n")
        try folder.add("Experiments/missing.yaml", "data: {name: mnist, directory: nowhere}\nmodels: {line: logistic-regression}\n")
    }

    private func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }

    @Test func helpSaysHowToBegin() throws {
        let result = try run("--help")
        #expect(result.exitCode == 0 && result.errors == "")
        #expect(result.output.contains("harness run experiments/quickstart"))
        for command in ["run", "sweep", "check", "why", "verify", "doctor", "tail", "models", "predict", "convert", "inspect", "compare", "report", "show", "bench", "data"] {
            #expect(result.output.contains("\n  \(command) "), "\(command) is listed")
        }
    }

    @Test(arguments: [
        ("run", ["--only", "--seeds", "--threads", "--precision", "--results", "--smoke", "--fresh", "--data-dir", "path.to.key=value"]),
        ("sweep", ["--jobs", "--dry-run", "--retry-failed", "--replan", "--seeds", "--threads", "--results", "--smoke", "--fresh"]),
        ("check", ["path.to.key=value", "--data-dir"]), ("why", ["path.to.key", "path.to.key=value"]),
        ("models", ["--input", "--classes", "--json"]), ("inspect", ["--json"]), ("compare", ["--metric", "--format"]), ("report", ["--output", "--figures", "--title", "--baseline"]),
        ("bench", [
            "--precision", "--threads", "--steps", "--shards", "--recompute", "--profile", "--roofline", "--scaling", "--input", "--json",
            "--markdown", "vit-28",
        ]),
        ("data", ["--data-dir"]), ("verify", ["--steps", "--threads", "--data-dir"]), ("doctor", ["--repair"]), ("tail", ["-n"]),
    ])
    func everyCommandHasHelpWithExamples(command: String, words: [String]) throws {
        let result = try run(command, "--help")
        #expect(result.exitCode == 0 && result.errors == "")
        #expect(result.output.contains("  harness \(command)"), "an example")
        for word in words { #expect(result.output.contains(word)) }
    }

    @Test(arguments: [
        (["flourish"], 64, "harness: unknown command 'flourish'; known: bench, check, compare, convert, data, doctor, explain, help, inspect, models, predict, report, run, schema, show, stylize, sweep, tail, verify, why\n"),
        (["rnu", "tiny"], 64, "harness: unknown command 'rnu'; did you mean 'run'?\n"),
        (["train", "tiny"], 64, "harness: unknown command 'train'; did you mean 'run'?\n"),
        (["run"], 64, "Missing expected argument '<experiment>'"),
        (["run", "tiny", "--threads", "0"], 64, "--threads: expected a number from 1 to 1024, found 0"),
        (["run", "tiny", "--seeds", "0,x"], 64, "--seeds: expected numbers and ranges such as 0,1,2 or 0..2, found 'x'"),
        (["run", "tiny", "--seeds", "1,1"], 64, "--seeds: a seed is listed twice"),
        (["run", "tiny", "--seeds", "0..2,1"], 64, "--seeds: a seed is listed twice"),
        (["run", "tiny", "--seeds", "-1"], 64, "--seeds: expected numbers from 0, found -1"),
        (["run", "tiny", "--threads", "-3"], 64, "--threads: expected a number from 1 to 1024, found -3"),
        (["run", "tiny", "--seeds", "2..0"], 64, "--seeds: expected numbers and ranges such as 0,1,2 or 0..2, found '2..0'"),
        (["run", "tiny", "--seeds", "0..1..2"], 64, "--seeds: expected numbers and ranges such as 0,1,2 or 0..2, found '0..1..2'"),
        (["run", "tiny", "--seeds=-2..2"], 64, "--seeds: expected numbers from 0, found -2"),
        (["run", "tiny", "--seeds", "0..9223372036854775807"], 64, "--seeds: expected at most 10000 seeds, found more"),
        (["run", "tiny", "--seeds", "0..5000,6000..12000"], 64, "--seeds: expected at most 10000 seeds, found more"),
        (["check", "tiny", "train.optimizer.adamw.lr=1e-3"], 64, "train.optimizer.adamw.lr: unknown key 'lr'; did you mean 'learning_rate'?\n"),
        (["check", "tiny", "train.bs=8"], 64, "train.bs: unknown key 'bs'; did you mean 'batch_size'?\n"),
        (["run", "tiny", "--precision", "fp64"], 64, "The value 'fp64' is invalid for '--precision"),
        (["run", "tiny", "--only", "lime"], 64, "harness: --only: there is no model 'lime' in tiny; did you mean 'line'?\n"),
        (["run", "tiny", "epochs"], 64, "harness: override 'epochs': expected path.to.key=value, found no '='\n"),
        (["check", "tiny", "train.epoch=1"], 64, "harness: override 'train.epoch=1': train.epoch: unknown key 'epoch'; did you mean 'epochs'?\n"),
        (["run", "tini"], 66, "harness: there is no experiment 'tini'; did you mean 'tiny'? Experiments has: large, missing, patch, tiny, wide, wrong\n"),
        (["check", "experiments/large"], 64, "harness: Experiments/large.yaml:1: data.train_examples: 9999 images asked for, but digits has 1293"),
        (["check", "tiny", "data.validation=1437"], 64, "harness: override 'data.validation=1437': data.validation: 1437 images held out"),
        (["check", "tiny", "train.batch_size=8000"], 64, "harness: override 'train.batch_size=8000': train.batch_size: 8000 is larger than"),
        (["check", "tiny", "train.epochs=1000000000000000000"], 64, "train.epochs: expected a value from 1 to 1000000, found 1000000000000000000"),
        (["run", "wide"], 70, "harness: Experiments/wide.yaml:3: models.m: needs at least "),
        (["run", ""], 66, "harness: there is no experiment ''; "),
        (["run", "/"], 66, "harness: there is no experiment '/'; "),
        (["run", "/dev/zero"], 66, "harness: /dev/zero: not a regular file\n"),
        (["inspect", ""], 66, "harness: there is no file or folder ''"),
        (["check", "patch"], 64, "harness: Experiments/patch.yaml:2: models.v.vit.patch: "),
        (["run", "missing"], 66, "harness: data set mnist not found"),
        (["models", "resnet21"], 64, "harness: 'resnet21': unknown model 'resnet21'; did you mean 'resnet20'?\n"),
        (["models", "unheard-of"], 64, "harness: 'unheard-of': unknown model 'unheard-of'; known: alexnet, alexnet-original, alexnet-ungrouped, autoencoder, bag_of_words, cct, cct-14-7x2, "),
        (["models", "{unheard-of: {}}"], 64, "unknown model 'unheard-of'; known: alexnet, autoencoder, bag_of_words, cct, cnn1d, coatnet, conv_autoencoder, convnext, deeplab, densenet, edges, efficientnet, fcn, filter, googlenet, hog, inception_resnet_v2, inception_v3, lenet5, levit, logistic_regression, mae, mlp, mnist_cnn, mobilenet, mobilenet_v2, mvcnn, navit, plain, projected, resnet, resnet3d, resnet_standardized, resnet_v2, retinanet, setr, squeezenet, swin, unet, vgg, vit, voxel_cnn, wide_resnet, xception, yolo\n"),
        (["models", "{backbon: {}}"], 64, "unknown model 'backbon'; did you mean 'backbone'?\n"),
        (["models", "lenet5", "--input", "1x4x4"], 64, "harness: lenet5: lenet5 needs images of at least 12×12 pixels, found 4×4"),
        (["models", "lenet5", "--input", "28"], 64, "The value '28' is invalid for '--input"),
        (["models", "lenet5", "--input", "9999999999x9999999999x3"], 64, "The value '9999999999x9999999999x3' is invalid for '--input"),
        (["models", "vit-tiny-16", "--input", "3x65536x65536"], 64, "4096 × 4096 tokens: more than 1048576"),
        (["models", "mlp", "--input", "65536x65536x65536"], 64, "input of [1, 65536, 65536, 65536]: more than 17179869184 elements"),
        (["models", "lenet5", "--classes", "9223372036854775807"], 64, "--classes: expected a number from 1 to 65536, found 9223372036854775807"),
        (["inspect", "nothing"], 66, "harness: there is no file or folder 'nothing'"),
        (["inspect", "Experiments/tiny.yaml"], 65, "harness: Experiments/tiny.yaml: "),
        (["compare", "Experiments"], 66, "harness: there are no runs under Experiments\n"),
        (["compare", ".", "--metric", "speed"], 64, "The value 'speed' is invalid for '--metric"),
        (["bench", "vit28"], 64, "harness: unknown workload 'vit28'; did you mean 'vit-28'?\n"),
        (["bench", "--steps", "0"], 64, "--steps: expected a number from 1 to 1000000, found 0"),
        (["bench", "vit-28", "--freeze", "block.*"], 64, "harness: --freeze: 'block.*' matches no parameter of vit-28; did you mean 'blocks.*'?\n"),
        (["bench", "vit-28", "--freeze", "*"], 64, "of vit-28 are frozen, expected at least one that is trained\n"),
        (["bench", "--freeze", "head.*", "--roofline"], 64, "--roofline and --freeze: expected one of them, as the peak is of whole steps"),
        (["bench", "--shards", "0"], 64, "--shards: expected a number from 1 to 1024, found 0"),
        (["bench", "vit-28", "--shards", "3"], 64, "harness: --shards: expected a divisor of 64, the batch size of vit-28, found 3\n"),
        (["bench", "--recompute", "block"], 64, "The value 'block' is invalid for '--recompute"),
        (["bench", "--json", "--markdown"], 64, "--json and --markdown: expected one of them"),
        (["bench", "--input", "tiny", "--scaling"], 64, "--scaling and --input: expected one of them"),
        (["bench", "--input", "tini"], 66, "harness: there is no experiment 'tini'; did you mean 'tiny'?"),
        (["bench", "--input", "tiny"], 64, "harness: tiny: the training of line is too short to measure its input"),
        (["bench", "vit-28", "--scaling"], 64, "--scaling has its own models: expected no workloads"),
    ])
    func wrongWordsEndWithASentence(words: [String], exitCode: Int32, sentence: String) throws {
        let result = try Program.run(words, in: folder.url)
        #expect(result.exitCode == exitCode)
        #expect(result.errors.contains(sentence), "\(result.errors)")
        #expect(result.errors.hasPrefix("harness: ") && result.output == "")
    }

    /// Runs a line of the shell in which `$0` is the program.
    private func shell(_ line: String) throws -> Program.Result {
        try Program.run(["-c", line, Program.url.path], in: folder.url, executable: URL(filePath: "/bin/sh"))
    }

    @Test func aClosedOrFullStandardStreamDamagesNothing() throws {
        #expect(try shell("exec \"$0\" run nothing 2>&-").exitCode == 66)
        #expect(try shell("exec \"$0\" run tiny >&- 2>&- <&-").exitCode == 0)
        #expect(try run("inspect", "tiny").output.contains("finished"), "no progress went into the run's file")
        #expect(try shell("exec \"$0\" run tiny --fresh 2>/dev/full").exitCode == 0)
        let full = try shell("exec \"$0\" models >/dev/full")
        #expect(full.exitCode == 74 && full.errors == "harness: standard output: cannot be written: No space left on device\n")
    }

    @Test func aRemovedCurrentFolderIsNoTrap() throws {
        let result = try shell("ulimit -v 8000000; mkdir gone && cd gone && rmdir ../gone && HARNESS_HOME='' exec \"$0\" check nothing-of-that-name")
        #expect(result.exitCode == 66 && result.errors.hasPrefix("harness: there is no experiment 'nothing-of-that-name'; "))
    }

    @Test func allErrorsOfADefinitionComeTogether() throws {
        let result = try run("run", "wrong")
        #expect(result.exitCode == 64)
        #expect(result.errors == """
            harness: Experiments/wrong.yaml:1: data.name: unknown data set 'digit'; did you mean 'digits'?
            harness: Experiments/wrong.yaml:2: train.epoch: unknown key 'epoch'; did you mean 'epochs'?
            harness: Experiments/wrong.yaml:3: models.line: unknown model 'logistic-regresion'; did you mean 'logistic-regression'?

            """)
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "Results").path), "nothing was begun")
    }

    @Test func whatDoesNotFitTheImagesComesWithTheRest() throws {
        try folder.add("Experiments/unfit.yaml", """
            data: {name: digits}
            train: {epoch: 1}
            models:
              vit: {vit: {patch: 3, width: 8, depth: 1, heads: 1}}
              half: {vit: {patch: 3, width: 8, heads: 3}}
              good: mlp
            """)
        let result = try run("check", "unfit")
        #expect(result.exitCode == 64 && result.errors == """
            harness: Experiments/unfit.yaml:2: train.epoch: unknown key 'epoch'; did you mean 'epochs'?
            harness: Experiments/unfit.yaml:5: models.half.vit.depth: missing; expected an integer of at least 1
            harness: Experiments/unfit.yaml:5: models.half.vit.heads: 3 heads do not divide the width 8
            harness: Experiments/unfit.yaml:4: models.vit.vit.patch: a patch of 3 does not divide the image of 8×8; these do: 1, 2, 4, 8; pad: true fills it up with zeros
            harness: Experiments/unfit.yaml:5: models.half.vit.patch: a patch of 3 does not divide the image of 8×8; these do: 1, 2, 4, 8; pad: true fills it up with zeros

            """)
        // Whatever the data do not have is said too; data that are not there hide nothing.
        let large = try run("check", "large", "train.epoch=1")
        #expect(large.errors.contains("train.epoch: unknown key") && large.errors.contains("data.train_examples: 9999 images asked for"))
        let missing = try run("check", "missing", "train.epoch=1")
        #expect(missing.exitCode == 64 && missing.errors == "harness: override 'train.epoch=1': train.epoch: unknown key 'epoch'; did you mean 'epochs'?\n")
    }

    @Test func seedsMayBeRanges() throws {
        let result = try run("check", "tiny", "--seeds", "0..2,5,7..7")
        let trials = result.output.split(separator: "\n").filter { $0.hasPrefix("line-s") }
        #expect(trials.map { $0.prefix(8) } == ["line-s0-", "line-s1-", "line-s2-", "line-s5-", "line-s7-"])
    }

    @Test func theVersionNamesTheLibraries() throws {
        let result = try run("--version")
        #expect(result.exitCode == 0 && result.errors == "")
        #expect(result.output.wholeMatch(of: /harness \d+\.\d+\.\d+ \(HDF5 1\.\d+\.\d+, oneDNN \d+\.\d+\.\d+\)\n/) != nil, "\(result.output)")
    }

    @Test func onlyResultsAreOffered() throws {
        try folder.add("Results/README.md")
        try folder.add("Results/quick/x-s0-01234567/run.h5")
        for command in ["compare", "inspect", "doctor"] {
            #expect(try run(command, "nosuch").errors == "harness: there is no file or folder 'nosuch'; known: quick\n")
            #expect(try run(command, "readme").errors == "harness: there is no file or folder 'readme'; known: quick\n")
        }
    }

    @Test func inspectGivesTheDefinitionAsAnObject() throws {
        #expect(try run("run", "tiny", "--results", "inspected").exitCode == 0)
        let report = try JSONSerialization.jsonObject(with: Data(try run("inspect", "inspected/tiny", "--json").output.utf8))
        let run = try #require((report as? [String: Any]) ?? (report as? [[String: Any]])?.first)
        let path = try #require(run["path"] as? String)
        let whole = try JSONSerialization.jsonObject(with: Data(try self.run("inspect", path, "--json").output.utf8)) as? [String: Any]
        let definition = try #require(whole?["definition"] as? [String: Any])
        #expect((definition["train"] as? [String: Any])?["batch_size"] as? Int == 64)
        #expect((definition["models"] as? [String: Any])?.keys.sorted() == ["line"])
    }

    @Test func aRunBesideOthersOfItsModelSaysWhichItIs() throws {
        #expect(try !run("run", "tiny", "--results", "beside").errors.contains("beside it"))
        let second = try run("run", "tiny", "train.epochs=2", "--results", "beside")
        let folders = try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: "beside/tiny").path).sorted()
        #expect(second.exitCode == 0 && folders.count == 2)
        let line = try #require(second.errors.split(separator: "\n").last)
        let match = try #require(line.wholeMatch(of: /harness: this run of (\S+) is not the only one of its model and seed; beside it there are (\S+)/))
        #expect([String(match.1), String(match.2)].sorted() == folders)
    }

    @Test func checkShowsEverythingAndWritesNothing() throws {
        let result = try run("check", "tiny", "train.epochs=2", "seeds=[0,1]")
        #expect(result.exitCode == 0 && result.errors == "")
        #expect(result.output.contains("\n  epochs: 2\n"))
        #expect(result.output.contains("digits: 1,293 training, 144 validation and 360 test images of 8×8×1, 10 classes\n"))
        #expect(result.output.contains("\nline          650   640 "))
        let trials = result.output.split(separator: "\n").filter { $0.hasPrefix("line-s") }.map { $0.split(separator: " ") }
        #expect(trials.map { $0[0].prefix(8) } == ["line-s0-", "line-s1-"] && trials.allSatisfy { $0.last == "new" })
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "Results").path))

        // What check prints is a definition, and means the same.
        let text = result.output.prefix(upTo: try #require(result.output.range(of: "\ndigits:")).lowerBound)
        try folder.add("Experiments/again.yaml", String(text))
        let again = try run("check", "again")
        #expect(again.output.replacing("again:", with: "tiny:") == result.output)
    }

    @Test func modelsListsTheZooAndShowsOneLayerByLayer() throws {
        let list = try JSONSerialization.jsonObject(with: Data(try run("models", "--json").output.utf8)) as? [[String: Any]]
        #expect(list?.contains { $0["name"] as? String == "resnet18" && $0["parameters"] as? Int == 11_689_512 } == true)
        #expect(try run("models").output.contains("11,689,512"))

        let summary = try JSONSerialization.jsonObject(with: Data(try run("models", "lenet5", "--json").output.utf8)) as? [String: Any]
        #expect(summary?["parameters"] as? Int == 61_706)
        #expect(try run("models", "lenet5").output.contains("conv2"))
        // As the README says it.
        let drawn = try run("models", "googlenet", "--svg", "googlenet.svg")
        #expect(try drawn.exitCode == 0 && String(contentsOf: folder.url.appending(path: "googlenet.svg"), encoding: .utf8).hasSuffix("</svg>\n"), "\(drawn.errors)")
        #expect(try run("models", "{mlp: {widths: [4]}}", "--input", "1x2x2", "--classes", "3").output.contains("fc2"))
    }

    @Test func benchMeasuresAWorkload() throws {
        let result = try run("bench", "vit-28", "--steps", "1", "--threads", "1", "--shards", "4", "--profile", "--json")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(rows.count == 1)
        #expect(Set(rows[0].keys) == [
            "workload", "precision", "threads", "batch_size", "shards", "ms_per_step", "ms_min", "images_per_second", "gflops", "peak_rss_mb",
            "predicted_peak_mb", "profile",
        ])
        let profile = try #require(rows[0]["profile"] as? [String: [[String: Any]]])
        #expect(Set(profile.keys) == ["rows", "remainders"])
        let linear = try #require(profile["rows"]?.first { $0["operation"] as? String == "linear" })
        #expect(Set(linear.keys) == ["operation", "pass", "runs", "ms", "share", "gflops"])
        #expect(rows[0]["shards"] as? Int == 4)
        #expect(rows[0]["workload"] as? String == "vit-28" && rows[0]["batch_size"] as? Int == 64 && rows[0]["threads"] as? Int == 1)
    }

    @Test("A CPU without units for bfloat16 refuses it before anything else", arguments: [
        ["bench", "vit-28", "--precision", "bf16"], ["run", "tiny", "--precision", "bf16"], ["check", "tiny", "precision=bf16"],
    ])
    func refusesBFloat16(words: [String]) throws {
        let result = try Program.run(words, in: folder.url, environment: ["DNNL_MAX_CPU_ISA": "AVX2"])
        #expect(result.exitCode == 64 && result.output == "")
        #expect(result.errors == "harness: precision bf16: this CPU has no units for it: found avx2, expected AVX-512-BF16 or AMX; use fp32\n")
    }

    @Test func dataSaysWhatIsThereAndWhereItLooked() throws {
        let result = try run("data", "--data-dir", "/nowhere")
        #expect(result.exitCode == 0)
        #expect(result.output.contains("digits: 1437 training and 360 test images of 8×8×1, part of the program"))
        #expect(result.output.contains("looked in: /nowhere"))
    }
}
