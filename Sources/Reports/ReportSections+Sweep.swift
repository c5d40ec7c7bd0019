import Configuration
import Figures
import Foundation

/// An option that differs between the rows of a comparison.
struct SweptOption {
    let name: String
    /// Of each row; nil where its definition does not have the option.
    let values: [String?]
    /// Options that change with it, and so tell nothing more.
    var companions: [String] = []

    /// Each value once: numbers in their order, else as they come.
    var levels: [String] { ReportSections.ordered(values.compactMap(\.self)) }
    /// Numbers of which there are too many for a row each.
    var isContinuous: Bool { levels.count > 8 && levels.allSatisfy { Double($0) != nil } }
}

extension ReportSections {
    /// What a sweep's options do to the metric.
    var sweep: ReportSection? {
        let rows = comparison.rows.filter { !$0.measured.isEmpty }, found = Self.sweptOptions(of: rows)
        guard found.contains(where: { $0.name != "model" }), rows.count > 2, comparison.isOneQuantity else { return nil }
        var parts: [ReportSection.Part] = []
        let companions = found.filter { !$0.companions.isEmpty }.map { "\($0.companions.joined(separator: ", ")) with \($0.name)" }
        if !companions.isEmpty { parts.append(.paragraph("These change together, so that no figure can tell them apart: \(companions.joined(separator: "; ")).")) }
        parts.append(mainEffects(rows, found))
        if found.count == 2, found.allSatisfy({ !$0.isContinuous }) { parts.append(heatMap(rows, found[0], found[1])) }
        if found.count > 2 {
            parts.append(parallelCoordinates(rows, found))
            // The two that do most.
            let strongest = found.filter { !$0.isContinuous && $0.levels.count <= 20 }.map { ($0, Self.effect(of: $0, rows)) }.sorted { $0.1 > $1.1 }.prefix(2).map(\.0)
            if strongest.count == 2 {
                let inOrder = found.filter { option in strongest.contains { $0.name == option.name } }
                parts.append(heatMap(rows, inOrder[0], inOrder[1]))
            }
        }
        return ReportSection(id: "sweep", title: "What the options do", parts: parts)
    }

    /// The options that differ, the model first; one that says the same as an earlier one is its companion.
    static func sweptOptions(of rows: [Comparison.Row]) -> [SweptOption] {
        let written = rows.map { row in row.runs[0].keys.labelled(withSources: false) { row.runs[0].written[$0] == nil ? nil : row.runs[0].shown($0) } }
        var names = Set(written.flatMap(\.keys)).sorted(), tables = written
        if names.isEmpty {
            // No plan says what was varied: it is what differs between the rows of a model.
            let definitions = rows.map { $0.runs[0].keys.labelled(withSources: false) }
            let choices = Set(rows.flatMap { $0.runs[0].keys.labelledChoices })
            let byModel = Dictionary(grouping: rows.indices) { rows[$0].model }.values.filter { $0.count > 1 }
            names = Set(byModel.flatMap { indices in Comparison.differingKeys(indices.map { definitions[$0] }, choices) }).sorted()
            tables = definitions
        }
        let shortNames = names.map { name in
            let end = name.split(separator: ".").last.map(String.init) ?? name
            return names.count { $0 == end || $0.hasSuffix("." + end) } == 1 ? end : name
        }
        var options: [SweptOption] = [SweptOption(name: "model", values: rows.map(\.model))]
        options += zip(names, shortNames).map { name, short in
            // A row without a value that others of its model have leaves it at its default.
            let models = Set(rows.indices.filter { tables[$0][name] != nil }.map { rows[$0].model })
            return SweptOption(name: short, values: rows.indices.map { tables[$0][name] ?? (models.contains(rows[$0].model) ? none : nil) })
        }
        options = options.filter { $0.levels.count > 1 && !$0.values.isEmpty }
        // Those that all rows have come first, so that others are companions of theirs.
        let ordered = options.filter { !$0.values.contains(nil) } + options.filter { $0.values.contains(nil) }
        return ordered.reduce(into: []) { kept, option in
            if let twin = kept.firstIndex(where: { saysTheSame($0, option) }) { kept[twin].companions.append(option.name) } else { kept.append(option) }
        }
    }

    /// Whether the rows that have both are told apart by one as by the other.
    private static func saysTheSame(_ a: SweptOption, _ b: SweptOption) -> Bool {
        let pairs = zip(a.values, b.values).compactMap { x, y in x.flatMap { x in y.map { (x, $0) } } }
        let both = Set(pairs.map { "\($0.0)\n\($0.1)" }).count
        return pairs.count > 1 && both == Set(pairs.map(\.0)).count && both == Set(pairs.map(\.1)).count && both > 1
    }

    /// How far apart the means of an option's levels are.
    private static func effect(of option: SweptOption, _ rows: [Comparison.Row]) -> Double {
        let means = option.levels.map { level in mean(rows.indices.filter { option.values[$0] == level }.map { rows[$0] }) }
        return (means.max() ?? 0) - (means.min() ?? 0)
    }

    private static func mean(_ rows: [Comparison.Row]) -> Double { Sample(values: rows.flatMap { $0.measured.map(\.value) }).mean }

    private func mainEffects(_ rows: [Comparison.Row], _ options: [SweptOption]) -> ReportSection.Part {
        let groups = options.map { option -> DotChart.Group in
            let levels: [(name: String, rows: [Comparison.Row])]
            if option.isContinuous {
                // As many in each of five parts of its range.
                let ranked = rows.indices.filter { option.values[$0] != nil }.sorted { (Double(option.values[$0]!)!, $0) < (Double(option.values[$1]!)!, $1) }
                levels = (0..<5).map { part in
                    let places = ranked[ranked.count * part / 5..<ranked.count * (part + 1) / 5]
                    let name = places.isEmpty ? none : "\(significant(Double(option.values[places.first!]!)!)) to \(significant(Double(option.values[places.last!]!)!))"
                    return (name, places.map { rows[$0] })
                }
            } else {
                levels = option.levels.prefix(24).map { level in (level, rows.indices.filter { option.values[$0] == level }.map { rows[$0] }) }
            }
            return DotChart.Group(option.name, rows: levels.filter { !$0.rows.isEmpty }.map { level in
                let sample = Sample(values: level.rows.flatMap { $0.measured.map(\.value) })
                let bounds = comparison.metric.measure(among: comparison.measures)?.bounds
                return DotChart.Row(level.name, [DotChart.Dot(sample.mean, interval: sample.confidenceInterval.map { bounds.map($0.clamped) ?? $0 })])
            })
        }
        let chart = DotChart(title: "Main effects: mean \(comparison.metric.title) by option", axis: metricAxis, groups: groups)
        return .figure("main-effects", chart, reading: "Each dot is the mean over all runs with that value, whatever their other options are; lines are 95% confidence "
            + "intervals. The further apart an option's dots are, the more it matters. Where options were not varied independently, or act on one another, means alone mislead.")
    }

    private func heatMap(_ rows: [Comparison.Row], _ first: SweptOption, _ second: SweptOption) -> ReportSection.Part {
        let both = rows.indices.filter { first.values[$0] != nil && second.values[$0] != nil }
        let names = first.levels.filter { name in both.contains { first.values[$0] == name } }, columns = second.levels.filter { name in both.contains { second.values[$0] == name } }
        let values = names.map { name in
            columns.map { column -> Double? in
                let cell = rows.indices.filter { first.values[$0] == name && second.values[$0] == column }.map { rows[$0] }
                return cell.isEmpty ? nil : Self.mean(cell)
            }
        }
        let digits = comparison.metric.decimals > 2 ? 3 : comparison.metric.decimals
        let texts = values.map { $0.map { value in value.map { String(format: "%.\(digits)f", $0) } ?? "" } }
        let map = HeatMap(
            title: "\(comparison.metric.title.capitalizedFirst) by \(first.name) and \(second.name)", rowLabel: first.name, columnLabel: second.name, rows: names,
            columns: columns, values: values, texts: texts, valueLabel: "mean \(comparison.metric.title)")
        return .figure("options-\(Self.fileName(first.name))-\(Self.fileName(second.name))", map, reading: "Each cell is the mean over all runs with those two values; an empty one was not trained.")
    }

    private func parallelCoordinates(_ rows: [Comparison.Row], _ options: [SweptOption]) -> ReportSection.Part {
        var coordinates = options.map { option -> ParallelCoordinates.Coordinate in
            let levels = option.levels
            guard option.isContinuous else { return ParallelCoordinates.Coordinate(option.name, words: levels, values: option.values.map { $0.flatMap(levels.firstIndex) }) }
            let numbers = option.values.map { $0.flatMap { Double($0) } }, known = numbers.compactMap(\.self)
            let isWide = (known.min() ?? 0) > 0 && known.max()! / known.min()! > 30
            return ParallelCoordinates.Coordinate(Axis(option.name, scale: isWide ? .logarithmic : .linear), values: numbers)
        }
        coordinates.append(ParallelCoordinates.Coordinate(metricAxis, values: rows.map(\.sample.mean)))
        let chart = ParallelCoordinates(
            title: "All rows: their options and their \(comparison.metric.title)", coordinates: coordinates, names: rows.map(\.label), isMoreBetter: comparison.isMoreBetter)
        return .figure("parallel-coordinates", chart, reading: "Each line is a row of the comparison; follow the thick ones from the last axis up to the options that the best rows have.")
    }

    /// A name as a part of a file's.
    static func fileName(_ name: String) -> String {
        let text = String(name.shortened(to: 40).map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "-" })
        return text.isEmpty ? "-" : text
    }
}
