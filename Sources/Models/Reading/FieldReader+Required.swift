import Configuration

extension FieldReader {
    /// An integer of at least 1 that has no default.
    mutating func requiredCount(_ key: String) -> Int? {
        if !has(key) { report("missing; expected an integer of at least 1", at: key) }
        return integer(key, in: 1...)
    }

    /// A share from 0 up to but not 1.
    mutating func rate(_ key: String) -> Double { number(key, default: 0, in: 0..<1) }
}
