import Configuration
import TensorCore
import TestSupport
import Testing
import Training
import VisionData

@testable import Models

/// `train.cache_features`: a training on features that are computed once is the training on images, to the bit.
struct CachedFeatureTests {
    /// A model, and the parameters that it keeps; the rest is trained.
    struct Case: CustomTestStringConvertible, Sendable {
        let definition: String
        let frozen: [String]
        /// Patterns of what is frozen in the first epoch alone.
        var frozenAtFirst: [String] = []
        var precision = Precision.fp32

        var testDescription: String { "\(definition) without \(frozen.joined(separator: ", ")) \(frozenAtFirst.joined(separator: ", ")) \(precision)" }
    }

    static let vit = #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2}}"#
    static let tokens = ["patch_embed.*", "cls_token", "pos_embed"]
    static let cases = [
        Case(definition: vit, frozen: tokens + ["blocks.*", "norm.*"]),
        Case(definition: vit, frozen: tokens + ["blocks.0.*"]),
        Case(definition: vit, frozen: tokens + ["blocks.0.*"], frozenAtFirst: ["blocks.1.*", "norm.*"]),
        Case(definition: #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2, "pool": "mean"}}"#, frozen: tokens.filter { $0 != "cls_token" } + ["blocks.*"]),
        Case(definition: #"{"resnet": {"depth": 8, "width": 8}}"#, frozen: ["conv1.*", "bn1.*", "layer*"]),
        Case(definition: #"{"resnet": {"depth": 8, "width": 8}}"#, frozen: ["conv1.*", "bn1.*", "layer1.*"], frozenAtFirst: ["layer2.*"]),
        Case(definition: #"{"resnet": {"depth": 8, "width": 8, "norm": "layer"}}"#, frozen: ["conv1.*", "bn1.*", "layer1.*", "layer2.*"]),
        Case(definition: #"{"densenet": {"depth": 10, "growth": 4}}"#, frozen: ["features.conv0.*", "features.denseblock1.*", "features.transition1.*"]),
        Case(definition: #"{"googlenet": {"width_multiplier": 0.0625, "small_images": true, "dropout": 0.2}}"#, frozen: ["conv*", "inception3*", "inception4*"]),
        Case(definition: #"{"convnext": {"blocks": [1, 2], "width": 8, "patch": 2, "drop_path": 0}}"#, frozen: ["stem.*", "stages.0.*", "stages.1.downsample.*"]),
        Case(definition: #"{"vgg": {"blocks": [1, 2], "width": 4, "hidden": [8], "pool": 2, "dropout": 0.5}}"#, frozen: ["features.*"]),
        Case(definition: #"{"swin": {"blocks": [2, 1], "width": 8, "heads": [1, 2], "window": 7, "patch": 2}}"#, frozen: ["patch_embed.*", "layers.0.*"]),
        Case(
            definition: #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage2"}}, "transformer": {"width": 16, "depth": 1, "heads": 2}, "head": {"pool": "mean"}}"#,
            frozen: ["backbone.*"]),
    ]
    static let halves = cases.prefix(5).map { Case(definition: $0.definition, frozen: $0.frozen, frozenAtFirst: $0.frozenAtFirst, precision: .bf16) }

    static let dataset: ImageDataset = {
        var data = DataConfiguration(.digits)
        (data.size, data.trainExamples, data.testExamples, data.validation) = (28, 70, 30, .count(24))
        return try! ImageDataset.load(data)
    }()

    static func loop(_ subject: Case, _ caching: TrainConfiguration.FeatureCaching, threads: Int = 1) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (3, 16, 4)
        (configuration.featureCache, configuration.precision) = (caching, subject.precision)
        configuration.parameters = subject.frozen.map { pattern in
            var rule = ParameterRule()
            (rule.match, rule.freeze) = (pattern, true)
            return rule
        } + subject.frozenAtFirst.map { pattern in
            var rule = ParameterRule()
            (rule.match, rule.freezeUntilEpoch) = (pattern, 1)
            return rule
        }
        let model = try definition(subject.definition)
        return try TrainingLoop(
            { scope, images in model.record(images, classes: 10, in: scope) }, configuration: configuration, dataset: dataset, augmentations: [], seed: 3,
            pool: WorkerPool(threads: threads))
    }

    /// Everything that a training measures, and the bits of everything that it leaves behind.
    final class Record: TrainingListener, Equatable {
        var steps: [StepMetrics] = [], epochs: [EpochMetrics] = [], results: [EvaluationResult] = []
        var arrays: [String: [UInt32]] = [:]

        func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
            switch event {
            case .stepFinished(let metrics): steps.append(metrics)
            case .epochFinished(let metrics, _): epochs.append(metrics)
            case .validated(let result), .tested(let result): results.append(result)
            default: break
            }
        }

        func finish(_ loop: TrainingLoop) -> Record {
            for array in loop.arrays.parameters + loop.arrays.buffers { arrays[array.name] = array.values.map(\.bitPattern) }
            for (slot, slotArrays) in loop.arrays.optimizer { for array in slotArrays { arrays["\(slot) of \(array.name)"] = array.values.map(\.bitPattern) } }
            return self
        }

        static func == (a: Record, b: Record) -> Bool {
            a.steps == b.steps && a.epochs == b.epochs && a.results == b.results && a.arrays == b.arrays
        }
    }

    private static func record(_ loop: TrainingLoop) throws -> Record {
        let record = Record()
        _ = try loop.run([record])
        return record.finish(loop)
    }

    private static func expectSameBits(_ subject: Case) throws {
        let plain = try loop(subject, .never), cached = try loop(subject, .auto, threads: 2)
        #expect(plain.cachedFeatureCount == nil)
        #expect(cached.cachedFeatureCount == dataset.indices(of: .train).count)
        let expected = try record(plain), found = try record(cached)
        #expect(expected.steps.count == 12 && expected.results.count == 2)
        #expect(expected == found)
    }

    @Test("Losses, gradient norms, validation, test, weights, statistics and the optimizer's state are the same", arguments: cases)
    func sameBits(_ subject: Case) throws { try Self.expectSameBits(subject) }

    @Test("The same in bf16", .needsBFloat16Units, arguments: halves)
    func sameBitsInBFloat16(_ subject: Case) throws { try Self.expectSameBits(subject) }

    @Test("Interrupted in the middle of an epoch and resumed in another process's place, with features or without")
    func resumed() throws {
        let subject = Self.cases[2], whole = try Self.record(Self.loop(subject, .never))
        let stopped = try Self.loop(subject, .always)
        _ = try stopped.run([]) { stopped.progress.step == 6 }
        for caching in [TrainConfiguration.FeatureCaching.never, .always] {
            let resumed = try Self.loop(subject, caching)
            try resumed.resume(stopped.state) { arrays in
                func fill(_ targets: [TrainingArray], _ sources: [TrainingArray]) {
                    for (target, source) in zip(targets, sources) { _ = target.values.update(from: source.values) }
                }
                fill(arrays.parameters, stopped.arrays.parameters)
                fill(arrays.buffers, stopped.arrays.buffers)
                for (own, other) in zip(arrays.optimizer, stopped.arrays.optimizer) { fill(own.arrays, other.arrays) }
            }
            let rest = try Self.record(resumed)
            #expect(rest.steps == Array(whole.steps.dropFirst(6)) && rest.results == whole.results && rest.arrays == whole.arrays, "\(caching)")
        }
    }

    @Test("Features are smaller work and are counted in the memory")
    func memory() throws {
        let subject = Self.cases[1], plain = try Self.loop(subject, .never), cached = try Self.loop(subject, .auto)
        // 17 tokens of 16 numbers, for training and validation.
        let features = 17 * 16 * 4 * (70 + 24)
        #expect(cached.byteCount > features)
        #expect(cached.multiplyAdds == plain.multiplyAdds)
    }

    @Test("Where a frozen part draws random numbers or takes statistics of the batch, features begin before it, or there are none")
    func randomness() throws {
        let dropout = #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2, "dropout": 0.1}}"#
        let subject = Case(definition: dropout, frozen: Self.tokens + ["blocks.*", "norm.*"])
        // What is before the first dropout is the patch embedding with its positions.
        try Self.expectSameBits(subject)
        let norm = Case(definition: #"{"resnet": {"depth": 8, "width": 8}}"#, frozen: ["conv1.*"])
        try Self.expectSameBits(norm)
        #expect(try Self.loop(Case(definition: Self.vit, frozen: ["blocks.*"]), .auto).cachedFeatureCount == nil, "the patch embedding is trained")
    }
}
