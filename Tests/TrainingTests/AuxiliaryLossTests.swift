import Configuration
import Foundation
import Measures
import TensorCore
import TestSupport
import Testing
@testable import Training
@testable import VisionData

/// A model's auxiliary heads, whose losses are added to the main one while it is trained.
@Suite struct AuxiliaryLossTests {
    static let dataset = try! ImageDataset.load(DataConfiguration(.digits))
    static let heads = [("head", 1.0), ("aux1", 0.3), ("aux2", 0.3)]

    /// 64 pixels → 12 features → the logits, and of the same features those of the auxiliary heads.
    private static func model(recordingIn modes: [Graph.Mode], outputs: Int = 10) -> ModelRecorder {
        { scope, images in
            let features = linear(scope["body"], images.reshaped([images.shape[0], 64]), 12)
            let weights = heads.map { scope[$0.0].parameter("weight", [$0.0 == "aux1" ? outputs : 10, 12], FanIn()) }
            var named = NamedOutputs()
            named.add("features", features)
            named.add("logits", features.linear(weight: weights[0]))
            guard modes.contains(scope.graph.mode) else { return named }
            for (index, head) in heads.enumerated().dropFirst() {
                named.add(head.0, features.linear(weight: weights[index]), auxiliaryWeight: head.1)
            }
            return named
        }
    }

    private static func loop(_ model: @escaping ModelRecorder, epochs: Int = 1, threads: Int = 1) throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.shards) = (epochs, 64, 4)
        configuration.labelSmoothing = 0.1
        var options = OptimizerConfiguration.SGD()
        options.learningRate = 0.05
        configuration.optimizer = .sgd(options)
        return try TrainingLoop(
            model, configuration: configuration, dataset: dataset, augmentations: [], seed: 5, pool: WorkerPool(threads: threads))
    }

    /// The rows of a matrix times a vector.
    private static func product(_ matrix: [Double], _ vector: [Double]) -> [Double] {
        stride(from: 0, to: matrix.count, by: vector.count).map { start in
            var sum = 0.0
            for (place, value) in vector.enumerated() { sum += matrix[start + place] * value }
            return sum
        }
    }

    private final class Recorder: TrainingListener {
        var steps: [StepMetrics] = [], epochs: [EpochMetrics] = []
        func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
            if case .stepFinished(let metrics) = event { steps.append(metrics) }
            if case .epochFinished(let metrics, _) = event { epochs.append(metrics) }
        }
    }

    @Test("The loss is the main one and 0.3 of each auxiliary one, and so is the gradient, as computed in float64")
    func lossAndGradient() throws {
        let loop = try Self.loop(Self.model(recordingIn: [.training]))
        var weights: [String: [Double]] = [:]
        for array in loop.arrays.parameters { weights[array.name] = array.values.map(Double.init) }
        let pipeline = try BatchPipeline(training: Self.dataset, batchSize: 64, seed: 5, augmentations: [], epochs: 0..<1)
        defer { withExtendedLifetime(pipeline) {} }
        let batch = try #require(try pipeline.next())
        var losses = [0.0, 0, 0], bodyGradient = [Double](repeating: 0, count: 12 * 64)
        for sample in 0..<64 {
            let pixels = (0..<64).map { Double(batch.images[sample * 64 + $0]) }
            var features = Self.product(weights["body.weight"]!, pixels), slopes = [Double](repeating: 0, count: 12)
            for (unit, bias) in weights["body.bias"]!.enumerated() { features[unit] += bias }
            for (index, (head, weight)) in Self.heads.enumerated() {
                let matrix = weights["\(head).weight"]!, logits = Self.product(matrix, features)
                let logSum = log(logits.map(exp).reduce(0, +))
                for unit in 0..<10 {
                    let target: Double = unit == Int(batch.labels[sample]) ? 0.91 : 0.01, logarithm = logits[unit] - logSum
                    losses[index] -= target * logarithm / 64
                    let slope = weight * (exp(logarithm) - target) / 64
                    for feature in 0..<12 { slopes[feature] += slope * matrix[unit * 12 + feature] }
                }
            }
            for feature in 0..<12 {
                for pixel in 0..<64 { bodyGradient[feature * 64 + pixel] += slopes[feature] * pixels[pixel] }
            }
        }
        let recorder = Recorder()
        var gradient: HostTensor?
        _ = try loop.run([recorder], shouldStop: {
            gradient = gradient ?? loop.trainingStep.store.gradient(named: "body.weight")
            return true
        })
        let values = recorder.steps[0].values
        #expect(values.measures.map(\.name) == ["loss", "cross_entropy", "aux1_cross_entropy", "aux2_cross_entropy", "accuracy"])
        let expected = losses[0] + 0.3 * losses[1] + 0.3 * losses[2]
        #expect(abs(values.values[0] - expected) < 1e-5)
        for (index, loss) in losses.enumerated() { #expect(abs(values.values[1 + index] - loss) < 1e-5, "\(values.measures[1 + index].name)") }
        for (found, expected) in zip(try #require(gradient).floats, bodyGradient) { #expect(abs(Double(found) - expected) < 1e-6) }
    }

    @Test("Every head learns; the evaluation has the main loss alone, under both its names")
    func evaluation() throws {
        let loop = try Self.loop(Self.model(recordingIn: [.training]), epochs: 2), recorder = Recorder()
        let before = loop.checkpoint().parameters
        guard case .completed(let test) = try loop.run([recorder]) else { throw UserError(.internal, "not completed") }
        for (array, old) in zip(loop.checkpoint().parameters, before) { #expect(array != old, "\(array.name)") }
        #expect(loop.measures.map(\.occasion) == [.always, .always, .training, .training, .always])
        let epoch = recorder.epochs[1], validation = try #require(epoch.validation)
        for name in ["cross_entropy", "aux1_cross_entropy", "aux2_cross_entropy"] {
            #expect(epoch.training[name]! < recorder.epochs[0].training[name]! - 0.05, "\(name)")
        }
        for values in [validation, test.values] {
            #expect(values["loss"] == values["cross_entropy"] && values.accuracy > 0.5)
            #expect(values["aux1_cross_entropy"]!.isNaN && values["aux2_cross_entropy"]!.isNaN)
        }
        #expect(throws: UserError.self) { try Monitor(named: "val_aux1_cross_entropy", among: loop.measures, of: "classification", at: "x") }
    }

    @Test("Threads change no bit, and a resumed training is the same")
    func isExact() throws {
        let model = Self.model(recordingIn: [.training])
        let one = try Self.loop(model, epochs: 2), two = try Self.loop(model, epochs: 2, threads: 2), resumed = try Self.loop(model, epochs: 2)
        let first = try Self.loop(model, epochs: 2)
        _ = try one.run([])
        _ = try two.run([])
        _ = try first.run([]) { first.progress.step == 25 }
        try resumed.restore(first.checkpoint())
        _ = try resumed.run([])
        #expect(one.checkpoint() == two.checkpoint())
        #expect(one.checkpoint().state == resumed.checkpoint().state && one.checkpoint().parameters == resumed.checkpoint().parameters)
    }

    @Test("Auxiliary heads that are recorded in evaluation too take no work and no memory of it")
    func costNothingInEvaluation() throws {
        let always = try Self.loop(Self.model(recordingIn: [.training, .evaluation])), training = try Self.loop(Self.model(recordingIn: [.training]))
        #expect(always.evaluator.plan.summary.primitiveCount == training.evaluator.plan.summary.primitiveCount)
        #expect(always.evaluator.plan.summary.arenaByteCount == training.evaluator.plan.summary.arenaByteCount)
        let never = try Self.loop(Self.model(recordingIn: []))
        #expect(never.measures.map(\.name) == ["loss", "accuracy"] && never.measures.allSatisfy { $0.occasion == .always })
    }

    @Test func anAuxiliaryHeadOfAnotherShape() throws {
        let error = #expect(throws: RecordingError.self) { try Self.loop(Self.model(recordingIn: [.training], outputs: 9)) }
        #expect(error.map { "\($0)" }?.contains("the auxiliary head aux1 gives [16, 9] for 16 images of 10 classes") == true)
    }
}
