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

    mutating func validate() throws {
        if let classes, !InputSize.lengths.contains(classes) {
            throw ValidationError("--classes: expected a number from 1 to \(InputSize.lengths.upperBound), found \(classes)")
        }
    }

    func run(_ registry: Registry) throws {
        if let name {
            let summary = try summary(of: name, registry)
            print(json ? try Self.json(summary) : summary.text)
        } else {
            let rows = try registry.models.presets.map { try Row($0, input: input?.shape ?? $0.input, classes: classes ?? $0.classes) }
            print(json ? try Self.json(rows) : Self.text(rows, width: wideOption.width))
        }
    }

    /// A model of the list takes its usual images, any other 28×28×1 and 10 classes, unless the options say otherwise.
    private func summary(of name: String, _ registry: Registry) throws -> ModelSummary {
        let definition = try Definition.model(name, registry: registry)
        let preset = registry.models.presets.first { $0.name == name }
        let shape = input?.shape ?? preset?.input ?? ImageShape(height: 28, width: 28, channels: 1)
        do {
            return try ModelSummary(definition, input: shape, classes: classes ?? preset?.classes ?? 10)
        } catch {
            throw UserError(.usage, "\(name) does not fit images of \(shape): \(error)")
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

/// `3x224x224`: channels, height, width.
struct InputSize: ExpressibleByArgument {
    static let lengths = 1...65_536
    let shape: ImageShape

    init?(argument: String) {
        let numbers = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 3, let channels = numbers[0], let height = numbers[1], let width = numbers[2],
            [channels, height, width].allSatisfy(Self.lengths.contains)
        else { return nil }
        shape = ImageShape(height: height, width: width, channels: channels)
    }
}
