import Configuration

extension FieldReader {
    /// What numbers of heads, channels and cells may be: enough for any network, and no product of them overflows.
    static var counts: ClosedRange<Int> { 1...65_536 }

    /// What numbers of layers may be: deeper networks would take minutes to plan.
    static var depths: ClosedRange<Int> { 1...2_048 }

    /// A number of layers, heads, channels or cells that has no default.
    mutating func requiredCount(_ key: String, in range: ClosedRange<Int> = counts) -> Int? {
        if !has(key) { report("missing; expected an integer of at least 1", at: key) }
        return integer(key, in: range)
    }

    /// A share from 0 up to but not 1.
    mutating func rate(_ key: String) -> Double { number(key, default: 0, in: 0..<1) }
}
