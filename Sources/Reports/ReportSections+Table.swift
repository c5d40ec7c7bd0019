import Configuration
import Figures
import Foundation
import Measures
import RunStore

extension ReportSections {
    /// What was asked, and the definitions that say how.
    var question: ReportSection? {
        var parts: [ReportSection.Part] = []
        for experiment in experiments {
            // Of several runs the last one has the newest words; runs of earlier programs have none.
            let kept = comparison.rows.flatMap(\.runs).map(\.summary.description).last { $0.experiment == experiment && $0.question != nil }?.question
            guard let question = kept ?? options.question(experiment) else { continue }
            if experiments.count > 1 { parts.append(.paragraph("\(experiment):")) }
            parts += Self.facts(question).map(ReportSection.Part.fact)
        }
        for shown in shown.isEmpty ? [] : shown {
            guard let run = shown.row.runs.first?.summary.description else { continue }
            parts.append(.folded("Resolved definition of \(shown.name), seed \(run.seed)", text: run.configuration))
        }
        return ReportSection(id: "question", title: "Question and definition", parts: parts)
    }

    /// `Question: …` and the like, with the lines below that belong to them.
    private static func facts(_ head: String) -> [(label: String, text: String)] {
        head.split(separator: "\n").reduce(into: [(label: String, text: String)]()) { facts, line in
            if let match = line.wholeMatch(of: /([A-Z][A-Za-z ]{0,20}):\s+(.+)/) {
                facts.append((String(match.1), String(match.2)))
            } else if facts.isEmpty {
                facts.append(("", String(line)))
            } else {
                facts[facts.count - 1].text += "\n" + line.drop { $0 == " " }
            }
        }
    }

    var experiments: [String] {
        comparison.rows.flatMap(\.runs).map(\.summary.description.experiment).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The comparison, what it says in a sentence, and the runs that it is made from.
    var table: ReportSection? {
        let command = compareCommand + " --format latex"
        var parts: [ReportSection.Part] = verdict.map(ReportSection.Part.paragraph)
        parts.append(.table("comparison", comparison.readable(), caption: comparison.caption + comparison.remarks, command: command))
        if comparison.rows.count == 2, let pairs = try? comparison.pairedImages() {
            parts.append(.table("paired-images", pairs.readable, caption: pairs.caption, command: compareCommand + " --paired-images --format latex"))
        }
        let notes = comparison.notes.map(withoutPlaces)
        if !notes.isEmpty { parts.append(.list(notes)) }
        var runs = TextTable(["run", "row", "state"].map { TextTable.Column($0, .left) } + ["seed", "epochs", comparison.metric.title].map { TextTable.Column($0) })
        for row in comparison.rows {
            for run in row.runs {
                let value = row.measured.first { $0.run.summary.folder == run.summary.folder }?.value
                runs.append([
                    run.summary.name, row.label, run.summary.state.rawValue, "\(run.summary.description.seed)", "\(run.summary.epochCount)",
                    value.map { decimals($0, comparison.metric.decimals) } ?? none,
                ])
            }
        }
        parts.append(.foldedTable("The \(counted(runs.rows.count, "run", "runs")) behind the table", runs))
        return ReportSection(id: "comparison", title: "Comparison", parts: parts)
    }

    /// Which row is best, and what of it chance could explain.
    private var verdict: [String] {
        let measured = comparison.rows.filter { !$0.measured.isEmpty }
        guard measured.count > 1, comparison.isOneQuantity, let best = measured.min(by: { comparison.isMoreBetter ? $0.sample.mean > $1.sample.mean : $0.sample.mean < $1.sample.mean }) else { return [] }
        let digits = comparison.metric.decimals
        let interval = comparison.interval(best).map { " (95% confidence interval \(decimals($0.lowerBound, digits)) … \(decimals($0.upperBound, digits)))" } ?? ""
        var sentences = "\(best.label.shortened(to: 90)) has the best \(comparison.metric.title), \(decimals(best.sample.mean, digits))\(interval)."
        if comparison.hasTests, let baseline = comparison.baseline {
            let certain = comparison.rows.filter { $0.correctedP.map { $0 <= 0.05 } ?? false }
            sentences += certain.isEmpty
                ? " No difference to \(comparison.rows[baseline].label.shortened(to: 90)) is larger than chance alone often makes (p > 0.05 for every row)."
                : " \(certain.count) of \(comparison.rows.count { $0.correctedP != nil }) rows differ from \(comparison.rows[baseline].label.shortened(to: 90)) by more than chance alone often makes (p ≤ 0.05)."
        }
        return [sentences]
    }

    /// The keys in which rows differ.
    var differences: ReportSection? {
        guard comparison.rows.count > 1 else { return nil }
        let definitions = comparison.rows.map { $0.runs[0].keys.labelled(withSources: false) }
        let texts = comparison.rows.map { row in row.runs[0].keys.labelled(withSources: false) { row.runs[0].shown($0) } }
        let keys = Comparison.differingKeys(definitions, Set(comparison.rows.flatMap { $0.runs[0].keys.labelledChoices }))
        guard !keys.isEmpty else { return nil }
        var table: TextTable
        if comparison.rows.count <= Report.shownCount {
            table = TextTable(([TextTable.Column("key", .left)] + comparison.rows.map { TextTable.Column($0.label, .left) }))
            for key in keys { table.append([key] + texts.map { $0[key] ?? none }) }
        } else {
            table = TextTable([TextTable.Column("key", .left), TextTable.Column("values"), TextTable.Column("rows with each value", .left)])
            for key in keys {
                let counts = Self.levelCounts(texts.map { $0[key] ?? none })
                let list = counts.prefix(8).map { "\($0.value.shortened()) (\($0.count))" }.joined(separator: ", ") + (counts.count > 8 ? ", …" : "")
                table.append([key, "\(counts.count)", list])
            }
        }
        return ReportSection(id: "differences", title: "What differs between the runs", parts: [
            .paragraph("Keys of the definitions that differ between rows of the comparison; a value that a row's definition does not have is \(none)."),
            .table("differences", table, caption: ["Keys of the definitions that differ between rows"], command: compareCommand + " --only-changed --format latex"),
        ])
    }

    /// Each value once, in numeric or else first order, and how often it comes.
    static func levelCounts(_ values: [String]) -> [(value: String, count: Int)] {
        let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +)
        return ordered(values).map { ($0, counts[$0] ?? 0) }
    }

    /// Each value once: numbers in their order, else as they come.
    static func ordered(_ values: [String]) -> [String] {
        let distinct = values.reduce(into: (seen: Set<String>(), list: [String]())) { if $0.seen.insert($1).inserted { $0.list.append($1) } }.list
        guard distinct.allSatisfy({ Double($0) != nil }) else { return distinct }
        return distinct.sorted { Double($0)! < Double($1)! }
    }
}

extension ReportSections {
    /// What prints the comparison.
    var compareCommand: String { "harness compare \(Report.words((options.names.isEmpty ? experiments : options.names) + Report.words(for: options.comparison)))" }
}

extension Report {
    /// The words of the command line that say what is compared.
    static func words(for options: Comparison.Options) -> [String] {
        let metrics = ([options.metric].compactMap(\.self) + options.others).map(\.rawValue)
        func words(_ option: String, _ values: [String]) -> [String] { values.isEmpty ? [] : [option] + values }
        return (metrics.isEmpty ? [] : ["--metric", metrics.joined(separator: ",")]) + words("--by", options.by) + words("--where", options.conditions)
            + words("--tag", options.tags) + words("--baseline", [options.baseline].compactMap(\.self))
    }

    /// Words for a shell.
    static func words(_ words: [String]) -> String {
        words.map { word in
            let isPlain = !word.isEmpty && word.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "_-./=,".unicodeScalars.contains($0)) }
            return isPlain ? word : "'\(word.replacing("'", with: "'\\''"))'"
        }.joined(separator: " ")
    }
}
