/// What a program adds to what definitions can name: a value that whoever reads definitions hands on (`FieldReader`).
public struct Additions: Sendable {
    private var values: [ObjectIdentifier: [any Sendable]] = [:]

    /// Nothing.
    public init() {}

    /// Adds a value, which goes before those of its type that are there.
    public mutating func add<Value: Sendable>(_ value: Value) { values[ObjectIdentifier(Value.self), default: []].insert(value, at: 0) }

    /// All values of a type, the newest first.
    public func all<Value: Sendable>(_ type: Value.Type) -> [Value] { (values[ObjectIdentifier(type)] ?? []).compactMap { $0 as? Value } }
}

/// The options of something that a program adds under a name, such as an optimizer.
public protocol NamedConfiguration: Configurable {
    /// As definitions write it.
    static var name: String { get }

    /// One sentence on what it is.
    static var documentation: String { get }

    /// Who published it, and where; nil unless it says so.
    static var paper: String? { get }
}

extension NamedConfiguration {
    public static var paper: String? { nil }

    /// Whether another configuration is of the same type and has the same options.
    public func isEqual(to other: any NamedConfiguration) -> Bool { other as? Self == self }
}
