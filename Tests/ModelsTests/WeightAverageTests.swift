import Models
import Tasks
import TensorCore
import TestSupport
import Testing
import VisionData

@testable import Training

/// Averages of the weights over 20 steps of a residual network against timm's ModelEmaV3 and PyTorch's AveragedModel, SWALR and update_bn, from the same
/// weights on the same batches.
@Suite struct WeightAverageTests {
    private static let stepsPerEpoch = 5

    private struct FixtureWeights: WeightSource {
        let values: [String: HostTensor]

        func fill(_ store: ParameterStore, declaredBy graph: Graph) throws {
            Initializers(seed: 0).fill(store, declaredBy: graph)
            for (name, value) in values { #expect(store.set(value, named: name), "\(name)") }
        }
    }

    /// A training of the fixture's network, its losses and what was averaged in it.
    private struct Trained {
        let losses: [Double]
        let averages: [AveragedWeights]
    }

    private func train(
        _ configuration: TrainConfiguration, _ rules: [AveragedWeights.Rule], threads: Int, then finish: ((AveragedWeights, BatchStatisticsPass) throws -> Void)? = nil
    ) throws -> Trained {
        let file = try FixtureFile("averages.h5"), arguments = try file.arguments(of: "/initial"), batches = try batches()
        let network = try definition(#"{"resnet": {"depth": 8, "width": 4}}"#), fields = [Field("image", [28, 28, 1]), Field.label(classes: 10)]
        let task = Classification(classCount: 10), pool = WorkerPool(threads: threads)
        var configuration = configuration, options = OptimizerConfiguration.SGD()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (4, 16, 4)
        (options.learningRate, options.momentum) = (try arguments.number("learning_rate"), try arguments.number("momentum"))
        configuration.optimizer = .sgd(options)
        let model: ModelRecorder = { scope, images in network.record(images, classes: 10, in: scope) }
        let step = try TrainingStep(
            model, task, fields: fields, configuration: configuration, stepsPerEpoch: Self.stepsPerEpoch, seed: 0,
            weights: FixtureWeights(values: file.tensors(in: "/initial/parameters")), pool: pool)
        let schedule = LearningRateSchedule(
            configuration.schedule, peak: options.learningRate, stepsPerEpoch: Self.stepsPerEpoch, epochs: configuration.epochs, averaging: configuration.swa)
        let averages = rules.map { AveragedWeights($0, of: step.store, pool: pool) }
        let losses = try (0..<20).map { number in
            let result = try step.run(batches[number % batches.count].fields, step: number, learningRate: schedule.learningRate(at: number))
            for average in averages { average.update(after: number + 1) }
            return result.loss
        }
        for average in averages {
            try finish?(average, BatchStatisticsPass(model, task, fields: fields, configuration: configuration, seed: 0, store: average.store, pool: pool))
        }
        return Trained(losses: losses, averages: averages)
    }

    private func batches() throws -> [OwnedBatch] {
        try TrainingFixture("lenet5").batches.map { batch in
            OwnedBatch([batch.images.bytes.count, batch.labels.bytes.count]) { place, memory in
                (place == 0 ? batch.images : batch.labels).bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
            }
        }
    }

    /// Goes through the batches of the last epoch again.
    private func recompute(_ average: AveragedWeights, _ pass: BatchStatisticsPass) throws {
        let last = try Array(batches()[5...])
        var next = 0
        average.copyBuffers()
        let isDone = try pass.run(epoch: 3, from: 15, {
            defer { next += 1 }
            return next < last.count ? last[next].fields : nil
        }, shouldStop: { false })
        #expect(isDone && next == 6)
    }

    /// Within `tolerance` of the largest value of each tensor: what float32 leaves of 20 steps that PyTorch took in float64.
    private func expectSame(_ store: ParameterStore, _ group: String, tolerance: Double = 2e-4) throws {
        let file = try FixtureFile("averages.h5")
        let expected = try file.tensors(in: "\(group)/parameters").merging(file.tensors(in: "\(group)/buffers")) { first, _ in first }
        #expect(expected.count == store.entries.count + store.bufferEntries.count)
        for (name, value) in expected { assertClose(try #require(store.tensor(named: name)), value, tolerance: tolerance, "\(group) \(name)") }
    }

    private func bits(_ trained: Trained) -> [[UInt32]] { trained.averages.map { (Array($0.store.values) + Array($0.store.bufferValues)).map(\.bitPattern) } }

    @Test("The moving average, with a warm-up and with copied running statistics, is timm's; threads change no bit")
    func movingAverages() throws {
        let names = ["ema", "ema_warmup", "ema_copy"], file = try FixtureFile("averages.h5")
        let rules = try names.map { name -> AveragedWeights.Rule in
            let arguments = try file.arguments(of: "/\(name)")
            var options = MovingAverageConfiguration()
            options.decay = try arguments.number("decay")
            if name == "ema_warmup" { (options.warmup, options.warmupPower) = (try arguments.boolean("use_warmup"), try arguments.number("warmup_power")) }
            if name == "ema_copy" { options.buffers = try arguments.boolean("exclude_buffers") ? .copy : .average }
            return .moving(options)
        }
        let one = try train(TrainConfiguration(), rules, threads: 1)
        for (loss, expected) in zip(one.losses, try file.tensor("/moving/losses").elements(as: Double.self)) { assertClose(loss, expected, tolerance: 1e-4, "loss") }
        for (name, average) in zip(names, one.averages) { try expectSame(average.store, "/\(name)") }
        let two = try train(TrainConfiguration(), rules, threads: 2), isSame = bits(one) == bits(two)
        #expect(isSame)
    }

    @Test("The equal average over epochs, at an annealed learning rate and with recomputed running statistics, is PyTorch's; threads change no bit")
    func equalAverage() throws {
        let file = try FixtureFile("averages.h5"), arguments = try file.arguments(of: "/swa")
        var options = StochasticAverageConfiguration()
        options.startEpoch = try arguments.integer("start_epoch")
        options.learningRate = try arguments.number("learning_rate")
        options.annealEpochs = try arguments.integer("anneal_epochs")
        var configuration = TrainConfiguration()
        for (annealing, name) in [(StochasticAverageConfiguration.Annealing.linear, "linear"), (.cosine, "cos")] {
            options.anneal = annealing
            configuration.swa = options
            let schedule = LearningRateSchedule(ScheduleConfiguration(), peak: 0.05, stepsPerEpoch: Self.stepsPerEpoch, epochs: 4, averaging: options)
            for (step, rate) in try file.tensor("/\(name)/learning_rates").elements(as: Double.self).enumerated() {
                assertClose(schedule.learningRate(at: step), rate, tolerance: 1e-9, "\(name), step \(step)")
            }
        }
        let rule = AveragedWeights.Rule.equal(options, stepsPerEpoch: Self.stepsPerEpoch)
        let one = try train(configuration, [rule], threads: 1, then: recompute)
        for (loss, expected) in zip(one.losses, try file.tensor("/equal/losses").elements(as: Double.self)) { assertClose(loss, expected, tolerance: 1e-4, "loss") }
        try expectSame(one.averages[0].store, "/swa")
        let two = try train(configuration, [rule], threads: 2, then: recompute), isSame = bits(one) == bits(two)
        #expect(isSame)
    }

    @Test("The warm-up's decay is timm's, and the first weights are taken whole")
    func decays() {
        var options = MovingAverageConfiguration()
        #expect([0, 1, 2, 1_000_000].map(options.decay) == [0, 0, 0.9998, 0.9998])
        options.warmup = true
        // ModelEmaV3(decay=0.9998, use_warmup=True).get_decay(step)
        for (step, decay) in [(1, 0), (2, 0.3700394750525634), (3, 0.5192501432308638), (100, 0.9535841116638722), (10_000_000, 0.9998)] {
            #expect(abs(options.decay(after: step) - decay) < 1e-12)
        }
    }
}
