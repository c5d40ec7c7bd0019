import Foundation

// The functions themselves, in double precision: for theory, which integrates them.

extension ActivationKind {
    /// f(x).
    public func value(_ x: Double) -> Double {
        switch self {
        case .identity: x
        case .relu: max(x, 0)
        case .leakyReLU: x > 0 ? x : Self.leakySlope * x
        case .relu6: min(max(x, 0), 6)
        case .hardSwish: x * min(max(x + 3, 0), 6) / 6
        case .tanh: Foundation.tanh(x)
        case .sigmoid: logistic(x)
        case .silu: x * logistic(x)
        case .gelu: x * normalShare(below: x)
        case .geluTanh: x / 2 * (1 + Foundation.tanh(geluArgument(x)))
        case .softplus: max(x, 0) + log1p(exp(-abs(x)))
        }
    }

    /// f'(x); at a kink at 0 the slope from below, at those beyond that of the constant.
    public func derivative(_ x: Double) -> Double {
        switch self {
        case .identity: return 1
        case .relu: return x > 0 ? 1 : 0
        case .leakyReLU: return x > 0 ? 1 : Self.leakySlope
        case .relu6: return x > 0 && x < 6 ? 1 : 0
        case .hardSwish: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5
        case .tanh:
            let y = Foundation.tanh(x)
            return 1 - y * y
        case .sigmoid: return logistic(x) * logistic(-x)
        case .silu: return logistic(x) * (1 + x * logistic(-x))
        case .gelu: return normalShare(below: x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        case .geluTanh:
            let y = Foundation.tanh(geluArgument(x))
            return (1 + y) / 2 + x / 2 * (1 - y * y) * (2 / Double.pi).squareRoot() * (1 + 3 * geluCubic * x * x)
        case .softplus: return logistic(x)
        }
    }
}

private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

/// Φ(x).
private func normalShare(below x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }

private let geluCubic = 0.044715

private func geluArgument(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + geluCubic * x * x * x) }
