import Configuration
import TensorCore
import TestSupport
import Testing
@testable import Training
import VisionData

/// Trainings in which rules freeze parameters or train them otherwise.
@Suite struct FrozenTrainingTests {
    static let dataset = try! ImageDataset.load(DataConfiguration(.digits))

    private static func rule(_ match: String, _ change: (inout ParameterRule) -> Void) -> ParameterRule {
        var rule = ParameterRule()
        rule.match = match
        change(&rule)
        return rule
    }

    private static func loop(_ rules: [ParameterRule], caching: TrainConfiguration.FeatureCaching = .auto, threads: Int = 1) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (2, 64, 4)
        (configuration.parameters, configuration.featureCache) = (rules, caching)
        configuration.l1 = 1e-4
        configuration.clipGradientNorm = 1
        return try TrainingLoop(
            network, configuration: configuration, dataset: dataset, augmentations: [], seed: 3, pool: WorkerPool(threads: threads))
    }

    fileprivate static func values(_ arrays: [TrainingArray]) -> [String: [UInt32]] {
        Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0.values.map(\.bitPattern)) })
    }

    static let frozenBelow = [rule("conv.*") { $0.freeze = true }, rule("norm.*") { $0.freeze = true }]

    @Test("Frozen parameters and norms keep every bit, and nothing is kept for them")
    func frozenKeepsItsBits() throws {
        let loop = try Self.loop(Self.frozenBelow, caching: .never)
        let before = Self.values(loop.arrays.parameters + loop.arrays.buffers)
        _ = try loop.run([])
        let after = Self.values(loop.arrays.parameters + loop.arrays.buffers)
        for name in ["conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"] {
            #expect(before[name] == after[name], "\(name)")
        }
        for name in ["head.weight", "head.bias"] { #expect(before[name] != after[name], "\(name)") }
        for (slot, arrays) in loop.arrays.optimizer { #expect(arrays.map(\.name) == ["head.weight", "head.bias"], "\(slot)") }
        #expect(loop.tensorNames.count == after.count)
        #expect(try loop.byteCount < Self.loop([]).byteCount)
    }

    @Test("With frozen parameters, threads change no bit and a resumed training is the same")
    func isExact() throws {
        let one = try Self.loop(Self.frozenBelow), two = try Self.loop(Self.frozenBelow, threads: 2), resumed = try Self.loop(Self.frozenBelow)
        _ = try one.run([])
        _ = try two.run([])
        let first = try Self.loop(Self.frozenBelow)
        _ = try first.run([], epochLimit: 1)
        try resumed.restore(first.checkpoint())
        _ = try resumed.run([])
        #expect(one.checkpoint() == two.checkpoint())
        #expect(one.checkpoint().state == resumed.checkpoint().state)
        #expect(one.checkpoint().optimizer == resumed.checkpoint().optimizer)
    }

    @Test func aFactorOfOneChangesNoBit() throws {
        let plain = try Self.loop([]), ruled = try Self.loop([Self.rule("*") { $0.learningRateFactor = 1 }])
        _ = try plain.run([])
        _ = try ruled.run([])
        #expect(plain.checkpoint() == ruled.checkpoint())
        let other = try Self.loop([Self.rule("head.*") { $0.learningRateFactor = 0.5 }])
        _ = try other.run([])
        #expect(other.checkpoint() != plain.checkpoint())
    }

    static let frozenAtFirst = [rule("conv.*") { $0.freezeUntilEpoch = 1 }, rule("norm.*") { $0.freezeUntilEpoch = 1 }]

    @Test("Frozen for an epoch: the same as frozen to the end until then, and exact when it is resumed before, at and behind that")
    func unfreezing() throws {
        let unfrozen = try Self.loop(Self.frozenAtFirst), frozen = try Self.loop(Self.frozenBelow)
        _ = try unfrozen.run([], epochLimit: 1)
        _ = try frozen.run([], epochLimit: 1)
        let first = unfrozen.checkpoint()
        #expect(first.parameters == frozen.checkpoint().parameters && first.buffers == frozen.checkpoint().buffers)
        for (slot, arrays) in first.optimizer {
            #expect(arrays.count == 5)
            #expect(arrays.prefix(3).allSatisfy { $0.tensor.floats.allSatisfy { $0 == 0 } }, "\(slot)")
        }

        let whole = try Self.loop(Self.frozenAtFirst, threads: 2)
        _ = try whole.run([])
        for (before, after) in zip(first.parameters + first.buffers, whole.checkpoint().parameters + whole.checkpoint().buffers) {
            #expect(before != after, "\(before.name)")
        }
        for steps in [7, whole.stepsPerEpoch, whole.stepsPerEpoch + 3] {
            let stopped = try Self.loop(Self.frozenAtFirst), resumed = try Self.loop(Self.frozenAtFirst)
            _ = try stopped.run([]) { stopped.progress.step == steps }
            try resumed.restore(stopped.checkpoint())
            _ = try resumed.run([])
            #expect(whole.checkpoint().state == resumed.checkpoint().state, "\(steps) steps")
            #expect(whole.checkpoint().optimizer == resumed.checkpoint().optimizer, "\(steps) steps")
        }
    }

    /// A linear layer of one number in front of a head: the first step in which it is trained is Adam's first, γ · sign of the gradient.
    @Test("Adam's first step of what was frozen is a whole one")
    func firstStepAfterUnfreezing() throws {
        var configuration = TrainConfiguration(), adam = OptimizerConfiguration.Adam(weightDecay: 0)
        (configuration.epochs, configuration.batchSize, configuration.shards) = (2, 64, 4)
        (adam.learningRate, adam.epsilon) = (1e-3, 1e-30)
        configuration.optimizer = .adamw(adam)
        configuration.parameters = [Self.rule("body.*") { $0.freezeUntilEpoch = 1 }]
        let loop = try TrainingLoop(
            { scope, images in linear(scope["head"], linear(scope["body"], images.reshaped([images.shape[0], 64]), 4), 10) },
            configuration: configuration, dataset: Self.dataset, augmentations: [], seed: 3, pool: WorkerPool(threads: 1))
        let before = loop.checkpoint().parameters[1].tensor.floats
        _ = try loop.run([]) { loop.progress.step == loop.stepsPerEpoch + 1 }
        let after = loop.checkpoint().parameters[1].tensor.floats
        #expect(loop.checkpoint().parameters[1].name == "body.bias")
        for (old, new) in zip(before, after) { #expect(abs(abs(Double(new) - Double(old)) - 1e-3) < 1e-6) }
    }

    /// Looks at a training at the end of every epoch.
    private final class EpochEnds: TrainingListener {
        var values: [[String: [UInt32]]] = [], gradients: [[String: Bool]] = [], slots: [[String: Bool]] = []

        func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
            guard case .epochTrained = event else { return }
            values.append(FrozenTrainingTests.values(loop.arrays.parameters))
            gradients.append(Dictionary(uniqueKeysWithValues: loop.arrays.parameters.map { array in
                (array.name, loop.trainingStep.store.gradient(named: array.name)?.floats.contains { $0 != 0 } ?? false)
            }))
            slots.append(Dictionary(uniqueKeysWithValues: loop.arrays.optimizer[1].arrays.map { ($0.name, $0.values.contains { $0 != 0 }) }))
        }
    }

    private static func chain(_ rules: [ParameterRule], caching: TrainConfiguration.FeatureCaching = .auto, threads: Int = 1) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (3, 64, 4)
        (configuration.parameters, configuration.featureCache) = (rules, caching)
        return try TrainingLoop(
            { scope, images in
                let x = ["a", "b", "c"].reduce(images.reshaped([images.shape[0], 64])) { x, name in linear(scope[name], x, 12).tanh() }
                return linear(scope["head"], x, 10)
            },
            configuration: configuration, dataset: dataset, augmentations: [], seed: 5, pool: WorkerPool(threads: threads))
    }

    static let gradual = [rule("a.*") { $0.freeze = true }, rule("b.*") { $0.freezeUntilEpoch = 2 }, rule("c.*") { $0.freezeUntilEpoch = 1 }]

    @Test("Gradual unfreezing: each layer has no gradient and no state until its epoch, the same values until then, and other ones after it")
    func gradualUnfreezing() throws {
        let loop = try Self.chain(Self.gradual), ends = EpochEnds(), start = Self.values(loop.arrays.parameters)
        #expect(loop.cachedFeatureCount != nil, "what a gives is computed once")
        _ = try loop.run([ends])
        for (epoch, values) in ends.values.enumerated() {
            for (name, first) in [("a", 3), ("b", 2), ("c", 1), ("head", 0)] {
                for part in ["weight", "bias"] {
                    let name = "\(name).\(part)", isTrained = epoch >= first
                    #expect((values[name] != start[name]) == isTrained, "\(name) after epoch \(epoch)")
                    #expect(ends.gradients[epoch][name] == isTrained, "the gradient of \(name) after epoch \(epoch)")
                    #expect((ends.slots[epoch][name] ?? false) == isTrained, "the state of \(name) after epoch \(epoch)")
                }
            }
        }
        // Before, at and behind both borders, with features that are kept and without.
        let steps = loop.stepsPerEpoch
        for (stop, caching) in [(steps - 1, .never), (steps, .auto), (steps + 2, .auto), (2 * steps, .never), (2 * steps + 3, .auto)]
            as [(Int, TrainConfiguration.FeatureCaching)]
        {
            let stopped = try Self.chain(Self.gradual, caching: caching, threads: 2), resumed = try Self.chain(Self.gradual, caching: caching)
            _ = try stopped.run([]) { stopped.progress.step == stop }
            try resumed.restore(stopped.checkpoint())
            _ = try resumed.run([])
            #expect(resumed.checkpoint() == loop.checkpoint(), "stopped after \(stop) steps")
        }
    }

    // MARK: Features that are computed once

    /// What the samples of a shard are put together by, between a frozen layer and the head.
    enum Mixing: CaseIterable { case none, mean, attention }

    private static func mixed(_ mixing: Mixing, _ caching: TrainConfiguration.FeatureCaching) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (2, 64, 4)
        (configuration.parameters, configuration.featureCache) = ([rule("body.*") { $0.freeze = true }], caching)
        return try TrainingLoop(
            { scope, images in
                let x = linear(scope["body"], images.reshaped([images.shape[0], 64]), 16)
                let y = switch mixing {
                case .none: x
                case .mean: x - x.mean(axes: [0], keepsAxes: true)
                case .attention: x.matmul(x, transposeB: true).softmax(axis: 1).matmul(x)
                }
                return linear(scope["head"], y, 10)
            },
            configuration: configuration, dataset: dataset, augmentations: [], seed: 5, pool: WorkerPool(threads: 1))
    }

    @Test("Where the samples of a batch are put together, features end before it, or there are none", arguments: Mixing.allCases)
    func mixedSamples(_ mixing: Mixing) throws {
        let plain = try Self.mixed(mixing, .never), cached = try Self.mixed(mixing, .auto)
        // Attention from sample to sample has a row for each, so that only its numbers tell what it does.
        #expect((cached.cachedFeatureCount == nil) == (mixing == .attention))
        _ = try plain.run([])
        _ = try cached.run([])
        #expect(plain.checkpoint() == cached.checkpoint())
        if mixing == .attention { #expect(throws: UserError.self) { try Self.mixed(mixing, .always) } }
    }

    @Test("cache_features: always says in a sentence what it needs")
    func cachingThatCannotBe() throws {
        func message(_ rules: [ParameterRule], _ augmentations: [Augmentation]) -> String? {
            var configuration = TrainConfiguration()
            (configuration.batchSize, configuration.shards) = (64, 4)
            (configuration.parameters, configuration.featureCache) = (rules, .always)
            let error = #expect(throws: UserError.self) {
                try TrainingLoop(
                    network, configuration: configuration, dataset: Self.dataset, augmentations: augmentations, seed: 3, pool: WorkerPool(threads: 1))
            }
            return error?.message
        }
        #expect(message(Self.frozenBelow, [.shift(pixels: 1)]) == """
            train.cache_features: always does not go with augmentation, which changes the images in every epoch; leave out data.augment, or this key
            """)
        let nothing = """
            train.cache_features: always expects something between the images and the first trained parameter that stays the same to the end and for each \
            image alone; found nothing: freeze the layers next to the images (train.parameters), without dropout
            """
        #expect(message([], []) == nothing)
        #expect(message([Self.rule("conv.*") { $0.freezeUntilEpoch = 1 }], []) == nothing)
    }

    @Test func rulesThatDoNotFitTheModel() {
        #expect(throws: UserError(at: "train.parameters[0].match", "'haed.*' matches no parameter; did you mean 'head.*'?")) {
            try Self.loop([Self.rule("haed.*") { $0.freeze = true }])
        }
        #expect(throws: UserError(at: "train.parameters", "all 5 parameters are frozen, expected at least one that is trained")) {
            try Self.loop([Self.rule("*") { $0.freeze = true }])
        }
    }
}
