import ArgumentParser
import Configuration
import Experiments
import TensorCore
import VisionData

/// The words that name an experiment: those of `run`, `sweep` and `check`.
struct ExperimentOptions: ParsableArguments {
    @Argument(help: "A definition: its name in Experiments, or a path, with or without .yaml.", completion: Completion.experimentOrRun)
    var experiment: String

    @Argument(help: ArgumentHelp(
        "Values to change in the definition: train.epochs=2 sets one, +models.other=lenet5 adds, ~models.vit takes away.",
        valueName: "path.to.key=value"), completion: Completion.override)
    var overrides: [String] = []

    @Option(help: ArgumentHelp("Train these models only.", valueName: "model,…"), completion: Completion.modelOfDefinition)
    var only: CommaSeparated<String>?

    // A negative number is one to speak of, and not an option.
    @Option(parsing: .unconditional, help: ArgumentHelp("Train with these seeds instead of the definition's: 0,1,2 or 0..2.", valueName: "n,…"))
    var seeds: SeedList?

    @Option(help: "The format of the numbers between operations: \(Precision.allCases.map(\.rawValue).joined(separator: ", ")).")
    var precision: Precision?

    @Flag(help: "Try everything on the embedded 8×8 digits for one epoch, in seconds; results go to a folder of their own.")
    var smoke = false

    @OptionGroup var dataOptions: DataOptions

    mutating func validate() throws {
        try seeds?.validate()
    }

    /// The definition as it is written, with the overrides.
    func written(_ registry: Registry) throws -> Definition {
        let composition = try Composition(named: experiment, overrides: overrides, registry: registry)
        // A smoke test has other images.
        if smoke { return try Definition(composition, registry: registry) }
        return try Definition(composition, registry: registry) { try ImageDataset.load($0, dataDirectory: dataOptions.dataDirectory) }
    }

    /// The definition with all that the command line changes in it.
    func definition(_ registry: Registry) throws -> Definition {
        var definition = try written(registry)
        try change(&definition)
        return definition
    }

    /// What the options say, beyond the overrides.
    func change(_ definition: inout Definition) throws {
        if smoke { definition.makeSmokeTest() }
        if let seeds { definition.seeds = seeds.values }
        if let precision { definition.precision = precision }
        if let only { try definition.keep(models: only.values) }
    }
}

extension Composition {
    /// The experiment that a word of the command line names.
    init(named experiment: String, overrides: [String], registry: Registry) throws {
        let workspace = Workspace.current
        try self.init(of: workspace.definition(experiment), display: workspace.display, overrides: overrides, registry: registry)
    }
}

extension Definition {
    /// The definition that a word of the command line names.
    init(named experiment: String, registry: Registry) throws {
        try self.init(Composition(named: experiment, overrides: [], registry: registry), registry: registry)
    }
}

/// `--data-dir`, for every command that reads data.
struct DataOptions: ParsableArguments {
    @Option(name: .customLong("data-dir"), help: ArgumentHelp("Look for data sets here first.", valueName: "folder"), completion: .directory)
    var dataDirectory: String?

    mutating func validate() throws {
        if dataDirectory == "" { throw ValidationError("--data-dir: expected a folder, found an empty name") }
    }
}

/// `--threads`, for every command that computes.
struct ThreadOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "How many threads compute; results do not depend on it (default: one for each processor that the process may use).")
    var threads: Int?

    mutating func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads: expected a number from 1 to 1024, found \(threads)") }
    }

    var count: Int { threads ?? MachineLimits.current.processors }
}

extension Precision: ExpressibleByArgument {}
