/// All that is wrong with a definition, each as `file:line: key.path: sentence`.
public final class ConfigurationErrors {
    /// Each error in one line, with file, line and key path, in the order in which they were reported.
    public private(set) var messages: [String] = []
    private var known: Set<String> = []
    private var paths: Set<String> = []
    /// Of each message.
    private var messagePaths: [String] = []
    /// More would scroll away what comes first.
    private static let shownCount = 40

    /// No errors yet.
    public init() {}

    /// Adds an error about the value at `path`, written at `mark`.
    public func report(_ message: String, at mark: SourceMark, path: String) {
        // A key of a file that is no definition may be of any length.
        let place = path.isEmpty ? "\(mark)" : "\(mark): \(path.shortened(to: 120))"
        // Errors are told apart by lines, which no name can begin.
        let line = "\(place): \(message)".visibleOnOneLine
        add(line, path)
        paths.insert(path)
    }

    /// Adds what others hold, but for what is known under another name.
    public func report(_ others: ConfigurationErrors, except otherName: (String) -> String) {
        for (message, path) in zip(others.messages, others.messagePaths) where !known.contains(otherName(message)) { add(message, path) }
        paths.formUnion(others.paths)
    }

    /// Adds what others hold of some paths.
    public func report(_ others: ConfigurationErrors, where isMeant: (_ path: String) -> Bool) {
        for (message, path) in zip(others.messages, others.messagePaths) where isMeant(path) {
            add(message, path)
            paths.insert(path)
        }
    }

    private func add(_ message: String, _ path: String) {
        guard known.insert(message).inserted else { return }
        messages.append(message)
        messagePaths.append(path)
    }

    /// Whether anything was reported about the value at `path` or about a part of it.
    public func hasAny(under path: String) -> Bool {
        path.isEmpty ? !messages.isEmpty : paths.contains { $0 == path || $0.hasPrefix("\(path).") || $0.hasPrefix("\(path)[") }
    }

    /// Throws everything reported so far as one error: all sentences, or the first of very many and the number of the others.
    public func throwIfAny() throws {
        guard !messages.isEmpty else { return }
        let others = messages.count - Self.shownCount
        let last = others > 0 ? ["and \(grouped(others)) more errors"] : []
        throw UserError(.usage, (messages.prefix(Self.shownCount) + last).joined(separator: "\n"))
    }
}

/// Reads the fields of one map, reporting every unknown key and every wrong value instead of stopping at the first.
///
///     var fields = FieldReader(node, path: "train", errors: errors)
///     let epochs = fields.integer("epochs", default: 4, in: 1...)
///     fields.finish()          // reports the keys that nothing asked for
///
/// A value that is missing or wrong yields the default, so reading goes on; `ConfigurationErrors` holds what was said.
public struct FieldReader {
    /// The map that is read.
    public let node: ConfigurationNode
    /// Its own key path, empty for the whole file.
    public let path: String
    /// Where errors are collected.
    public let errors: ConfigurationErrors
    /// What can be named beyond what configurations declare.
    public let additions: Additions
    private var asked: [String] = []

    /// `node` may be a map or null (all defaults); anything else is reported.
    public init(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors, additions: Additions = Additions()) {
        self.node = node
        self.path = path
        self.errors = errors
        self.additions = additions
        switch node.value {
        case .map, .null: break
        default: errors.report("expected a map, found \(node.kind)", at: node.mark, path: path)
        }
    }

    /// The path of one of its keys.
    public func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// Reports an error about the value of `key`, at its line (or at the map's when the key is absent).
    public func report(_ message: String, at key: String) {
        errors.report(message, at: node[key]?.mark ?? node.mark, path: path(of: key))
    }

    /// Whether the key is written.
    public func has(_ key: String) -> Bool { node[key] != nil }

    /// The node under `key`, marking the key as known.
    public mutating func node(_ key: String) -> ConfigurationNode? {
        asked.append(key)
        return node[key]
    }

    /// A reader for the map under `key`, or nil when the key is absent.
    public mutating func fields(_ key: String) -> FieldReader? {
        node(key).map { FieldReader($0, path: path(of: key), errors: errors, additions: additions) }
    }

    private mutating func scalar<T>(_ key: String, expected: String, _ convert: (String, Bool) -> T?) -> T? {
        guard let found = node(key) else { return nil }
        if case .scalar(let text, let quoted) = found.value, let value = convert(text, quoted) { return value }
        report("expected \(expected), found \(found.kind)", at: key)
        return nil
    }

    // MARK: Scalars

    /// The key's integer; nil where it is not written, or where it is none of the range, which is reported.
    public mutating func integer(_ key: String, in range: some RangeExpression<Int> = Int.min...) -> Int? {
        guard let value = scalar(key, expected: "an integer", { $1 ? nil : Int($0) }) else { return nil }
        guard range.contains(value) else {
            report("expected \(describe(range)), found \(value)", at: key)
            return nil
        }
        return value
    }

    /// The key's integer, or `value` where it is not written or not in the range, which is reported.
    public mutating func integer(_ key: String, default value: Int, in range: some RangeExpression<Int> = Int.min...) -> Int {
        integer(key, in: range) ?? value
    }

    /// A number that single precision can hold (`WrittenNumber`); `1e-3`, `3` and `.5` are numbers.
    public mutating func number(_ key: String, in range: some RangeExpression<Double> = (-Double.infinity)...) -> Double? {
        guard let found = node(key) else { return nil }
        guard let number = WrittenNumber(found) else {
            report("expected a number, found \(found.kind)", at: key)
            return nil
        }
        guard let complaint = number.complaint(range) else { return number.value }
        report(complaint, at: key)
        return nil
    }

    /// The key's number, or `value` where it is not written or not in the range, which is reported.
    public mutating func number(_ key: String, default value: Double, in range: some RangeExpression<Double> = (-Double.infinity)...) -> Double {
        number(key, in: range) ?? value
    }

    /// The key's truth value; nil where it is not written, or is none, which is reported.
    public mutating func boolean(_ key: String) -> Bool? {
        scalar(key, expected: "true or false") { text, quoted in
            quoted ? nil : ["true": true, "yes": true, "on": true, "false": false, "no": false, "off": false][text.lowercased()]
        }
    }

    /// The key's text; nil where it is not written, or is none, which is reported.
    public mutating func string(_ key: String) -> String? {
        scalar(key, expected: "a text") { text, _ in text }
    }

    /// One of the names of an enumeration, with a did-you-mean.
    public mutating func choice<T: RawRepresentable & CaseIterable>(_ key: String) -> T? where T.RawValue == String { choice(key, of: Array(T.allCases)) }

    /// One of some of the names of an enumeration.
    public mutating func choice<T: RawRepresentable>(_ key: String, of values: [T]) -> T? where T.RawValue == String {
        guard let text = string(key) else { return nil }
        if let choice = values.first(where: { $0.rawValue == text }) { return choice }
        report("unknown value '\(text.shortened())'\(suggestion(for: text, among: values.map(\.rawValue)))", at: key)
        return nil
    }

    // MARK: Collections

    /// A list of integers; a lone integer counts as a list of one.
    public mutating func integers(_ key: String, in range: some RangeExpression<Int> = Int.min...) -> [Int]? {
        guard let found = node(key) else { return nil }
        let items: [ConfigurationNode] = if case .list(let items) = found.value { items } else { [found] }
        var values: [Int] = []
        for (index, item) in items.enumerated() {
            guard case .scalar(let text, quoted: false) = item.value, let value = Int(text), range.contains(value) else {
                errors.report("expected \(describe(range)), found \(item.kind)", at: item.mark, path: "\(path(of: key))[\(index)]")
                continue
            }
            values.append(value)
        }
        return values
    }

    /// A list of numbers that single precision can hold; a lone number counts as a list of one.
    public mutating func numbers(_ key: String, in range: some RangeExpression<Double> = (-Double.infinity)...) -> [Double]? {
        guard let found = node(key) else { return nil }
        let items: [ConfigurationNode] = if case .list(let items) = found.value { items } else { [found] }
        var values: [Double] = []
        for (index, item) in items.enumerated() {
            let number = WrittenNumber(item)
            guard let number, range.contains(number.value), number.complaint(range) == nil else {
                let complaint = number.flatMap { range.contains($0.value) ? $0.complaint(range) : nil }
                errors.report(
                    complaint ?? "expected \(describe(range)), found \(item.kind)", at: item.mark, path: "\(path(of: key))[\(index)]")
                continue
            }
            values.append(number.value)
        }
        return values
    }

    /// The variants of `{name: {options}}`, `name` alone, and `{name: value}`: the key, and the node behind it (null for the bare name).
    public mutating func variant(_ key: String) -> (name: String, node: ConfigurationNode, path: String)? {
        guard let found = node(key) else { return nil }
        return Self.variant(of: found, path: path(of: key), errors: errors)
    }

    /// The name of a variant, its options and their path: of `name`, or of `{name: {options}}`. Reports anything else and returns nil.
    public static func variant(
        of node: ConfigurationNode, path: String, errors: ConfigurationErrors
    ) -> (name: String, node: ConfigurationNode, path: String)? {
        switch node.value {
        case .scalar(let name, _):
            return (name, ConfigurationNode(.null, mark: node.mark), path)
        case .map(let entries) where entries.count == 1:
            return (entries[0].key, entries[0].node, path.isEmpty ? entries[0].key : "\(path).\(entries[0].key)")
        default:
            errors.report("expected a name or a map with one key, found \(node.kind)", at: node.mark, path: path)
            return nil
        }
    }

    /// Reports the keys that nothing asked for: all, or the first of very many and the number of the others.
    public func finish() {
        let known = Set(asked), unknown = (node.entries ?? []).filter { !known.contains($0.key) }
        for entry in unknown.prefix(20) {
            errors.report(
                "unknown key '\(entry.key.shortened())'\(suggestion(for: entry.key, among: known))", at: entry.mark, path: path(of: entry.key))
        }
        if unknown.count > 20 { errors.report("and \(grouped(unknown.count - 20)) more unknown keys", at: unknown[20].mark, path: path) }
    }
}

/// A range in words.
func describe<Bound>(_ range: some RangeExpression<Bound>) -> String {
    switch range {
    case let range as ClosedRange<Bound>: "a value from \(range.lowerBound) to \(range.upperBound)"
    case let range as PartialRangeFrom<Bound>: "\(Bound.self == Int.self ? "an integer" : "a number") of at least \(range.lowerBound)"
    case let range as PartialRangeThrough<Bound>: "\(Bound.self == Int.self ? "an integer" : "a number") of at most \(range.upperBound)"
    case let range as PartialRangeUpTo<Bound>: "\(Bound.self == Int.self ? "an integer" : "a number") below \(range.upperBound)"
    case let range as Range<Bound>: "a value from \(range.lowerBound) up to but not \(range.upperBound)"
    default: "a value in \(range)"
    }
}
