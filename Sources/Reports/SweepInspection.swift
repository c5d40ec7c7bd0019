import Configuration
import RunStore

/// The plan of a sweep: its trials and what has become of them.
struct SweepInspection {
    private struct Trial: Encodable {
        let name, model, outcome: String
        let seed, cell: Int
        let values: [String: String]
        /// After which a stopped trial ended.
        let epoch: Int?
        /// Why a failed trial did.
        let message: String?
    }

    private struct Report: Encodable {
        let path, experiment, sweep: String
        let trials: [Trial]
    }

    private let report: Report

    init(_ path: String) throws {
        let file = try SweepFile(reading: path)
        report = Report(path: path, experiment: file.experiment, sweep: file.sweep, trials: file.entries.map { entry in
            var epoch: Int?, message: String?
            switch entry.outcome {
            case .stopped(let last): epoch = last
            case .failed(let reason): message = reason
            case .planned, .finished, .diverged: break
            }
            return Trial(
                name: entry.name, model: entry.model, outcome: entry.outcome.name, seed: entry.seed, cell: entry.cell, values: entry.values,
                epoch: epoch, message: message)
        })
    }

    func rendered(width: Int?) throws -> (text: String, json: String) {
        let head = aligned([("plan", report.path), ("experiment", report.experiment), ("trials", grouped(report.trials.count))])
        var table = TextTable(["trial", "values", "outcome"].map { TextTable.Column($0, .left) })
        for trial in report.trials {
            let values = trial.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            let detail = trial.epoch.map { " after epoch \($0)" } ?? trial.message.map { ": \($0)" } ?? ""
            table.append([trial.name, values, trial.outcome + detail])
        }
        let sweep = "sweep\n" + report.sweep.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
        return ([head, table.text(width: width), sweep].joined(separator: "\n\n"), try json(report))
    }
}
