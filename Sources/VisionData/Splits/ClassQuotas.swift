import Configuration
import Foundation

/// Images of some classes with their labels, of which so many of each class are kept.
struct ClassQuotas {
    /// How many images each class has.
    let counts: [Int]
    private let order: [Int32]
    private let labels: [Int32]

    /// - Parameters:
    ///   - order: global indices; the first of a class are kept.
    ///   - labels: by global index.
    init(_ order: [Int32], labels: [Int32], classCount: Int) {
        (self.order, self.labels) = (order, labels)
        var counts = [Int](repeating: 0, count: classCount)
        for image in order { counts[Int(labels[Int(image)])] += 1 }
        self.counts = counts
    }

    /// The first images of each class, in the order in which they were; as many as `quotas` says.
    func keeping(_ quotas: [Int]) -> [Int32] {
        var left = quotas
        return order.filter { image in
            let label = Int(labels[Int(image)])
            left[label] -= 1
            return left[label] >= 0
        }
    }

    /// n · ρ^(−c / (C − 1)) images of class c of C, rounded down, n being the largest number for which every class has as many.
    ///
    /// Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019: long-tailed CIFAR.
    func longTailed(_ ratio: Double) -> [Int] {
        let last = Double(max(1, counts.count - 1))
        let shares = counts.indices.map { pow(ratio, -Double($0) / last) }
        let largest = zip(counts, shares).map { (Double($0) / $1 * (1 + 1e-12)).rounded(.down) }.min() ?? 0
        // A power that is a whole number but for its rounding counts as one.
        return shares.map { Int((largest * $0 * (1 + 1e-12)).rounded(.down)) }
    }
}
