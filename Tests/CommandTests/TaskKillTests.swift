import Foundation
import Testing

/// A run of each task that is killed in the middle of an epoch and resumed ends with the files of one that was left alone.
@Suite(.serialized) struct TaskKillTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String, data: String, task: String, model: String
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "segmentation", data: "{name: digit-scenes, train_examples: 96, test_examples: 16, augment: [{shift: 2}]}", task: "segmentation",
            model: "{unet: {width: 4, depth: 2, norm: batch}}"),
        Case(
            name: "detection", data: "{name: digit-scenes, train_examples: 96, test_examples: 16, augment: [horizontal_flip]}", task: "{detection: {grid: 4}}",
            model: "{yolo: {size: small, width: 4, norm: batch, hidden: 32}}"),
        Case(name: "localization", data: "{name: digit-scenes, train_examples: 96, test_examples: 16}", task: "localization", model: "lenet5"),
        Case(
            name: "views", data: "{shapes_3d: {views: 3, train_shapes: 96, test_shapes: 16}}", task: "classification",
            model: "{mvcnn: {backbone: {resnet: {depth: 8, width: 4, cut_after: stage3}}, views: 3, pooling: probabilities, train_views: one}}"),
        Case(
            name: "volumes", data: "{shapes_3d: {form: voxels, train_shapes: 96, test_shapes: 16}}", task: "classification",
            model: "{voxel_cnn: {width: 4, hidden: 8}}"),
        Case(
            name: "sequences", data: "{sequences_1d: {train_sequences: 200, test_sequences: 16}}", task: "segmentation",
            model: "{cnn1d: {widths: [8, 8], causal: true, norm: batch, answer: positions}}"),
        Case(
            name: "reconstruction", data: "{name: digits, train_examples: 200, test_examples: 16}", task: "{reconstruction: {corruption: {gaussian: 0.2}}}",
            model: "{autoencoder: {widths: [32], code: 4, variational: true}}"),
        Case(
            name: "metric learning", data: "{name: digits, train_examples: 400, test_examples: 40, augment: [{shift: 1}], sampling: {classes: 4, images: 2}}",
            task: "{metric_learning: {loss: supcon, embedding: 8}}", model: "{mlp: {widths: [32]}}"),
    ]

    @Test(arguments: cases) func aKilledRunEndsTheSame(of test: Case) throws {
        let folder = try TemporaryFolder()
        try folder.add("Experiments/run.yaml", """
            data:   \(test.data)
            task:   \(test.task)
            train:  {epochs: 3, batch_size: 8, shards: 1, checkpoint_every_steps: 2, optimizer: {adamw: {learning_rate: 5e-3}}}
            models: {m: \(test.model)}
            """)
        func words(_ results: String, _ threads: Int) -> [String] { ["run", "run", "--results", results, "--threads", "\(threads)"] }
        func files(_ results: String) throws -> [String: Data] {
            let runs = folder.url.appending(path: results).appending(path: "run")
            let run = try #require(FileManager.default.contentsOfDirectory(atPath: runs.path).first)
            return try Dictionary(uniqueKeysWithValues: ["run.h5", "weights/best.h5", "weights/last.h5"].map { name in
                (name, try Data(contentsOf: runs.appending(path: run).appending(path: name)))
            })
        }
        func hasCheckpoint() -> Bool { FileManager.default.subpaths(atPath: folder.url.appending(path: "cut").path)?.contains { $0.contains("/step-") && $0.hasSuffix(".h5") } ?? false }

        let whole = try Program.run(words("whole", 2), in: folder.url)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let process = try Program.start(words("cut", 2), in: folder.url)
        while process.isRunning, !hasCheckpoint() { usleep(200) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal, "it was killed before it ended")
        let resumed = try Program.run(words("cut", 1), in: folder.url)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        let found = try files("cut")
        for (name, bytes) in try files("whole") { #expect(found[name] == bytes, "\(name)") }
    }
}
