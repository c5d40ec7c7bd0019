/// One key of a map in a definition: its name, where its value is kept, what it may be, what it means.
///
///     Key("epochs", \.epochs, .integer(in: 1...1_000_000), "How many times all training images are seen.")
///
/// The default is the value that the property has at its start. A new key, or a default written out, changes no hash of a trial; so a default is
/// never changed.
public struct Key<Root: Configurable>: Sendable {
    /// What there is to say about the key.
    public let description: OptionDescription
    /// As definitions write it.
    public var name: String { description.name }
    /// Whether other keys' defaults depend on it, so that it is read first.
    let decidesDefaults: Bool
    let use: Use
    let read: @Sendable (inout Root, inout FieldReader) -> Void
    let copy: @Sendable (_ from: Root, _ to: inout Root) -> Void
    /// nil where there is nothing to write.
    let write: @Sendable (Root) -> ConfigurationNode?
    let difference: @Sendable (_ value: Root, _ other: Root) -> ConfigurationNode?

    /// What a key counts for.
    public enum Use: Sendable {
        /// For the result: part of a trial's identity and of the definition that its run keeps.
        case result
        /// For the definition alone, whose meaning it makes clear: not part of the identity.
        case clarity
        /// For how much time or memory the same result takes: neither.
        case effort
    }

    /// A key with a default.
    ///
    /// - Parameter writesDefault: whether a resolved definition has it at its default too. A key that came later has not, so that the definitions of
    ///   earlier runs and of new ones are the same.
    public init<Value>(
        _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ kind: OptionKind<Value>, decidesDefaults: Bool = false,
        writesDefault: Bool = true, use: Use = .result, role: OptionDescription.Role? = nil, paper: String? = nil, since: Int = 1,
        _ documentation: String
    ) {
        self.init(
            OptionDescription(name, kind, documentation, paper, since, default: { kind.write(Root()[keyPath: property]) }).with(role: role), decidesDefaults, use,
            read: { root, fields in if let value = kind.read(&fields, name) { root[keyPath: property] = value } },
            copy: { $1[keyPath: property] = $0[keyPath: property] },
            write: { root in
                let value = root[keyPath: property]
                return writesDefault || value != Root()[keyPath: property] ? kind.write(value) : nil
            },
            difference: { kind.difference($0[keyPath: property], $1[keyPath: property]) })
    }

    /// A key that may be absent and has no default then.
    public init<Value>(
        _ name: String, _ property: WritableKeyPath<Root, Value?> & Sendable, _ kind: OptionKind<Value>, decidesDefaults: Bool = false,
        use: Use = .result, role: OptionDescription.Role? = nil, paper: String? = nil, since: Int = 1, _ documentation: String
    ) {
        self.init(
            OptionDescription(name, kind, documentation, paper, since, default: { Root()[keyPath: property].map(kind.write) }).with(role: role), decidesDefaults, use,
            read: { root, fields in if let value = kind.read(&fields, name) { root[keyPath: property] = value } },
            copy: { $1[keyPath: property] = $0[keyPath: property] }, write: { $0[keyPath: property].map(kind.write) },
            difference: { value, other in
                guard let mine = value[keyPath: property] else { return other[keyPath: property] == nil ? nil : ConfigurationNode.none }
                guard let theirs = other[keyPath: property] else { return kind.identity(mine) }
                return kind.difference(mine, theirs)
            })
    }

    /// A key that has to be there.
    ///
    /// - Parameter missing: what is said when it is not; nil: nothing here.
    public static func required<Value>(
        _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ kind: OptionKind<Value>, role: OptionDescription.Role? = nil,
        paper: String? = nil, since: Int = 1, missing: String?, _ documentation: String
    ) -> Key {
        Key(
            OptionDescription(name, kind, documentation, paper, since, isRequired: true, default: { nil }).with(role: role), true, .result,
            read: { root, fields in
                // What is no map has been said to be none.
                let isMap = fields.node.entries != nil || fields.node.value == .null
                if let missing, isMap, !fields.has(name) { fields.report(missing, at: name) }
                if let value = kind.read(&fields, name) { root[keyPath: property] = value }
            },
            copy: { $1[keyPath: property] = $0[keyPath: property] }, write: { kind.write($0[keyPath: property]) },
            difference: { value, _ in kind.identity(value[keyPath: property]) })
    }

    private init(
        _ description: OptionDescription, _ decidesDefaults: Bool, _ use: Use, read: @escaping @Sendable (inout Root, inout FieldReader) -> Void,
        copy: @escaping @Sendable (Root, inout Root) -> Void, write: @escaping @Sendable (Root) -> ConfigurationNode?,
        difference: @escaping @Sendable (Root, Root) -> ConfigurationNode?
    ) {
        self.description = description
        self.decidesDefaults = decidesDefaults
        self.use = use
        self.read = read
        self.copy = copy
        self.write = write
        self.difference = difference
    }

    /// The same key with the default that it has in `start`.
    public func startingAt(_ start: @escaping @Sendable () -> Root) -> Key<Root> {
        if description.isRequired { return self }
        let write = write
        return Key(description.with { write(start()) }, decidesDefaults, use, read: read, copy: copy, write: write, difference: difference)
    }

    /// The same key beside those of a configuration that keeps this one's in a property.
    public func beside<Outer>(_ property: WritableKeyPath<Outer, Root> & Sendable) -> Key<Outer> {
        Key<Outer>(
            description, decidesDefaults, use.of(Outer.self), read: { read(&$0[keyPath: property], &$1) },
            copy: { copy($0[keyPath: property], &$1[keyPath: property]) }, write: { write($0[keyPath: property]) },
            difference: { difference($0[keyPath: property], $1[keyPath: property]) })
    }
}

extension Key.Use {
    fileprivate func of<Outer>(_ outer: Outer.Type) -> Key<Outer>.Use {
        switch self {
        case .result: .result
        case .clarity: .clarity
        case .effort: .effort
        }
    }
}
