import ArgumentParser
import VisionData

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "List the data sets that can be found, and where they were looked for.",
        discussion: """
            Examples:
              harness data
              harness data --data-dir ~/kmnist
            """)

    @OptionGroup var dataOptions: DataOptions

    func run() {
        print(DatasetSurvey.all(dataDirectory: dataOptions.dataDirectory).map(\.description).joined(separator: "\n\n"))
    }
}
