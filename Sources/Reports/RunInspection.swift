import Configuration
import Foundation
import RunStore

/// One run, with all that its folder holds.
struct RunInspection {
    private struct Weights: Encodable {
        let path: String
        let progress: [String: Double]
    }

    private struct Epoch: Encodable {
        let epoch: Int
        let trainLoss, trainAccuracy, valLoss, valAccuracy: Double?
    }

    private struct Test: Encodable {
        let accuracy, loss: Double?
        let images: Int
        let confusion: [[Int]]
    }

    private struct Layer: Encodable {
        let layer: String
        /// At the start and after each epoch, in the order of `RunReader.layers`.
        let activationVariance, gradientVariance: [Double?]
        /// For the start.
        let predictedActivationVariance, predictedGradientVariance: Double?
    }

    private struct Report: Encodable {
        let path, experiment, model, state: String
        let definition: DefinitionValue
        let seed, parameters, multiplyAdds, classes, steps: Int
        /// nil where the classes have no names, or the file is of an earlier format.
        let classNames: [String]?
        let epochs: [Epoch]
        /// nil where they were not measured.
        let layers: [Layer]?
        let test: Test?
        let weights: [Weights]
        let machine: MachineRecord?
    }

    private let report: Report
    private let definitionText: String

    init(_ folder: RunFolder) throws {
        let weights = try RunFolder.Weights.allCases.map(folder.weightsFile).filter(FileManager.default.fileExists).map { path in
            Weights(path: path, progress: WeightsInspection.numbers(in: try WeightsReader(path).notes))
        }
        try self.init(RunReader(folder), state: RunSummary(folder).state, weights: weights, machine: MachineRecord(folder))
    }

    /// A run file that is not in a run folder.
    init(file path: String) throws {
        let reader = try RunReader(path)
        let state = RunSummary.State(rawValue: reader.status == .running ? "cut off" : reader.status.name)!
        try self.init(reader, state: state, weights: [], machine: nil)
    }

    private init(_ reader: RunReader, state: RunSummary.State, weights: [Weights], machine: MachineRecord?) throws {
        let description = try reader.wholeDescription()
        definitionText = description.configuration
        report = Report(
            path: reader.path, experiment: description.experiment, model: description.model, state: state.rawValue,
            definition: DefinitionValue(description), seed: description.seed, parameters: description.parameters,
            multiplyAdds: description.multiplyAdds, classes: description.classes, steps: try reader.stepCount(),
            classNames: description.data.flatMap { $0.classNames.isEmpty ? nil : $0.classNames },
            epochs: try reader.epochs().map {
                Epoch(
                    epoch: $0.epoch, trainLoss: finite($0.trainLoss), trainAccuracy: finite($0.trainAccuracy), valLoss: finite($0.valLoss),
                    valAccuracy: finite($0.valAccuracy))
            },
            layers: try Self.layers(of: reader),
            test: try reader.evaluation().map {
                Test(accuracy: finite($0.accuracy), loss: finite($0.loss), images: $0.labels.count, confusion: $0.confusion)
            },
            weights: weights, machine: machine)
    }

    private static func layers(of run: RunReader) throws -> [Layer]? {
        guard let layers = try run.wholeDescription().layers else { return nil }
        let records = try run.layers()
        return layers.names.enumerated().map { index, name in
            Layer(
                layer: name, activationVariance: records.map { finite($0.activationVariance[index]) },
                gradientVariance: records.map { finite($0.gradientVariance[index]) },
                predictedActivationVariance: finite(layers.predictedActivationVariance?[index]),
                predictedGradientVariance: finite(layers.predictedGradientVariance?[index]))
        }
    }

    func rendered(width: Int?) throws -> (text: String, json: String) {
        var sections = [head]
        if !report.epochs.isEmpty { sections.append(epochs(width)) }
        if let layers = report.layers { sections.append(describe(layers, width)) }
        if let test = report.test { sections.append(describe(test, width)) }
        if let machine = report.machine { sections.append(describe(machine)) }
        sections.append("definition\n" + definitionText.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
        return (sections.joined(separator: "\n\n"), try json(report))
    }

    // MARK: Sections of the text

    private var head: String {
        let lines = [
            ("run", report.path), ("experiment", report.experiment), ("model", report.model), ("seed", "\(report.seed)"),
            ("state", report.state), ("parameters", grouped(report.parameters)), ("MACs", grouped(report.multiplyAdds)),
            ("classes", grouped(report.classes) + (report.classNames.map { ": " + Self.list($0) } ?? "")),
            ("steps", grouped(report.steps)),
        ]
        let weights = report.weights.map { weights in
            let progress = weights.progress["epoch"].map { " after epoch \(grouped(Int($0)))" } ?? ""
            return ("weights", weights.path + progress)
        }
        return aligned(lines + weights)
    }

    /// The names of up to 20 classes.
    private static func list(_ names: [String]) -> String { names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "") }

    private func epochs(_ width: Int?) -> String {
        var table = TextTable(
            ["epoch", "train loss (nat)", "train accuracy", "val loss (nat)", "val accuracy"].map { TextTable.Column($0) })
        func number(_ value: Double?) -> String { value.map { decimals($0, 4) } ?? none }
        for row in report.epochs {
            table.append([
                "\(row.epoch)", number(row.trainLoss), number(row.trainAccuracy), number(row.valLoss), number(row.valAccuracy),
            ])
        }
        return table.text(width: width)
    }

    /// The variances of each layer's output and of the loss's gradient with respect to it: measured at the start, predicted, and in the end.
    private func describe(_ layers: [Layer], _ width: Int?) -> String {
        let count = layers[0].activationVariance.count
        guard count > 0 else { return "the layers were not yet measured" }
        let isPredicted = layers.contains { $0.predictedActivationVariance != nil }
        let columns = ["at the start"] + (isPredicted ? ["predicted"] : []) + (count > 1 ? ["after epoch \(count - 1)"] : [])
        var table = TextTable(
            [TextTable.Column("layer", .left)]
                + ["activation variance", "gradient variance"].flatMap { name in
                    columns.enumerated().map { TextTable.Column($0 == 0 ? "\(name) \($1)" : $1) }
                })
        func number(_ value: Double?) -> String { value.map(scientific) ?? none }
        for layer in layers {
            func cells(_ values: [Double?], _ predicted: Double?) -> [String] {
                [number(values[0])] + (isPredicted ? [number(predicted)] : []) + (count > 1 ? [number(values[count - 1])] : [])
            }
            table.append(
                [layer.layer] + cells(layer.activationVariance, layer.predictedActivationVariance)
                    + cells(layer.gradientVariance, layer.predictedGradientVariance))
        }
        return table.text(width: width)
    }

    /// The figures of the test set, and for up to 20 classes who was taken for whom.
    private func describe(_ test: Test, _ width: Int?) -> String {
        let lines = aligned([
            ("test accuracy", test.accuracy.map { decimals($0, 4) } ?? none), ("test loss (nat)", test.loss.map { decimals($0, 4) } ?? none),
            ("test images", grouped(test.images)),
        ])
        guard test.confusion.count <= 20 else { return lines }
        let names = report.classNames.flatMap { $0.count == test.confusion.count ? $0 : nil }
        var table = TextTable(
            [TextTable.Column("class")] + (names == nil ? [] : [TextTable.Column("name", .left)]) + test.confusion.indices.map { TextTable.Column("→\($0)") } + [TextTable.Column("recall")])
        for (label, row) in test.confusion.enumerated() {
            let total = row.reduce(0, +)
            let recall = total == 0 ? none : decimals(Double(row[label]) / Double(total), 4)
            table.append(["\(label)"] + (names.map { [$0[label]] } ?? []) + row.map(grouped) + [recall])
        }
        return lines + "\n\nimages by class (rows) and predicted class (columns)\n" + table.text(width: width)
    }

    private func describe(_ machine: MachineRecord) -> String {
        aligned([
            ("host", machine.host), ("system", machine.operatingSystem), ("processor", machine.processor), ("threads", "\(machine.threads)"),
            ("versions", machine.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")),
            ("commit", machine.gitCommit ?? none), ("command", machine.command.joined(separator: " ")), ("started", machine.startedAt),
            ("wall clock (s)", decimals(machine.wallClockSeconds, 1)), ("seconds an epoch", decimals(machine.secondsPerEpoch, 1)),
            ("images a second", decimals(machine.imagesPerSecond, 0)),
            ("waiting (s/epoch)", machine.waitingSecondsPerEpoch.map { decimals($0, 2) } ?? none),
            ("log etc. (s/epoch)", machine.betweenStepsSecondsPerEpoch.map { decimals($0, 2) } ?? none),
        ])
    }
}

/// Names and values in two columns.
func aligned(_ lines: [(name: String, value: String)]) -> String {
    let width = lines.map(\.name.count).max() ?? 0
    return lines.map { $0.name + String(repeating: " ", count: width - $0.name.count + 2) + $0.value }.joined(separator: "\n")
}
