import Foundation
import RunStore
import TestSupport
import Testing

/// Cross-validation, subsets, label noise, imbalance and balanced sampling on the digits, as a user runs them.
@Suite(.serialized) struct SplitCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/folds.yaml", """
            data:  {name: digits, folds: 3}
            train: {epochs: 2, batch_size: 64, optimizer: {adamw: {learning_rate: 1e-2}}}
            match: none
            models: {line: {logistic_regression: {}}, mlp: {mlp: {widths: [16]}}}
            """)
        try folder.add("Experiments/hard.yaml", """
            data:  {name: digits, classes: [0, 3, 5, 8], imbalance: 10, label_noise: 0.2, sampling: balanced, augment: [{shift: 1}]}
            train: {epochs: 12, batch_size: 16, checkpoint_every_steps: 3, label_smoothing: 0.1}
            task:  {classification: {class_weights: balanced}}
            models: {mlp: {mlp: {widths: [32]}}}
            """)
    }

    private func run(_ words: String...) throws -> Program.Result { try Program.run(words, in: folder.url) }

    /// The contents of every HDF5 file of results, by path.
    private func files(_ results: String) throws -> [String: Data] {
        let root = folder.url.appending(path: results)
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".h5") }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: root.appending(path: $0))) })
    }

    private func runFolder(_ beginning: String, _ results: String) throws -> RunFolder {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.appending(path: results).path).filter { $0.hasPrefix(beginning) }
        #expect(names.count == 1, "\(names)")
        return RunFolder(path: folder.url.appending(path: "\(results)/\(try #require(names.first))").path)
    }

    @Test func foldsAreTrainedComparedAndVerified() throws {
        let one = try run("run", "folds", "--results", "one", "--threads", "1")
        #expect(one.exitCode == 0, "\(one.errors)")
        #expect(one.errors.contains("mlp f2   test accuracy") || one.errors.contains("mlp f2  test accuracy"), "\(one.errors)")
        #expect(one.output.contains("mean and standard deviation over n folds, 95% confidence interval (Student's t)"), "\(one.output)")
        #expect(one.output.contains("by fold; p: corrected resampled t-test, two-sided") && one.output.contains("sd² (1/n + 1/2), not sd²/n"), "\(one.output)")
        #expect(one.output.contains("Nadeau and Bengio, Machine Learning 52, 2003"))
        let two = try run("run", "folds", "--results", "two", "--threads", "2")
        #expect(two.exitCode == 0)
        let files = try files("one"), isSame = try self.files("two") == files
        #expect(files.count == 6 * 3 && isSame, "threads change no byte")

        let fold = try runFolder("mlp-s0-f2-", "one/folds")
        let verified = try run("verify", fold.path)
        #expect(verified.exitCode == 0 && verified.output.hasPrefix("identical through step 26: every loss and gradient norm"), "\(verified.output)\(verified.errors)")
        let split = try #require(try RunReader(fold).wholeDescription().data?.split)
        #expect(split.testIsFold && split.training.count == 862 && split.validation.count == 96 && split.test.count == 479)
        let inspected = try run("inspect", fold.path)
        #expect(inspected.output.contains(#/fold +2\n/#) && inspected.output.contains(#/training images  862, by class: \d+, /#), "\(inspected.output)")

        // The same fold alone is the same trial; compare finds all six again.
        let again = try run("run", "folds", "data.fold=2", "--results", "one")
        #expect(again.errors.contains("already done"), "\(again.errors)")
        let compared = try run("compare", "one/folds", "--format", "csv")
        let rows = compared.output.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        #expect(rows.count == 3 && rows[1][0...1] == ["folds", "line"] && rows[2][1] == "mlp" && rows[1][rows[0].firstIndex(of: "n")!] == "3", "\(compared.output)")
        #expect(rows[2][rows[0].firstIndex(of: "pairs")!] == "3")
        let doctor = try run("doctor", "one/folds")
        #expect(doctor.output == "6 runs: 6 whole, 0 running, 0 unfinished, 0 damaged\n", "\(doctor.output)")
    }

    @Test func checkShowsTheCounts() throws {
        let folds = try run("check", "folds", "data.imbalance=4")
        #expect(folds.exitCode == 0, "\(folds.errors)")
        #expect(folds.output.contains(#/digits: 3 folds, each \d+ to \d+ training, 96 validation and 479 test images of 8×8×1, 10 classes\n/#), "\(folds.output)")
        #expect(folds.output.contains(#/training images by class \(fold 0\): \d+, \d+, /#) && folds.output.contains("mlp-s0-f2-"))
        let hard = try run("check", "hard")
        #expect(hard.exitCode == 0, "\(hard.errors)")
        #expect(hard.output.contains("classes: 0, 3, 5, 8\n") && hard.output.contains(", 4 classes\n"), "\(hard.output)")
        #expect(hard.output.contains(#/training images by class: \d+, \d+, \d+, \d+\n/#) && hard.output.contains(#/label noise: \d+ of \d+ training labels are replaced\n/#))
        #expect(hard.output.contains(#/balanced sampling: an epoch draws each class \d+( to \d+)? times\n/#) && hard.output.contains(#/class weights: \d\.\d{4}, /#))
    }

    /// A run tells which labels were replaced, and comes out the same on two threads and after kills in the middle of epochs.
    @Test func balancedSamplingGoesOnAfterKills() throws {
        let one = try run("run", "hard", "--results", "one", "--threads", "1")
        #expect(one.exitCode == 0, "\(one.errors)")
        let files = try files("one")
        #expect(try run("run", "hard", "--results", "two", "--threads", "2").exitCode == 0)
        let isSame = try self.files("two") == files
        #expect(isSame)
        var kills = 0
        for attempt in 0..<60 where kills < 3 {
            let process = try Program.start(["run", "hard", "--results", "killed", "--threads", "1"], in: folder.url)
            usleep(useconds_t(60_000 + 20_000 * (attempt % 7)))
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: "killed").path)) ?? []
            if names.contains(where: { $0.contains("checkpoints/step-") }) { kills += 1 }
            if process.terminationReason == .exit { break }
        }
        let rest = try run("run", "hard", "--results", "killed")
        #expect(rest.exitCode == 0, "\(rest.errors)")
        let isSameAgain = try self.files("killed") == files
        #expect(isSameAgain, "after \(kills) kills")

        let split = try #require(try RunReader(runFolder("mlp-s0-", "one/hard")).wholeDescription().data?.split), treatment = try #require(split.treatment)
        #expect(treatment.classNumbers == [0, 3, 5, 8] && treatment.classCounts.reduce(0, +) == split.training.count)
        #expect(treatment.relabeledImages.count == Int((0.2 * Double(split.training.count)).rounded()))
        #expect(Set(treatment.relabeledImages).isSubset(of: split.training) && treatment.givenLabels.allSatisfy { (0..<4).contains($0) })
        let verified = try run("verify", runFolder("mlp-s0-", "one/hard").path)
        #expect(verified.exitCode == 0 && verified.output.hasPrefix("identical through step"), "\(verified.output)\(verified.errors)")
    }

    @Test func labelNoiseIsSwept() throws {
        try folder.add("Experiments/noise.yaml", """
            data:  {name: digits, images_per_class: 40}
            train: {epochs: 1, batch_size: 64}
            models: {line: {logistic_regression: {}}}
            sweep: {grid: {data.label_noise: [0, 0.4, {pair_flip: 0.4}]}}
            """)
        let result = try run("sweep", "noise")
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.contains("label_noise=0.4") && result.output.contains("pair_flip"), "\(result.output)")
    }

    @Test(arguments: [
        ("data.images_per_class=200", "harness: override 'data.images_per_class=200': data.images_per_class: found 200, but class "),
        ("data.folds=101", "harness: override 'data.folds=101': data.folds: expected a value from 2 to 100, found 101\n"),
        ("data.imbalance=1e6", "harness: override 'data.imbalance=1e6': data.imbalance: found 1000000, which leaves no image of class "),
        ("task={classification: {class_weights: [1, 2]}}", "harness: override 'task={classification: {class_weights: [1, 2]}}': task.classification.class_weights: found 2 weights, expected 10, one for each class of digits\n"),
    ]) func whatDoesNotFitIsOneSentence(override: String, message: String) throws {
        let result = try run("check", "folds", override)
        #expect(result.exitCode == 64 && result.errors.hasPrefix(message) && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }

    /// With folds, all images of a folder without a test are in one of them.
    @Test func foldsOfAFolder() throws {
        for (label, name) in ["dark", "light"].enumerated() {
            for number in 0..<9 {
                let file = try folder.add("grays/\(name)/\(number).png")
                try Data(PNGFile([UInt8](repeating: UInt8(40 + 120 * label + number), count: 64), .init(8, 8), channels: 1).bytes).write(to: file)
            }
        }
        try folder.add("grays.yaml", "data: {folder: {path: grays, channels: 1}, folds: 3, validation: 2}\ntrain: {epochs: 1, batch_size: 8}\nmodels: {line: {logistic_regression: {}}}\n")
        let result = try run("run", "grays.yaml", "--results", "Results")
        #expect(result.exitCode == 0, "\(result.errors)")
        let splits = try (0..<3).map { try #require(try RunReader(runFolder("line-s0-f\($0)-", "Results/grays")).wholeDescription().data?.split) }
        #expect(splits.flatMap(\.test).sorted() == Array(0..<18) && splits.allSatisfy { $0.test.count == 6 && $0.training.count == 10 && $0.validation.count == 2 })
    }
}
