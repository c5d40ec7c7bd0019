import Foundation

/// Differences of pairs, and how surprising their mean would be if each could as well have had the other sign.
///
/// The permutation test of Fisher ("The Design of Experiments", 1935, section 21): under the null hypothesis that the two of a pair are
/// exchangeable, every pattern of signs is equally likely. p is the share of the 2ⁿ patterns whose mean is at least as far from 0 as the
/// one observed, so it is never below 2/2ⁿ: five pairs cannot reach 0.05. Above `exactLimit` pairs, p is estimated from
/// `drawCount` seeded random patterns as (hits + 1) / (draws + 1), and depends on nothing but the differences.
///
/// Folds are not exchangeable in this way, because most of what one is trained on the others are trained on too. Of them p is that of the corrected
/// resampled t-test: Student's t with n − 1 degrees of freedom of mean / √(variance · (1/n + overlap)), where `overlap` is the number of test images
/// for each training image. Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
struct PairedTest: Equatable {
    static let exactLimit = 20
    static let drawCount = 100_000

    let differences: Sample
    /// Two-sided.
    let p: Double

    /// Whether p is that of all patterns of signs.
    var isExact: Bool { differences.overlap == 0 && differences.count <= Self.exactLimit }

    /// Whether p was estimated from some of them.
    var isEstimated: Bool { differences.overlap == 0 && differences.count > Self.exactLimit }

    /// - Parameters:
    ///   - differences: those of at least one pair.
    ///   - overlap: of folds, the number of test images for each training image; else 0.
    init(_ differences: [Double], overlap: Double = 0) {
        precondition(!differences.isEmpty, "a paired test needs a pair")
        self.differences = Sample(values: differences, overlap: overlap)
        if overlap > 0 {
            p = self.differences.correctedP
            return
        }
        // Sums that are equal but for the order of their rounding count as equal.
        let total = differences.reduce(0) { $0 + abs($1) }
        let threshold = abs(differences.reduce(0, +)) - 1e-12 * total
        if differences.count <= Self.exactLimit {
            let hits = Self.hits(differences, threshold)
            p = Double(hits) / Double(1 << differences.count)
        } else {
            // A byte of random bits is the signs of eight differences, whose sum stands in a table.
            let tables = stride(from: 0, to: differences.count, by: 8).map { Self.signedSums(differences[$0..<min($0 + 8, differences.count)]) }
            var random = SplitMix64(state: 0)
            var hits = 0
            for _ in 0..<Self.drawCount {
                var sum = 0.0, bits: UInt64 = 0
                for (index, table) in tables.enumerated() {
                    if index.isMultiple(of: 8) { bits = random.next() }
                    sum += table[Int(truncatingIfNeeded: bits) & (table.count - 1)]
                    bits >>= 8
                }
                if abs(sum) >= threshold { hits += 1 }
            }
            p = Double(hits + 1) / Double(Self.drawCount + 1)
        }
    }

    /// How many patterns of signs have a sum at least as far from 0 as `threshold`.
    ///
    /// Every sum is one of the first half's plus one of the second half's. As the first grow, the second that are just large or small enough
    /// only fall, so one walk through both, in order, counts all pairs (Horowitz and Sahni, Journal of the ACM 21, 1974).
    private static func hits(_ differences: [Double], _ threshold: Double) -> Int {
        // All patterns are hits; below, one of sum 0 would count twice.
        if threshold <= 0 { return 1 << differences.count }
        let middle = differences.count / 2
        let first = signedSums(differences[..<middle]).sorted(), second = signedSums(differences[middle...]).sorted()
        var hits = 0, largeFrom = second.count, smallUpTo = second.count
        for sum in first {
            while largeFrom > 0, sum + second[largeFrom - 1] >= threshold { largeFrom -= 1 }
            while smallUpTo > 0, sum + second[smallUpTo - 1] > -threshold { smallUpTo -= 1 }
            hits += second.count - largeFrom + smallUpTo
        }
        return hits
    }

    /// The sums of all patterns of signs: bit i of an index says whether difference i counts as negative.
    private static func signedSums(_ differences: ArraySlice<Double>) -> [Double] {
        differences.reduce([0]) { sums, difference in sums.map { $0 + difference } + sums.map { $0 - difference } }
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
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
