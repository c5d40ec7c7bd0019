import Foundation

/// How surprising it is that of two classifiers one is right on so many images on which the other is wrong, if both are equally good.
///
/// Under the null hypothesis each of the n images on which exactly one is right is as likely the one's as the other's. Below `exactLimit` such images p is
/// exact, 2 P(X ≤ min(b, c)) of the binomial distribution of n and 1/2, at most 1; from there on that of χ² = (|b − c| − 1)² / (b + c) with one degree of
/// freedom, with Edwards' correction for continuity. McNemar, Psychometrika 12, 1947; Edwards, Psychometrika 13, 1948; for classifiers Dietterich, Neural
/// Computation 10, 1998.
public struct McNemarTest: Sendable, Equatable {
    /// How many discordant images the exact test has less than.
    public static let exactLimit = 25

    /// Images on which the first is right and the second wrong.
    public let onlyFirst: Int
    /// Images on which the second is right and the first wrong.
    public let onlySecond: Int

    /// Both counts, from 0.
    public init(onlyFirst: Int, onlySecond: Int) {
        precondition(onlyFirst >= 0 && onlySecond >= 0, "counts are not negative")
        (self.onlyFirst, self.onlySecond) = (onlyFirst, onlySecond)
    }

    /// Whether p is that of the binomial distribution.
    public var isExact: Bool { onlyFirst + onlySecond < Self.exactLimit }

    /// Two-sided; 1 where the two differ on no image.
    public var p: Double {
        let count = onlyFirst + onlySecond
        if count == 0 { return 1 }
        if isExact {
            // Below 2²⁵ all sums are exact.
            var term = 1.0, sum = 1.0
            for k in 0..<min(onlyFirst, onlySecond) {
                term = term * Double(count - k) / Double(k + 1)
                sum += term
            }
            return min(1, 2 * sum / Double(1 << count))
        }
        let difference = Double(abs(onlyFirst - onlySecond)) - 1
        return erfc((difference * difference / Double(count) / 2).squareRoot())
    }
}

/// Wilson's interval of a share, with 95% confidence: it stays within 0 and 1, and is right for few images too. Wilson, JASA 22, 1927.
///
/// - Parameters:
///   - right: how many of them.
///   - count: of how many.
/// - Returns: nil of none.
public func wilsonInterval(_ right: Int, of count: Int) -> ClosedRange<Double>? {
    guard count > 0 else { return nil }
    precondition((0...count).contains(right), "a share is a part of the whole")
    // The 0.975 quantile of the normal distribution.
    let z = 1.959963984540054, n = Double(count), share = Double(right) / n
    let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    return (right == 0 ? 0 : max(0, middle - half))...(right == count ? 1 : min(1, middle + half))
}

/// The bootstrap over images of a mean of differences, with its percentile interval. Efron, Annals of Statistics 7, 1979.
public enum ImageBootstrap {
    /// How many samples are drawn.
    public static let drawCount = 10_000

    /// The 2.5 and 97.5 percentiles, interpolated linearly, of the means of so many samples of as many images, drawn with replacement. It depends on
    /// nothing but the differences, so that it repeats to the bit.
    ///
    /// - Parameter differences: of each image: 1 where the first is right and the second wrong, −1 where it is the other way round, else 0.
    /// - Returns: nil of no images.
    public static func interval(of differences: [Int8]) -> ClosedRange<Double>? {
        guard !differences.isEmpty else { return nil }
        var random = SplitMix64(state: 0)
        let count = UInt64(differences.count)
        var sums = [Int](repeating: 0, count: drawCount)
        differences.withUnsafeBufferPointer { differences in
            for draw in 0..<drawCount {
                var sum = 0, left = differences.count
                while left > 0 {
                    // Two places from 32 bits each; there are far fewer images than 2³².
                    let bits = random.next()
                    sum += Int(differences[Int(truncatingIfNeeded: ((bits >> 32) &* count) >> 32)])
                    if left > 1 { sum += Int(differences[Int(truncatingIfNeeded: ((bits & 0xffff_ffff) &* count) >> 32)]) }
                    left -= 2
                }
                sums[draw] = sum
            }
        }
        sums.sort()
        func percentile(_ share: Double) -> Double {
            let place = share * Double(drawCount - 1), below = Int(place)
            let low = Double(sums[below]), high = Double(sums[min(below + 1, drawCount - 1)])
            return (low + (high - low) * (place - Double(below))) / Double(differences.count)
        }
        return percentile(0.025)...percentile(0.975)
    }
}
