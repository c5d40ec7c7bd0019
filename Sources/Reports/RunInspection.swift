import Configuration
import Foundation
import Measures
import RunStore

/// One run, with all that its folder holds.
struct RunInspection {
    private struct Weights: Encodable {
        let path: String
        let progress: [String: Double]
    }

    private struct Epoch: Encodable {
        let epoch: Int
        /// By `Metric.training` and `.validation`, in their order.
        let values: [(metric: Metric, value: Double?)]

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: NamedKey.self)
            try fields.encode(epoch, forKey: NamedKey("epoch"))
            for (metric, value) in values { try fields.encodeIfPresent(value, forKey: NamedKey(metric.rawValue)) }
        }
    }

    private struct Test: Encodable {
        /// What the best weights were found by comes first.
        let values: [(measure: Measure, value: Double?)]
        /// nil where the task does not choose among classes.
        let classification: ClassificationReport?
        /// Of each class, NaN for one that nothing has; nil where the task has none. With what they are, as the run file says it.
        let averagePrecisions: [Double]?
        let averagePrecisionTitle: String
        /// nil where the run keeps no groups of test images.
        let subgroups: SubgroupReport?

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: NamedKey.self)
            for (measure, value) in values { try fields.encodeIfPresent(value, forKey: NamedKey(measure.name)) }
            try classification?.encode(to: encoder)
            try fields.encodeIfPresent(averagePrecisions?.map(finite), forKey: NamedKey("class_average_precision"))
            try fields.encodeIfPresent(subgroups, forKey: NamedKey("subgroups"))
        }
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
        let seed, parameters, multiplyAdds, steps: Int
        /// nil where the data have none.
        let classes: Int?
        /// nil where the classes have no names, or the file is of an earlier format.
        let classNames: [String]?
        /// Image files that could not be decoded; nil where the data are no files.
        let filesLeftOut: Int?
        /// Which fold was the test, from 0; nil where the data set's own test images were.
        let fold: Int?
        /// How many training images each class had; nil where nothing was done to them.
        let trainingClassCounts: [Int]?
        /// How many training labels were replaced; nil likewise.
        let relabeledImages: Int?
        let epochs: [Epoch]
        /// nil where they were not measured.
        let layers: [Layer]?
        let test: Test?
        let weights: [Weights]
        let machine: MachineRecord?
    }

    private let report: Report
    private let measures: [Measure]
    /// The name of the measure by which the best weights were found.
    private let monitored: String
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
        (measures, monitored) = (description.measures, description.monitored)
        report = Report(
            path: reader.path, experiment: description.experiment, model: description.model, state: state.rawValue,
            definition: DefinitionValue(description), seed: description.seed, parameters: description.parameters,
            multiplyAdds: description.multiplyAdds, steps: try reader.stepCount(), classes: description.classes,
            classNames: description.data.flatMap { $0.classNames.isEmpty ? nil : $0.classNames },
            filesLeftOut: description.data?.files?.leftOutCount,
            fold: RunFold(RunKeys(description))?.index, trainingClassCounts: description.data?.split?.treatment?.classCounts,
            relabeledImages: description.data?.split?.treatment?.relabeledImages.count,
            epochs: try reader.epochs().map { record in
                let training = zip(description.measures, record.training).filter(\.0.isOfTraining).map { (metric: Metric.training($0.name), value: finite(Optional($1))) }
                let validation = zip(description.measures, record.validation).filter(\.0.isOfEvaluation).map { (metric: Metric.validation($0.name), value: finite($1 as Double?)) }
                return Epoch(epoch: record.epoch, values: training + validation)
            },
            layers: try Self.layers(of: reader),
            test: try reader.evaluation().map { record in
                let values = zip(description.measures, record.values).filter(\.0.isOfEvaluation).map { (measure: $0, value: finite($1 as Double?)) }
                return Test(
                    values: values.filter { $0.measure.name == description.monitored } + values.filter { $0.measure.name != description.monitored },
                    classification: ClassificationReport(record, of: description),
                    averagePrecisions: record.tables["class_average_precision"]?.reals?.map(Double.init),
                    averagePrecisionTitle: try reader.wholeDescription().layouts[.test]?.columns.first { $0.name == "class_average_precision" }?.title ?? "", subgroups: SubgroupReport(try reader.subgroups(), record))
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
        if report.epochs.count > 1 { sections += curves(width) }
        if let layers = report.layers { sections.append(describe(layers, width)) }
        if let test = report.test { sections.append(describe(test, width)) }
        if let machine = report.machine { sections.append(describe(machine)) }
        sections.append("definition\n" + definitionText.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
        return (sections.joined(separator: "\n\n"), try json(report))
    }

    // MARK: Sections of the text

    private var head: String {
        var lines = [("run", report.path), ("experiment", report.experiment), ("model", report.model), ("seed", "\(report.seed)")]
        if let fold = report.fold { lines.append(("fold", "\(fold)")) }
        lines += [("state", report.state), ("parameters", grouped(report.parameters)), ("MACs", grouped(report.multiplyAdds))]
        if let classes = report.classes { lines.append(("classes", grouped(classes) + (report.classNames.map { ": " + Self.list($0) } ?? ""))) }
        if let counts = report.trainingClassCounts { lines.append(("training images", "\(grouped(counts.reduce(0, +))), by class: \(Self.list(counts.map(grouped)))")) }
        if let count = report.relabeledImages, count > 0 { lines.append(("replaced labels", grouped(count))) }
        if let count = report.filesLeftOut, count > 0 { lines.append(("left out", "\(grouped(count)) image files that could not be decoded")) }
        lines.append(("steps", grouped(report.steps)))
        let weights = report.weights.map { weights in
            let progress = weights.progress["epoch"].map { " after epoch \(grouped(Int($0)))" } ?? ""
            return ("weights", weights.path + progress)
        }
        return aligned(lines + weights)
    }

    /// The names or numbers of up to 20 classes.
    private static func list(_ names: [String]) -> String { names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "") }

    private func epochs(_ width: Int?) -> String {
        let titles = report.epochs[0].values.map { metric, _ in
            Self.title(metric.title, metric.measure(among: measures))
        }
        var table = TextTable((["epoch"] + titles).map { TextTable.Column($0) })
        for row in report.epochs { table.append(["\(row.epoch)"] + row.values.map { $0.value.map { decimals($0, 4) } ?? none }) }
        return table.text(width: width)
    }

    /// The loss, and what the best weights were found by, over the epochs in training and validation.
    private func curves(_ width: Int?) -> [String] {
        let names = [Measure.lossName] + (monitored == Measure.lossName ? [] : [monitored])
        return names.compactMap { name in
            let series = [Metric.training(name), .validation(name)].compactMap { metric -> TextPlot.Series? in
                let points = report.epochs.map { epoch in (Double(epoch.epoch), epoch.values.first { $0.metric == metric }?.value ?? .nan) }
                return points.contains { $0.1.isFinite } ? TextPlot.Series(metric.title, x: points.map(\.0), y: points.map(\.1)) : nil
            }
            guard let measure = measures.first(where: { $0.name == name }), !series.isEmpty else { return nil }
            let title = series.count == 1 ? series[0].name : measure.title
            return TextPlot(Self.title(title, measure), axis: "epoch", series).text(width: min(width ?? TextPlot.usualWidth, TextPlot.usualWidth), height: 8)
        }
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

    /// A title with its unit.
    private static func title(_ words: String, _ measure: Measure?) -> String {
        measure.flatMap { $0.unit == "1" ? nil : "\(words) (\($0.unit))" } ?? words
    }

    /// The figures of the test set, and what the task adds to them.
    private func describe(_ test: Test, _ width: Int?) -> String {
        let values = test.values.map { measure, value in (Self.title("test \(measure.title)", measure), value.map { decimals($0, 4) } ?? none) }
        let images = test.classification.map { [("test \($0.things)", grouped($0.images))] } ?? []
        let scores = test.classification?.scores.map { score, value in
            (Self.title("test \(score.measure.title)", score.measure), finite(value).map { decimals($0, 4) } ?? none)
        } ?? []
        let sections = [
            aligned(values + scores + images), test.classification?.text(names: report.classNames, width: width),
            test.classification?.classText(names: report.classNames, width: width), test.averagePrecisions.map { text(of: $0, test.averagePrecisionTitle, width) }, test.subgroups?.text(width: width),
        ]
        return sections.compactMap(\.self).joined(separator: "\n\n")
    }

    /// The average precision of each class.
    private func text(of averagePrecisions: [Double], _ title: String, _ width: Int?) -> String {
        let names = report.classNames.flatMap { $0.count == averagePrecisions.count ? $0 : nil }
        var table = TextTable([TextTable.Column("class")] + (names == nil ? [] : [TextTable.Column("name", .left)]) + [TextTable.Column("average precision")])
        for (label, value) in averagePrecisions.enumerated() { table.append(["\(label)"] + (names.map { [$0[label]] } ?? []) + [finite(value).map { decimals($0, 4) } ?? none]) }
        return title + "\n" + table.text(width: width)
    }

    private func describe(_ machine: MachineRecord) -> String {
        aligned([
            ("host", machine.host), ("system", machine.operatingSystem), ("processor", machine.processor), ("threads", "\(machine.threads)"),
            ("versions", machine.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")),
            ("commit", machine.gitCommit ?? none), ("command", machine.command.joined(separator: " ")), ("started", machine.startedAt),
            ("wall clock (s)", decimals(machine.wallClockSeconds, 1)), ("seconds an epoch", machine.secondsPerEpoch > 0 ? decimals(machine.secondsPerEpoch, 1) : none),
            ("images a second", machine.imagesPerSecond > 0 ? decimals(machine.imagesPerSecond, 0) : none),
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
