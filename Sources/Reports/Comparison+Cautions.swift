import Configuration
import Foundation
import Measures

extension Comparison {
    /// What a reader of the table has to know.
    func cautions() -> [String] {
        otherLosses() + otherClasses() + tooFewPairs() + pooled() + missingAverages() + changedData() + mixedArithmetics() + unequalBudgets()
    }

    /// Says when runs say the same of their data and had other images: files that changed between them.
    private func changedData() -> [String] {
        var first: [String: Run] = [:]
        for run in rows.flatMap(\.runs) {
            let said = run.keys.values.filter { $0.key.hasPrefix("data.") && $0.key != RunFold.key }.map { "\($0.key) \($0.value)" }.sorted().joined(separator: "\n")
            guard let earlier = first[said] else {
                first[said] = run
                continue
            }
            if earlier.summary.description.dataDigest != run.summary.description.dataDigest {
                return ["\(earlier.summary.folder.path) and \(run.summary.folder.path) were trained on different images under one definition of the data"]
            }
        }
        return []
    }

    /// Says when rows are compared by losses of different tasks, or of one task with other options, which are different quantities.
    private func otherLosses() -> [String] {
        let losses = rows.flatMap(\.runs).compactMap(lossText).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        guard losses.count > 1 else { return [] }
        let list = losses.prefix(8).joined(separator: ", ") + (losses.count > 8 ? ", …" : "")
        return ["losses of different tasks, or of a task with other options, are different quantities, of which none is better, so without a difference: \(list)"]
    }

    /// - Throws: `.usage` when runs were tested on different images, so that no comparison means anything.
    func requireCommonData() throws {
        /// The key that says where a run's images are from, and what it says; made ones are known by what they are.
        func source(_ run: Run) -> (key: String, value: String)? {
            let named = ["data.name", "data.hdf5.path", "data.folder.path", "data.numpy.path", "data.coco.path"].lazy.compactMap { key in run.keys.values[key].map { (key, $0) } }.first
            let made = ["fashion_scenes", "shapes_3d", "sequences_1d"].first { name in run.keys.values.keys.contains { $0.hasPrefix("data.\(name).") } }
            return named ?? made.map { ("data", $0.replacing("_", with: "-")) }
        }
        let runs = rows.flatMap(\.runs), sources = runs.map { source($0)?.value ?? "" }
        let isAskedFor = options.by.contains { key in
            runs.contains { run in (try? run.keys.path(key)).map { $0 == source(run)?.key } ?? false }
        }
        guard !isAskedFor, let other = sources.firstIndex(where: { $0 != sources[0] }) else { return }
        let (first, second) = (runs[0].summary.folder.path, runs[other].summary.folder.path)
        let key = [0, other].lazy.compactMap { source(runs[$0])?.key }.first { $0 != "data" }
        throw UserError(
            .usage, "\(first) and \(second) have nothing in common: one is about \(sources[0]), the other about \(sources[other])"
                + (key.map { " (--by \($0) puts them into one table all the same)" } ?? ""))
    }

    /// Says which rows were tested on other classes than the baseline.
    private func otherClasses() -> [String] {
        guard let baseline else { return [] }
        let own = testedClasses(rows[baseline]), others = rows.filter { !$0.measured.isEmpty && testedClasses($0) != own }
        let names = others.map { "\($0.label) (\(testedClasses($0) ?? "all"))" }.joined(separator: ", ")
        return others.isEmpty ? [] : ["tested on other classes than \(rows[baseline].label) (\(own ?? "all")), so without a difference to it: \(names)"]
    }

    /// Says when the number of pairs rules out a small p from the start.
    private func tooFewPairs() -> [String] {
        guard let baseline else { return [] }
        var notes = rows.indices.filter {
            $0 != baseline && rows[$0].test == nil && !rows[$0].measured.isEmpty && areComparable(rows[$0], rows[baseline])
        }.map { index in
            let unit = hasFolds ? "fold" : "seed"
            let missing = options.by.isEmpty ? "\(unit) in common" : "pair of runs that agree in the \(unit), the data and all that differs within a row"
            return "\(rows[index].label) and \(rows[baseline].label) have no \(missing)"
        }
        let tests = rows.compactMap { row in row.correctedP == nil ? nil : row.test }
        guard let most = tests.map(\.differences.count).max() else {
            let hasPairs = rows.contains { $0.test != nil }
            let sentence = hasFolds ? "one fold in common says nothing about chance" : "one seed says nothing about chance; several (--seeds 0,1,2,3,4,5) would"
            return notes + (hasPairs ? [sentence] : [])
        }
        if hasFolds { return notes }
        let least = min(1, PairedTest.leastP(pairs: most) * Double(tests.count))
        if least > 0.05 {
            let needed = (most...64).first { PairedTest.leastP(pairs: $0) * Double(tests.count) <= 0.05 } ?? 64
            let comparisons = tests.count == 1 ? "" : " and \(tests.count) comparisons"
            notes.append("\(most) pairs\(comparisons) cannot reach p ≤ 0.05: the least possible is \(probability(least)); \(needed) pairs can")
        }
        if tests.contains(where: \.isEstimated) {
            notes.append("with more than \(PairedTest.exactLimit) pairs, p is estimated from \(grouped(PairedTest.drawCount)) seeded sign patterns")
        }
        return notes
    }

    /// Says which runs ended before the average of their weights began, where a column shows what it measures.
    private func missingAverages() -> [String] {
        others.flatMap { other in
            rows.flatMap(\.measured).compactMap { run, _ in
                guard other.value(of: run.summary)?.isFinite != true else { return nil }
                return absence(of: other, in: run).map { "\(run.summary.name) has no \(other.rawValue): \($0)" }
            }
        }
    }

    /// Why a finished run has no value of a metric of the average of its weights over epochs; nil where that is not known, or is of something else.
    func absence(of metric: Metric, in run: Run) -> String? {
        guard let name = metric.measure(among: measures)?.name, name.hasPrefix(WeightAverage.swa.name("")),
            let start = run.keys.values["train.swa.start_epoch"].flatMap(Int.init), run.summary.epochCount < start
        else { return nil }
        return "its training ended after epoch \(grouped(run.summary.epochCount)), before the average began, at the end of epoch \(grouped(start)) (train.swa.start_epoch)"
    }

    /// Says when `by` puts different definitions into one row.
    private func pooled() -> [String] {
        let isPooled = rows.contains { row in Set(row.runs.map(\.definition)).count > 1 }
        return isPooled ? ["rows hold runs that differ in more than their seed; n counts \(hasFolds ? "what differs in more" : "runs")"] : []
    }

    /// Says when runs were trained with different versions of the arithmetic, or one run with several.
    private func mixedArithmetics() -> [String] {
        let runs = rows.flatMap(\.measured).map(\.run.summary.description.arithmetic)
        let versions = Set(runs.flatMap { $0.map(\.version) }).sorted()
        guard versions.count > 1 else { return [] }
        let list = versions.dropLast().map { "\($0)" }.joined(separator: ", ") + " and \(versions[versions.count - 1])"
        return ["the runs were trained with versions \(list) of the arithmetic, between which the last digits of every step differ on purpose"]
    }

    /// Warns when rows differ by more than a tenth in what a fair comparison keeps equal, unless the definitions say that they may.
    private func unequalBudgets() -> [String] {
        let measured = rows.filter { !$0.measured.isEmpty }
        let budgets: [(name: String, choice: String, value: (Row) -> Double)] = [
            ("parameters", "parameters", { Sample(values: $0.measured.map { Double($0.run.summary.description.parameters) }).mean }),
            ("MACs", "macs", { Sample(values: $0.measured.map { Double($0.run.summary.description.multiplyAdds) }).mean }),
            ("epochs", "epochs", { Sample(values: $0.measured.map { Double($0.run.summary.epochCount) }).mean }),
        ]
        // A link's run says what another experiment matches.
        let matches = Set(measured.flatMap { row in row.measured.filter { !$0.run.summary.isLink }.map { $0.run.keys.values["match"] ?? "" } })
        return budgets.compactMap { name, choice, value in
            // With `match` the definition says what it keeps equal; the length of the training always is.
            if matches == ["none"] || (choice != "epochs" && matches.count == 1 && matches != [""] && matches != [choice]) { return nil }
            guard let least = measured.min(by: { value($0) < value($1) }), let most = measured.max(by: { value($0) < value($1) }),
                value(most) > 1.1 * value(least)
            else { return nil }
            let (low, high) = (decimals(value(least), 0), decimals(value(most), 0))
            return "\(name) differ by more than 10%: \(low) (\(least.label)) to \(high) (\(most.label))"
        }
    }
}

/// Four decimals; below them, that it is less.
func probability(_ p: Double) -> String { p < 0.00005 ? "<0.0001" : decimals(p, 4) }
