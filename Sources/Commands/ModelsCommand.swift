import ArgumentParser
import Configuration
import Experiments
import Foundation
import Models
import Reports
import TensorCore

struct ModelsCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the models that can be built, or show one layer by layer.",
        discussion: """
            NAME is one of the list, or a model as a definition writes it. MACs are multiply-adds of one image; those of the second \
            figure leave out attention's QKᵀ and AV products, as some papers do.

            Examples:
              harness models
              harness models vit-tiny-16
              harness models resnet20 --input 1x28x28
              harness models '{vit: {patch: 4, width: 96, depth: 6, heads: 3}}' --input 1x28x28
            """)

    @Argument(help: ArgumentHelp("The model to show.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("The images' channels, height and width (default: the model's usual ones).", valueName: "CxHxW"))
    var input: InputSize?

    @Option(help: ArgumentHelp("The number of classes (default: the model's usual one).", valueName: "n"))
    var classes: Int?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var wideOption: WideOption

    mutating func validate() throws { try validateClasses(classes) }

    func run(_ registry: Registry) throws {
        if let name {
            let summary = try summary(of: name, registry)
            print(json ? try Self.json(summary) : summary.text)
        } else {
            let rows = try registry.models.presets.map { try Row($0, input: input?.shape ?? $0.input, classes: classes ?? $0.classes) }
            print(json ? try Self.json(rows) : Self.text(rows, width: wideOption.width))
        }
    }

    private func summary(of name: String, _ registry: Registry) throws -> ModelSummary {
        let model = try NamedModel(name, input: input, classes: classes, registry)
        do {
            return try ModelSummary(model.definition, input: model.input, classes: model.classes)
        } catch {
            throw UserError(.usage, "\(name) does not fit images of \(model.input): \(error)")
        }
    }

    // MARK: Output

    private struct Row: Encodable {
        let name, description: String
        let input: ImageShape
        let classes, parameters, multiplyAdds: Int
        /// Why the model cannot take these images.
        let error: String?

        init(_ preset: ModelPreset, input: ImageShape, classes: Int) throws {
            name = preset.name
            description = preset.summary
            self.input = input
            self.classes = classes
            let summary = Result { try ModelSummary(preset.definition, input: input, classes: classes) }
            parameters = (try? summary.get())?.parameters ?? 0
            multiplyAdds = (try? summary.get())?.multiplyAdds ?? 0
            if case .failure(let failure) = summary { error = "\(failure)" } else { error = nil }
        }
    }

    private static func text(_ rows: [Row], width: Int?) -> String {
        var table = TextTable(
            [TextTable.Column("model", .left), TextTable.Column("images"), TextTable.Column("classes"), TextTable.Column("parameters"),
             TextTable.Column("MACs"), TextTable.Column("", .left)])
        for row in rows {
            let figures = row.error == nil ? [grouped(row.parameters), grouped(row.multiplyAdds)] : ["–", "–"]
            table.append([row.name, "\(row.input)", grouped(row.classes)] + figures + [row.error.map { "does not fit: \($0)" } ?? row.description])
        }
        return table.text(width: width)
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
