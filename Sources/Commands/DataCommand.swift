import ArgumentParser
import Experiments
import Reports
import VisionData

struct DataCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "List the data sets that can be found, and where they were looked for.",
        discussion: """
            Examples:
              harness data
              harness data --data-dir ~/kmnist
              harness data check ~/leaves --write-definition leaves.yaml
              harness data convert ~/leaves leaves.h5 --size 224
            """, subcommands: [DataCheckCommand.self, DataConvertCommand.self])

    @OptionGroup var dataOptions: DataOptions
    @OptionGroup var wideOption: WideOption

    func run(_ registry: Registry) {
        let text = registry.datasets.map { DatasetSurvey($0, dataDirectory: dataOptions.dataDirectory).description }.joined(separator: "\n\n")
        print(text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
            // An address stays one word.
            line.hasPrefix("  from ") ? [String(line)] : broken(String(line), width: wideOption.width)
        }.joined(separator: "\n"))
    }
}
