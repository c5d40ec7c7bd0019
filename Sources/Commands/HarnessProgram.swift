import ArgumentParser
import Configuration
import Experiments
import Foundation
import TensorCore

/// The command line. Each subcommand reads its words and hands them to a library; this type turns errors into sentences and exit codes.
///
/// A program with models of its own is one line: `HarnessProgram.main(registry: .standard.adding(model: MyNetworkConfiguration.self))`.
public struct HarnessProgram: ParsableCommand {
    /// The words that it knows.
    public static let configuration = CommandConfiguration(
        commandName: "harness",
        abstract: "Trains, measures and compares vision transformers, CNNs and their hybrids.",
        discussion: """
            First steps:
              harness run experiments/quickstart      trains two small models in seconds
              harness check experiments/vit_vs_resnet shows an experiment before it trains
              harness models                          lists what can be built

            The launcher ./harness adds: test (runs the test suite), install (links it into ~/.local/bin, and lets bash, zsh and fish \
            complete words).
            """,
        version: ProgramVersion.text,
        subcommands: [
            RunCommand.self, SweepCommand.self, CheckCommand.self, ExplainCommand.self, SchemaCommand.self, WhyCommand.self, VerifyCommand.self, DoctorCommand.self, TailCommand.self,
            ModelsCommand.self, PredictCommand.self, ConvertCommand.self, InspectCommand.self, CompareCommand.self, ReportCommand.self, ShowCommand.self, StylizeCommand.self, BenchCommand.self, DataCommand.self,
        ])

    /// What its sentences begin with.
    public static let _errorPrefix = "harness: "

    /// No words yet.
    public init() {}

    /// Reads the words of the command line, does what they say, and ends the process if that fails.
    ///
    /// - Parameter registry: what definitions can name.
    public static func main(registry: Registry) {
        openStandardStreams()
        Completion.registry.withLock { $0 = registry }
        var command: any ParsableCommand
        do {
            try refuseUnknownCommand()
            command = try parseAsRoot()
        } catch { stop(error) }
        do {
            if let command = command as? any DefinitionCommand { try command.run(registry) } else { try command.run() }
            guard fflush(nil) == 0 else {
                throw UserError(.io, "standard output: cannot be written: \(String(cString: strerror(errno)))")
            }
        } catch { stop(error) }
    }

    /// Gives standard streams that the program was started without to /dev/null: the next file opened would else take their place, and
    /// progress would be written into a run's file.
    private static func openStandardStreams() {
        for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) == -1 { _ = open("/dev/null", O_RDWR) }
    }

    /// ArgumentParser calls a word that is no command an argument that it did not expect.
    private static func refuseUnknownCommand() throws {
        guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-") else { return }
        let names = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard !names.contains(word) else { return }
        throw UserError(.usage, "unknown command '\(word.shortened())'\(suggestion(for: word, among: names))")
    }

    /// One sentence (or one a line, for a definition's errors) on standard error, and the exit code that goes with it.
    private static func stop(_ error: any Error) -> Never {
        guard let error = error as? UserError else {
            // What ArgumentParser throws (help, wrong words) it also knows how to say; a stranger's error it gives the code 1.
            let code = exitCode(for: error)
            if code != .failure {
                let text = fullMessage(for: error)
                if !text.isEmpty { if code == .success { print(text) } else { write(text) } }
                Foundation.exit(code.rawValue)
            }
            say(error is OneDNNError ? "\(error)" : "unexpected error: \(error)")
            Foundation.exit(UserError.Kind.internal.rawValue)
        }
        for line in error.message.split(separator: "\n") { say(String(line)) }
        Foundation.exit(error.exitCode)
    }

    static func say(_ line: String) { write("harness: \(line)") }

    private static func write(_ text: String) {
        // Nobody can be told that standard error cannot be written.
        try? FileHandle.standardError.write(contentsOf: Data("\(text.visible)\n".utf8))
    }
}

/// A command that reads definitions, and has to know what they can name.
protocol DefinitionCommand: ParsableCommand {
    func run(_ registry: Registry) throws
}

extension DefinitionCommand {
    func run() throws { try run(.standard) }
}
