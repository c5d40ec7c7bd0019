import Foundation

/// `11689512` as `11,689,512`.
func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude), groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// With a fixed number of decimals; the whole part in groups of three.
func decimals(_ value: Double, _ count: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-∞" : "∞" }
    let text = String(format: "%.\(count)f", value)
    guard abs(value) >= 1000, let whole = Int(text.prefix { $0 != "." }) else { return text }
    return grouped(whole) + text.drop { $0 != "." }
}

/// What stands where there is no number.
let none = "–"

/// A finite number, for JSON, which has no other.
func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }

/// Pretty JSON with sorted keys in snake case.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
