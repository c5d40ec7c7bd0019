import Foundation

// Numbers as people read them.

/// `11,689,512`.
public func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude), groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// `1 file`, `1,200 files`.
public func counted(_ count: Int, _ one: String, _ many: String) -> String { "\(grouped(count)) \(count == 1 ? one : many)" }

/// With a fixed number of decimals; the whole part in groups of three.
public func decimals(_ value: Double, _ count: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-∞" : "∞" }
    let text = String(format: "%.\(count)f", value)
    guard abs(value) >= 1000, let whole = Int(text.prefix { $0 != "." }) else { return text }
    return grouped(whole) + text.drop { $0 != "." }
}

/// With three significant digits and an exponent, `1.25e-07`; a finite number.
public func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

/// With up to four significant digits, `0.001` or `6.6e-07`.
public func significant(_ value: Double) -> String {
    value.isFinite ? String(format: "%.4g", value) : decimals(value, 0)
}

/// `42 s`, `3:07 min` or `2:05 h`.
public func duration(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "?" }
    let total = Int(seconds.rounded())
    if total < 60 { return "\(total) s" }
    if total < 3600 { return String(format: "%d:%02d min", total / 60, total % 60) }
    return String(format: "%d:%02d h", total / 3600, total / 60 % 60)
}
