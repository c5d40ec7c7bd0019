import Configuration

/// A map of a sweep's `exclude` or `where`, which holds for a cell when all of its keys do.
///
/// A key holds when its value is the one given (`depth: 6`), one of those given (`depth: [4, 6]`), or within bounds
/// (`depth: {at_least: 4, below: 8}`; also `above`, `at_most`). A choice is known by its name: `train.optimizer: sgd`.
struct SweepCondition: Sendable {
    private enum Test: Sendable {
        case oneOf([ConfigurationNode])
        case within([(bound: Bound, number: Double)])
    }

    private enum Bound: String, CaseIterable, Sendable {
        case above, below
        case atLeast = "at_least"
        case atMost = "at_most"

        func holds(_ value: Double, _ number: Double) -> Bool {
            switch self {
            case .above: value > number
            case .below: value < number
            case .atLeast: value >= number
            case .atMost: value <= number
            }
        }
    }

    /// Each is compared with that of every cell.
    private static let largestValueCount = 1000

    let mark: SourceMark
    private var tests: [(key: String, mark: SourceMark, test: Test)] = []

    init?(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors) {
        mark = node.mark
        guard let entries = node.entries, !entries.isEmpty else {
            errors.report("expected a map of keys and values, or a list of such maps, found \(node.kind)", at: node.mark, path: path)
            return nil
        }
        for entry in entries {
            switch entry.node.value {
            case .list(let items):
                if items.count > Self.largestValueCount {
                    let sentence = "found \(grouped(items.count)) values, expected at most \(grouped(Self.largestValueCount))"
                    errors.report(sentence, at: entry.mark, path: "\(path).\(entry.key)")
                }
                tests.append((entry.key, entry.mark, .oneOf(items)))
            case .map(let bounds):
                var numbers: [(bound: Bound, number: Double)] = []
                for bound in bounds {
                    let place = "\(path).\(entry.key)"
                    guard let kind = Bound(rawValue: bound.key) else {
                        let hint = suggestion(for: bound.key, among: Bound.allCases.map(\.rawValue))
                        errors.report("unknown bound '\(bound.key)'\(hint)", at: bound.mark, path: place)
                        continue
                    }
                    guard case .scalar(let text, quoted: false) = bound.node.value, let number = Double(text) else {
                        errors.report("expected a number, found \(bound.node.kind)", at: bound.mark, path: "\(place).\(bound.key)")
                        continue
                    }
                    numbers.append((kind, number))
                }
                tests.append((entry.key, entry.mark, .within(numbers)))
            case .scalar, .null:
                tests.append((entry.key, entry.mark, .oneOf([entry.node])))
            }
        }
    }

    /// The keys with their places.
    var keys: [(key: String, mark: SourceMark)] { tests.map { ($0.key, $0.mark) } }

    /// Whether the definition of a cell, as it is written, meets the condition.
    func holds(for root: ConfigurationNode) -> Bool {
        tests.allSatisfy { key, _, test in
            guard let value = root.value(at: key.split(separator: ".").map(String.init)) else { return false }
            switch test {
            case .oneOf(let values): return values.contains { Self.isSame($0, value) }
            case .within(let bounds):
                guard let number = Self.number(value) else { return false }
                return bounds.allSatisfy { $0.bound.holds(number, $0.number) }
            }
        }
    }

    private static func isSame(_ expected: ConfigurationNode, _ value: ConfigurationNode) -> Bool {
        if let a = number(expected), let b = number(value) { return a == b }
        if case .scalar(let name, _) = expected.value, let entries = value.entries { return entries.count == 1 && entries[0].key == name }
        return YAML.line(expected) == YAML.line(value)
    }

    private static func number(_ node: ConfigurationNode) -> Double? {
        if case .scalar(let text, quoted: false) = node.value { Double(text) } else { nil }
    }
}
