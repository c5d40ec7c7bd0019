import Configuration
import Foundation
import RunStore

/// `harness inspect`: what is in a run folder, a folder of runs, a run file, a weights file, the plan of a sweep or an ensemble.
public struct Inspection {
    /// For people.
    public let text: String
    /// For programs: the same as one JSON value.
    public let json: String
    /// What was left out and why, one sentence each.
    public private(set) var notes: [String] = []

    /// - Parameter width: how many characters a line of a table may have; nil for any number.
    /// - Throws: `.noInput` when nothing is there, `.data` when it is something else or damaged.
    public init(_ path: String, width: Int? = nil) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw UserError(.noInput, "\(path): there is no such file or folder")
        }
        if isFolder.boolValue {
            let folders = try RunFolder.runs(of: path)
            guard let first = folders.first else { throw UserError(.noInput, "\(path): there are no runs in this folder") }
            let isOneRun = RunFolder(path: path).hasRun
            if isOneRun {
                (text, json) = try RunInspection(first).rendered(width: width)
            } else {
                (text, json, notes) = try Self.list(folders, width: width)
            }
            return
        }
        switch try StoredFile(path) {
        case .ensemble:
            (text, json) = try EnsembleInspection(path).rendered(width: width)
        case .sweep:
            (text, json) = try SweepInspection(path).rendered(width: width)
        case .weights:
            (text, json) = try WeightsInspection(path).rendered(width: width)
        case .run:
            let parent = path.parentPath
            let folder = RunFolder(path: parent.isEmpty ? "." : parent)
            // A run file under another name stands alone: what lies beside it belongs to another.
            let isInPlace = (path as NSString).lastPathComponent == "run.h5"
            (text, json) = try (isInPlace ? RunInspection(folder) : RunInspection(file: path)).rendered(width: width)
        }
    }

    // MARK: Many runs

    private struct Line: Encodable {
        let path, experiment, model, state: String
        let seed, parameters, multiplyAdds, epochs, steps: Int
        /// The name of what the best weights were found by, and its best value of the validation and its value of the test.
        let monitored: String
        let validation, test: Double?

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: NamedKey.self)
            for (name, text) in [("path", path), ("experiment", experiment), ("model", model), ("state", state)] {
                try fields.encode(text, forKey: NamedKey(name))
            }
            for (name, number) in [
                ("seed", seed), ("parameters", parameters), ("multiply_adds", multiplyAdds), ("epochs", epochs), ("steps", steps),
            ] { try fields.encode(number, forKey: NamedKey(name)) }
            try fields.encodeIfPresent(validation, forKey: NamedKey(Metric.validation(monitored).rawValue))
            try fields.encodeIfPresent(test, forKey: NamedKey(Metric.test(monitored).rawValue))
        }
    }

    /// - Throws: `.data` when none of the runs can be read.
    private static func list(_ folders: [RunFolder], width: Int?) throws -> (text: String, json: String, notes: [String]) {
        var damages: [String] = [], notes: [String] = []
        let lines = folders.compactMap { folder -> Line? in
            let run: RunSummary
            do { run = try RunSummary(folder) } catch {
                damages.append("\(error)")
                notes.append("\((folder.path as NSString).lastPathComponent) is left out: \("\(error)".replacing("\n", with: "; "))")
                return nil
            }
            return Line(
                path: folder.path, experiment: run.description.experiment, model: run.description.model, state: run.state.rawValue,
                seed: run.description.seed, parameters: run.description.parameters, multiplyAdds: run.description.multiplyAdds,
                epochs: run.epochCount, steps: run.stepCount ?? 0, monitored: run.description.monitored,
                validation: finite(Metric.validation(run.description.monitored).value(of: run)),
                test: finite(Metric.test(run.description.monitored).value(of: run)))
        }
        if lines.isEmpty { throw UserError(.data, damages.joined(separator: "\n")) }
        // Runs of several tasks have columns of their own each.
        let monitored = lines.map(\.monitored).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        var table = TextTable(
            [TextTable.Column("experiment", .left), TextTable.Column("model", .left), TextTable.Column("seed"), TextTable.Column("state", .left)]
                + ["parameters", "epochs", "steps"].map { TextTable.Column($0) }
                + monitored.flatMap { [Metric.validation($0).title, Metric.test($0).title] }.map { TextTable.Column($0) }
                + [TextTable.Column("run", .left)])
        for line in lines {
            table.append([
                line.experiment, line.model, "\(line.seed)", line.state, grouped(line.parameters), grouped(line.epochs), grouped(line.steps),
            ] + monitored.flatMap { name in
                [line.validation, line.test].map { value in name == line.monitored ? value.map { decimals($0, 4) } ?? none : none }
            } + [(line.path as NSString).lastPathComponent])
        }
        return (table.text(width: width), try Reports.json(lines), notes)
    }
}
