import Foundation

/// Differences of pairs, and how surprising their mean would be if each could as well have had the other sign.
///
/// The permutation test of Fisher ("The Design of Experiments", 1935, section 21): under the null hypothesis that the two of a pair are
/// exchangeable, every pattern of signs is equally likely. p is the share of the 2ⁿ patterns whose mean is at least as far from 0 as the
/// one observed, so it is never below 2/2ⁿ: five pairs cannot reach 0.05. Above `exactLimit` pairs, p is estimated from
/// `drawCount` seeded random patterns as (hits + 1) / (draws + 1), and depends on nothing but the differences.
struct PairedTest: Equatable {
    static let exactLimit = 20
    static let drawCount = 100_000

    let differences: Sample
    /// Two-sided.
    let p: Double

    var isExact: Bool { differences.count <= Self.exactLimit }

    /// `differences` are those of at least one pair.
    init(_ differences: [Double]) {
        precondition(!differences.isEmpty, "a paired test needs a pair")
        self.differences = Sample(values: differences)
        // Sums that are equal but for the order of their rounding count as equal.
        let total = differences.reduce(0) { $0 + abs($1) }
        let threshold = abs(differences.reduce(0, +)) - 1e-12 * total
        if differences.count <= Self.exactLimit {
            // The first sign is fixed: the other half of the patterns mirrors this one.
            let hits = Self.hits(differences[1...], sum: differences[0], threshold)
            p = Double(hits) / Double(1 << (differences.count - 1))
        } else {
            var random = SplitMix64(state: 0)
            var hits = 0
            for _ in 0..<Self.drawCount {
                var sum = 0.0, bits: UInt64 = 0
                for (index, difference) in differences.enumerated() {
                    if index.isMultiple(of: 64) { bits = random.next() }
                    sum += bits & 1 == 0 ? difference : -difference
                    bits >>= 1
                }
                if abs(sum) >= threshold { hits += 1 }
            }
            p = Double(hits + 1) / Double(Self.drawCount + 1)
        }
    }

    private static func hits(_ rest: ArraySlice<Double>, sum: Double, _ threshold: Double) -> Int {
        guard let first = rest.first else { return abs(sum) >= threshold ? 1 : 0 }
        return hits(rest.dropFirst(), sum: sum + first, threshold) + hits(rest.dropFirst(), sum: sum - first, threshold)
    }

    /// The least p that `pairs` differences can have.
    static func leastP(pairs: Int) -> Double { pairs <= exactLimit ? pow(2, 1 - Double(pairs)) : 1 / Double(drawCount + 1) }
}

/// p-values of several tests, corrected so that the chance of any false alarm among them stays at the level.
///
/// The i-th smallest of m becomes max over j ≤ i of (m − j + 1)·pⱼ, at most 1. Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", Scandinavian Journal of Statistics 6, 1979.
func holmCorrected(_ values: [Double]) -> [Double] {
    var corrected = values, largest = 0.0
    for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
        largest = max(largest, min(1, Double(values.count - rank) * values[index]))
        corrected[index] = largest
    }
    return corrected
}

/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
