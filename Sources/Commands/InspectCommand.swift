import ArgumentParser
import Configuration
import Experiments
import Reports

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in a run folder, a run file, a weights file, a sweep's plan or a folder of runs.",
        discussion: """
            A run may be named by the beginning of its name.

            Examples:
              harness inspect vit_vs_resnet
              harness inspect vit_vs_resnet/vit-s0
              harness inspect Results/vit_vs_resnet/vit-s0-1f0c93ab/weights/best.h5
            """)

    @Argument(help: ArgumentHelp("A path, or a name in Results.", valueName: "file-or-folder"), completion: Completion.run)
    var path: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var wideOption: WideOption

    func run() throws {
        let workspace = Workspace.current
        let found: String
        do { found = workspace.display(try workspace.result(path)) } catch let error as UserError where error.kind == .noInput {
            do { found = try workspace.run(path).path } catch let other as UserError { throw other.kind == .noInput ? error : other }
        }
        let inspection = try Inspection(found, width: wideOption.width)
        print(json ? inspection.json : inspection.text)
        for note in inspection.notes { HarnessProgram.say(note) }
    }
}
