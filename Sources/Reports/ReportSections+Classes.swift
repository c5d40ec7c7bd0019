import Configuration
import Figures
import Foundation
import Measures
import RunStore

extension ReportSections {
    /// How many classes have a row of their own.
    private static let classCount = 40

    /// How well each class is recognized, and which are taken for which.
    var classes: ReportSection? {
        let known = shown.filter { $0.evaluation.classNames.count > 1 }
        var parts: [ReportSection.Part] = []
        let arePixels = known.allSatisfy(\.evaluation.isOfPixels), reading = Self.confusionReading(of: arePixels ? "pixels" : "images")
        // Rows that were tested on other classes, or are measured otherwise, have a figure of their own.
        for measure in [RowEvaluation.ClassMeasure.recall, .iou, .averagePrecision] {
            let rows = known.filter { $0.evaluation.classMeasure == measure }
            let lists = rows.map(\.evaluation.classNames).reduce(into: [[String]]()) { if !$0.contains($1) { $0.append($1) } }
            for (index, names) in lists.enumerated() {
                let file = "\(measure.rawValue)\(index == 0 ? "" : "-\(index + 1)")"
                parts.append(figure(of: measure, rows.filter { $0.evaluation.classNames == names }, names, file))
            }
        }
        let maps = known.compactMap { shown -> (ReportSection.Part, Report.Named<any Figure>)? in
            let names = shown.evaluation.classNames
            guard let confusion = shown.evaluation.confusion, names.count <= 120 else { return nil }
            let map = HeatMap(confusion: confusion, names: names, title: "Confusion of \(shown.name)"), name = "confusion-\(Self.fileName(shown.name))"
            return (.figure(name, map, reading: reading), Report.Named(name: name, content: map))
        }
        // Small ones stand beside one another.
        let areSmall = known.allSatisfy { $0.evaluation.classNames.count <= 12 }
        parts += areSmall && maps.count > 1 ? [.gallery(maps.map(\.1), reading: reading)] : maps.map(\.0)
        if let table = confusedPairs(known) {
            parts.append(.table("confused-pairs", table, caption: ["The classes that are most often taken for another one"], command: nil))
        }
        if let (table, caption) = comparison.groupTable {
            parts.append(.table("groups", table, caption: [caption.prefix(1).uppercased() + caption.dropFirst()], command: compareCommand))
        }
        return ReportSection(id: "classes", title: "Classes", parts: parts)
    }

    private static func confusionReading(of things: String) -> String {
        "A row for each class, a column for each that was predicted; right answers lie on the diagonal. Numbers are percent of the class's test \(things), over all runs of the row."
    }

    private func figure(of measure: RowEvaluation.ClassMeasure, _ known: [Report.ShownRow], _ names: [String], _ file: String) -> ReportSection.Part {
        var rows = names.indices.map { index in
            DotChart.Row(names[index], known.map { shown in
                let sample = Sample(values: shown.evaluation.values(of: index))
                return sample.count == 0 ? nil : DotChart.Dot(sample.mean, interval: sample.confidenceInterval?.clamped(to: 0...1))
            })
        }
        if rows.count > Self.classCount {
            func worst(_ row: DotChart.Row) -> Double { row.dots.compactMap { $0?.value }.min() ?? 1 }
            rows = Array(rows.enumerated().sorted { (worst($0.element), $0.offset) < (worst($1.element), $1.offset) }.prefix(Self.classCount).map(\.element))
        }
        let cut = rows.count < names.count ? ", of the \(rows.count) of \(names.count) classes that are recognized worst" : ""
        let (name, axis) = switch measure {
        case .recall: ("Recall", "recall (share of the class's images)")
        case .iou: ("IoU", "IoU (intersection over union of its pixels)")
        case .averagePrecision: ("Average precision", "average precision (of boxes COCO's, at IoUs from 0.5 to 0.95)")
        }
        let chart = DotChart(
            title: "\(name) of each class\(cut)", axis: Axis(axis, bounds: 0...1),
            series: known.map(\.name), groups: [DotChart.Group(rows: rows)])
        return .figure(file, chart, reading: "Dots are means over the row's runs\(comparison.hasSpread ? ", lines their 95% confidence intervals" : "").")
    }

    /// Which class is most often taken for which.
    private func confusedPairs(_ known: [Report.ShownRow]) -> TextTable? {
        var table = TextTable(["row", "class", "taken for"].map { TextTable.Column($0, .left) } + [known.allSatisfy(\.evaluation.isOfPixels) ? "pixels" : "images", "share of the class"].map { TextTable.Column($0) })
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

    /// How often predictions are right by how sure the model is of them.
    var calibration: ReportSection? {
        let known = shown.filter { !$0.evaluation.reliabilities.isEmpty }
        guard !known.isEmpty else { return nil }
        let series = known.map { shown -> ReliabilityDiagram.Series in
            let error = Sample(values: shown.evaluation.calibrationErrors).mean
            return ReliabilityDiagram.Series("\(shown.name) (ECE \(decimals(error, 3)))", bins: shown.evaluation.reliability)
        }
        let count = ClassScores.usualBinCount
        let chart = ReliabilityDiagram(title: "Reliability: how often predictions are right", series: series)
        return ReportSection(id: "calibration", title: "Calibration", parts: [
            .figure("reliability", chart, reading: "Test images in \(count) bins by the probability of their predicted class, over all runs of a row. Below the diagonal a model is surer than "
                + "it is right, above it less sure; small marks beside the line are bins of fewer than \(ReliabilityDiagram.leastCount) images. ECE, the expected calibration error, is the mean distance from the diagonal, weighted by images."),
        ])
    }

    /// How many errors of a row are shown.
    private static let errorCount = 16

    /// What the models are surest of and wrong about.
    var errors: ReportSection? {
        let grids = shown.compactMap { shown -> Report.Named<any Figure>? in
            guard let errors = shown.evaluation.errors else { return nil }
            func name(_ label: Int64) -> String {
                let names = shown.evaluation.classNames
                return names.indices.contains(Int(label)) ? names[Int(label)] : "\(label)"
            }
            let cells = (0..<min(errors.count, Self.errorCount)).compactMap { index -> ImageGrid.Cell? in
                guard let png = PNG.encoded(errors.picture(index), width: errors.width, height: errors.height, channels: errors.channels) else { return nil }
                return ImageGrid.Cell(
                    png: png, width: errors.width, height: errors.height,
                    lines: [name(errors.predicted[index]), "is \(name(errors.labels[index]))", decimals(Double(errors.confidences[index]), 2)])
            }
            let grid = ImageGrid(
                title: "Surest errors of \(shown.name)", caption: "What an image was taken for, what it is, and the \(errors.confidence) of the former; run \(shown.evaluation.errorsRun).",
                cells: cells)
            return cells.isEmpty ? nil : Report.Named(name: "errors-\(Self.fileName(shown.name))", content: grid)
        }
        guard !grids.isEmpty else { return nil }
        let reading = "Test images that a run takes for another class, the surest first: wrong labels, images between two classes, and what the model does not see."
        return ReportSection(id: "errors", title: "Surest errors", parts: [.gallery(grids, reading: reading)])
    }
}
