import ArgumentParser
import Configuration
import Experiments
import Foundation
import Reports

struct SweepCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Train an experiment with varied values, as its definition's sweep says, and print the comparison.",
        discussion: """
            The plan is written to Results/EXPERIMENT/sweep.h5 before the first trial, and what is planned is what is trained: run again, the \
            command does what is missing. A trial that fails or diverges does not stop the others. Ctrl-C ends cleanly.

            Examples:
              harness sweep experiments/ablations/patch_size --dry-run
              harness sweep experiments/ablations/patch_size --jobs 2
              harness sweep experiments/ablations/patch_size --retry-failed
            """)

    @OptionGroup var words: ExperimentOptions
    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var wideOption: WideOption

    @Option(help: ArgumentHelp("How many trials are trained at a time; they share the threads.", valueName: "n"))
    var jobs = 1

    @OptionGroup var resultsOptions: ResultsOptions

    @Flag(help: "Show the plan and train nothing.")
    var dryRun = false

    @Flag(help: "Try trials again that failed or diverged.")
    var retryFailed = false

    @Flag(help: "Let the definition's plan take the place of one under way that it contradicts.")
    var replan = false

    @Flag(help: "Plan anew and repeat runs that are there already; those move to .replaced.")
    var fresh = false

    mutating func validate() throws {
        if !(1...1024).contains(jobs) { throw ValidationError("--jobs: expected a number from 1 to 1024, found \(jobs)") }
    }

    func run(_ registry: Registry) throws {
        let results = resultsOptions.folder
        let progress = PlanningProgress()
        let plan = try SweepPlan(words.written(registry), progress: progress, change: words.change)
            .inForce(results: results, replans: replan, startsOver: fresh, say: HarnessProgram.say)
        if dryRun {
            let experiments = try plan.check(dataDirectory: words.dataOptions.dataDirectory, progress: progress)
            progress.end()
            for note in plan.notes(about: experiments) { HarnessProgram.say("note: \(note)") }
            return print(Self.table(plan, results).text(width: wideOption.width))
        }
        let runner = try SweepRunner(plan, options: SweepRunner.Options(
            threads: threadOptions.count, jobs: jobs, results: results, dataDirectory: words.dataOptions.dataDirectory, startsOver: fresh,
            retriesFailed: retryFailed, command: CommandLine.arguments), progress: progress)
        for note in runner.notes { HarnessProgram.say("note: \(note)") }
        Interrupt.listen()
        let outcome = try runner.run { Interrupt.isRequested }

        try Comparison(outcome.folders, options: .init(registry)).printAll(width: wideOption.width)
        let failures = outcome.failures
        if outcome.isInterrupted {
            HarnessProgram.say("interrupted; the same command goes on from here")
            throw ExitCode(Interrupt.exitCode)
        }
        if !failures.isEmpty {
            let count = "\(grouped(failures.count)) of \(grouped(outcome.entries.count)) trials failed or diverged (--retry-failed tries them again):"
            throw UserError(.diverged, ([count] + failures).joined(separator: "\n"))
        }
    }

    private static func table(_ plan: SweepPlan, _ results: URL) -> TextTable {
        var table = TextTable(["trial", "values", "state"].map { TextTable.Column($0, .left) })
        for (entry, state) in zip(plan.entries, plan.states(results: results)) { table.append([entry.name, SweepPlan.valueText(entry), state]) }
        return table
    }
}
