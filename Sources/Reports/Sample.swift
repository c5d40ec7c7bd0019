import Foundation

/// Measurements that differ by seed alone, or by fold, and what they say about the mean behind them.
struct Sample: Equatable {
    let values: [Double]
    /// Of folds, whose training sets overlap, the number of test images for each training image; else 0.
    let overlap: Double

    init(values: [Double], overlap: Double = 0) {
        self.values = values
        self.overlap = overlap
    }

    var count: Int { values.count }

    var mean: Double { values.reduce(0, +) / Double(count) }

    /// The sample standard deviation, with n − 1; nil for a single value.
    var standardDeviation: Double? {
        guard count > 1 else { return nil }
        let mean = mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)).squareRoot()
    }

    /// The standard error of the mean: √(variance · (1/n + overlap)), after Nadeau and Bengio (Machine Learning 52, 2003); nil for a single value.
    private var standardError: Double? {
        standardDeviation.map { overlap == 0 ? $0 / Double(count).squareRoot() : $0 * (1 / Double(count) + overlap).squareRoot() }
    }

    /// The 95% confidence interval of the mean, by Student's t; nil for a single value.
    var confidenceInterval: ClosedRange<Double>? {
        guard let error = standardError, error.isFinite else { return nil }
        let half = StudentT(degreesOfFreedom: count - 1).quantile(0.975) * error
        return mean - half...mean + half
    }

    /// How likely a mean is that is at least as far from 0, if the true one is 0, by Student's t with the standard error; 1 for a single value.
    var correctedP: Double {
        guard let error = standardError, mean != 0 else { return 1 }
        return error == 0 ? 0 : StudentT(degreesOfFreedom: count - 1).twoSided(mean / error)
    }
}

/// Student's t distribution.
struct StudentT {
    let degreesOfFreedom: Int

    /// The probability of a value up to `t`, for t ≥ 0: 1 − I(ν / (ν + t²); ν/2, 1/2) / 2.
    func cumulative(_ t: Double) -> Double {
        let nu = Double(degreesOfFreedom)
        return 1 - regularizedBeta(nu / (nu + t * t), nu / 2, 0.5) / 2
    }

    /// The probability of a value at least as far from 0.
    func twoSided(_ t: Double) -> Double {
        let nu = Double(degreesOfFreedom)
        return regularizedBeta(nu / (nu + t * t), nu / 2, 0.5)
    }

    /// The value below which a share `p` ≥ 0.5 lies, by bisection to the last bit.
    func quantile(_ p: Double) -> Double {
        precondition(degreesOfFreedom > 0 && (0.5..<1).contains(p), "the quantile needs a degree of freedom and a share from 0.5 up to 1")
        var low = 0.0, high = 1.0
        while cumulative(high) < p { high *= 2 }
        while case let middle = (low + high) / 2, middle > low, middle < high {
            if cumulative(middle) < p { low = middle } else { high = middle }
        }
        return high
    }
}

/// The regularized incomplete beta function I(x; a, b), by its continued fraction (DLMF 8.17.22) with Lentz's method.
func regularizedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    // The fraction converges fast left of (a + 1) / (a + b + 2); the other side is its mirror image.
    if x > (a + 1) / (a + b + 2) { return 1 - regularizedBeta(1 - x, b, a) }
    let logBeta: Double = lgamma(a) + lgamma(b) - lgamma(a + b)
    let front: Double = exp(a * log(x) + b * log(1 - x) - logBeta) / a
    let tiny = 1e-300
    var c = 1.0, d = 1 - (a + b) * x / (a + 1)
    d = 1 / (abs(d) < tiny ? tiny : d)
    var result = d
    for step in 1...500 {
        let m = Double(step)
        var factor = 1.0
        let even: Double = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        let odd: Double = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in [even, odd] {
            d = 1 + numerator * d
            c = 1 + numerator / c
            d = 1 / (abs(d) < tiny ? tiny : d)
            c = abs(c) < tiny ? tiny : c
            factor = c * d
            result *= factor
        }
        if abs(factor - 1) < 1e-15 { break }
    }
    return front * result
}
