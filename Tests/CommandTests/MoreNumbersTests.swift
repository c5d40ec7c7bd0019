import Foundation
import Measures
import RunStore
import Testing

/// What `compare` and `inspect` make of finished runs beside the means: each command that the README shows.
@Suite struct MoreNumbersTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.add("Experiments/quickstart.yaml", """
            data: {name: digits}
            train: {epochs: 3, batch_size: 64}
            models: {resnet8: logistic_regression, vit: {mlp: {widths: [8]}}}
            """)
    }

    private func run(_ words: [String]) throws -> Program.Result { try Program.run(words, in: folder.url) }

    private func folders(_ results: String = "Results") throws -> [RunFolder] {
        let place = folder.url.appending(path: "\(results)/quickstart").path
        return try FileManager.default.contentsOfDirectory(atPath: place).sorted().map { RunFolder(path: "\(place)/\($0)") }
    }

    @Test func theCommandsOfTheREADME() throws {
        let readme = try String(contentsOf: Program.packageRoot.appending(path: "README.md"), encoding: .utf8)
        let start = try #require(readme.range(of: "More than accuracy follows from the logits that a run keeps")), block = try #require(readme[start.upperBound...].range(of: "```bash\n"))
        let end = try #require(readme[block.upperBound...].range(of: "```"))
        let commands = readme[block.upperBound..<end.lowerBound].split(separator: "\n").map { line in
            line.split(separator: "#")[0].split(separator: " ").dropFirst().map(String.init)
        }
        #expect(try run(["run", "quickstart", "--seeds", "0,1"]).exitCode == 0)
        var outputs: [String] = []
        for words in commands {
            let result = try run(words)
            #expect(result.exitCode == 0, "\(words) \(result.errors)")
            outputs.append(result.output)
        }
        try #require(outputs.count == 4)
        for title in ["test top2 accuracy", "test balanced accuracy", "test macro f1", "test auc", "test ece", "test brier", "test nll"] { #expect(outputs[0].contains(title)) }
        #expect(outputs[1].contains("\nval accuracy, mean over 2 runs a row\n") && outputs[1].contains("a resnet8   b vit"), "\(outputs[1])")
        #expect(outputs[2].contains("A: vit; B: resnet8; ") && outputs[2].contains("both right"), "\(outputs[2])")
        #expect(outputs[3].contains("\nloss (nat)\n") && outputs[3].contains("images by class, each against all others") && outputs[3].contains("  AUC\n"), "\(outputs[3])")

        // The accuracy that the training measured is that of the logits.
        for run in try folders() {
            let reader = try RunReader(run), test = try #require(try reader.evaluation())
            let scores = try #require(test.scores(of: reader.description))
            #expect(abs(scores.topAccuracy(1) - test.accuracy) < 1e-12 && abs(scores.negativeLogLikelihood - test.loss) < 1e-5)
        }
        for (words, sentence) in [
            (["--metric", "test_top11_accuracy"], "harness: --metric: top11_accuracy is of the 11 largest logits, expected at most 10, the number of classes\n"),
            (["--metric", "test_eec"], "harness: unknown metric 'test_eec'; did you mean 'test_ece'?\n"),
            (["--plot", "--format", "csv"], "--plot: found --format csv, expected table or markdown"),
            (["--paired-images", "--where", "model=vit"], "harness: --paired-images: found one row, expected two (--where key=value chooses among them, or name two runs)\n"),
        ] {
            let result = try run(["compare", "quickstart"] + words)
            #expect(result.exitCode == 64 && result.errors.contains(sentence), "\(result.errors)")
        }
        let several = try run(["inspect", "quickstart/resnet8"])
        #expect(several.exitCode == 64 && several.errors.contains("'quickstart/resnet8' is the beginning of 2 runs' names: "), "\(several.errors)")
        let json = try run(["compare", "quickstart", "--paired-images", "--format", "json"])
        #expect((try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])?.compactMap { $0["seed"] as? Int } == [0, 1])
    }

    /// The same pictures at any number of threads; the worst first, and none of an image that was classified right.
    @Test func theMostConfidentErrorsAreKept() throws {
        #expect(try run(["run", "quickstart", "--threads", "1"]).exitCode == 0 && run(["run", "quickstart", "--threads", "3", "--results", "Others"]).exitCode == 0)
        for (one, other) in zip(try folders(), try folders("Others")) {
            #expect(try Data(contentsOf: URL(filePath: one.runFile)) == Data(contentsOf: URL(filePath: other.runFile)))
            let reader = try RunReader(one), errors = try #require(try reader.errors()), test = try #require(try reader.evaluation())
            let scores = try #require(test.scores(of: reader.description)), places = try #require(try reader.wholeDescription().data?.split?.test)
            let wrong = test.labels.indices.filter { !scores.isRight(image: $0) }.sorted { (scores.confidence(image: $0), $1) > (scores.confidence(image: $1), $0) }.prefix(64)
            #expect(!wrong.isEmpty && errors.places == wrong.map { Int64(places[$0]) })
            #expect(errors.confidences == wrong.map { Float(scores.confidence(image: $0)) } && errors.predicted == wrong.map { Int64(test.predictions[$0]) })
            #expect(errors.labels == wrong.map { Int64(test.labels[$0]) })
            #expect([errors.height, errors.width, errors.channels] == [8, 8, 1] && errors.pixels.max()! > 200)
            #expect(try run(["verify", one.path]).exitCode == 0)
        }
        let silent = try run(["run", "quickstart", "train.store_outputs=false", "--results", "Silent"])
        #expect(silent.exitCode == 0)
        #expect(try folders("Silent").allSatisfy { try RunReader($0).errors() == nil })
    }
}
