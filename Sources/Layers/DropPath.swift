import TensorCore

/// Drops the residual branch of whole samples at random in training and scales the others up; the identity in evaluation.
///
///     y = x · m / (1 − rate),   m ~ Bernoulli(1 − rate) for each sample
///
/// Huang, Sun, Liu, Sedra and Weinberger, "Deep Networks with Stochastic Depth", ECCV 2016, with the scaling at training time that
/// timm uses instead of one at test time.
public struct DropPath {
    private let rate: Float
    private let scope: Scope

    /// `rate` is the share of samples whose branch is dropped, from 0 up to but not 1.
    public init(rate: Double, in scope: Scope) {
        precondition((0..<1).contains(rate), "a drop-path rate lies from 0 up to but not 1")
        self.rate = Float(rate)
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        rate == 0 ? x : scope.record { x.dropPath(rate: rate, stream: scope.nextStream()) }
    }
}
