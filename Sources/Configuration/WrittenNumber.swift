/// A number as a definition has it, where it is one that the arithmetic can hold: 0, or of a magnitude in single precision's normal range.
///
/// Everything is computed in single precision. There `1e-60` would be 0 and `1e39` infinite, and the run would not be the one that was
/// asked for; a number below the normal range would lose digits, or be 0 on processors that are set to flush it.
public struct WrittenNumber: Sendable {
    /// In double precision, infinite where the text is out of its range.
    public let value: Double
    private let text: String

    /// nil for what is no number: a quoted text, `nan`, `inf`.
    public init?(_ node: ConfigurationNode) {
        guard case .scalar(let text, quoted: false) = node.value, text.contains(where: \.isNumber), let value = Double(text), !value.isNaN
        else { return nil }
        self.value = value
        self.text = text
    }

    /// What keeps the number from being used: nil for one in `range` that single precision can hold.
    public func complaint(_ range: some RangeExpression<Double> = (-Double.infinity)...) -> String? {
        let isWrittenZero = value == 0 && text.prefix { $0 != "e" && $0 != "E" }.allSatisfy { "+-0.".contains($0) }
        let isRepresentable = isWrittenZero || Float(value).isNormal
        if !isRepresentable {
            let limits = [Float.leastNormalMagnitude, .greatestFiniteMagnitude].map { scientific(Double($0)) }
            return "found \(text), expected \(range.contains(0) ? "0 or " : "")a magnitude from \(limits[0]) to \(limits[1]), which single precision can hold"
        }
        // A bound that a range leaves out must not come back by rounding.
        if let range = range as? Range<Double>, range.contains(value), Double(Float(value)) == range.upperBound {
            return "found \(text), which is \(range.upperBound) in single precision, expected \(describe(range))"
        }
        return range.contains(value) ? nil : "expected \(describe(range)), found \(value)"
    }
}
