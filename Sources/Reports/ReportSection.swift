import Figures

/// A part of the page under a heading.
struct ReportSection {
    /// What it consists of, from above.
    enum Part {
        /// Plain text.
        case paragraph(String)
        case list([String])
        /// Text of several lines and what it is: `Question`, `Command`; empty for nothing.
        case fact(label: String, text: String)
        /// A figure under the name of its files, and how it is read.
        case figure(String, any Figure, reading: String)
        /// Several small figures of one kind, and how they are read.
        case gallery([Report.Named<any Figure>], reading: String)
        /// A table under the name of its file, what stands above it, and the command that prints it; nil where none prints it alone.
        case table(String, TextTable, caption: [String], command: String?)
        /// Text with its line breaks, folded under a few words.
        case folded(String, text: String)
        /// A table, folded likewise.
        case foldedTable(String, TextTable)
    }

    /// As links call it.
    let id: String
    let title: String
    var parts: [Part]

    var figures: [Report.Named<any Figure>] {
        parts.flatMap { part -> [Report.Named<any Figure>] in
            switch part {
            case .figure(let name, let figure, _): [Report.Named(name: name, content: figure)]
            case .gallery(let figures, _): figures
            default: []
            }
        }
    }

    /// In LaTeX.
    var tables: [Report.Named<String>] {
        parts.compactMap { if case .table(let name, let table, let caption, _) = $0 { Report.Named(name: name, content: table.latex(caption: caption)) } else { nil } }
    }
}

/// The sections of a report that its runs have data for.
struct ReportSections {
    let options: Report.Options
    let comparison: Comparison
    let shown: [Report.ShownRow]
    private let paths: [String]

    /// - Parameter paths: under which the runs were found.
    init(_ options: Report.Options, _ comparison: Comparison, _ shown: [Report.ShownRow], paths: [String]) {
        (self.options, self.comparison, self.shown, self.paths) = (options, comparison, shown, paths)
    }

    /// A text without the folders above those in which runs were looked for, which say where these lie and nothing of them.
    func withoutPlaces(_ text: String) -> String {
        paths.filter { $0.contains("/") }.sorted { $0.utf8.count > $1.utf8.count }.reduce(text) { text, path in
            guard let name = path.split(separator: "/").last, text.contains(path) else { return text }
            return text.replacing(path, with: name)
        }
    }

    var all: [ReportSection] {
        [question, table, measures, curves, embeddings, costs, sweep, classes, calibration, errors, reconstructions, numbers, layers, differences].compactMap(\.self)
            .filter { !$0.parts.isEmpty }
    }

    /// What the metric is, with its unit, at an axis.
    var metricLabel: String { comparison.metric.explanation(among: comparison.measures) }

    /// The axis of the metric.
    var metricAxis: Axis { Axis(metricLabel, bounds: comparison.metric.measure(among: comparison.measures)?.bounds) }

    /// Which rows a figure with few of them shows; nil where these are all.
    var choice: String? {
        let count = comparison.rows.count { !$0.measured.isEmpty }
        guard count > shown.count else { return nil }
        let isByModel = Set(shown.map(\.row.model)).count == shown.count && shown.count > 1
        return "Of \(count) rows the figures below show \(isByModel ? "the best of each model" : "the best \(shown.count)") by \(comparison.metric.title): "
            + shown.map { $0.row.label.shortened(to: 90) }.joined(separator: "; ") + "."
    }
}
