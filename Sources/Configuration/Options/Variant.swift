/// One of several names under a key, each with a map of its own: `{adamw: {weight_decay: 0.1}}`, or `adamw` for its defaults.
public struct Variant<Value: Equatable & Sendable>: Sendable {
    /// As definitions write it.
    public let name: String
    /// What there is to say about it.
    public let description: OptionDescription
    let schema: OptionSchema
    /// Reads what is below the name, which may be nothing.
    let read: @Sendable (_ node: ConfigurationNode, _ path: String, _ parent: FieldReader) -> Value?
    /// What is below the name; nil for a value that is another variant's.
    let write: @Sendable (Value) -> ConfigurationNode?
    let identity: @Sendable (Value) -> ConfigurationNode

    /// A variant with options.
    ///
    /// - Parameters:
    ///   - start: the options at their defaults.
    ///   - options: those of a value, or nil when it is another variant.
    public init<Options: Configurable>(
        _ name: String, _ start: Options = Options(), paper: String? = nil, _ documentation: String,
        make: @escaping @Sendable (Options) -> Value, options: @escaping @Sendable (Value) -> Options?
    ) {
        self.name = name
        schema = .map(Options.descriptions)
        description = OptionDescription(name, "a map", schema, documentation, paper, children: { Options.descriptions(startingAt: start) })
        read = { node, path, parent in
            var fields = FieldReader(node, path: path, errors: parent.errors, additions: parent.additions)
            let value = Options(from: &fields, startingAt: start)
            fields.finish()
            return make(value)
        }
        write = { options($0)?.node }
        identity = { value in options(value)?.difference(from: start) ?? .none }
    }

    /// A variant of a type that a program adds (`Additions`).
    public init<Options: NamedConfiguration>(
        adding type: Options.Type, make: @escaping @Sendable (Options) -> Value, options: @escaping @Sendable (Value) -> Options?
    ) {
        self.init(Options.name, paper: Options.paper, Options.documentation, make: make, options: options)
    }

    /// A variant without options.
    public init(_ name: String, _ value: Value, paper: String? = nil, _ documentation: String) {
        self.init(name, NoOptions(), paper: paper, documentation, make: { _ in value }, options: { $0 == value ? NoOptions() : nil })
    }

    /// A variant with one value in the place of a map: `{shift: 2}`, or `shift` for its default.
    public init<Part>(
        _ name: String, _ kind: OptionKind<Part>, default standard: Part, paper: String? = nil, _ documentation: String,
        make: @escaping @Sendable (Part) -> Value, part: @escaping @Sendable (Value) -> Part?
    ) {
        self.name = name
        schema = kind.schema
        description = OptionDescription(name, kind, documentation, paper, 1, default: { kind.write(standard) })
        read = { node, path, parent in
            // The value stands alone, so it is read as the one field of a map made around it.
            let entries = node.value == .null ? [] : [ConfigurationNode.Entry(key: name, mark: node.mark, node: node)]
            let place = path.hasSuffix(".\(name)") ? String(path.dropLast(name.count + 1)) : path
            var fields = FieldReader(ConfigurationNode(.map(entries), mark: node.mark), path: place, errors: parent.errors, additions: parent.additions)
            return make(kind.read(&fields, name) ?? standard)
        }
        write = { part($0).map(kind.write) }
        identity = { value in part(value).flatMap { kind.difference($0, standard) } ?? .none }
    }
}

/// Nothing to say below a name.
struct NoOptions: Configurable {
    static let options: [Key<NoOptions>] = []
}

extension Configurable {
    /// Reads a map whose defaults are those of `start`.
    init(from fields: inout FieldReader, startingAt start: Self) {
        self = start
        for option in Self.options { option.read(&self, &fields) }
        check(&fields)
    }
}

extension OptionKind {
    /// One of several variants: a name, or a map with one key.
    ///
    /// - Parameters:
    ///   - noun: what they are called in errors: "unknown optimizer".
    ///   - writesNames: whether a variant without options is written as its name.
    ///   - added: the variant of a value that is none of these, because a program added it (`Additions`).
    public static func variants(
        _ noun: String, writesNames: Bool = false, _ variants: [Variant<Value>], added: @escaping @Sendable (Value) -> Variant<Value>? = { _ in nil }
    ) -> Self {
        let names = variants.map(\.name)
        @Sendable func written(_ value: Value, _ options: (Variant<Value>, Value) -> ConfigurationNode) -> ConfigurationNode {
            guard let variant = added(value) ?? variants.first(where: { $0.write(value) != nil }) else { preconditionFailure("a \(noun) without a variant") }
            let below = options(variant, value)
            return writesNames && below.entries?.isEmpty != false && !below.isScalar ? .text(variant.name) : .map([(variant.name, below)])
        }
        return Self(
            "one of \(names.joined(separator: ", "))", schema: .variants(variants.map { ($0.name, $0.schema) }),
            children: { variants.map(\.description) },
            read: { fields, key in
                guard let (name, node, path) = fields.variant(key) else { return nil }
                let known = fields.additions.all(Variant<Value>.self) + variants
                guard let variant = known.first(where: { $0.name == name }) else {
                    fields.report("unknown \(noun) '\(name.shortened())'\(suggestion(for: name, among: Set(known.map(\.name))))", at: key)
                    return nil
                }
                return variant.read(node, path, fields)
            },
            write: { written($0) { $0.write($1)! } },
            identity: { value in
                written(value) { variant, value in
                    let difference = variant.identity(value)
                    return difference.value == .null ? .map([]) : difference
                }
            })
    }

    /// A list of values of one kind; a lone value counts as a list of one, nothing as an empty one.
    public static func list<Item>(of kind: OptionKind<Item>) -> OptionKind<[Item]> where Value == [Item] {
        OptionKind<[Item]>(
            "a list, each \(kind.summary)", schema: .list(of: kind.schema, orOne: true), children: kind.children,
            read: { fields, key in
                guard let node = fields.node(key) else { return nil }
                let items: [ConfigurationNode] =
                    switch node.value {
                    case .null: []
                    case .list(let items): items
                    default: [node]
                    }
                let isList = if case .list = node.value { true } else { false }
                return items.enumerated().compactMap { index, item in
                    let place = isList ? "\(key)[\(index)]" : key
                    let entry = ConfigurationNode.Entry(key: place, mark: item.mark, node: item)
                    var reader = FieldReader(ConfigurationNode(.map([entry]), mark: item.mark), path: fields.path, errors: fields.errors, additions: fields.additions)
                    return kind.read(&reader, place)
                }
            },
            write: { .list($0.map(kind.write)) }, identity: { .list($0.map(kind.identity)) })
    }
}

extension ConfigurationNode {
    fileprivate var isScalar: Bool {
        switch value {
        case .scalar, .list: true
        case .map, .null: false
        }
    }
}
