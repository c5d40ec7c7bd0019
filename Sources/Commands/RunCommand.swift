import ArgumentParser
import Configuration
import Experiments
import Foundation
import Reports
import RunStore

struct RunCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Train every model of an experiment, log to HDF5 and print the comparison.",
        discussion: """
            Every model is trained once with each seed, into Results/EXPERIMENT/MODEL-sSEED-HASH. Runs that are there already are not \
            repeated; one that was cut off, by Ctrl-C or by anything else, goes on from its last checkpoint to the same result, bit for bit.

            --more-epochs N continues finished runs, of an experiment or one that is named by its folder, for N epochs with their optimizer's \
            state and the order of images that would have followed: each in a run of its own beside the other. A constant or step schedule goes \
            on as if it had been one training, to the bit; a cosine has reached its end, so another one starts at the full rate and ends with \
            the N epochs.

            Examples:
              harness run experiments/quickstart
              harness run experiments/vit_vs_resnet train.epochs=2 --only vit,hybrid
              harness run experiments/vit_vs_resnet --seeds 0,1,2
              harness run experiments/vit_vs_resnet --only vit --more-epochs 2
              harness run vit_vs_resnet/vit-s0 --more-epochs 2
            """)

    @OptionGroup var words: ExperimentOptions
    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    @OptionGroup var resultsOptions: ResultsOptions

    @Flag(help: "Repeat runs that are there already; those move to .replaced.")
    var fresh = false

    // A negative number is one to speak of, and not an option.
    @Option(parsing: .unconditional, help: ArgumentHelp("Continue finished runs for so many epochs, each in a run of its own.", valueName: "n"))
    var moreEpochs: Int?

    mutating func validate() throws {
        if let moreEpochs, moreEpochs < 1 { throw ValidationError("--more-epochs: expected a number from 1, found \(moreEpochs)") }
    }

    func run(_ registry: Registry) throws {
        if let moreEpochs { return try runLonger(moreEpochs, registry) }
        let definition = try words.definition(registry)
        if definition.sweep != nil { throw UserError(.usage, "\(definition.name) varies its values; harness sweep \(words.experiment) trains them") }
        let experiment = try Experiment(definition, dataDirectory: words.dataOptions.dataDirectory)
        let runner = Runner(experiment, options: Runner.Options(
            threads: threadOptions.count, results: resultsOptions.folder, startsOver: fresh,
            command: CommandLine.arguments))
        for note in experiment.notes { HarnessProgram.say("note: \(note)") }
        try runner.checkEnsembles()
        Interrupt.listen()
        var outcome = try runner.run { Interrupt.isRequested }
        let complaints = try outcome.isInterrupted ? [] : runner.makeEnsembles(of: outcome) { Interrupt.isRequested }
        if complaints == nil { outcome.isInterrupted = true }

        try Comparison(outcome.folders, options: .init(registry)).printAll(width: wideOption.width)
        for line in outcome.neighbours { HarnessProgram.say(line) }
        try end(outcome)
        if let complaints, !complaints.isEmpty { throw UserError(.data, complaints.joined(separator: "\n")) }
    }

    // MARK: Longer trainings

    private func runLonger(_ count: Int, _ registry: Registry) throws {
        let continuation = try continuation(count, registry)
        for note in continuation.notes { HarnessProgram.say("note: \(note)") }
        Interrupt.listen()
        let results = resultsOptions.results == nil ? continuation.results ?? resultsOptions.folder : resultsOptions.folder
        let options = Runner.Options(threads: threadOptions.count, results: results, startsOver: fresh, command: CommandLine.arguments)
        let outcome = try continuation.run(options) { Interrupt.isRequested }
        try Comparison(continuation.originals + outcome.folders, options: .init(registry)).printAll(width: wideOption.width)
        try end(outcome)
    }

    private func continuation(_ count: Int, _ registry: Registry) throws -> Continuation {
        guard let folder = try namedRun() else {
            let definition = try words.definition(registry)
            guard definition.sweep == nil else {
                throw UserError(.usage, "\(definition.name) varies its values; --more-epochs continues one of its runs, by the run's folder")
            }
            let experiment = try Experiment(definition, dataDirectory: words.dataOptions.dataDirectory)
            return try Continuation(of: experiment, called: words.experiment, in: resultsOptions.folder, for: count)
        }
        guard words.overrides.isEmpty, words.only == nil, words.seeds == nil, words.precision == nil, !words.smoke else {
            let options = "--only, --seeds, --precision, --smoke and changed values"
            throw UserError(.usage, "\(folder.path): is a run, whose definition is in it; \(options) go with the name of an experiment")
        }
        return try Continuation(of: folder, dataDirectory: words.dataOptions.dataDirectory, registry: registry, for: count)
    }

    /// The run that the first word names; nil when it names a definition.
    private func namedRun() throws -> RunFolder? {
        let workspace = Workspace.current, word = words.experiment
        let missing: UserError
        do {
            if try workspace.definition(word).lastPathComponent != "run.h5" { return nil }
            return try workspace.run(word)
        } catch let error as UserError where error.kind == .noInput { missing = error }
        do { return try workspace.run(word) } catch let error as UserError where error.kind == .noInput {
            throw UserError(.noInput, "\(missing.message); and there is no run of that name")
        }
    }

    /// Says what kept the trials from their ends.
    private func end(_ outcome: Runner.Outcome) throws {
        if outcome.isInterrupted {
            HarnessProgram.say("interrupted; the same command goes on from here")
            throw ExitCode(Interrupt.exitCode)
        }
        if !outcome.divergences.isEmpty {
            let names = outcome.divergences.joined(separator: ", ")
            throw UserError(.diverged, "\(outcome.divergences.count) of \(outcome.folders.count) trials diverged: \(names)")
        }
    }
}
