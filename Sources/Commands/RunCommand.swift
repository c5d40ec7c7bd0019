import ArgumentParser
import Configuration
import Experiments
import Foundation
import Reports

struct RunCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Train every model of an experiment, log to HDF5 and print the comparison.",
        discussion: """
            Every model is trained once with each seed, into Results/EXPERIMENT/MODEL-sSEED-HASH. Runs that are there already are not \
            repeated; one that was cut off, by Ctrl-C or by anything else, goes on from its last checkpoint to the same result, bit for bit.

            Examples:
              harness run experiments/quickstart
              harness run experiments/vit_vs_resnet train.epochs=2 --only vit,hybrid
              harness run experiments/vit_vs_resnet --seeds 0,1,2
            """)

    @OptionGroup var words: ExperimentOptions
    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    @OptionGroup var resultsOptions: ResultsOptions

    @Flag(help: "Repeat runs that are there already; those move to .replaced.")
    var fresh = false

    func run(_ registry: Registry) throws {
        let definition = try words.definition(registry)
        if definition.sweep != nil { throw UserError(.usage, "\(definition.name) varies its values; harness sweep \(words.experiment) trains them") }
        let experiment = try Experiment(definition, dataDirectory: words.dataOptions.dataDirectory)
        let runner = Runner(experiment, options: Runner.Options(
            threads: threadOptions.count, results: resultsOptions.folder, startsOver: fresh,
            command: CommandLine.arguments))
        for note in experiment.notes { HarnessProgram.say("note: \(note)") }
        Interrupt.listen()
        let outcome = try runner.run { Interrupt.isRequested }

        try Comparison(outcome.folders).printAll(width: wideOption.width)
        for line in outcome.neighbours { HarnessProgram.say(line) }
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
