import ArgumentParser

/// Values of one option, separated by commas: `0,1,2`.
struct CommaSeparated<Value: ExpressibleByArgument & Sendable>: ExpressibleByArgument, Sendable {
    let values: [Value]

    init(values: [Value]) { self.values = values }

    init?(argument: String) {
        let words = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = words.compactMap { Value(argument: String($0)) }
        if values.count < words.count || words.contains("") { return nil }
    }

    static var allValueStrings: [String] { Value.allValueStrings }
    var defaultValueDescription: String { values.map(\.defaultValueDescription).joined(separator: ",") }
}
