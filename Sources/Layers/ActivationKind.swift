import TensorCore

/// The activations that a definition names.
public enum ActivationKind: String, CaseIterable, Sendable {
    case identity, relu
    /// Slope 0.01 below zero.
    case leakyReLU = "leaky_relu"
    /// ReLU that ends at 6.
    case relu6
    case tanh, sigmoid, silu
    /// x · relu6(x + 3) / 6, close to silu.
    case hardSwish = "hard_swish"
    /// x·Φ(x), with the error function.
    case gelu
    /// The approximation of GELU by the hyperbolic tangent.
    case geluTanh = "gelu_tanh"
    case softplus

    static let leakySlope = 0.01

    /// What a graph records for it.
    public var activation: Activation {
        switch self {
        case .identity: .identity
        case .relu: .relu
        case .leakyReLU: .leakyReLU(slope: Float(Self.leakySlope))
        case .relu6: .relu6
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .hardSwish: .hardSwish
        case .silu: .silu
        case .gelu: .gelu
        case .geluTanh: .geluTanh
        case .softplus: .softplus
        }
    }

    /// The factor by which weights in front of the activation are scaled up, so that signals keep their variance.
    ///
    /// PyTorch's `torch.nn.init.calculate_gain`: 1 for linear and sigmoid, 5/3 for tanh, √2 for ReLU (He et al. 2015),
    /// √(2 / (1 + slope²)) for leaky ReLU. Nil for activations for which it has no value.
    public var gain: Double? {
        switch self {
        case .identity, .sigmoid: 1
        case .tanh: 5 / 3
        case .relu: 2.0.squareRoot()
        case .leakyReLU: Self.gain(leakySlope: Self.leakySlope)
        case .relu6, .silu, .hardSwish, .gelu, .geluTanh, .softplus: nil
        }
    }

    static func gain(leakySlope slope: Double) -> Double { (2 / (1 + slope * slope)).squareRoot() }
}
