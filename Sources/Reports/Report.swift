import Configuration
import Figures
import Foundation
import Measures
import RunStore

/// `harness report`: runs as figures and tables in one page that needs nothing else, neither a network nor a script.
///
/// It is a function of the runs' files and the definition's first lines: no dates, no paths. The figures' numbers are those of `Comparison`.
public struct Report {
    /// What the page shows, and how it is called.
    public struct Options: Sendable {
        /// What is compared.
        public var comparison = Comparison.Options()
        /// What stands above the page; nil: the experiments' names.
        public var title: String?
        /// What a reader of the page calls the runs in a command; none: by their experiments.
        public var names: [String] = []
        /// The comments at the head of an experiment's definition, by its name; nil where it is not known.
        public var question: @Sendable (String) -> String? = { _ in nil }

        /// What `harness report` does unasked.
        public init() {}
    }

    /// A figure or table under the name of its file.
    struct Named<Content> {
        let name: String
        let content: Content
    }

    let options: Options
    let comparison: Comparison
    /// The rows that figures show which have no room for all: see `choice`.
    let shown: [ShownRow]
    let sections: [ReportSection]
    /// What was left out and why, one sentence each.
    public var notes: [String] { comparison.notes }

    /// A row in figures with few of them.
    struct ShownRow {
        let row: Comparison.Row
        /// Short enough for a legend.
        let name: String
        let evaluation: RowEvaluation
    }

    /// How many rows have a line of their own in a figure.
    static let shownCount = 6

    /// Reads the runs under some paths.
    ///
    /// - Throws: `.noInput` when a path is not there or there is no finished run below the paths, `.data` when none of the runs can be read, `.usage` as
    ///   `Comparison` does.
    public init(under paths: [String], options: Options = Options()) throws {
        self.options = options
        var comparisonOptions = options.comparison
        comparisonOptions.readsEpochs = true
        let comparison = try Comparison(under: paths, options: comparisonOptions)
        self.comparison = comparison
        let chosen = comparison.best(Self.shownCount), models = chosen.map(\.model)
        // Of many rows the models' names are enough where each model has one; else what is the same in all cells needs no room.
        let areModels = comparison.rows.count > chosen.count && Set(models).count == models.count
        let telling = comparison.titles.indices.filter { column in Set(chosen.map { $0.cells[column] }).count > 1 }
        shown = try chosen.map { row in
            let name = telling.map { comparison.options.by.isEmpty ? row.cells[$0] : "\(comparison.titles[$0])=\(row.cells[$0])" }.filter { !$0.isEmpty }.joined(separator: " ")
            return ShownRow(row: row, name: areModels ? row.model : name.isEmpty ? row.label : name, evaluation: try RowEvaluation(row))
        }
        sections = ReportSections(options, comparison, shown, paths: paths).all
    }

    /// Every figure as SVG at both widths, by the names of their files: `learning-curves-loss-170mm.svg`.
    public func figureFiles() -> [(name: String, text: String)] {
        sections.flatMap(\.figures).flatMap { figure in FigureWidth.allCases.map { ("\(figure.name)-\($0.rawValue)mm.svg", figure.content.svg($0)) } }
    }

    /// Every table in LaTeX, by the names of their files: `comparison.tex`.
    public func tableFiles() -> [(name: String, text: String)] { sections.flatMap(\.tables).map { ("\($0.name).tex", $0.content + "\n") } }

    /// The page.
    public var html: String { ReportPage(self).html }
}

extension Comparison {
    /// Whether larger values of the metric are better.
    var isMoreBetter: Bool {
        if let measure = metric.measure(among: measures) { return measure.better == .larger }
        return metric != .secondsPerEpoch
    }

    /// The best rows, in the order of the table: all where they are no more than `count`, else the best of each model and then the best of the others.
    func best(_ count: Int) -> [Row] {
        let measured = rows.indices.filter { !rows[$0].measured.isEmpty }
        guard measured.count > count else { return measured.map { rows[$0] } }
        let sign = isMoreBetter ? -1.0 : 1.0
        let ranked = measured.sorted { (sign * rows[$0].sample.mean, $0) < (sign * rows[$1].sample.mean, $1) }
        var models: Set<String> = []
        let first = ranked.filter { models.insert("\(rows[$0].experiment)\n\(rows[$0].model)").inserted }
        // Several models, one of which has no rank of its own, are a comparison of models; one model is a comparison of its rows.
        let chosen = first.count > 1 ? Array(first.prefix(count)) : Array(ranked.prefix(count))
        return chosen.sorted().map { rows[$0] }
    }
}
