import Configuration
import Figures
import Foundation
import RunStore

extension ReportSections {
    /// How many classes have a row of their own.
    private static let classCount = 40

    /// How well each class is recognized, and which are taken for which.
    var classes: ReportSection? {
        let known = shown.filter { !$0.evaluation.confusions.isEmpty }
        guard let names = known.first?.evaluation.classNames, names.count > 1 else { return nil }
        let alike = known.filter { $0.evaluation.classNames == names }
        var parts: [ReportSection.Part] = []
        var rows = names.indices.map { index in
            DotChart.Row(names[index], alike.map { shown in
                let sample = Sample(values: shown.evaluation.recalls(of: index))
                return sample.count == 0 ? nil : DotChart.Dot(sample.mean, interval: sample.confidenceInterval?.clamped(to: 0...1))
            })
        }
        if rows.count > Self.classCount {
            func worst(_ row: DotChart.Row) -> Double { row.dots.compactMap { $0?.value }.min() ?? 1 }
            rows = Array(rows.enumerated().sorted { (worst($0.element), $0.offset) < (worst($1.element), $1.offset) }.prefix(Self.classCount).map(\.element))
        }
        let cut = rows.count < names.count ? ", of the \(rows.count) of \(names.count) classes that are recognized worst" : ""
        let recall = DotChart(
            title: "Recall of each class\(cut)", axis: Axis("recall (share of the class's test images that are recognized)", bounds: 0...1),
            series: alike.map(\.name), groups: [DotChart.Group(rows: rows)])
        parts.append(.figure("recall", recall, reading: "Dots are means over the row's runs\(comparison.hasSpread ? ", lines their 95% confidence intervals" : "")."))
        for (index, shown) in known.enumerated() where shown.evaluation.classNames.count <= 120 {
            guard let confusion = shown.evaluation.confusion else { continue }
            let map = HeatMap(confusion: confusion, names: shown.evaluation.classNames, title: "Confusion of \(shown.name)")
            let runs = counted(shown.evaluation.confusions.count, "run", "runs")
            let reading = """
                A row for each class, a column for each that was predicted; right answers lie on the diagonal. Numbers are percent of the row's images, over \(runs).
                """
            parts.append(.figure("confusion-\(index + 1)", map, reading: reading))
        }
        if let table = confusedPairs(known) {
            parts.append(.table("confused-pairs", table, caption: ["The classes that are most often taken for another one"], command: nil))
        }
        return ReportSection(id: "classes", title: "Classes", parts: parts)
    }

    /// Which class is most often taken for which.
    private func confusedPairs(_ known: [Report.ShownRow]) -> TextTable? {
        var table = TextTable(["row", "class", "taken for"].map { TextTable.Column($0, .left) } + ["images", "share of the class"].map { TextTable.Column($0) })
        for shown in known {
            guard let confusion = shown.evaluation.confusion else { continue }
            let pairs = confusion.indices.flatMap { row in confusion.indices.filter { $0 != row && confusion[row][$0] > 0 }.map { (row, $0, confusion[row][$0]) } }
            for (row, column, count) in pairs.sorted(by: { ($1.2, $0.0, $0.1) < ($0.2, $1.0, $1.1) }).prefix(3) {
                let share = Double(count) / Double(confusion[row].reduce(0, +))
                table.append([shown.name, shown.evaluation.classNames[row], shown.evaluation.classNames[column], grouped(count), decimals(share, 3)])
            }
        }
        return table.rows.isEmpty ? nil : table
    }

    var calibration: ReportSection? { nil }
    var errors: ReportSection? { nil }
}
