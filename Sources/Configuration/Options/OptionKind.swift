/// What the value of a key may be: how it is read, written and described.
public struct OptionKind<Value: Equatable & Sendable>: Sendable {
    /// In words, to complete "expected …": `an integer from 1 to 1024`.
    public let summary: String
    /// The same for editors, in the words of JSON Schema.
    public let schema: OptionSchema
    /// The keys or names that may stand below.
    let children: @Sendable () -> [OptionDescription]
    /// Reads the value under a key; nil when it is absent, or wrong, which is reported.
    let read: @Sendable (inout FieldReader, _ key: String) -> Value?
    /// The value as it is written in a resolved definition.
    let write: @Sendable (Value) -> ConfigurationNode
    /// The value without what is at its default below it.
    let identity: @Sendable (Value) -> ConfigurationNode
    /// What of a value differs from another; nil where nothing does.
    let difference: @Sendable (_ value: Value, _ other: Value) -> ConfigurationNode?

    /// - Parameters:
    ///   - identity: nil where nothing below a value has a default.
    ///   - difference: nil where a value counts as a whole or not at all.
    public init(
        _ summary: String, schema: OptionSchema, children: @escaping @Sendable () -> [OptionDescription] = { [] },
        read: @escaping @Sendable (inout FieldReader, _ key: String) -> Value?, write: @escaping @Sendable (Value) -> ConfigurationNode,
        identity: (@Sendable (Value) -> ConfigurationNode)? = nil, difference: (@Sendable (Value, Value) -> ConfigurationNode?)? = nil
    ) {
        self.summary = summary
        self.schema = schema
        self.children = children
        self.read = read
        self.write = write
        let identity = identity ?? write
        self.identity = identity
        self.difference = difference ?? { $0 == $1 ? nil : identity($0) }
    }
}

extension OptionKind {
    /// The same but for maps with keys of which is known what was meant: that is said, and nothing of the map is read.
    ///
    /// - Parameter complaint: what to say of a map with these keys; nil: nothing.
    public func refusing(_ complaint: @escaping @Sendable (_ keys: [String]) -> String?) -> Self {
        Self(
            summary, schema: schema, children: children,
            read: { fields, key in
                guard let sentence = complaint(fields.node(key)?.entries?.map(\.key) ?? []) else { return read(&fields, key) }
                fields.report(sentence, at: key)
                return nil
            }, write: write, identity: identity, difference: difference)
    }
}

extension OptionKind where Value == Int {
    /// An integer from one bound to the other.
    public static func integer(in range: ClosedRange<Int>) -> Self {
        Self(
            "an integer from \(grouped(range.lowerBound)) to \(grouped(range.upperBound))",
            schema: .integer(from: range.lowerBound, to: range.upperBound), read: { $0.integer($1, in: range) }, write: { .scalar($0) })
    }

    /// An integer from a bound up.
    public static func integer(in range: PartialRangeFrom<Int>) -> Self {
        Self(
            "an integer from \(grouped(range.lowerBound))", schema: .integer(from: range.lowerBound, to: nil),
            read: { $0.integer($1, in: range) }, write: { .scalar($0) })
    }

    /// One of a few integers, which are listed in their order.
    public static func one(of values: [Int]) -> Self {
        let summary = values.dropLast().map { "\($0)" }.joined(separator: ", ") + " or \(values.last ?? 0)"
        return Self(
            summary, schema: .integer(from: values.first ?? 0, to: values.last),
            read: { fields, key in
                guard let value = fields.integer(key) else { return nil }
                if values.contains(value) { return value }
                fields.report("expected \(summary), found \(value)", at: key)
                return nil
            }, write: { .scalar($0) })
    }
}

extension OptionKind where Value == Double {
    /// A number from one bound to the other.
    public static func number(in range: ClosedRange<Double>) -> Self {
        number(range, "a number from \(ConfigurationNode.text(range.lowerBound)) to \(ConfigurationNode.text(range.upperBound))")
    }

    /// A number from a bound up.
    public static func number(in range: PartialRangeFrom<Double>) -> Self {
        number(range, "a number from \(ConfigurationNode.text(range.lowerBound))")
    }

    /// Any finite number.
    public static var anyNumber: Self { number((-Double.infinity)..., "a number") }

    /// Up to but not the upper bound.
    public static func number(in range: Range<Double>) -> Self {
        number(range, "a number from \(ConfigurationNode.text(range.lowerBound)), below \(ConfigurationNode.text(range.upperBound))")
    }

    private static func number(_ range: some RangeExpression<Double> & Sendable, _ summary: String) -> Self {
        Self(summary, schema: .number(range), read: { $0.number($1, in: range) }, write: { .scalar($0) })
    }

    /// A number above 0.
    public static let positive = Self(
        "a number above 0", schema: .number(0...),
        read: { fields, key in
            let number = fields.number(key, in: 0...)
            if number == 0 { fields.report("found 0, expected a number above 0", at: key) }
            return number
        }, write: { .scalar($0) })
}

extension OptionKind where Value == [Int] {
    /// A list; a lone number counts as a list of one.
    public static func integers(in range: PartialRangeFrom<Int>) -> Self { integers(range, from: range.lowerBound, to: nil) }
    /// A list; a lone number counts as a list of one.
    public static func integers(in range: ClosedRange<Int>) -> Self { integers(range, from: range.lowerBound, to: range.upperBound) }

    private static func integers(_ range: some RangeExpression<Int> & Sendable, from first: Int, to last: Int?) -> Self {
        Self(
            "a list of integers from \(grouped(first))\(last.map { " to \(grouped($0))" } ?? "")",
            schema: .list(of: .integer(from: first, to: last), orOne: true), read: { $0.integers($1, in: range) },
            write: { .list($0.map { .scalar($0) }) })
    }
}

extension OptionKind where Value == [Double] {
    /// A list; a lone number counts as a list of one.
    public static func numbers(in range: some RangeExpression<Double> & Sendable = (-Double.infinity)..., _ summary: String) -> Self {
        Self(
            summary, schema: .list(of: .number(range), orOne: true), read: { $0.numbers($1, in: range) },
            write: { .list($0.map { .scalar($0) }) })
    }
}

extension OptionKind where Value == Bool {
    /// `true` or `false`.
    public static let flag = Self(
        "true or false", schema: .flag,
        read: { $0.boolean($1) }, write: { .scalar($0) })
}

extension OptionKind where Value == String {
    /// A text.
    public static let text = Self("a text", schema: .text, read: { $0.string($1) }, write: { .text($0) })
}

extension OptionKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the names of an enumeration.
    public static var choice: Self { choice(of: Array(Value.allCases)) }

    /// One of some of them.
    public static func choice(of values: [Value]) -> Self {
        let names = values.map(\.rawValue)
        return Self(
            "one of \(names.joined(separator: ", "))", schema: .names(names), read: { $0.choice($1, of: values) }, write: { .text($0.rawValue) })
    }
}

extension OptionKind where Value: Configurable {
    /// A map with keys of its own.
    public static var map: Self {
        Self(
            "a map", schema: .map(Value.descriptions), children: { Value.descriptions },
            read: { fields, key in
                guard var options = fields.fields(key) else { return nil }
                let value = Value(from: &options)
                options.finish()
                return value
            }, write: { $0.node }, identity: { $0.identity }, difference: { value, other in
                let difference = value.difference(from: other)
                return difference.entries?.isEmpty == false ? difference : nil
            })
    }

    /// A map with keys of its own, or the text of one of them alone.
    ///
    /// - Parameters:
    ///   - key: the one that may stand alone.
    ///   - summary: what it is, such as `the path of a file`.
    public static func map(orAlone key: String, _ summary: String) -> Self {
        let map = Self.map
        return Self(
            "\(summary), or a map", schema: .either([.text, map.schema]), children: map.children,
            read: { fields, name in
                guard let node = fields.node(name) else { return nil }
                guard case .scalar = node.value else { return map.read(&fields, name) }
                let entry = ConfigurationNode.Entry(key: key, mark: node.mark, node: node)
                var options = FieldReader(ConfigurationNode(.map([entry]), mark: node.mark), path: fields.path(of: name), errors: fields.errors, additions: fields.additions)
                let value = Value(from: &options)
                options.finish()
                return value
            }, write: map.write, identity: map.identity, difference: map.difference)
    }
}
