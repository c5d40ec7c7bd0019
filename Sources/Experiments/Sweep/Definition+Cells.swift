import Configuration
import RunStore

/// A definition of which a sweep has set some values.
struct SweepCell: Sendable {
    let assignments: [SweepAssignment]
    let definition: Definition
}

extension Definition {
    /// More would not fit a table, a disk or a life.
    static let largestCellCount = 10_000

    /// The cells of the definition's sweep in order, the first factor varying slowest.
    ///
    /// - Throws: `.usage` with all errors of all cells, each at the place of the value that causes it; when no cell is left; when a condition is about
    ///   a key that is in no cell.
    ///
    /// - Parameters:
    ///   - progress: hears how far it is.
    ///   - say: hears of conditions that match no cell.
    func cells(of sweep: SweepDefinition, progress: PlanningProgress? = nil, say: (String) -> Void = { _ in }) throws -> [SweepCell] {
        let place = "\(sweep.node.mark): sweep"
        let count = sweep.factors.reduce(1) { min($0 * $1.count, Self.largestCellCount + 1) }
        guard count <= Self.largestCellCount else {
            throw UserError(.usage, "\(place): found more than \(grouped(Self.largestCellCount)) cells, expected fewer")
        }
        let products = sweep.factors.reduce([[]]) { cells, factor in cells.flatMap { cell in factor.map { cell + $0 } } }
        let errors = SentenceCollector()
        // A cell has no sweep of its own: it would be read again for each.
        var base = root
        base.value = .map((root.entries ?? []).filter { $0.key != "sweep" })
        var roots: [(assignments: [SweepAssignment], root: ConfigurationNode)] = []
        for assignments in products {
            var root = base
            errors.collect { for assignment in assignments { try Override(assignment.path, to: assignment.value).apply(to: &root, registry) } }
            roots.append((assignments, root))
        }
        try errors.throwIfAny()
        try requireKnownKeys(of: sweep, in: roots.map(\.root))
        for (conditions, key) in [(sweep.excluded, "exclude"), (sweep.kept, "where")] {
            for condition in conditions where !roots.contains(where: { condition.holds(for: $0.root) }) {
                say("\(condition.mark): sweep.\(key): matches no cell")
            }
        }
        roots.removeAll { _, root in
            sweep.excluded.contains { $0.holds(for: root) } || (!sweep.kept.isEmpty && !sweep.kept.contains { $0.holds(for: root) })
        }
        guard !roots.isEmpty else { throw UserError(.usage, "\(place): no cell is left of \(grouped(products.count))") }
        let cells = roots.enumerated().compactMap { index, cell in
            let (assignments, root) = cell
            progress?.show(index, of: roots.count, "cells read")
            return errors.collect { try Definition(root, cellOf: self) }.map { SweepCell(assignments: assignments, definition: $0) }
        }
        try errors.throwIfAny()
        return cells
    }

    private func requireKnownKeys(of sweep: SweepDefinition, in roots: [ConfigurationNode]) throws {
        for (key, mark) in (sweep.excluded + sweep.kept).flatMap(\.keys) {
            let path = key.split(separator: ".").map(String.init)
            guard !roots.contains(where: { $0.value(at: path) != nil }) else { continue }
            let swept = Set(sweep.factors.flatMap { $0.flatMap { $0.map(\.key) } })
            throw UserError(.usage, "\(mark): sweep: no cell has the key '\(key)'\(suggestion(for: key, among: swept))")
        }
    }
}

/// Every sentence once, however many cells say it; the first of very many, and the number of the others.
private final class SentenceCollector {
    private var sentences: [String] = []
    private var known: Set<String> = []
    /// The kind of the first error.
    private var kind = UserError.Kind.usage
    private static let shownCount = 40

    @discardableResult
    func collect<Result>(_ body: () throws -> Result) -> Result? {
        do { return try body() } catch {
            if sentences.isEmpty { kind = (error as? UserError)?.kind ?? .usage }
            for sentence in "\(error)".split(separator: "\n").map(String.init) where known.insert(sentence).inserted { sentences.append(sentence) }
            return nil
        }
    }

    func throwIfAny() throws {
        guard !sentences.isEmpty else { return }
        let others = sentences.count - Self.shownCount
        throw UserError(
            kind, (sentences.prefix(Self.shownCount) + (others > 0 ? ["and \(grouped(others)) more errors"] : [])).joined(separator: "\n"))
    }
}
