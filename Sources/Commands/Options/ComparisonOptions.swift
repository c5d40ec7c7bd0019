import ArgumentParser
import Experiments
import Reports

/// Which runs are compared, and by what.
struct ComparisonOptions: ParsableArguments {
    @Option(help: "What to compare (default: of the test, what the best weights were found by); further ones, after commas, get a column of means each.")
    var metric: CommaSeparated<Metric>?

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Make a row of each combination of these keys' values.", valueName: "key"))
    var by: [String] = []

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Only runs with this value.", valueName: "key=value"))
    var `where`: [String] = []

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Only runs whose definition gives them all of these tags.", valueName: "name"))
    var tag: [String] = []

    @Option(help: ArgumentHelp("The row that others are compared with: its name, or a cell of it (default: the first).", valueName: "row"))
    var baseline: String?

    /// What a comparison needs of them, and of the definitions, whose models stand in their order.
    func options(_ registry: Registry) -> Comparison.Options {
        var options = Comparison.Options(registry)
        (options.metric, options.others) = (metric?.values[0], Array((metric?.values ?? []).dropFirst()))
        (options.by, options.conditions, options.tags, options.baseline) = (by, `where`, tag, baseline)
        options.modelOrder = { try? Definition(named: $0, registry: registry).models.map(\.name) }
        return options
    }
}

extension Comparison.Options {
    /// What a comparison does unasked, with what the tasks of a registry say of their losses.
    init(_ registry: Registry) {
        self.init()
        lossText = { registry.tasks.lossText(of: $0, isOfTraining: $1) }
    }
}
