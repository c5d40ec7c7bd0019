import ArgumentParser
import Configuration
import Experiments
import Foundation
import HDF5
import Reports

struct ReportCommand: DefinitionCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make a page of figures and tables from the finished runs under some folders.",
        discussion: """
            The page is one file without scripts that needs no network; the same runs give the same bytes. It is read on a screen, light or dark, and on \
            paper. What runs have no data for is left out. --figures writes each figure as SVG, 85 and 170 mm wide, and each table in LaTeX; --format latex \
            prints these tables.

            Metrics are those of harness compare.

            Examples:
              harness report vit_vs_resnet --output report.html
              harness report ablations/depth --metric test_loss --output depth.html --figures figures
              harness report vit_vs_resnet --figures figures
              harness report vit_vs_resnet --format latex > tables.tex
            """)

    @Argument(help: ArgumentHelp("Paths, or names in Results.", valueName: "folder"), completion: Completion.run)
    var folders: [String]

    @Option(help: ArgumentHelp("The page to write.", valueName: "file.html"), completion: .file(extensions: ["html"]))
    var output: String?

    @Option(help: ArgumentHelp("Write every figure as SVG and every table in LaTeX into this folder.", valueName: "folder"), completion: .directory)
    var figures: String?

    @Option(help: "Print every table: \(TableFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format: TableFormat?

    @Option(help: ArgumentHelp("What stands above the page (default: the experiments' names).", valueName: "words"))
    var title: String?

    @OptionGroup var comparisonOptions: ComparisonOptions

    mutating func validate() throws {
        if output == nil, figures == nil, format == nil { throw ValidationError("expected at least one of --output FILE.html, --figures FOLDER and --format latex") }
        if output == "" { throw ValidationError("--output: expected a file, found an empty name") }
        if figures == "" { throw ValidationError("--figures: expected a folder, found an empty name") }
    }

    func run(_ registry: Registry) throws {
        let workspace = Workspace.current
        var options = Report.Options()
        options.title = title
        options.names = folders
        options.comparison = comparisonOptions.options(registry)
        options.question = { name in
            // A smoke test asks what its experiment does.
            let definition = (try? workspace.definition(name)) ?? (try? workspace.definition(name.replacing(/-smoke$/, with: "")))
            return definition.flatMap(DefinitionHead.text)
        }
        // What cannot be written is said before anything is read.
        let page = try output.map { try OutputFile.path($0, replacing: ("HTML", Array("<!doctype html>".utf8))) }
        if let figures { try OutputFolder.make(figures) }
        let paths = try folders.flatMap { try workspace.comparable($0, registry: registry) }
        let report = try Report(under: paths, options: options)
        try interruptible {
            if let page { try replaceFile(at: page, with: Data(report.html.utf8), isForeign: true) }
            if format == .latex { print(report.tableFiles().map(\.text).joined(separator: "\n"), terminator: "") }
            guard let figures else { return }
            for (name, text) in report.figureFiles() + report.tableFiles() {
                try replaceFile(at: OutputFile.path("\(figures)/\(name)"), with: Data(text.utf8), isForeign: true)
            }
        }
        for note in report.notes { HarnessProgram.say(note) }
    }
}

/// How tables are printed.
enum TableFormat: String, CaseIterable, ExpressibleByArgument {
    case latex
}

/// A folder that a command fills where its user says.
enum OutputFolder {
    /// Makes the folder where it is missing.
    ///
    /// - Throws: `.usage` for what is no folder, `.io` where none can be made.
    static func make(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else { throw UserError(.usage, "\(path): is a file, expected a folder") }
            return
        }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw UserError(.io, "\(path): cannot be made: \(systemReason(error, at: path))")
        }
    }
}
