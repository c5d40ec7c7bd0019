import Foundation

/// What an axis counts, and how.
public struct Axis: Sendable {
    /// How values become places.
    public enum Scale: Sendable { case linear, logarithmic }

    /// What stands beside it, with the unit: `loss (nat)`.
    public var label: String
    /// Linear unless given.
    public var scale: Scale
    /// Beyond which no value can lie, such as 0 and 1 for a share; nil for none.
    public var bounds: ClosedRange<Double>?
    /// A range that is shown whatever the values are.
    public var shows: ClosedRange<Double>?
    /// Whether values are counts, so that no tick lies between two of them.
    public var isWhole: Bool

    /// An axis with its label.
    public init(_ label: String, scale: Scale = .linear, bounds: ClosedRange<Double>? = nil, shows: ClosedRange<Double>? = nil, isWhole: Bool = false) {
        (self.label, self.scale, self.bounds, self.shows, self.isWhole) = (label, scale, bounds, shows, isWhole)
    }

    /// The range that shows values, with some room around them.
    func range(of values: [Double], padding: Double = 0.05) -> ClosedRange<Double> {
        let reach = scale == .linear ? -Self.largest...Self.largest : 1 / Self.largest...Self.largest
        let usable = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }.map { min(max($0, reach.lowerBound), reach.upperBound) }
        var low = usable.min() ?? (scale == .linear ? 0 : 1), high = usable.max() ?? (scale == .linear ? 1 : 10)
        if let shows { (low, high) = (min(low, shows.lowerBound), max(high, shows.upperBound)) }
        if scale == .logarithmic {
            let factor = max(pow(high / low, padding), low == high ? 2 : 1.02)
            return (low / factor...high * factor).clamped(to: 1e-300...1e300)
        }
        let room = low == high ? isWhole ? 0.5 : max(abs(low) * 0.1, 1e-9) : (high - low) * padding
        var range = (shows.map { low >= $0.lowerBound ? low == $0.lowerBound : false } ?? false ? low : low - room)...(high + room)
        if let bounds, bounds.contains(low), bounds.contains(high) { range = range.clamped(to: bounds) }
        return range.lowerBound < range.upperBound ? range : range.lowerBound...range.lowerBound + 1
    }

    /// The ends of bands or intervals, as far as they leave room for the values, which they would press flat: on a linear axis up to the values' own spread
    /// beyond them, on a logarithmic one up to a factor of 2.
    func clipped(_ ends: [Double], around values: [Double]) -> [Double] {
        let isLinear = scale == .linear, inside = values.filter { $0.isFinite && (isLinear || $0 > 0) }
        guard let low = inside.min(), let high = inside.max() else { return [] }
        let (least, most) = isLinear ? (low - (high - low), high + (high - low)) : (low / 2, high * 2)
        return ends.filter { !$0.isNaN }.map { min(max($0, least), most) }
    }

    /// How far an axis reaches: the lengths of its ranges, and the ratios within them, are finite.
    private static let largest = 1e150

    /// About `count` round values in a range, with their texts: steps of 1, 2 or 5 times a power of ten; on a logarithmic axis powers of ten, and where
    /// these are few their double and quintuple too.
    func ticks(in range: ClosedRange<Double>, about count: Int) -> [(value: Double, text: String)] {
        scale == .linear ? Self.linearTicks(in: range, about: count, leastStep: isWhole ? 1 : 0) : Self.logarithmicTicks(in: range, about: count)
    }

    private static func linearTicks(in range: ClosedRange<Double>, about count: Int, leastStep: Double = 0) -> [(value: Double, text: String)] {
        let step = max(leastStep, step((range.upperBound - range.lowerBound) / Double(max(count, 1))))
        let first = (range.lowerBound / step - 1e-9).rounded(.up), last = (range.upperBound / step + 1e-9).rounded(.down)
        guard first <= last, last - first < 1000 else { return [] }
        return stride(from: first, through: last, by: 1).map { place in
            let value = place * step
            return (value, text(value, step: step))
        }
    }

    /// The least of 1, 2 and 5 times a power of ten that is no smaller than `size`.
    static func step(_ size: Double) -> Double {
        guard size > 0, size.isFinite else { return 1 }
        let power = pow(10, floor(log10(size)))
        for factor in [1.0, 2, 5, 10] where factor * power >= size * (1 - 1e-9) { return factor * power }
        return 10 * power
    }

    private static func logarithmicTicks(in range: ClosedRange<Double>, about count: Int) -> [(value: Double, text: String)] {
        let first = Int(floor(log10(range.lowerBound))), last = Int(ceil(log10(range.upperBound)))
        func inside(_ values: [Double]) -> [Double] { values.filter { range.lowerBound * (1 - 1e-9) <= $0 && $0 <= range.upperBound * (1 + 1e-9) } }
        func powers(_ factors: [Double]) -> [Double] { (first...last).flatMap { power in factors.map { $0 * pow(10, Double(power)) } } }
        var values = inside(powers([1]))
        if values.count > count + 1 {
            let every = (values.count + count) / (count + 1)
            values = values.filter { Int(log10($0).rounded()) % every == 0 }
        } else if values.count < 3 {
            let finer = [[1.0, 2, 5], [1, 5]].map { inside(powers($0)) }
            values = finer.first { $0.count <= count + 2 } ?? values
            // Within a few of the leading digits, there is hardly more than one of these.
            if values.count < 2 { return linearTicks(in: range, about: count) }
        }
        return values.map { ($0, text($0, step: $0)) }
    }

    /// `0.05`, `20`, `250k`, `1.5M`, `1e-5`: as few digits as steps of this size need.
    static func text(_ value: Double, step: Double) -> String {
        if value == 0 || abs(value) < step * 1e-6 { return "0" }
        let size = abs(value)
        if size < 1e-3 || size >= 1e13 || step < 1e-4 && size < 0.1 {
            let power = floor(log10(size) + 1e-9)
            return digits(value / pow(10, power), step: step / pow(10, power)) + "e\(Int(power))"
        }
        for (unit, factor) in [("G", 1e9), ("M", 1e6), ("k", 1e3)] where size >= factor * (factor == 1e3 ? 10 : 1) || size >= factor && step >= 100 && factor == 1e3 {
            return digits(value / factor, step: step / factor) + unit
        }
        return digits(value, step: step)
    }

    private static func digits(_ value: Double, step: Double) -> String {
        let count = max(0, min(6, Int(ceil(-log10(step) - 1e-9))))
        return String(format: "%.\(count)f", value)
    }
}
