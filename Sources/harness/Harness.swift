import ArgumentParser
import Configuration
import Foundation

/// The command line. Each subcommand reads its words and hands them to a library; this type turns errors into sentences and exit codes.
@main
struct Harness: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "harness",
        abstract: "Trains, measures and compares vision transformers, CNNs and their hybrids.",
        discussion: """
            First steps:
              harness run experiments/quickstart      trains two small models in seconds
              harness check experiments/vit_vs_resnet shows an experiment before it trains
              harness models                          lists what can be built

            The launcher ./harness adds: test (runs the test suite), install (links it into ~/.local/bin).
            """,
        subcommands: [RunCommand.self, CheckCommand.self, ModelsCommand.self, InspectCommand.self, CompareCommand.self, BenchCommand.self, DataCommand.self])

    static let _errorPrefix = "harness: "

    static func main() {
        var command: any ParsableCommand
        do { command = try parseAsRoot() } catch { exit(withError: error) }
        do { try command.run() } catch { stop(error) }
    }

    /// One sentence (or one a line, for a definition's errors) on standard error, and the exit code that goes with it.
    private static func stop(_ error: any Error) -> Never {
        guard let error = error as? UserError else {
            // What ArgumentParser throws (help, wrong words) it also knows how to say; a stranger's error it gives the code 1.
            if exitCode(for: error) != .failure { exit(withError: error) }
            say("unexpected error: \(error)")
            Foundation.exit(UserError.Kind.internal.rawValue)
        }
        for line in error.message.split(separator: "\n") { say(String(line)) }
        Foundation.exit(error.exitCode)
    }

    static func say(_ line: String) {
        FileHandle.standardError.write(Data("harness: \(line)\n".utf8))
    }
}
