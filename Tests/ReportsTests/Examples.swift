import Foundation
import Measures
import RunStore
import Tasks
import TestSupport

enum Example {
    /// Writes a run of two epochs under `results/experiment`.
    @discardableResult
    static func writeRun(
        _ results: String, experiment: String = "e", model: String, seed: Int, fold: Int? = nil, of folds: Int = 5, accuracy: Double, epochs: Int = 2, parameters: Int = 269_722,
        options: String = #""flip": true"#, data: String = "digits", source: String? = nil, task: String = "", match: String? = nil, status: RunStatus = .finished,
        layers: LayerDescription? = nil, moments: [LayerRecord] = [],
        arithmetic: [ArithmeticSpan] = [ArithmeticSpan(version: 2)]
    ) throws -> RunFolder {
        let match = match.map { #""match": "\#($0)", "# } ?? ""
        let cut = fold.map { #", "fold": \#($0), "folds": \#(folds), "split_seed": 0"# } ?? ""
        let definition = #"{"data": {\#(source ?? "\"name\": \"\(data)\"")\#(cut)}, \#(task)\#(match)"models": {"m": {\#(options)}}, "seeds": [\#(seed)], "train": {"epochs": \#(epochs)}}"#
        let hash = options.contains("flip") ? "0000000\(epochs)" : String(options.utf8.reduce(epochs) { ($0 &* 31 &+ Int($1)) & 0xfffffff } + 0x10000000, radix: 16)
        let folder = RunFolder(results: results, experiment: experiment, model: model, seed: seed, fold: fold, hash: hash)
        let writer = try RunWriter(folder)
        let live = try writer.start(RunContents(description: RunDescription(
            experiment: experiment, model: model, seed: seed, configuration: definition, parameters: parameters, multiplyAdds: 40_551_872,
            classes: 2, layers: layers, arithmetic: arithmetic)))
        for record in moments { try live.append(record) }
        for step in 1...2 {
            try live.append(StepRecord(step: step, epoch: step, loss: 1, accuracy: 0.5, learningRate: 0.001, gradientNorm: 2))
            if status == .diverged { break }
            try live.append(EpochRecord(
                epoch: step, trainLoss: 0.5, trainAccuracy: accuracy + 0.01, valLoss: 0.75 / Double(step), valAccuracy: accuracy - 0.01 * Double(step)))
            if status == .interrupted { break }
        }
        if status == .finished {
            try live.append(EvaluationRecord(loss: 0.25, accuracy: accuracy, confusion: [[1, 1], [0, 2]], predictions: [0, 1, 1, 1], labels: [0, 0, 1, 1]))
        }
        try live.finish(status)
        let weights = StoredWeights(
            parameters: [
                NamedArray(name: "fc.weight", shape: [40, 30], values: [Float](repeating: 1, count: 1200)),
                NamedArray(name: "fc.bias", shape: [40], values: [Float](repeating: 0, count: 40)),
            ],
            buffers: [NamedArray(name: "bn.running_mean", shape: [2], values: [0, 1])],
            notes: WeightsNotes(progress: ["epoch": 2, "best_val_accuracy": 0.9125]))
        try weights.write(with: writer.makeCheckpoint(step: 2))
        try writer.nameLast(checkpoint: 2)
        try writer.removeCheckpoints()
        try writer.save(MachineRecord(
            host: "bench", operatingSystem: "Debian 12", processor: "x86-64", threads: 2, versions: ["onednn": "2.6.3", "hdf5": "1.10.8"],
            gitCommit: nil, command: ["run", "e"], startedAt: "2025-01-01T00:00:00Z", wallClockSeconds: 1234.5, secondsPerEpoch: 10 + Double(seed),
            imagesPerSecond: 2000 + 100 * Double(seed), waitingSecondsPerEpoch: 0.25))
        return folder
    }
}

extension Example {
    /// Writes a finished run of one epoch whose test, and whose validation, gave these logits.
    @discardableResult
    static func writeScoredRun(
        _ results: String, experiment: String = "e", model: String, seed: Int, logits: [Float], labels: [Int64], classes: Int, storesLogits: Bool = true,
        dataDigest: String = "da7a", testImages: [Int32]? = nil
    ) throws -> RunFolder {
        let definition = #"{"data": {"name": "digits"}, "models": {"\#(model)": {"mlp": {}}}, "seeds": [\#(seed)], "train": {"epochs": 1\#(storesLogits ? "" : #", "store_outputs": false"#)}}"#
        let folder = RunFolder(results: results, experiment: experiment, model: model, seed: seed, hash: "0123abcd")
        let task = Classification(classCount: classes, storesLogits: storesLogits)
        var description = RunDescription(
            experiment: experiment, model: model, seed: seed, configuration: definition, parameters: 1000, multiplyAdds: 2000, classes: classes, dataDigest: dataDigest,
            data: DataDescription(
                imageShape: [8, 8, 1], mean: [0.5], standardDeviation: [1],
                split: SplitDescription(training: [0], validation: [1], test: testImages ?? labels.indices.map { Int32($0) })))
        description.layouts = [.test: task.layout(of: .test)]
        if storesLogits { description.layouts[.validation] = task.layout(of: .validation) }
        let live = try RunWriter(folder).start(RunContents(description: description))
        try live.append(StepRecord(step: 1, epoch: 1, loss: 1, accuracy: 0.5, learningRate: 0.001, gradientNorm: 2))
        try live.append(EpochRecord(epoch: 1, trainLoss: 0.5, trainAccuracy: 0.7, valLoss: 0.75, valAccuracy: 0.6))
        let scores = ClassScores(logits: logits, labels: labels, classCount: classes)!
        let accuracy = Double(labels.indices.count { scores.isRight(image: $0) }) / Double(labels.count)
        var confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        for image in labels.indices { confusion[scores.labels[image]][scores.predictions[image]] += 1 }
        var test = EvaluationRecord(loss: 0.25, accuracy: accuracy, confusion: confusion, predictions: scores.predictions, labels: scores.labels)
        if storesLogits {
            test.tables["logits"] = .reals(logits)
            try live.append(EvaluationRecord(values: [0.25, accuracy], tables: ["labels": .integers(labels), "logits": .reals(logits)]), of: .validation)
        }
        try live.append(test)
        try live.finish(.finished)
        return folder
    }
}
