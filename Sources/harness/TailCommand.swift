import ArgumentParser
import Experiments
import Foundation
import Reports

struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Follow a run while another process trains it.",
        discussion: """
            Prints steps and epochs as they are recorded, about once a second, until the run ends or Ctrl-C. Of a run that has ended it prints the last rows.

            Example:
              harness tail Results/vit_vs_resnet/vit-s0-1f0c93ab -n 20
            """)

    @Argument(help: ArgumentHelp("A run folder, or a folder with one run in it.", valueName: "run"))
    var path: String

    @Option(name: .customShort("n"), help: ArgumentHelp("Begin with the last so many steps.", valueName: "rows"))
    var rowCount = 10

    mutating func validate() throws {
        if rowCount < 0 { throw ValidationError("-n: expected a number from 0, found \(rowCount)") }
    }

    func run() throws {
        let folder = try Workspace.current.run(path)
        Interrupt.listen()
        let tail = RunTail(folder, lastRows: rowCount)
        while true {
            let (lines, ending) = try tail.next()
            if !lines.isEmpty { print(lines.joined(separator: "\n")) }
            if let ending { return print(ending) }
            // Whoever reads this may have gone.
            guard fflush(nil) == 0, !Interrupt.isRequested else { return }
            usleep(500_000)
        }
    }
}
