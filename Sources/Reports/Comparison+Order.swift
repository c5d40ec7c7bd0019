import Configuration
import Foundation
import RunStore

extension Comparison {
    /// Where a run stands in its experiment: in a sweep the cell, then the model; else the model alone.
    struct Place: Comparable {
        var cell = 0
        var model: Int

        static func < (a: Place, b: Place) -> Bool { (a.cell, a.model) < (b.cell, b.model) }
    }

    /// What the plans of sweeps say about the runs beside them. Each is read once.
    struct Plans {
        private struct Plan {
            var entries: [String: SweepFile.Entry] = [:]
            var models: [String: Int] = [:]
        }

        private let modelOrder: @Sendable (String) -> [String]?
        private var plans: [String: Plan] = [:]
        private var orders: [String: [String]] = [:]

        init(modelOrder: @escaping @Sendable (String) -> [String]?) { self.modelOrder = modelOrder }

        private mutating func plan(beside folder: RunFolder) -> Plan {
            let parent = folder.path.parentPath
            if let plan = plans[parent] { return plan }
            var plan = Plan()
            let path = SweepFile.path(in: parent)
            // One that is damaged says nothing; the sweep itself complains of it.
            if FileManager.default.fileExists(atPath: path), let file = try? SweepFile(reading: path) {
                for entry in file.entries {
                    plan.entries[entry.name] = entry
                    if plan.models[entry.model] == nil { plan.models[entry.model] = plan.models.count }
                }
            }
            plans[parent] = plan
            return plan
        }

        /// The values of a run that its sweep varied, by their paths, as they were written.
        mutating func writtenValues(of folder: RunFolder) -> [String: String] {
            plan(beside: folder).entries[(folder.path as NSString).lastPathComponent]?.values ?? [:]
        }

        /// nil where neither a plan nor a definition knows the run.
        mutating func place(of run: RunSummary) -> Place? {
            let plan = plan(beside: run.folder)
            if let entry = plan.entries[run.name] { return Place(cell: entry.cell, model: plan.models[entry.model] ?? 0) }
            // Runs that no plan knows come after those of the plan.
            if !plan.entries.isEmpty { return nil }
            let experiment = run.description.experiment
            let order = orders[experiment] ?? modelOrder(experiment) ?? []
            orders[experiment] = order
            return order.firstIndex(of: run.description.model).map { Place(model: $0) }
        }
    }

    /// The rows in the order of the definition, as far as it is known, and of their names and values.
    ///
    /// With `by`, numbers stand in their own order and words in that of the definition.
    ///
    /// - Parameter places: of runs by their paths.
    func sortedRows(_ places: [String: Place]) -> [Row] {
        let rowPlaces = rows.map { row in row.runs.compactMap { places[$0.summary.folder.path] }.min() }
        return (options.by.isEmpty ? sorted(rowPlaces) : sortedByValues(rowPlaces)).map { rows[$0] }
    }

    private func sorted(_ places: [Place?]) -> [Int] {
        let experiments = rows.map(\.runs[0].summary.description.experiment)
        let values = rows.map { row in [row.runs[0].summary.description.model] + row.labelled.sorted { $0.key < $1.key }.map(\.value) }
        return rows.indices.sorted { a, b in
            if experiments[a] != experiments[b] { return experiments[a].compare(experiments[b], options: .numeric) == .orderedAscending }
            if let order = Self.order(places[a], places[b]) { return order }
            guard let (x, y) = zip(values[a], values[b]).first(where: { $0 != $1 }) else { return a < b }
            if let x = Double(x), let y = Double(y) { return x < y }
            return x.compare(y, options: .numeric) == .orderedAscending
        }
    }

    private func sortedByValues(_ places: [Place?]) -> [Int] {
        let columns = options.by.indices.map { column in
            let values = rows.map { $0.values[column] }
            let firstPlaces = Dictionary(zip(values, places)) { a, b in
                guard let a, let b else { return a ?? b }
                return min(a, b)
            }
            return (values: values, isNumeric: values.allSatisfy { $0 == none || Double($0) != nil }, places: firstPlaces)
        }
        return rows.indices.sorted { a, b in
            for column in columns where column.values[a] != column.values[b] {
                let (x, y) = (column.values[a], column.values[b])
                if x == none || y == none { return y == none }
                if column.isNumeric, let x = Double(x), let y = Double(y) { return x < y }
                return Self.order(column.places[x] ?? nil, column.places[y] ?? nil) ?? (x.compare(y, options: .numeric) == .orderedAscending)
            }
            return a < b
        }
    }

    /// Whether the first comes before the second; nil where the places do not tell. What has no place comes last.
    private static func order(_ a: Place?, _ b: Place?) -> Bool? {
        if a == b { return nil }
        guard let a else { return false }
        guard let b else { return true }
        return a < b
    }
}
