import Configuration
import Measures
import TestSupport
import Tasks
import TensorCore
import Testing
@testable import Training
@testable import VisionData

private func softmaxRegression(_ scope: Scope, _ images: Tensor) -> Tensor {
    linear(scope["head"], images.reshaped([images.shape[0], 64]), 10)
}

/// Keeps what it hears, and the checkpoint of each epoch's end.
private final class Recorder: TrainingListener {
    var steps: [StepMetrics] = []
    var digests: [WeightDigest] = []
    var epochs: [EpochMetrics] = []
    var checkpoints: [Checkpoint] = []
    var others: [String] = []

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
        switch event {
        case .stepFinished(let metrics): steps.append(metrics)
        case .progress, .layersMeasured, .epochTrained, .validated: break
        case .digested(let digest): digests.append(digest)
        case .epochFinished(let metrics, _):
            epochs.append(metrics)
            checkpoints.append(loop.checkpoint())
        case .stoppedEarly(let epoch): others.append("stopped early in \(epoch)")
        case .interrupted(let count): others.append("interrupted after \(count)")
        case .diverged(let divergence): others.append("\(divergence)")
        case .tested: others.append("tested")
        }
    }
}

@Suite struct TrainingLoopTests {
    static let dataset = try! ImageDataset.load(DataConfiguration(.digits))

    private func configuration(epochs: Int, _ optimizer: OptimizerConfiguration = .default) -> TrainConfiguration {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (epochs, 64, 8)
        configuration.optimizer = optimizer
        return configuration
    }

    private func sgd(_ learningRate: Double) -> OptimizerConfiguration {
        var options = OptimizerConfiguration.SGD()
        options.learningRate = learningRate
        return .sgd(options)
    }

    private func train(
        _ configuration: TrainConfiguration, _ model: @escaping ModelRecorder = softmaxRegression, dataset: ImageDataset = Self.dataset,
        augmentations: [Augmentation] = [], seed: UInt64 = 0, threads: Int = 1, shouldStop: () -> Bool = { false }
    ) throws -> (TrainingOutcome, Recorder, TrainingLoop) {
        let recorder = Recorder()
        let loop = try TrainingLoop(
            model, configuration: configuration, dataset: dataset, augmentations: augmentations, seed: seed, pool: WorkerPool(threads: threads))
        return (try loop.run([recorder], shouldStop: shouldStop), recorder, loop)
    }

    private func testResult(_ outcome: TrainingOutcome) throws -> EvaluationResult {
        guard case .completed(let result) = outcome else { throw UserError(.internal, "not completed: \(outcome)") }
        return result
    }

    @Test("A small network learns the digits; threads and repetition change no bit")
    func threadsChangeNothing() throws {
        var configuration = configuration(epochs: 3)
        var adam = OptimizerConfiguration.Adam(weightDecay: 0.05)
        adam.learningRate = 3e-2
        configuration.optimizer = .adamw(adam)
        configuration.schedule = ScheduleConfiguration(.cosine(finalFactor: 0), warmupEpochs: 0.5)
        configuration.clipGradientNorm = 1
        configuration.labelSmoothing = 0.1
        let (outcome, one, _) = try train(configuration, network, augmentations: [.shift(pixels: 1)])
        let result = try testResult(outcome)
        #expect(result.accuracy > 0.75)
        #expect(one.steps.count == 3 * (1293 / 64))
        #expect(one.steps.map(\.step) == Array(one.steps.indices))
        #expect(one.epochs.map(\.epoch) == [0, 1, 2])
        #expect(one.epochs[2].trainLoss < one.epochs[0].trainLoss)
        #expect(one.checkpoints[2].buffers.map(\.name) == ["norm.running_mean", "norm.running_var"])
        #expect(one.checkpoints[2].optimizer.keys.sorted() == ["exp_avg", "exp_avg_sq"])
        #expect(one.others == ["tested"])

        for threads in [1, 2, 3] {
            let (again, other, _) = try train(configuration, network, augmentations: [.shift(pixels: 1)], threads: threads)
            #expect(zip(other.steps, one.steps).first { $0 != $1 }.map { "\($0)" } == nil)
            #expect(other.epochs == one.epochs)
            // Not compared within #expect, which would print every weight.
            let isSame = (again == outcome, other.checkpoints == one.checkpoints)
            #expect(isSame == (true, true))
        }
        let (_, other, _) = try train(configuration, network, augmentations: [.shift(pixels: 1)], seed: 1)
        #expect(other.steps != one.steps)
    }

    @Test("Metrics of a step whose gradients can be written down")
    func firstStep() throws {
        // All logits are 0 at first: the loss is ln 10, and class 0 is predicted.
        let (_, recorder, _) = try train(configuration(epochs: 1), { scope, images in
            images.reshaped([images.shape[0], 64]).linear(weight: scope.parameter("weight", [10, 64], ConstantInitializer(0)), bias: nil)
        })
        let step = recorder.steps[0]
        #expect(abs(step.loss - 2.302585) < 1e-6)
        #expect(step.learningRate == 1e-3)
        // A batch's memory is its pipeline's, which has to live as long.
        let pipeline = try BatchPipeline(training: Self.dataset, batchSize: 64, seed: 0, augmentations: [], epochs: 0..<1)
        defer { withExtendedLifetime(pipeline) {} }
        let batch = try #require(try pipeline.next())
        var gradient = [Double](repeating: 0, count: 640), zeros = 0
        for sample in 0..<64 {
            zeros += batch.labels[sample] == 0 ? 1 : 0
            for unit in 0..<10 {
                for pixel in 0..<64 {
                    gradient[unit * 64 + pixel] += (0.1 - (unit == batch.labels[sample] ? 1 : 0)) * Double(batch.images[sample * 64 + pixel]) / 64
                }
            }
        }
        #expect(step.accuracy == Double(zeros) / 64)
        let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(step.gradientNorm - norm) < 1e-5 * norm)
    }

    @Test("The last, padded batch counts for its images only")
    func evaluationMasksPadding() throws {
        let images = Self.dataset.indices(of: .test)
        #expect(images.count % 64 != 0)
        let (_, _, loop) = try train(configuration(epochs: 1))
        // One batch for all, so nothing is padded: the same results but for the last digits of the sums.
        let parameters = loop.checkpoint().parameters
        let padded = try evaluate(parameters, batchSize: 64), whole = try evaluate(parameters, batchSize: images.count)
        #expect(padded.predictions == whole.predictions)
        #expect(padded.labels == images.map { Self.dataset.images.labels[Int($0)] })
        #expect(padded.labels == whole.labels)
        #expect(abs(padded.loss - whole.loss) < 1e-6)
        #expect(padded.confusion == whole.confusion)
        #expect(padded.confusion.reduce(0, +) == images.count)
        let correct = zip(padded.predictions, padded.labels).count { $0 == $1 }
        #expect((0..<10).reduce(0) { $0 + padded.confusion[$1 * 11] } == correct)
        #expect(padded.accuracy == Double(correct) / Double(images.count))
        let row = (0..<10).map { padded.confusion[3 * 10 + $0] }.reduce(0, +)
        #expect(row == padded.labels.count { $0 == 3 })
    }

    private func evaluate(_ parameters: [NamedValues], batchSize: Int, dataset: ImageDataset = Self.dataset) throws -> EvaluationResult {
        let graph = Graph()
        _ = softmaxRegression(graph.root, graph.input("images", [1, 8, 8, 1]))
        let store = ParameterStore(graph, seed: 0)
        for parameter in parameters { store.set(parameter.tensor, named: parameter.name) }
        var configuration = TrainConfiguration()
        // Cut as the training's batches are: the last bits of a product may depend on how many rows it has.
        (configuration.batchSize, configuration.shards) = (batchSize, batchSize == 64 ? 8 : 1)
        let evaluator = try Evaluator(
            softmaxRegression, Classification(classCount: 10), source: dataset, fields: dataset.fields, configuration: configuration, seed: 0,
            store: store, pool: WorkerPool(threads: 1))
        return try #require(evaluator.evaluate(.test, makesTables: true) { false })
    }

    @Test("The test split sees the best weights, the first of equals")
    func bestWeights() throws {
        // A rate so large that the accuracy goes up and down.
        let (outcome, recorder, loop) = try train(configuration(epochs: 8, sgd(3)))
        let accuracies = recorder.epochs.map { $0.validationAccuracy! }
        let best = accuracies.firstIndex(of: accuracies.max()!)!
        try #require(best < 7, "the case needs a best epoch before the last")
        #expect(recorder.epochs.lastIndex { $0.isBest } == best)
        #expect(loop.progress.bestEpoch == best)
        #expect(loop.progress.bestValue == accuracies[best])
        #expect(try testResult(outcome) == evaluate(recorder.checkpoints[best].parameters, batchSize: 64))
        #expect(try testResult(outcome) != evaluate(recorder.checkpoints[7].parameters, batchSize: 64))
        #expect(loop.checkpoint().parameters == recorder.checkpoints[best].parameters, "afterwards the parameters are the best")
    }

    @Test("Without a validation split the last weights count as the best")
    func noValidation() throws {
        var data = DataConfiguration(.digits)
        data.validation = .fraction(0)
        let dataset = try ImageDataset.load(data)
        let (outcome, recorder, loop) = try train(configuration(epochs: 2, sgd(3)), dataset: dataset)
        #expect(recorder.epochs.allSatisfy { $0.isBest && $0.validationLoss == nil && $0.validationAccuracy == nil })
        #expect(loop.progress.bestEpoch == 1)
        #expect(try testResult(outcome) == evaluate(recorder.checkpoints[1].parameters, batchSize: 64, dataset: dataset))

        var stopping = configuration(epochs: 2)
        stopping.earlyStopping = EarlyStoppingConfiguration()
        #expect(throws: UserError(at: "train.early_stopping", "needs images for validation, but data.validation holds out none of digits")) {
            _ = try train(stopping, dataset: dataset)
        }
    }

    @Test("Nothing improves, so patience ends", arguments: ["val_accuracy", "val_loss"])
    func earlyStopping(metric: String) throws {
        var configuration = configuration(epochs: 9, sgd(0))
        var stopping = EarlyStoppingConfiguration()
        (stopping.patience, stopping.metric) = (2, metric)
        configuration.earlyStopping = stopping
        let (outcome, recorder, _) = try train(configuration)
        #expect(recorder.epochs.map(\.isBest) == [true, false, false])
        #expect(recorder.others == ["stopped early in 2", "tested"])
        _ = try testResult(outcome)
    }

    @Test("An improvement counts when it is larger than min_delta")
    func patience() {
        var progress = TrainingProgress()
        var stopping = EarlyStoppingConfiguration()
        (stopping.patience, stopping.minDelta) = (2, 0.125)
        func isOver(_ value: Double, _ better: Measure.Direction = .larger) -> Bool {
            progress.add(value, of: Monitor(Measure("m", unit: "1", better: better)), for: stopping)
            return progress.isPatienceOver(stopping)
        }
        let ends = [0.5, 0.75, 0.875, 1].map { isOver($0) }
        #expect(ends == [false, false, false, false])
        #expect(progress.bestMonitored == 1)
        #expect(isOver(1.125) == false)
        #expect(isOver(1.125) == true)

        progress = TrainingProgress()
        #expect([3.0, 2.0, 1.9, 2.5].map { isOver($0, .smaller) } == [false, false, false, true])
    }

    @Test("A rate out of all bounds: the step and the first bad tensor are named, the log stays")
    func divergence() throws {
        let (outcome, recorder, loop) = try train(configuration(epochs: 2, sgd(3e38)))
        guard case .diverged(let divergence) = outcome else {
            Issue.record("not diverged: \(outcome)")
            return
        }
        #expect(divergence.step == recorder.steps.count)
        #expect(divergence.step > 0)
        #expect(divergence.tensor == "head.weight")
        #expect(recorder.others == ["\(divergence)"])
        #expect(recorder.steps.allSatisfy { $0.loss.isFinite && $0.gradientNorm.isFinite })
        #expect(loop.progress.step == divergence.step)
        #expect("\(divergence)".hasPrefix("the training diverged at step \(divergence.step + 1) (epoch 1): the "))
    }

    @Test("A loss that is not finite over finite gradients")
    func divergedLoss() {
        let graph = Graph()
        _ = graph.root.parameter("weight", [3], ConstantInitializer(1))
        _ = graph.root.parameter("bias", [3], ConstantInitializer(1), role: .bias)
        let store = ParameterStore(graph, seed: 0)
        func find() -> Divergence { Divergence(step: 7, epoch: 1, loss: .nan, gradientNorm: 2, in: store) }
        #expect("\(find())" == "the training diverged at step 8 (epoch 2): the loss is not finite (loss nan, gradient norm 2.0)")
        store.values[store.entries[1].offset + 2] = .infinity
        #expect((find().tensor, find().quantity) == ("bias", .value))
        store.gradients[1] = .nan
        #expect((find().tensor, find().quantity) == ("weight", .gradient))
    }

    @Test("Stopped anywhere and gone on with, it gives what it would have given", arguments: [1, 7, 19, 20, 21, 39, 40, 50, 59, 60])
    func restore(stop: Int) throws {
        var configuration = configuration(epochs: 5)
        var momentum = OptimizerConfiguration.SGD()
        (momentum.learningRate, momentum.momentum) = (0.3, 0.9)
        configuration.optimizer = .sgd(momentum)
        configuration.schedule = ScheduleConfiguration(.cosine(finalFactor: 0), warmupEpochs: 0.5)
        var stopping = EarlyStoppingConfiguration()
        (stopping.patience, stopping.minDelta) = (1, 0.05)
        configuration.earlyStopping = stopping
        func loop() throws -> TrainingLoop {
            try TrainingLoop(
                network, configuration: configuration, dataset: Self.dataset, augmentations: [.shift(pixels: 1)], seed: 3,
                pool: WorkerPool(threads: 1))
        }
        let whole = Recorder(), first = Recorder(), second = Recorder()
        let outcome = try loop().run([whole])
        try #require((3..<5).contains(whole.epochs.count), "the case needs an early stop")
        try #require(stop <= whole.steps.count)

        let interrupted = try loop()
        var asked = 0
        // Asked once more after the last batch of an epoch: in its validation.
        #expect(try interrupted.run([first]) { asked += 1; return interrupted.progress.step == stop } == .interrupted)
        let best = first.epochs.last { $0.isBest }.map { first.checkpoints[$0.epoch] }
        let resumed = try loop()
        let bestWeights = BestWeightsInMemory()
        try resumed.restore(interrupted.checkpoint(), best: best, bestWeights)
        #expect(resumed.checkpoint() == interrupted.checkpoint())
        #expect(try resumed.run([second], keeping: bestWeights) == outcome)
        #expect(first.steps + second.steps == whole.steps)
        #expect(first.digests + second.digests == whole.digests)
        #expect(first.epochs + second.epochs == whole.epochs)
        #expect(first.checkpoints + second.checkpoints == whole.checkpoints)
    }

    @Test("Restored at the end of an epoch it knows that these weights are the best; patience that is over stays over")
    func restoreAtAnEpochsEnd() throws {
        let configuration = configuration(epochs: 3, sgd(0.1))
        let (outcome, recorder, _) = try train(configuration, network)
        for checkpoint in recorder.checkpoints where checkpoint.progress.bestEpoch == checkpoint.progress.epoch - 1 {
            let loop = try TrainingLoop(
                network, configuration: configuration, dataset: Self.dataset, augmentations: [], seed: 0, pool: WorkerPool(threads: 2))
            try loop.restore(checkpoint)
            #expect(try loop.run([]) == outcome)
        }
        var stopping = configuration
        stopping.earlyStopping = EarlyStoppingConfiguration()
        stopping.earlyStopping?.patience = 1
        stopping.optimizer = sgd(0)
        let (stopped, short, _) = try train(stopping)
        #expect(short.epochs.count == 2)
        let loop = try TrainingLoop(
            softmaxRegression, configuration: stopping, dataset: Self.dataset, augmentations: [], seed: 0, pool: WorkerPool(threads: 1))
        let rest = Recorder(), bestWeights = BestWeightsInMemory()
        try loop.restore(short.checkpoints[1], best: short.checkpoints[0], bestWeights)
        #expect(try loop.run([rest], keeping: bestWeights) == stopped)
        #expect(rest.steps.isEmpty && rest.others == ["tested"])
    }

    @Test("A checkpoint of something else is refused")
    func restoreOfAnother() throws {
        let (_, recorder, _) = try train(configuration(epochs: 1), network)
        func loop(_ configuration: TrainConfiguration, _ model: @escaping ModelRecorder = network) throws -> TrainingLoop {
            try TrainingLoop(model, configuration: configuration, dataset: Self.dataset, augmentations: [], seed: 0, pool: WorkerPool(threads: 1))
        }
        let checkpoint = recorder.checkpoints[0]
        var batches = configuration(epochs: 1)
        batches.batchSize = 128
        #expect(throws: UserError(.data, "the checkpoint is of a training with epochs of another length")) {
            try loop(batches).restore(checkpoint)
        }
    }

    @Test("Checksums at the start, every 50 steps and at every epoch's end; threads change none, a changed bit changes one")
    func digests() throws {
        let (_, one, loop) = try train(configuration(epochs: 6), network)
        #expect(one.digests.map(\.step) == [0, 20, 40, 50, 60, 80, 100, 120])
        #expect(loop.tensorNames == ["conv.weight", "norm.weight", "norm.bias", "head.weight", "head.bias", "norm.running_mean", "norm.running_var"])
        #expect(one.digests.allSatisfy { $0.checksums.count == 7 })
        #expect(Set(one.digests.map(\.checksums[0])).count == 8)
        let (_, two, _) = try train(configuration(epochs: 6), network, threads: 2)
        #expect(two.digests == one.digests)

        let store = loop.trainingStep.store, entry = store.entries[3]
        let digester = WeightDigester(store, pool: WorkerPool(threads: 2))
        #expect(digester.digest(step: 120) == one.digests.last)
        store.values[entry.offset + 5] = Float(bitPattern: store.values[entry.offset + 5].bitPattern ^ 1)
        let changed = digester.digest(step: 120).checksums
        #expect(changed.indices.filter { changed[$0] != one.digests.last?.checksums[$0] } == [3])
    }

    @Test("Asked to stop, it ends after the step, and the test split stays untouched")
    func interrupt() throws {
        var asked = 0
        let (outcome, recorder, loop) = try train(configuration(epochs: 3), shouldStop: {
            asked += 1
            return asked == 5
        })
        #expect(outcome == .interrupted)
        #expect(recorder.steps.count == 5)
        #expect(recorder.others == ["interrupted after 5"])
        #expect(loop.checkpoint().progress.step == 5)
    }

    @Test("What a listener throws ends the training")
    func listenerThrows() throws {
        final class Failing: TrainingListener {
            func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws {
                if case .stepFinished(let metrics) = event, metrics.step == 2 { throw UserError(.io, "no space left") }
            }
        }
        let loop = try TrainingLoop(
            softmaxRegression, configuration: configuration(epochs: 1), dataset: Self.dataset, augmentations: [], seed: 0,
            pool: WorkerPool(threads: 1))
        #expect(throws: UserError(.io, "no space left")) { _ = try loop.run([Failing()]) }
        #expect(loop.progress.step == 3)
    }

    @Test("A model that does not fit names the module")
    func recordingError() {
        let error = #expect(throws: RecordingError.self) {
            _ = try train(configuration(epochs: 1), { scope, images in linear(scope["head"], images.reshaped([images.shape[0], 64]), 7) })
        }
        #expect(error?.message == "the model gives [8, 7] for 8 images of 10 classes")
    }
}
