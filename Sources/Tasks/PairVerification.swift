/// Whether two images are of one class, told by the distance of their embeddings.
///
/// All pairs of at most 1,000 images count, which stand evenly spaced in the split where it has more.
///
///     accuracy  the largest mean, over all thresholds τ, of the share of pairs of one class whose distance is at most τ and the share of other pairs whose distance is
///               larger, so that it does not depend on how many pairs of each kind there are
///     area      under the receiver operating characteristic: the probability that a pair of one class is nearer than another, equal ones counting half
///
///     curve     for each false-positive rate of 0, 0.01, …, 1 the largest share of pairs of one class whose distance is at most a τ at which no larger share of other
///               pairs is as near
///
/// All are NaN where there is but one kind of pairs.
struct PairVerification {
    let accuracy: Double
    let area: Double
    /// The τ of the accuracy, a Euclidean distance.
    let threshold: Double
    /// True-positive rates, of `curveCount` false-positive rates.
    let curve: [Double]

    /// How many points a curve has.
    static let curveCount = 101

    /// How many images are compared at most.
    static let limit = 1_000

    /// - Parameter embeddings: row after row, of `length` finite numbers each.
    init(_ embeddings: [Float], length: Int, _ labels: [Int32]) {
        let count = min(labels.count, Self.limit), rows = (0..<count).map { $0 * labels.count / max(count, 1) }
        var pairs: [(distance: Float, isSame: Bool)] = []
        pairs.reserveCapacity(count * (count - 1) / 2)
        embeddings.withUnsafeBufferPointer { values in
            for (index, row) in rows.enumerated() {
                for other in rows[(index + 1)...] {
                    var sum: Float = 0
                    for place in 0..<length {
                        let difference = values[row * length + place] - values[other * length + place]
                        sum += difference * difference
                    }
                    pairs.append((sum, labels[row] == labels[other]))
                }
            }
        }
        self.init(pairs)
    }

    /// From the distances of pairs.
    init(_ pairs: [(distance: Float, isSame: Bool)]) {
        let sorted = pairs.sorted { $0.distance < $1.distance }, same = Double(sorted.count { $0.isSame }), different = Double(sorted.count) - same
        guard same > 0, different > 0 else {
            (accuracy, area, threshold, curve) = (.nan, .nan, .nan, [Double](repeating: .nan, count: Self.curveCount))
            return
        }
        // Below the threshold so far.
        var nearSame = 0.0, nearDifferent = 0.0, best = 0.5, area = 0.0, start = 0, nearest: Float = 0
        var rates = [Double](repeating: 0, count: Self.curveCount)
        while start < sorted.count {
            var end = start, foundSame = 0.0
            while end < sorted.count, sorted[end].distance == sorted[start].distance {
                if sorted[end].isSame { foundSame += 1 }
                end += 1
            }
            let foundDifferent = Double(end - start) - foundSame
            area += foundDifferent * (nearSame + foundSame / 2)
            (nearSame, nearDifferent, start) = (nearSame + foundSame, nearDifferent + foundDifferent, end)
            let mean = (nearSame / same + 1 - nearDifferent / different) / 2, last = Double(Self.curveCount - 1)
            if mean > best { (best, nearest) = (mean, sorted[end - 1].distance) }
            let first = Int((nearDifferent / different * last - 1e-9).rounded(.up))
            if first < Self.curveCount { rates[max(first, 0)] = nearSame / same }
        }
        for place in rates.indices.dropFirst() { rates[place] = max(rates[place], rates[place - 1]) }
        (accuracy, self.area, threshold, curve) = (best, area / (same * different), Double(nearest.squareRoot()), rates)
    }
}
