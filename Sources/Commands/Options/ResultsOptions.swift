import ArgumentParser
import Experiments
import Foundation

/// `--results`, for every command that trains or looks for what was trained.
struct ResultsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of results (default: Results beside Experiments).", valueName: "folder"), completion: .directory)
    var results: String?

    mutating func validate() throws {
        if results == "" { throw ValidationError("--results: expected a folder, found an empty name") }
    }

    var folder: URL { results.map { URL(filePath: $0) } ?? Workspace.current.results }
}
