import ArgumentParser
import Experiments
import Reports

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare the finished runs under some folders: mean and 95% confidence interval over seeds.",
        discussion: """
            Metrics: \(Metric.allCases.map(\.rawValue).joined(separator: ", ")).

            Examples:
              harness compare vit_vs_resnet
              harness compare vit_vs_resnet residual_vs_plain --metric val_loss --format markdown
            """)

    @Argument(help: ArgumentHelp("Paths, or names in Results.", valueName: "folder"))
    var folders: [String]

    @Option(help: "What to compare.")
    var metric = Metric.testAccuracy

    @Option(help: "\(Comparison.Format.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = Comparison.Format.table

    func run() throws {
        let workspace = Workspace.current
        let comparison = try Comparison(folders.map { workspace.display(try workspace.result($0)) }, metric: metric)
        print(try comparison.rendered(as: format))
        for note in comparison.notes { Harness.say(note) }
    }
}

extension Metric: ExpressibleByArgument {}
extension Comparison.Format: ExpressibleByArgument {}
