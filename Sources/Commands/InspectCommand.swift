import ArgumentParser
import Experiments
import Reports

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in a run folder, a run file, a weights file, a sweep's plan or a folder of runs.",
        discussion: """
            Examples:
              harness inspect vit_vs_resnet
              harness inspect Results/vit_vs_resnet/vit-s0-1f0c93ab/weights/best.h5
            """)

    @Argument(help: ArgumentHelp("A path, or a name in Results.", valueName: "file-or-folder"), completion: Completion.run)
    var path: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var wideOption: WideOption

    func run() throws {
        let workspace = Workspace.current
        let inspection = try Inspection(workspace.display(workspace.result(path)), width: wideOption.width)
        print(json ? inspection.json : inspection.text)
        for note in inspection.notes { HarnessProgram.say(note) }
    }
}
