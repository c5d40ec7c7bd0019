import TensorCore

/// A convolution along a sequence, which is an image of height 1.
///
///     y[b, i, o] = Σ_{u, c} x[b, s·i + d·u − p, c] · W[o, c, u] + bias[o]
///
/// Shapes: x `[B, 1, L, in]`, `weight [out, in / groups, kernel]`, `bias [out]`, y `[B, 1, L', out]`; s is the stride, d the dilation, p the padding
/// before the sequence. The bias starts at zero.
///
/// With `Padding.causal`, d · (kernel − 1) zeros come before the sequence and none behind it: an answer depends on nothing that comes after its place
/// (van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016).
public struct Convolution1D: Layer {
    /// What is added around a sequence.
    public enum Padding: Sendable, Hashable {
        case valid
        /// As many answers as places, with stride 1; an odd remainder goes behind.
        case same
        /// As many answers as places, with stride 1; all of it before.
        case causal
    }

    private let weight: Tensor
    private let bias: Tensor?
    private let kernel: Int
    private let stride: Int
    private let padding: Padding
    private let dilation: Int
    private let groups: Int
    private let scope: Scope

    /// Declares the parameters in `scope`. The groups must divide inputs and outputs.
    public init(
        _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Padding = .valid, dilation: Int = 1, groups: Int = 1,
        hasBias: Bool = true, initialization: Initialization, in scope: Scope
    ) {
        (self.kernel, self.stride, self.padding, self.dilation, self.groups, self.scope) = (kernel, stride, padding, dilation, groups, scope)
        precondition(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "the groups must divide inputs and outputs")
        weight = scope.parameter("weight", [outputs, inputs / groups, kernel], initialization)
        bias = hasBias ? scope.parameter("bias", [outputs], Initialization.zeros, role: .bias) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        guard weight.isValid else { return weight }
        let around: Padding2D =
            switch padding {
            case .valid: .valid
            case .same: .same
            case .causal: .explicit(top: 0, bottom: 0, left: dilation * (kernel - 1), right: 0)
            }
        return scope.record {
            x.convolution2D(
                weight: weight.reshaped([weight.shape[0], weight.shape[1], 1, kernel]), bias: bias, stride: Size2D(1, stride), padding: around,
                dilation: Size2D(1, dilation), groups: groups)
        }
    }
}
