/// What there is to say about a key, or about a name that may stand under one.
public struct OptionDescription: Sendable {
    /// As definitions write it.
    public let name: String
    /// `an integer from 1 to 1,024`.
    public private(set) var kind: String
    /// What values an editor may accept.
    public private(set) var schema: OptionSchema
    /// One sentence on what it does.
    public let documentation: String
    /// Who published it, and where.
    public let paper: String?
    /// The version of the options since which it is there.
    public let since: Int
    /// Whether a definition has to give it.
    public let isRequired: Bool
    /// What the value is to those who look for a model's width.
    public private(set) var role: Role?
    private var standard: @Sendable () -> ConfigurationNode?
    private var below: @Sendable () -> [OptionDescription]

    /// Everything there is to say about one key.
    public init(
        _ name: String, _ kind: String, _ schema: OptionSchema, _ documentation: String, _ paper: String? = nil, since: Int = 1,
        isRequired: Bool = false, default standard: @escaping @Sendable () -> ConfigurationNode? = { nil },
        children: @escaping @Sendable () -> [OptionDescription] = { [] }
    ) {
        self.name = name
        self.kind = kind
        self.schema = schema
        self.documentation = documentation
        self.paper = paper
        self.since = since
        self.isRequired = isRequired
        self.standard = standard
        below = children
    }

    init<Value>(
        _ name: String, _ kind: OptionKind<Value>, _ documentation: String, _ paper: String?, _ since: Int, isRequired: Bool = false,
        default standard: @escaping @Sendable () -> ConfigurationNode?
    ) {
        self.init(
            name, kind.summary, kind.schema, documentation, paper, since: since, isRequired: isRequired, default: standard, children: kind.children)
    }

    /// What some keys are to programs that change definitions.
    public enum Role: Sendable {
        /// How wide a model is: its size grows with it.
        case width
        /// A number that has to divide the width.
        case widthDivisor
    }

    /// The default as a definition writes it; nil where there is none.
    public var defaultText: String? { standard().map { YAML.line($0) } }

    /// The same key with a role.
    func with(role: Role?) -> OptionDescription {
        var copy = self
        copy.role = role
        return copy
    }

    /// The same key where its default is another.
    func with(default standard: @escaping @Sendable () -> ConfigurationNode?) -> OptionDescription {
        var copy = self
        copy.standard = standard
        return copy
    }

    /// The same with more names to choose among at a path of keys below.
    public func adding(_ names: [OptionDescription], at path: ArraySlice<String>) -> OptionDescription {
        if names.isEmpty { return self }
        var copy = self
        let below: [OptionDescription]
        if let key = path.first {
            below = children.map { $0.name == key ? $0.adding(names, at: path.dropFirst()) : $0 }
            copy.schema = .map(below)
        } else {
            if case .names = schema { below = children } else { below = children + names }
            copy.kind = "\(kind), \(names.map(\.name).joined(separator: ", "))"
            copy.schema = schema.adding(names)
        }
        copy.below = { below }
        return copy
    }

    /// The keys or names that may stand below this one.
    public var children: [OptionDescription] { below() }
}
