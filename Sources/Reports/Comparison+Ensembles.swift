import Configuration
import Foundation
import Measures
import RunStore

extension Comparison {
    /// Runs that were tested as one, beside the rows of those runs: no part of any row's n, interval or test.
    struct EnsembleRow {
        let file: EnsembleFile
        /// What is computed from the logits of its members; none of a soup, whose own are not kept.
        var scores: [Metric: Double] = [:]

        /// As tables show it: `vits (ensemble of 6)`.
        var title: String { "\(file.name) (\(file.title))" }

        /// nil for what an ensemble is not measured by.
        func value(of metric: Metric) -> Double? {
            let (values, name): ([EnsembleFile.Value], String)
            switch metric {
            case .test(let measure): (values, name) = (file.test, measure)
            case .validation(let measure): (values, name) = (file.validation, measure)
            case .training, .other: return nil
            }
            return finite(values.first { $0.measure == name }?.value ?? scores[metric])
        }
    }

    /// The ensembles in the folders of some runs whose members are all among these runs, or lie elsewhere, and are what they were.
    ///
    /// - Returns: sentences about those that are left out too.
    static func ensembles(of runs: [Run], scoring metrics: [Metric] = []) -> (rows: [EnsembleRow], notes: [String]) {
        var folders: [String] = [], shown: Set<String> = []
        for run in runs {
            let folder = run.summary.folder.path.parentPath
            if !folders.contains(folder) { folders.append(folder) }
            shown.insert(place(run.summary.folder.path))
        }
        var rows: [EnsembleRow] = [], notes: [String] = []
        for folder in folders {
            for path in EnsembleFile.paths(in: folder) {
                do {
                    let file = try EnsembleFile(reading: path)
                    let members = file.members.map { (entry: $0, folder: RunFolder(path: "\(folder)/\($0.run)")) }
                    // A table of some runs has no place for what other runs of the experiment are part of.
                    if members.contains(where: { !$0.entry.run.hasPrefix("../") && !shown.contains(place($0.folder.path)) }) { continue }
                    if let changed = members.first(where: { !isUnchanged($0.folder, $0.entry) }) {
                        notes.append("\(file.name) (\(file.title)) is left out: \(changed.entry.run) is not the run that it was made of; harness run makes it again")
                    } else {
                        rows.append(EnsembleRow(file: file, scores: scores(of: file, members.map(\.folder), metrics)))
                    }
                } catch {
                    notes.append("\((path as NSString).lastPathComponent) is left out: \("\(error)".replacing("\n", with: "; "))")
                }
            }
        }
        return (rows, notes)
    }

    /// The metrics that are computed from the mean of the members' probabilities of the test images.
    private static func scores(of file: EnsembleFile, _ members: [RunFolder], _ metrics: [Metric]) -> [Metric: Double] {
        let scored = metrics.filter { $0.score().map { $0.split == .test && !$0.measure.isFittedToValidation } ?? false }
        guard file.kind == .ensemble, !scored.isEmpty else { return [:] }
        let outputs = members.map { folder in (try? RunReader(folder)).flatMap { run in (try? run.evaluation())?.scores(of: run.description) } }
        guard !outputs.contains(where: { $0 == nil }), let mean = ClassScores(meanOf: outputs.compactMap(\.self)) else { return [:] }
        return Dictionary(uniqueKeysWithValues: Set(scored).map { ($0, $0.score()!.measure.value(of: mean)) })
    }

    private static func place(_ path: String) -> String { URL(filePath: path).standardizedFileURL.path }

    /// Whether a run is the one that an ensemble was made of, with the same test.
    private static func isUnchanged(_ folder: RunFolder, _ entry: EnsembleFile.Member) -> Bool {
        guard let run = try? RunReader(folder), run.status == .finished, let test = try? run.evaluation() else { return false }
        return run.description.trialDigest ?? "" == entry.trialDigest && test.digest == entry.evaluationDigest
    }

    /// What tells an ensemble from the other rows, in the leading columns.
    func cells(of ensemble: EnsembleRow) -> [String] {
        titles.map { $0 == "experiment" ? ensemble.file.experiment : $0 == "model" ? ensemble.title : "" }
    }

    /// What an ensemble's row is, where there is one.
    var ensembleNote: String? {
        let kinds = Set(ensembles.map(\.file.kind))
        if kinds.isEmpty { return nil }
        let parts = [
            kinds.contains(.ensemble) ? "ensemble: the mean of its members' probabilities" : nil,
            kinds.count > (kinds.contains(.ensemble) ? 1 : 0) ? "soup: the mean of its members' weights" : nil,
        ]
        return parts.compactMap(\.self).joined(separator: "; ") + "; no part of the statistics over runs"
    }
}
