import Configuration
import Foundation

/// The `sweep:` part of a definition: which of its values are varied.
///
///     sweep:
///       grid:                                   # every combination
///         train.optimizer.adamw.learning_rate: [1e-3, 3e-3]
///         models.vit.vit.depth: [4, 6]
///       zip:                                    # side by side: lists of one length; a list of such maps varies each on its own
///         models.vit.vit.width: [32, 64]
///         models.vit.vit.heads: [2, 4]
///       list:                                   # cells written out
///         - {train.batch_size: 64}
///         - {train.batch_size: 128, train.epochs: 8}
///       random:                                 # draws; more of them, or another key, changes none of the first
///         count: 20
///         seed: 0
///         draw:
///           train.optimizer.adamw.weight_decay: {log_uniform: [1e-4, 1e-1]}   # or uniform, integer: [from, to], choice: [values]
///       exclude: [{models.vit.vit.depth: 6, train.batch_size: {above: 64}}]   # cells that match one of the maps are left out
///       where:   [{train.batch_size: [64, 128]}]                              # only cells that match one of the maps are kept
///       seeds:   [0, 1, 2]                      # default: the definition's
///       halving: {metric: val_accuracy, factor: 3, first: 1}                  # early termination, see `Halving`
///
/// What `grid`, `zip`, `list` and `random` say is multiplied: each cell is one choice from each of them, and every cell is trained with every
/// model and seed. Keys are paths into the definition; a value replaces what is there, as an override does.
public struct SweepDefinition: Sendable {
    /// One value for each of some keys.
    typealias Cell = [SweepAssignment]

    /// Each is asked of every cell.
    private static let largestConditionCount = 100

    /// Cells of which each whole cell takes one.
    var factors: [[Cell]] = []
    var excluded: [SweepCondition] = []
    var kept: [SweepCondition] = []
    /// The seeds of every cell; nil where the definition's own count.
    public internal(set) var seeds: [Int]?
    /// How trials end early; nil where they do not.
    public internal(set) var halving: Halving?
    /// As it was written.
    let node: ConfigurationNode
    private var keys: [String: SourceMark] = [:]

    init(from fields: inout FieldReader) {
        node = fields.node
        if fields.node.entries?.isEmpty != false { fields.errors.report("expected grid, zip, list, random or seeds, found nothing", at: fields.node.mark, path: fields.path) }
        readGrid(&fields)
        readZip(&fields)
        readList(&fields)
        readRandom(&fields)
        excluded = conditions("exclude", &fields)
        kept = conditions("where", &fields)
        let errorCount = fields.errors.messages.count
        seeds = fields.integers("seeds", in: 0...)
        if let seeds, fields.errors.messages.count == errorCount {
            if seeds.isEmpty { fields.report("expected at least one seed, found none", at: "seeds") }
            if Set(seeds).count < seeds.count { fields.report("a seed is listed twice", at: "seeds") }
            _ = fields.limited(seeds, to: Definition.largestSeedCount, "seeds", at: "seeds")
        }
        if var options = fields.fields("halving") {
            halving = Halving(from: &options)
            options.finish()
        }
        fields.finish()
    }

    // MARK: Parts

    private mutating func readGrid(_ fields: inout FieldReader) {
        for (entry, path) in entries("grid", &fields) {
            guard let values = values(entry, path, fields.errors) else { continue }
            factors.append(values.map { [SweepAssignment(entry.key, $0)] })
        }
    }

    private mutating func readZip(_ fields: inout FieldReader) {
        guard let node = fields.node("zip") else { return }
        let maps: [ConfigurationNode] = if case .list(let items) = node.value { items } else { [node] }
        for (index, map) in maps.enumerated() {
            let path = maps.count > 1 ? "sweep.zip[\(index)]" : "sweep.zip"
            guard let entries = map.entries, !entries.isEmpty else {
                fields.errors.report("expected a map of keys and their values, found \(map.kind)", at: map.mark, path: path)
                continue
            }
            let columns = entries.compactMap { entry in
                values(entry, "\(path).\(entry.key)", fields.errors).map { (entry, $0) }
            }
            guard columns.count == entries.count, let length = columns.first?.1.count else { continue }
            if let (entry, other) = columns.first(where: { $0.1.count != length }) {
                let sentence = "expected \(length) values like \(columns[0].0.key), found \(other.count)"
                fields.errors.report(sentence, at: entry.mark, path: "\(path).\(entry.key)")
                continue
            }
            factors.append((0..<length).map { row in columns.map { SweepAssignment($0.0.key, $0.1[row]) } })
        }
    }

    private mutating func readList(_ fields: inout FieldReader) {
        guard let node = fields.node("list") else { return }
        guard case .list(let items) = node.value, !items.isEmpty else {
            return fields.report("expected a list of at least one map of keys and values, found \(node.isEmptyList ? "an empty one" : node.kind)", at: "list")
        }
        var cells: [Cell] = [], listed: [String: SourceMark] = [:]
        for (index, item) in items.enumerated() {
            guard let entries = item.entries else {
                fields.errors.report("expected a map of keys and values, found \(item.kind)", at: item.mark, path: "sweep.list[\(index)]")
                continue
            }
            for entry in entries where listed[entry.key] == nil { listed[entry.key] = entry.mark }
            cells.append(entries.map { SweepAssignment($0.key, $0.node) })
        }
        for (key, mark) in listed.sorted(by: { $0.key < $1.key }) { claim(key, mark, "sweep.list", fields.errors) }
        factors.append(cells)
    }

    private mutating func readRandom(_ fields: inout FieldReader) {
        guard var random = fields.fields("random") else { return }
        let count = random.integer("count", in: 1...10_000)
        if count == nil, !random.has("count") { random.report("missing; expected how many cells to draw", at: "count") }
        let seed = UInt64(random.integer("seed", default: 0, in: 0...))
        let draws = entries("draw", &random).compactMap { entry, path -> (String, SweepDistribution)? in
            claim(entry.key, entry.mark, path, random.errors)
            return SweepDistribution(entry.node, path: path, errors: random.errors).map { (entry.key, $0) }
        }
        if !random.has("draw") { random.report("missing; expected a map of keys and their distributions", at: "draw") }
        random.finish()
        guard let count, !draws.isEmpty else { return }
        factors.append((0..<count).map { index in
            draws.map { key, distribution in SweepAssignment(key, distribution.draw(index, seed: seed, key: key)) }
        })
    }

    private func conditions(_ key: String, _ fields: inout FieldReader) -> [SweepCondition] {
        guard let node = fields.node(key) else { return [] }
        let maps: [ConfigurationNode] = if case .list(let items) = node.value { items } else { [node] }
        let errors = fields.errors
        return fields.limited(maps, to: Self.largestConditionCount, "conditions", at: key).compactMap {
            SweepCondition($0, path: "sweep.\(key)", errors: errors)
        }
    }

    /// The keys of a map with their paths; reports one without any.
    private func entries(_ key: String, _ fields: inout FieldReader) -> [(ConfigurationNode.Entry, String)] {
        guard let node = fields.node(key) else { return [] }
        let path = fields.path(of: key)
        guard let entries = node.entries, !entries.isEmpty else {
            let found = node.entries == nil ? node.kind : "an empty one"
            fields.errors.report("expected a map of at least one key, found \(found)", at: node.mark, path: path)
            return []
        }
        return entries.map { ($0, "\(path).\($0.key)") }
    }

    private mutating func values(_ entry: ConfigurationNode.Entry, _ path: String, _ errors: ConfigurationErrors) -> [ConfigurationNode]? {
        claim(entry.key, entry.mark, path, errors)
        guard case .list(let values) = entry.node.value, !values.isEmpty else {
            let found = entry.node.isEmptyList ? "an empty one" : entry.node.kind
            errors.report("expected a list of at least one value, found \(found)", at: entry.node.mark, path: path)
            return nil
        }
        return values
    }

    /// Notes that a key is swept, which it can be in one place only.
    private mutating func claim(_ key: String, _ mark: SourceMark, _ path: String, _ errors: ConfigurationErrors) {
        if let first = keys[key] {
            errors.report("\(key) is swept twice, first at \(first)", at: mark, path: path)
        } else {
            keys[key] = mark
        }
        let first = key.prefix { $0 != "." }
        if ["sweep", "seeds", "match", "note", "tags", "measures", ""].contains(first) {
            let hint = first == "seeds" ? "; sweep.seeds lists them" : ""
            errors.report("'\(key)' cannot be swept\(hint)", at: mark, path: path)
        }
    }
}

/// A key and the value that a cell gives it.
struct SweepAssignment: Sendable {
    let key: String
    let value: ConfigurationNode

    init(_ key: String, _ value: ConfigurationNode) {
        self.key = key
        self.value = value
    }

    var path: [String] { key.split(separator: ".").map(String.init) }
}

extension ConfigurationNode {
    fileprivate var isEmptyList: Bool { if case .list(let items) = value { items.isEmpty } else { false } }
}
