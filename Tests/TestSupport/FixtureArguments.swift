/// A JSON value in a fixture's attributes.
public enum FixtureValue: Decodable, Sendable, Equatable {
    case null, boolean(Bool), number(Double), text(String), list([FixtureValue])

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else {
            self = .list(try container.decode([FixtureValue].self))
        }
    }

    var integer: Int? {
        guard case .number(let value) = self else { return nil }
        return Int(exactly: value)
    }
}

/// The arguments of a fixture. What is missing or of another type is a defect of the test, and throws a sentence that says so.
public struct FixtureArguments: Sendable {
    let values: [String: FixtureValue]
    let place: String

    public struct Mismatch: Error, CustomStringConvertible {
        public let description: String
    }

    /// The value as it is; nil where the fixture has no such argument or null.
    public subscript(name: String) -> FixtureValue? {
        let value = values[name]
        return value == .null ? nil : value
    }

    public func integer(_ name: String) throws -> Int {
        try value(name, "an integer") { $0.integer }
    }

    public func integers(_ name: String) throws -> [Int] {
        try value(name, "a list of integers") { value in
            guard case .list(let elements) = value else { return nil }
            let integers = elements.compactMap(\.integer)
            return integers.count == elements.count ? integers : nil
        }
    }

    public func number(_ name: String) throws -> Double {
        try value(name, "a number") { if case .number(let number) = $0 { number } else { nil } }
    }

    public func boolean(_ name: String) throws -> Bool {
        try value(name, "true or false") { if case .boolean(let boolean) = $0 { boolean } else { nil } }
    }

    public func text(_ name: String) throws -> String {
        try value(name, "a text") { if case .text(let text) = $0 { text } else { nil } }
    }

    private func value<Value>(_ name: String, _ expected: String, _ convert: (FixtureValue) -> Value?) throws -> Value {
        guard let found = values[name] else { throw Mismatch(description: "\(place) has no argument \(name)") }
        guard let value = convert(found) else { throw Mismatch(description: "\(place): \(name) is \(found), expected \(expected)") }
        return value
    }
}
