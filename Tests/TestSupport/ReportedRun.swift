import Foundation
import Measures
import RunStore
import Tasks

/// A finished classification run with everything that reports show, which nobody had to train.
public enum ReportedRun {
    /// Writes a run of `epochs` epochs on three classes.
    ///
    /// - Parameters:
    ///   - skill: how far the logits of the right class are above the others.
    ///   - options: of the model, as JSON: `"width": 8`.
    ///   - rate: the learning rate of the definition.
    ///   - isBare: whether the run keeps no logits, pictures and layers.
    @discardableResult
    public static func write(
        _ results: String, experiment: String = "e", model: String, seed: Int, skill: Double, options: String = #""width": 8"#, rate: String = "0.001", epochs: Int = 3,
        imageCount: Int = 60, classNames: [String] = ["cat", "dog", "<b>fox"], note: String? = nil, isBare: Bool = false
    ) throws -> RunFolder {
        let name = String(decoding: try JSONEncoder().encode([model]), as: UTF8.self).dropFirst().dropLast()
        let note = note.map { #""note": "\#($0)", "# } ?? ""
        let definition = #"{"data": {"name": "digits"}, \#(note)"models": {\#(name): {"mlp": {\#(options)}}}, "seeds": [\#(seed)], "train": {"epochs": \#(epochs), "learning_rate": \#(rate)}}"#
        let hash = String((options + rate).utf8.reduce(epochs) { ($0 &* 31 &+ Int($1)) & 0xfffffff } + 0x10000000, radix: 16)
        let writer = try RunWriter(RunFolder(results: results, experiment: experiment, model: model, seed: seed, hash: hash))
        let layers = isBare ? nil : LayerDescription(names: ["a", "b", "c"])
        var description = RunDescription(
            experiment: experiment, model: model, seed: seed, configuration: definition, parameters: 1000 * (1 + options.utf8.count + model.utf8.count % 7),
            multiplyAdds: 5000 + 100 * (model.utf8.count % 7), classes: 3, layers: layers,
            data: DataDescription(imageShape: [4, 4, 1], mean: [0.5], standardDeviation: [0.25], classNames: classNames))
        description.layouts = [.test: Classification(classCount: 3, storesLogits: !isBare).layout(of: .test)]
        let live = try writer.start(RunContents(description: description))
        var state = UInt64(seed + 1) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: Int(skill * 1000))
        func draw() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 33) / Double(1 << 31)
        }
        func moment(_ epoch: Int) -> LayerRecord {
            LayerRecord(epoch: epoch, activationMean: [0, 0, 0], activationVariance: [1, 0.5, 0.25 + draw()], gradientVariance: [1e-4, 1e-3, 1e-2])
        }
        if !isBare { try live.append(moment(0)) }
        for epoch in 1...epochs {
            try live.append(StepRecord(step: epoch, epoch: epoch, loss: 1, accuracy: 0.5, learningRate: 0.001, gradientNorm: 2))
            let loss = (1 + 0.2 * draw()) / (1 + skill * Double(epoch))
            try live.append(EpochRecord(epoch: epoch, trainLoss: loss, trainAccuracy: 1 - loss / 2, valLoss: loss * 1.2, valAccuracy: 1 - loss * 0.6))
            if !isBare { try live.append(moment(epoch)) }
        }
        let labels = (0..<imageCount).map { Int64($0 % 3) }
        var logits: [Float] = []
        for label in labels { for place in 0..<3 { logits.append(Float(2 * draw() + (Int64(place) == label ? skill : 0))) } }
        let scores = ClassScores(logits: logits, labels: labels, classCount: 3)!
        var confusion = [Int64](repeating: 0, count: 9)
        for (label, predicted) in zip(labels, scores.predictions) { confusion[Int(label) * 3 + predicted] += 1 }
        var tables: [String: TableValues] = [
            "confusion": .integers(confusion), "predictions": .integers(scores.predictions.map(Int64.init)), "labels": .integers(labels),
        ]
        if !isBare { tables["logits"] = .reals(logits) }
        try live.append(EvaluationRecord(values: [scores.negativeLogLikelihood, scores.topAccuracy(1)], tables: tables))
        let wrong = labels.indices.filter { !scores.isRight(image: $0) }.sorted { scores.confidence(image: $0) > scores.confidence(image: $1) }.prefix(6)
        if !isBare, !wrong.isEmpty {
            var pixels: [UInt8] = []
            for image in wrong { for place in 0..<16 { pixels.append(UInt8((place * 16 + image) & 255)) } }
            live.keep(ErrorPictures(
                height: 4, width: 4, channels: 1, pixels: pixels,
                predicted: wrong.map { Int64(scores.predictions[$0]) }, labels: wrong.map { labels[$0] }, confidences: wrong.map { Float(scores.confidence(image: $0)) },
                places: wrong.map(Int64.init)))
        }
        try live.finish(.finished)
        try writer.save(MachineRecord(
            host: "h", operatingSystem: "s", processor: "p", threads: 1, versions: [:], gitCommit: nil, command: ["run"], startedAt: "2025-01-01T00:00:00Z",
            wallClockSeconds: 1, secondsPerEpoch: 1 + skill, imagesPerSecond: 1000))
        return RunFolder(results: results, experiment: experiment, model: model, seed: seed, hash: hash)
    }
}
