import ArgumentParser
import Experiments
import Foundation
import Reports

struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Follow a run, or a sweep, while another process trains it.",
        discussion: """
            Prints steps and epochs as they are recorded, about once a second, until the run ends or Ctrl-C. When a run has ended, it prints the last \
            rows. In the folder of a sweep it follows all running trials, and tells how many are done and how much time is left.

            Examples:
              harness tail Results/vit_vs_resnet/vit-s0-1f0c93ab -n 20
              harness tail patch_size -n 0
            """)

    @Argument(help: ArgumentHelp("A run folder, a folder with one run in it, or a sweep's folder.", valueName: "run"), completion: Completion.run)
    var path: String

    @Option(name: .customShort("n"), help: ArgumentHelp("Begin with the last so many steps.", valueName: "rows"))
    var rowCount = 10

    mutating func validate() throws {
        if rowCount < 0 { throw ValidationError("-n: expected a number from 0, found \(rowCount)") }
    }

    func run() throws {
        let workspace = Workspace.current
        let place = workspace.display(try workspace.result(path))
        Interrupt.listen()
        if SweepTail.hasPlan(place) {
            let tail = SweepTail(place, lastRows: rowCount)
            try follow(tail.next)
        } else {
            let tail = RunTail(try workspace.run(path), lastRows: rowCount)
            try follow(tail.next)
        }
    }

    /// Prints what is new, again and again, until there is an end to it.
    private func follow(_ next: () throws -> (lines: [String], ending: String?)) throws {
        while true {
            let (lines, ending) = try next()
            if !lines.isEmpty { print(lines.joined(separator: "\n")) }
            if let ending { return print(ending) }
            // Whoever reads this may have gone.
            guard fflush(nil) == 0, !Interrupt.isRequested else { return }
            usleep(500_000)
        }
    }
}
