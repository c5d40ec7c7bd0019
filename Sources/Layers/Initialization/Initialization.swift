import Foundation
import TensorCore

/// How the weights of a layer start.
///
/// Scaled to a layer's fans, with *g* the gain of the activation that follows ("gain" below):
///
///     Xavier (Glorot):  variance g² · 2 / (fan_in + fan_out)
///     He (Kaiming):     variance g² / fan
///     LeCun:            variance 1 / fan_in
///
/// The normal kinds draw with that variance; the uniform kinds from ±√(3 · variance), which has it too. The others ignore the
/// shape. Every element is a function of the parameter's own random stream and its index.
///
/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
/// He, Zhang, Ren and Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification", ICCV 2015.
/// LeCun, Bottou, Orr and Müller, "Efficient BackProp", in Neural Networks: Tricks of the Trade, 1998.
public enum Initialization: Equatable, Sendable {
    /// The shape of the distribution that weights are drawn from.
    public enum Distribution: String, CaseIterable, Sendable { case normal, uniform }

    case constant(value: Double)
    case normal(deviation: Double)
    case uniform(bound: Double)
    /// Uniform within ±`bound` / fan_in, as the networks of 1998 start.
    case uniformOverFanIn(bound: Double)
    /// Normal, with values beyond ±`bound` drawn again. The bound is absolute, not in deviations, as timm has it.
    case truncatedNormal(deviation: Double, bound: Double)
    case xavier(distribution: Distribution, gain: Double)
    case he(distribution: Distribution, fan: Fan, gain: Double)
    case leCun(distribution: Distribution)

    /// Every weight 0.
    public static let zeros = Initialization.constant(value: 0)
    /// The start of a vision transformer's linear layers and position embeddings: σ = 0.02, bounds ±2.
    public static let transformer = Initialization.truncatedNormal(deviation: 0.02, bound: 2)
    /// The start of a ResNet's convolutions: normal, by the outputs, for ReLU.
    public static let residual = Initialization.he(distribution: .normal, fan: .out, gain: ActivationKind.relu.gain!)
    /// Uniform within ±1/√fan_in, PyTorch's start of a linear layer (it writes this as He's for a leaky ReLU of slope √5).
    public static let torchLinear = Initialization.he(
        distribution: .uniform, fan: .in, gain: ActivationKind.gain(leakySlope: 5.0.squareRoot()))

    /// The standard deviation of the elements of a weight of `shape`, before any truncation.
    func deviation(_ shape: Shape) -> Double {
        switch self {
        case .constant: 0
        case .normal(let deviation), .truncatedNormal(let deviation, _): deviation
        case .uniform(let bound): bound / 3.0.squareRoot()
        case .uniformOverFanIn(let bound): bound / Fan.in.count(shape) / 3.0.squareRoot()
        case .xavier(_, let gain): gain / Fan.average.count(shape).squareRoot()
        case .he(_, let fan, let gain): gain / fan.count(shape).squareRoot()
        case .leCun: 1 / Fan.in.count(shape).squareRoot()
        }
    }

    /// The variance of the elements of a weight of `shape`, whose mean is 0; nil for a constant other than 0.
    ///
    /// Beyond its bounds ±b a normal distribution loses the share 2βφ(β) / (2Φ(β) − 1) of its variance, with β = b/σ.
    public func variance(_ shape: Shape) -> Double? {
        let deviation = deviation(shape), variance = deviation * deviation
        switch self {
        case .constant(let value): return value == 0 ? 0 : nil
        case .truncatedNormal(_, let bound) where deviation > 0:
            let limit = bound / deviation, density = exp(-limit * limit / 2) / (2 * Double.pi).squareRoot()
            return variance * (1 - 2 * limit * density / erf(limit / 2.0.squareRoot()))
        default: return variance
        }
    }
}

extension Initialization: Initializer {
    public func fill(_ values: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) {
        let deviation = deviation(shape)
        switch self {
        case .constant(let value):
            values.update(repeating: Float(value))
        case .truncatedNormal(_, let bound):
            precondition(bound > 0, "a truncated normal distribution needs a positive bound")
            NormalDraws.fill(values, deviation: deviation, bound: bound, stream: stream)
        case .normal, .xavier(.normal, _), .he(.normal, _, _), .leCun(.normal):
            NormalDraws.fill(values, deviation: deviation, stream: stream)
        case .uniform, .uniformOverFanIn, .xavier(.uniform, _), .he(.uniform, _, _), .leCun(.uniform):
            UniformDraws.fill(values, bound: deviation * 3.0.squareRoot(), stream: stream)
        }
    }
}
