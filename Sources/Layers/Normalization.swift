import TensorCore

/// What follows a convolution: a normalization of some kind or none, perhaps the addition of a residual, and an activation.
///
///     y = f(norm(x) [+ residual])
///
/// Batch norm adds and, if f is ReLU, clips in its own pass; group norm clips in its own where nothing is added. Otherwise each is an op.
///
/// Shapes: x, the residual and y `[B, …, C]`. Parameters are those of `BatchNorm` or `GroupNorm`, or none, with the buffers of `FrozenBatchNorm`.
public struct Normalization {
    private enum Norm {
        case batch(BatchNorm)
        case group(GroupNorm)
        case frozen(FrozenBatchNorm)
        case none
    }

    private let norm: Norm
    private let activation: Activation
    private let scope: Scope

    /// `initialScale` and `epsilon` are those of the norm, if there is one.
    public init(
        _ kind: NormalizationKind, _ channels: Int, activation: Activation = .identity, initialScale: Double = 1, epsilon: Float = 1e-5,
        in scope: Scope
    ) {
        self.activation = activation
        self.scope = scope
        norm =
            switch kind {
            case .batch: .batch(BatchNorm(channels, activation: activation, initialScale: initialScale, epsilon: epsilon, in: scope))
            case .oneGroup: .group(GroupNorm(channels, groups: 1, initialScale: initialScale, epsilon: epsilon, in: scope))
            case .group(let groups): .group(GroupNorm(channels, groups: groups, initialScale: initialScale, epsilon: epsilon, in: scope))
            case .instance: .group(GroupNorm(channels, groups: channels, initialScale: initialScale, epsilon: epsilon, in: scope))
            case .frozenBatch: .frozen(FrozenBatchNorm(channels, activation: activation, epsilon: epsilon, in: scope))
            case .none: .none
            }
    }

    /// Records one call: x and the residual `[B, …, C]` → `[B, …, C]`.
    public func callAsFunction(_ x: Tensor, residual: Tensor? = nil) -> Tensor {
        if case .batch(let norm) = norm { return norm(x, residual: residual) }
        if case .frozen(let norm) = norm { return norm(x, residual: residual) }
        if case .group(let norm) = norm, residual == nil, activation == .relu { return norm(x, relu: true) }
        return scope.record {
            var y = x
            if case .group(let norm) = norm { y = norm(y) }
            if let residual { y = y + residual }
            return y.activated(activation)
        }
    }
}
