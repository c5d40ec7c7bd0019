import Foundation
import Parts
import Harness

// Trains a network of one's own on data in memory and on a source of one's own, without a log and with one, and predicts. The folder for results
// is the one argument; each line that is printed is a name and a value.

func network(_ scope: Scope, _ images: Tensor) -> NamedOutputs {
    EncodedModel(GatedEncoder(channels: 1, width: 8, in: scope), head: Linear(8, 2, in: scope["head"]))(images)
}

let pool = WorkerPool(threads: 2)

func training(on source: any SampleSource) throws -> TrainingLoop {
    var configuration = TrainConfiguration(), adam = OptimizerConfiguration.Adam(weightDecay: 0.01)
    (configuration.epochs, configuration.batchSize) = (4, 32)
    adam.learningRate = 0.03
    configuration.optimizer = .adamw(adam)
    return try TrainingLoop(
        network, task: Classification(classCount: 2), configuration: configuration, source: source, augmentations: [], seed: 7, pool: pool)
}

// Data in memory, without a log.
let dataset = try ImageDataset(Stripes.images(), validation: .count(128), normalization: .none)
let silent = try training(on: dataset)
guard case .completed(let result) = try silent.run([]) else { fatalError("the training did not end") }
print("memory_accuracy", result.values["accuracy"]!)

// A source of one's own, with a log.
let loop = try training(on: Stripes())
let recording = try RunRecording(
    of: loop, experiment: "outside", model: "gated", seed: 7, settings: .map([("width", .scalar(8))]), in: CommandLine.arguments[1])
guard case .completed(let test) = try recording.run() else { fatalError("the training did not end") }
let reader = try RunReader(recording.folder), contents = try reader.contents()
print("folder", recording.folder.path)
print("status", reader.status.name)
print("steps", contents.steps.count)
print("recorded_accuracy", contents.evaluations[.test]!.values[1]! == test.values["accuracy"]! ? "the same" : "another")
print("accuracy", test.values["accuracy"]!)

// Predictions with the training's weights, and with those of the file.
func logits(_ weights: any WeightSource) throws -> [Float] {
    let predictor = try Predictor(network, outputs: ["logits", "features.pooled"], image: [8, 8, 1], weights: weights, pool: pool)
    let outputs = try predictor.outputs(for: Stripes().indices(of: .test), of: Stripes())
    print("outputs", predictor.outputs.map(\.name).sorted().joined(separator: ","), outputs["features.pooled"]!.shape)
    return outputs["logits"]!.floats
}
let predicted = try logits(loop.weights), stored = try logits(FileWeights(recording.folder.weightsFile(.best)))
print("file", predicted == stored ? "the same" : "another")
let hits = (0..<160).count { (predicted[2 * $0 + 1] > predicted[2 * $0]) == (Stripes.label(640 + $0) == 1) }
print("predicted_accuracy", Double(hits) / 160)
