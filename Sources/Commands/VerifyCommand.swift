import ArgumentParser
import Configuration
import Experiments

struct VerifyCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Repeat a run and compare every step with what it recorded.",
        discussion: """
            Trains again from the definition in run.h5 and compares, bit by bit, the loss and gradient norm of every step and the checksums of the \
            weights, until something differs: then it names the step and the tensors, and ends with 1. Nothing is written. A run that is not \
            finished is repeated as far as it came.

            Examples:
              harness verify Results/quickstart/vit-s0-1f0c93ab
              harness verify Results/quickstart/vit-s0-1f0c93ab --steps 100 --threads 1
              harness verify Results/cells/vit-s0-77ab2c10 --data /mnt/archive/cells.h5
            """)

    @Argument(help: ArgumentHelp("A run folder, or a folder with one run in it.", valueName: "run"), completion: Completion.run)
    var path: String

    @Option(help: ArgumentHelp("End after this many steps.", valueName: "n"))
    var steps: Int?

    @Option(name: .customLong("data"), help: ArgumentHelp(
        "The run's HDF5 data file (default: where the run found it, or where its definition says).", valueName: "file"))
    var dataFile: String?

    @Option(name: .customLong("weights"), help: ArgumentHelp(
        "The file of weights that the run started from (default: where the run found it, or where its definition says).", valueName: "file"))
    var weightsFile: String?

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var dataOptions: DataOptions

    mutating func validate() throws {
        if let steps, steps < 1 { throw ValidationError("--steps: expected a number from 1, found \(steps)") }
    }

    func run(_ registry: Registry) throws {
        let folder = try Workspace.current.run(path)
        Interrupt.listen()
        let verification = try Verification(
            folder, threads: threadOptions.count, steps: steps, dataDirectory: dataOptions.dataDirectory, dataFile: dataFile,
            weightsFile: weightsFile, registry: registry, command: CommandLine.arguments
        ) { Interrupt.isRequested }
        print(verification.text)
        if let failure = verification.failure { throw UserError(.diverged, failure) }
        if case .interrupted = verification.verdict { throw ExitCode(Interrupt.exitCode) }
    }
}
