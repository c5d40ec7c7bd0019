import Foundation
import RunStore
import TestSupport

enum Example {
    static let description = RunDescription(
        experiment: "vit_vs_resnet", model: "resnet20", seed: 3, configuration: "models:\n  größe: {resnet: {depth: 20}}\n",
        parameters: 269_722, multiplyAdds: 40_551_872, classes: 3,
        trialDigest: "5eed", dataDigest: "da7a", tensors: ["conv1.weight", "größe"],
        data: DataDescription(
            imageShape: [28, 28, 1], mean: [0.25], standardDeviation: [0.5], classNames: ["Stiefel", "Mütze", "coat"],
            split: SplitDescription(training: [0, 2, 3], validation: [1], test: [0, 1, 2])),
        arithmetic: [ArithmeticSpan(version: 1), ArithmeticSpan(fromStep: 100, version: 2)])

    /// Of a run that measures its layers.
    static let measured: RunDescription = {
        var description = Example.description
        description.layers = LayerDescription(
            names: ["fc1", "größe"], predictedActivationVariance: [1, 0.5], predictedGradientVariance: [0.125, 0.25])
        return description
    }()

    static func layers(_ epoch: Int) -> LayerRecord {
        let number = Double(epoch)
        return LayerRecord(
            epoch: epoch, activationMean: [-number, number], activationVariance: [1 + number, .infinity], gradientVariance: [1e-70, number / 3])
    }

    static func step(_ index: Int) -> StepRecord {
        StepRecord(
            step: index, epoch: 1 + (index - 1) / 100, loss: 2.3 / Double(index), accuracy: 1 - 1 / Double(index),
            learningRate: 1e-3, gradientNorm: Double(index).squareRoot())
    }

    static func epoch(_ index: Int) -> EpochRecord {
        EpochRecord(
            epoch: index, trainLoss: 1 / Double(index), trainAccuracy: 0.5, valLoss: index % 2 == 0 ? nil : 0.25,
            valAccuracy: index % 2 == 0 ? nil : 0.75)
    }

    static func digest(_ step: Int) -> DigestRecord { DigestRecord(step: step, checksums: [UInt64(step), .max - UInt64(step)]) }

    static let evaluation = EvaluationRecord(
        loss: 0.4, accuracy: 0.75, confusion: [[1, 0, 1], [0, 1, 0], [0, 0, 1]], predictions: [0, 2, 1, 2], labels: [0, 0, 1, 2])

    static let weights = StoredWeights(
        parameters: [
            NamedArray(name: "blocks.0.attn.qkv.weight", shape: [6, 2], values: (0..<12).map { Float($0) / 3 }),
            NamedArray(name: "blocks.10.norm1.bias", shape: [2], values: [1, -1]),
            NamedArray(name: "blocks.2.norm1.bias", shape: [2], values: [2, -2]),
            NamedArray(name: "head.weight", shape: [3, 100_000], values: (0..<300_000).map { Float($0) }),
        ],
        buffers: [NamedArray(name: "bn1.running_mean", shape: [2], values: [0.5, 0.25])],
        optimizer: [
            "first_moment": [NamedArray(name: "head.weight", shape: [1, 2], values: [0.1, 0.2])],
            "second_moment": [NamedArray(name: "head.weight", shape: [1, 2], values: [0.3, 0.4])],
        ],
        notes: WeightsNotes(
            progress: ["epoch": 3, "step": 1407, "best_val_accuracy": 0.9125],
            data: DataDescription(imageShape: [8, 8, 3], mean: [0.5, 0.25, 0.125], standardDeviation: [1, 2, 3]), logDigest: "5ea1ed"))

    static let machine = MachineRecord(
        host: "bench", operatingSystem: "Debian 12", processor: "x86-64", threads: 2, versions: ["harness": "1", "onednn": "2.6.3"],
        gitCommit: "0123abc", command: ["run", "experiments/vit_vs_resnet"], startedAt: "2025-01-01T00:00:00Z",
        wallClockSeconds: 100.5, secondsPerEpoch: 25, imagesPerSecond: 2000, waitingSecondsPerEpoch: 0.5, betweenStepsSecondsPerEpoch: 0.125)

    /// Writes a whole run with the given pauses after steps.
    static func writeRun(
        _ folder: RunFolder, steps: Int = 300, status: RunStatus = .finished, pauseAfter pauses: Set<Int> = [],
        description: RunDescription = Example.description
    ) throws {
        let writer = try RunWriter(folder)
        let live = try writer.start(RunContents(description: description))
        let isMeasured = description.layers != nil
        if isMeasured { try live.append(layers(0)) }
        for index in 1...steps {
            if pauses.contains(index) { usleep(1_100_000) }
            if index % 50 == 0 { try live.append(digest(index)) }
            try live.append(step(index))
            guard index % 100 == 0 else { continue }
            if isMeasured { try live.append(layers(index / 100)) }
            try live.append(epoch(index / 100))
        }
        try weights.write(with: writer.makeWeights(.best))
        if status == .finished { try live.append(evaluation) }
        try live.finish(status)
        try writer.save(machine)
    }

    static func contents(steps: Int, status: RunStatus) -> RunContents {
        RunContents(
            description: description, status: status, steps: (1...steps).map(step), epochs: steps < 100 ? [] : (1...steps / 100).map(epoch),
            digests: (0..<steps / 50).map { digest(50 * ($0 + 1)) },
            evaluations: status == .finished ? [.test: evaluation] : [:])
    }
}
