import Foundation
import Testing

/// Definitions that train in a second or two on the embedded digits, each with other state that a run has to keep, and what came of them
/// when nobody disturbed them.
final class SmallRuns: Sendable {
    enum Name: String, CaseIterable {
        /// Adam's moments, dropout, shifts, a schedule, early stopping, statistics of the layers.
        case transformer
        /// Running statistics, momentum, no validation split.
        case convolution
        /// Both kinds of layers, a growing sum of squares, erased pixels, clipping, averages of the weights with their statistics.
        case hybrid
    }

    private static let definitions: [Name: String] = [
        .transformer: """
            data:  {name: digits, augment: [{shift: 1}]}
            train:
              epochs: 9
              batch_size: 32
              checkpoint_every_steps: 7
              layer_statistics: true
              optimizer: {adamw: {learning_rate: 2e-3, weight_decay: 0.05}}
              schedule: {cosine: {warmup_epochs: 1}}
              early_stopping: {patience: 2, metric: val_loss}
            models: {vit: {vit: {patch: 2, width: 32, depth: 2, heads: 2, dropout: 0.1}}}
            """,
        .convolution: """
            data:   {name: digits, validation: 0}
            train:
              epochs: 8
              batch_size: 32
              checkpoint_every_steps: 11
              layer_statistics: true
              optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-4}}
            models: {resnet: {resnet: {depth: 8, width: 8}}}
            """,
        .hybrid: """
            data:  {name: digits, augment: [random_erasing, {rotation: 10}]}
            train:
              epochs: 6
              batch_size: 32
              clip_gradient_norm: 1
              optimizer: {adagrad: {learning_rate: 0.02}}
              checkpoint_every_steps: 5
              ema: {decay: 0.98, warmup: true}
              swa: {start_epoch: 3}
            models:
              hybrid:
                backbone:    {resnet: {depth: 8, width: 8, cut_after: stage2}}
                tokens:      {patch: 1}
                transformer: {width: 16, depth: 1, heads: 2, drop_path: 0.1}
                head:        {pool: mean}
            """,
    ]

    let folder: TemporaryFolder
    let name: Name
    /// How long the undisturbed run took, and with how many steps.
    let seconds: Double
    private let expected: [String: Data]

    init(_ name: Name) throws {
        self.name = name
        folder = try TemporaryFolder()
        try folder.add("Experiments/\(name).yaml", Self.definitions[name]!)
        let start = ContinuousClock.now
        let result = try Program.run(["run", name.rawValue, "--results", "whole", "--threads", "2"], in: folder.url)
        seconds = (.now - start) / .seconds(1)
        precondition(result.exitCode == 0, result.errors)
        expected = try Self.files(under: folder.url.appending(path: "whole"))
        let averages: Set = name == .hybrid ? ["ema.h5", "swa.h5"] : []
        precondition(Set(expected.keys.map { ($0 as NSString).lastPathComponent }) == averages.union(["run.h5", "last.h5", "best.h5", "machine.json"]))
    }

    /// The words that run it into a folder of results.
    func words(_ results: String, threads: Int = 1) -> [String] { ["run", name.rawValue, "--results", results, "--threads", "\(threads)"] }

    /// The run folder inside results, which is called the same in all of them.
    func runFolder(_ results: String) -> URL {
        let file = expected.keys.first { $0.hasSuffix("run.h5") }!
        return folder.url.appending(path: results).appending(path: (file as NSString).deletingLastPathComponent)
    }

    /// What in these results is not as in the undisturbed ones, `machine.json` aside.
    func differences(_ results: String) throws -> [String] {
        let found = try files(results)
        return Set(expected.keys).union(found.keys).filter { path in
            path.hasSuffix("machine.json") ? found[path] == nil : found[path] != expected[path]
        }.sorted()
    }

    /// Every file of these results by its path, except those under names that begin with a dot.
    func files(_ results: String) throws -> [String: Data] { try Self.files(under: folder.url.appending(path: results)) }

    func remove(_ results: String) throws { try FileManager.default.removeItem(at: folder.url.appending(path: results)) }

    private static func files(under root: URL) throws -> [String: Data] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { path in
            var isFolder: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: root.appending(path: path).path, isDirectory: &isFolder)
            return isThere && !isFolder.boolValue && !path.split(separator: "/").contains { $0.hasPrefix(".") }
        }
        return try Dictionary(uniqueKeysWithValues: paths.map { ($0, try Data(contentsOf: root.appending(path: $0))) })
    }
}

/// One undisturbed run for all tests of a suite, which is gone with the last of them.
struct WithSmallRuns: SuiteTrait, TestScoping {
    @TaskLocal static var current: SmallRuns?

    func provideScope(for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void) async throws {
        try await Self.$current.withValue(SmallRuns(.transformer)) { try await body() }
    }
}
