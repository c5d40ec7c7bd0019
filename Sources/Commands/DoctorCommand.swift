import ArgumentParser
import Configuration
import Experiments

struct DoctorCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "List damaged and unfinished runs, and what can be saved of them.",
        discussion: """
            Reads every run under a folder whole: the log, the weights and their checksums, the checkpoints. Ends with 65 when something is damaged. \
            With --repair each run that is not whole is copied into .repaired beside it, and the copy is mended; the original is never changed.

            Examples:
              harness doctor Results
              harness doctor Results/quickstart --repair
            """)

    @Argument(help: ArgumentHelp("A folder of runs, or one run.", valueName: "folder"), completion: Completion.run)
    var folder: String

    @Flag(help: "Copy what is not whole, and repair the copies.")
    var repair = false

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current
        let path = workspace.display(try workspace.result(folder))
        let diagnoses = try Diagnosis.all(under: path, registry: registry)
        for diagnosis in diagnoses where diagnosis.state != .whole {
            print("\(diagnosis.folder.path): \(diagnosis.state.rawValue)")
            for finding in diagnosis.findings { print("  \(finding)") }
            guard repair, let (copy, actions) = try diagnosis.repair() else { continue }
            print("  repaired copy: \(copy.path)")
            for action in actions { print("    \(action)") }
        }
        func count(_ state: Diagnosis.State) -> Int { diagnoses.count { $0.state == state } }
        print("\(grouped(diagnoses.count)) runs: \(count(.whole)) whole, \(count(.running)) running, \(count(.unfinished)) unfinished, \(count(.damaged)) damaged")
        if count(.damaged) > 0 { throw UserError(.data, "\(path): \(count(.damaged)) of \(diagnoses.count) runs are damaged") }
    }
}
