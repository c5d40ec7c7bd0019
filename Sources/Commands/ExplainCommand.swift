import ArgumentParser
import Experiments

struct ExplainCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what a key of a definition means: its kind, its default, where it may stand, and the paper.",
        discussion: """
            Examples:
              harness explain                         all keys, as a tree
              harness explain train.optimizer.adamw   one of them
              harness explain weight_decay            wherever it may stand
            """)

    @Argument(help: ArgumentHelp("Paths of keys, or their ends; none: the tree of all.", valueName: "key"), completion: Completion.key)
    var keys: [String] = []

    func run(_ registry: Registry) throws {
        if keys.isEmpty { return print(KeyExplanation.tree(registry)) }
        print(try keys.map { try KeyExplanation(of: $0, registry: registry).text }.joined(separator: "\n\n"))
    }
}
