import TensorCore

/// Sets elements to zero at random in training and scales the others up; the identity in evaluation.
///
///     y = x · m / (1 − rate),   m ~ Bernoulli(1 − rate) for each element
///
/// The mask depends on the scope's stream, how many calls of the layer came before, the step and the sample's place in the batch only.
///
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: A Simple Way to Prevent Neural Networks from
/// Overfitting", JMLR 15 (2014).
public struct Dropout {
    private let rate: Float
    private let scope: Scope

    /// `rate` is the share of elements that are dropped, from 0 up to but not 1.
    public init(rate: Double, in scope: Scope) {
        precondition((0..<1).contains(rate), "a dropout rate lies from 0 up to but not 1")
        self.rate = Float(rate)
        self.scope = scope
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        rate == 0 ? x : scope.record { x.dropout(rate: rate, stream: scope.nextStream()) }
    }
}
