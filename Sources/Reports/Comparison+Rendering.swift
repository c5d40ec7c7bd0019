import Configuration

extension Comparison {
    /// How a table is written.
    public enum Format: String, Sendable, CaseIterable { case table, csv, json, markdown, latex }

    /// - Parameter width: how many characters a line of the table may have; nil for any number.
    public func rendered(as format: Format, width: Int? = nil) throws -> String {
        switch format {
        case .table:
            ([readable().text(width: width)] + (caption + remarks).flatMap { broken($0, width: width) }
                + (groupTable.map { ["", $0.table.text(width: width)] + broken($0.caption, width: width) } ?? [])).joined(separator: "\n")
        case .markdown:
            ([remarks.isEmpty ? readable().markdown : readable().markdown + "\n\n" + remarks.map { "- \($0)" }.joined(separator: "\n")]
                + (groupTable.map { [$0.table.markdown, $0.caption] } ?? [])).joined(separator: "\n\n")
        case .csv: exact().csv
        case .latex: ([readable().latex(caption: caption + remarks)] + (groupTable.map { [$0.table.latex(caption: [$0.caption])] } ?? [])).joined(separator: "\n\n")
        case .json: try json(rows.map(record) + ensembles.map(record))
        }
    }

    var hasSpread: Bool { rows.contains { $0.sample.count > 1 } }
    private var haveRemarks: Bool { rows.contains { !$0.tags.isEmpty || !$0.notes.isEmpty } }
    var hasTests: Bool { rows.contains { $0.correctedP != nil } }

    /// What the columns are.
    var caption: [String] {
        guard hasSpread else { return (metric == usualMetric ? [] : [metric.explanation(among: measures)]) + [ensembleNote].compactMap(\.self) }
        let hasSeeds = rows.contains { $0.measured.count > $0.sample.count }
        let units = hasFolds ? "folds\(hasSeeds ? " (each the mean over its seeds)" : "")" : "runs"
        let mean = "\(metric.explanation(among: measures)): mean and standard deviation over n \(units), 95% confidence interval (Student's t)"
        let test = hasTests ? baseline.map {
            "Δ: mean difference to \(rows[$0].label), by \(hasFolds ? "fold" : "seed"); "
                + "p: \(hasFolds ? "corrected resampled t-test" : "paired permutation test"), two-sided, with Holm's correction"
        } : nil
        return [mean] + [clippingNote, test, overlapNote, ensembleNote].compactMap(\.self)
    }

    /// Says how intervals and tests of folds differ from those of seeds.
    private var overlapNote: String? {
        guard hasFolds else { return nil }
        let counts = Set(rows.flatMap(\.runs).compactMap { $0.fold?.count }).sorted()
        let overlaps = counts.map { "1/\($0 - 1)" }.joined(separator: ", ")
        return "the training sets of folds overlap, so \(hasTests ? "intervals and p" : "intervals") take the variance of a mean as sd² (1/n + \(overlaps)), not sd²/n "
            + "(\(overlaps): test images for each training image; Nadeau and Bengio, Machine Learning 52, 2003)"
    }

    /// What the definitions say about the rows' runs: once, where it is the same of all.
    var remarks: [String] {
        func line(_ row: Row) -> String {
            let tags = row.tags.isEmpty ? nil : "tags: \(row.tags.joined(separator: ", "))"
            let notes = row.notes.map { "note: \($0.split(whereSeparator: \.isWhitespace).joined(separator: " "))" }
            return ([tags].compactMap(\.self) + notes).joined(separator: "; ")
        }
        let lines = rows.map(line)
        if Set(lines).count == 1 { return lines[0].isEmpty ? [] : [lines[0]] }
        return zip(rows, lines).filter { !$1.isEmpty }.map { "\($0.label): \($1)" }
    }

    /// Says when an interval is shorter than Student's t has it.
    private var clippingNote: String? {
        func isCut(_ sample: Sample?, _ interval: ClosedRange<Double>?) -> Bool { sample?.confidenceInterval != interval }
        let isCut = rows.contains { row in
            isCut(row.sample, interval(row)) || hasTests && isCut(row.test?.differences, differenceInterval(row))
        }
        return isCut ? "intervals end at 0 and 1 (of differences at -1 and 1), because a share goes no further" : nil
    }

    /// The confidence interval of a row's mean, as far as the metric can go.
    func interval(_ row: Row) -> ClosedRange<Double>? {
        guard let interval = row.sample.confidenceInterval, let bounds = metric.measure(among: measures)?.bounds else { return row.sample.confidenceInterval }
        return interval.clamped(to: bounds)
    }

    /// The same of its difference to the baseline.
    func differenceInterval(_ row: Row) -> ClosedRange<Double>? {
        guard let interval = row.test?.differences.confidenceInterval, let bounds = metric.measure(among: measures)?.bounds else { return row.test?.differences.confidenceInterval }
        let width = bounds.upperBound - bounds.lowerBound
        return interval.clamped(to: -width...width)
    }

    func readable() -> TextTable {
        var columns = titles.map { TextTable.Column($0, .left) }
        if hasSpread { columns.append(TextTable.Column("n")) }
        columns += ["parameters", "MACs", metric.title].map { TextTable.Column($0) }
        if hasSpread { columns += ["sd", "95% CI"].map { TextTable.Column($0) } }
        if hasTests { columns += ["Δ", "95% CI of Δ", "p"].map { TextTable.Column($0) } }
        let others = self.others + [Metric.secondsPerEpoch, .imagesPerSecond].filter { $0 != metric && !self.others.contains($0) }
        columns += others.map { TextTable.Column($0.title) }
        var table = TextTable(columns)

        func number(_ value: Double?, _ metric: Metric) -> String { value.map { decimals($0, metric.decimals) } ?? none }
        func text(_ range: ClosedRange<Double>?) -> String {
            range.map { "\(number($0.lowerBound, metric)) … \(number($0.upperBound, metric))" } ?? none
        }
        for row in rows {
            let sample = row.sample
            var cells = row.cells
            if hasSpread { cells.append("\(sample.count)") }
            cells += [\RunSummary.description.parameters, \.description.multiplyAdds].map { row.common($0).map(grouped) ?? "various" }
            cells.append(number(sample.count > 0 ? sample.mean : nil, metric))
            if hasSpread { cells += [number(sample.standardDeviation, metric), text(interval(row))] }
            if hasTests {
                cells += [number(row.test?.differences.mean, metric), text(differenceInterval(row))]
                cells.append(row.correctedP.map(probability) ?? none)
            }
            cells += others.map { number(mean(of: $0, row), $0) }
            table.append(cells)
        }
        for ensemble in ensembles {
            let file = ensemble.file
            table.append(
                cells(of: ensemble) + (hasSpread ? [none] : []) + [grouped(file.parameters), grouped(file.multiplyAdds), number(ensemble.value(of: metric), metric)]
                    + [String](repeating: none, count: (hasSpread ? 2 : 0) + (hasTests ? 3 : 0)) + others.map { number(ensemble.value(of: $0), $0) })
        }
        return table
    }

    /// The mean of another metric over the runs of a row that have it.
    func mean(of other: Metric, _ row: Row) -> Double? {
        let runs = other.isOfTheStart ? row.runs : row.measured.map(\.run)
        let values = runs.compactMap { finite(other.value(of: $0.summary)) }
        return values.isEmpty ? nil : Sample(values: values).mean
    }

    /// Every number in full, one column each.
    private func exact() -> TextTable {
        let own = titles.indices.filter { !["experiment", "model"].contains(titles[$0]) }
        let columns = ["experiment", "model"] + own.map { titles[$0] } + [
            "metric", "n", "mean", "sd", "ci95_low", "ci95_high", "min", "max", "seeds", "values", "pairs", "difference", "difference_ci95_low",
            "difference_ci95_high", "p", "p_holm",
        ] + others.map(\.rawValue) + (haveRemarks ? ["tags", "note"] : []) + (ensembles.isEmpty ? [] : ["ensemble", "members"])
        var table = TextTable(columns.map { TextTable.Column($0, .left) })
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        for row in rows {
            let sample = row.sample, interval = interval(row), differences = row.test?.differences
            let difference = differenceInterval(row)
            table.append([row.experiment, row.model] + own.map { row.cells[$0] } + [
                metric.rawValue, "\(sample.count)", number(sample.count > 0 ? sample.mean : nil), number(sample.standardDeviation),
                number(interval?.lowerBound), number(interval?.upperBound), number(row.measured.map(\.value).min()), number(row.measured.map(\.value).max()),
                row.measured.map { "\($0.run.summary.description.seed)" }.joined(separator: " "),
                row.measured.map { "\($0.value)" }.joined(separator: " "), differences.map { "\($0.count)" } ?? "", number(differences?.mean),
                number(difference?.lowerBound), number(difference?.upperBound), number(row.test?.p), number(row.correctedP),
            ] + others.map { number(mean(of: $0, row)) } + (haveRemarks ? [row.tags.joined(separator: " "), row.notes.joined(separator: " ")] : []) + (ensembles.isEmpty ? [] : ["", ""]))
        }
        for ensemble in ensembles {
            let file = ensemble.file
            table.append(
                [file.experiment, file.name] + own.map { _ in "" } + [metric.rawValue, "", number(ensemble.value(of: metric))] + [String](repeating: "", count: 13)
                    + others.map { number(ensemble.value(of: $0)) } + (haveRemarks ? ["", ""] : [])
                    + [file.kind.rawValue, file.members.filter(\.isTaken).map(\.run).joined(separator: " ")])
        }
        return table
    }

    // MARK: JSON

    private struct Record: Encodable {
        struct Run: Encodable {
            let seed: Int
            /// From 0; absent where the data set's own test images are the test.
            let fold: Int?
            let value: Double
            let path: String
        }
        struct Difference: Encodable {
            let pairs: Int
            let mean: Double
            let confidenceInterval: [Double]?
            let p: Double
            let pHolm: Double?
            let isExact: Bool
            /// Absent for the permutation test.
            let test: String?
        }
        /// The cells that tell the row from others, by title.
        let row: [String: String]
        let experiment, model, metric: String
        /// Null where the row's runs differ in them.
        let parameters, multiplyAdds: Int?
        let n: Int
        let mean, sd: Double?
        let confidenceInterval: [Double]?
        let difference: Difference?
        /// Means of further metrics by their names, where they were asked for.
        let others: [String: Double]?
        /// What the definitions say about the runs, where they say something.
        let tags, notes: [String]?
        let runs: [Run]
        /// By groups of test images; absent where the runs keep none.
        var groups: [GroupLine]?
        /// Absent of a row of runs.
        var ensemble: Ensemble?
    }

    /// Several runs that were tested as one.
    private struct Ensemble: Encodable {
        let kind: String
        /// The paths of the runs that are part of it, from the folder of the experiment's runs.
        let members: [String]
    }

    private func record(_ ensemble: EnsembleRow) -> Record {
        let file = ensemble.file, values = others.compactMap { other in ensemble.value(of: other).map { (other.rawValue, $0) } }
        return Record(
            row: Dictionary(uniqueKeysWithValues: zip(titles, cells(of: ensemble))), experiment: file.experiment, model: file.name, metric: metric.rawValue,
            parameters: file.parameters, multiplyAdds: file.multiplyAdds, n: 1, mean: ensemble.value(of: metric), sd: nil, confidenceInterval: nil,
            difference: nil, others: others.isEmpty ? nil : Dictionary(values, uniquingKeysWith: { $1 }), tags: nil, notes: nil, runs: [],
            ensemble: Ensemble(kind: file.kind.rawValue, members: file.members.filter(\.isTaken).map(\.run)))
    }

    private func record(_ row: Row) -> Record {
        func pair(_ range: ClosedRange<Double>?) -> [Double]? { range.map { [$0.lowerBound, $0.upperBound] } }
        let sample = row.sample
        return Record(
            row: Dictionary(uniqueKeysWithValues: zip(titles, row.cells)), experiment: row.experiment, model: row.model, metric: metric.rawValue,
            parameters: row.common(\.description.parameters), multiplyAdds: row.common(\.description.multiplyAdds), n: sample.count,
            mean: sample.count > 0 ? sample.mean : nil, sd: sample.standardDeviation, confidenceInterval: pair(interval(row)),
            difference: row.test.map { test in
                Record.Difference(
                    pairs: test.differences.count, mean: test.differences.mean, confidenceInterval: pair(differenceInterval(row)),
                    p: test.p, pHolm: row.correctedP, isExact: test.isExact, test: hasFolds ? "corrected resampled t" : nil)
            },
            others: others.isEmpty
                ? nil : Dictionary(others.map { ($0.rawValue, mean(of: $0, row)) }, uniquingKeysWith: { $1 }).compactMapValues(\.self),
            tags: row.tags.isEmpty ? nil : row.tags, notes: row.notes.isEmpty ? nil : row.notes,
            runs: row.measured.map { Record.Run(seed: $0.run.summary.description.seed, fold: $0.run.fold?.index, value: $0.value, path: $0.run.summary.folder.path) },
            groups: { $0.isEmpty ? nil : $0 }(groupLines.filter { $0.row == row.label }))
    }
}
