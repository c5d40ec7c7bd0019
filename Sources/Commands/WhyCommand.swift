import ArgumentParser
import Experiments
import Reports

struct WhyCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Show every place that set a value of an experiment, in order, and which one won.",
        discussion: """
            Examples:
              harness why experiments/vit_vs_resnet train.epochs
              harness why experiments/vit_vs_resnet train.optimizer train.optimizer.adamw.learning_rate=1e-3
            """)

    @Argument(help: "A definition: its name in Experiments, or a path, with or without .yaml.", completion: Completion.experiment)
    var experiment: String

    @Argument(help: ArgumentHelp("The value, or a map of values.", valueName: "path.to.key"), completion: Completion.keyOfDefinition)
    var key: String

    @Argument(help: ArgumentHelp("Values to change in the definition, as for run.", valueName: "path.to.key=value"), completion: Completion.override)
    var overrides: [String] = []

    @OptionGroup var wideOption: WideOption

    func run(_ registry: Registry) throws {
        let provenance = try Provenance(of: key, in: Composition(named: experiment, overrides: overrides, registry: registry), registry: registry)
        var table = TextTable(["where", "key", "value", ""].map { TextTable.Column($0, .left) })
        for setting in provenance.settings {
            table.append([setting.place, setting.path, setting.value, setting.isInForce ? "in force" : ""])
        }
        print(table.text(width: wideOption.width))
    }
}
