import ArgumentParser
import Experiments

struct SchemaCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print a JSON Schema of definitions, by which editors complete and check them.",
        discussion: """
            Examples:
              harness schema > definition.schema.json
            and as the first line of a definition
              # yaml-language-server: $schema=definition.schema.json
            """)

    func run(_ registry: Registry) { print(Definition.schema(registry)) }
}
