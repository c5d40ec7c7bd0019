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

    private static func loop(_ rules: [ParameterRule], threads: Int = 1) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (2, 64, 4)
        configuration.parameters = rules
        configuration.l1 = 1e-4
        configuration.clipGradientNorm = 1
        return try TrainingLoop(
            network, configuration: configuration, dataset: dataset, augmentations: [], seed: 3, pool: WorkerPool(threads: threads))
    }

    private static func values(_ arrays: [TrainingArray]) -> [String: [UInt32]] {
        Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0.values.map(\.bitPattern)) })
    }

    static let frozenBelow = [rule("conv.*") { $0.freeze = true }, rule("norm.*") { $0.freeze = true }]

    @Test("Frozen parameters and norms keep every bit, and nothing is kept for them")
    func frozenKeepsItsBits() throws {
        let loop = try Self.loop(Self.frozenBelow)
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

    @Test func rulesThatDoNotFitTheModel() {
        #expect(throws: UserError(at: "train.parameters[0].match", "'haed.*' matches no parameter; did you mean 'head.*'?")) {
            try Self.loop([Self.rule("haed.*") { $0.freeze = true }])
        }
        #expect(throws: UserError(at: "train.parameters", "all 5 parameters are frozen, expected at least one that is trained")) {
            try Self.loop([Self.rule("*") { $0.freeze = true }])
        }
    }
}
