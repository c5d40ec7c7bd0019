import TensorCore

/// How a sequence of tokens becomes one vector for the head.
public enum TokenPooling: String, CaseIterable, Sendable {
    /// The state of the class token, which comes first.
    case `class`
    /// The mean over all tokens; there is no class token then.
    case mean

    /// `[B, N, D]` → `[B, D]`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .class: x.sliced(axis: 1, 0..<1).reshaped([x.shape[0], x.shape[-1]])
        case .mean: x.mean(axes: [1])
        }
    }
}
