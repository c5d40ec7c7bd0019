import ArgumentParser
import Configuration
import Experiments
import Foundation
import HDF5
import Models
import Reports
import TensorCore

struct ModelsCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the models that can be built, or show one layer by layer.",
        discussion: """
            NAME is one of the list, or a model as a definition writes it. MACs are multiply-adds of one image; NAME and --json say \
            them without attention's QKᵀ and AV products, too, as some papers count. Activations are what convolutions and linear layers give.

            Examples:
              harness models
              harness models vit-tiny-16
              harness models alexnet --svg alexnet.svg
              harness models resnet20 --input 1x28x28
              harness models '{vit: {patch: 4, width: 96, depth: 6, heads: 3}}' --input 1x28x28
            """)

    @Argument(help: ArgumentHelp("The model to show.", valueName: "name"), completion: Completion.model)
    var name: String?

    @Option(help: ArgumentHelp("The images' channels, height and width (default: the model's usual ones).", valueName: "CxHxW"))
    var input: InputSize?

    @Option(help: ArgumentHelp("The number of classes (default: the model's usual one).", valueName: "n"))
    var classes: Int?

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: ArgumentHelp("Draw the model's architecture into this file.", valueName: "file"))
    var svg: String?

    @OptionGroup var wideOption: WideOption

    mutating func validate() throws {
        if svg != nil, name == nil { throw ValidationError("--svg: expected the name of a model to draw") }
        try validateClasses(classes)
    }

    func run(_ registry: Registry) throws {
        if let name {
            let (definition, shape, classes) = try model(name, registry)
            let summary = try fitting(name, shape) { () throws(RecordingError) in try ModelSummary(definition, input: shape, classes: classes) }
            let svg = try svg.map { try OutputFile.path($0, replacing: PictureFormat.svg.start) }
            print(json ? try Self.json(summary) : summary.text)
            guard let svg else { return }
            let figure = try fitting(name, shape) { () throws(RecordingError) in
                try ArchitectureFigure(definition, title: name, input: shape, classes: classes)
            }
            try replaceFile(at: svg, with: Data(figure.svg.utf8), isForeign: true)
        } else {
            let rows = registry.models.presets.map { Row($0, input: input?.shape ?? $0.input, classes: classes ?? $0.classes) }
            print(json ? try Self.json(rows) : Self.text(rows, width: wideOption.width))
        }
    }

    private func model(_ name: String, _ registry: Registry) throws -> (ModelDefinition, ImageShape, classes: Int) {
        let model = try NamedModel(name, input: input, classes: classes, registry)
        try model.definition.requireFit(name, input: model.input)
        return (model.definition, model.input, model.classes)
    }

    private func fitting<Result>(_ name: String, _ shape: ImageShape, _ body: () throws(RecordingError) -> Result) throws -> Result {
        do { return try body() } catch { throw UserError(.usage, "\(name) does not fit images of \(shape): \(error)") }
    }

    // MARK: Output

    private struct Row: Encodable {
        let name, description: String
        let paper: String?
        let year: Int?
        let citation: String?
        let input: ImageShape
        let classes, parameters, multiplyAdds, multiplyAddsWithoutAttention, activations: Int
        /// Why the model cannot take these images.
        let error: String?

        init(_ preset: ModelPreset, input: ImageShape, classes: Int) {
            (name, description, paper, year, citation) = (preset.name, preset.summary, preset.paper, preset.year, preset.citation)
            self.input = input
            self.classes = classes
            let result = Result { try ModelSummary(preset.definition, input: input, classes: classes) }, summary = try? result.get()
            parameters = summary?.parameters ?? 0
            multiplyAdds = summary?.multiplyAdds ?? 0
            multiplyAddsWithoutAttention = summary?.multiplyAddsWithoutAttention ?? 0
            activations = summary?.activations ?? 0
            if case .failure(let failure) = result { error = "\(failure)" } else { error = nil }
        }
    }

    private static func text(_ rows: [Row], width: Int?) -> String {
        var table = TextTable(
            [TextTable.Column("model", .left)] + ["images", "parameters", "MACs", "activations"].map { TextTable.Column($0) }
                + [TextTable.Column("paper", .left)])
        for row in rows {
            let figures = row.error == nil ? [grouped(row.parameters), short(row.multiplyAdds), short(row.activations)] : ["–", "–", "–"]
            table.append([row.name, "\(row.input)"] + figures + [row.error.map { "does not fit: \($0)" } ?? row.citation ?? ""])
        }
        return table.text(width: width)
    }

    /// Four digits with a unit: `15.47 G`, `416.5 k`.
    private static func short(_ count: Int) -> String {
        for (unit, size) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where Double(count) >= size {
            let value = Double(count) / size
            return String(format: value < 10 ? "%.3f" : value < 100 ? "%.2f" : "%.1f", value) + " " + unit
        }
        return "\(count)"
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
