import Layers
import TensorCore

/// A family of which mean-field theory knows something.
public protocol MeanFieldConfiguration: ModelConfiguration {
    /// What theory knows of the layers with weights at the start, in the order in which they are recorded; nil for weights that are not drawn
    /// with mean 0.
    func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork?
}

/// What mean-field theory says of a multilayer perceptron at its start, when it is wide: how large the outputs z_l of its linear layers are, and the
/// loss's gradients with respect to them.
///
///     q_1 = n_0 v_1 ⟨x²⟩        q_l = n_{l−1} v_l E[φ(√q_{l−1} z)²] / (1 − p)
///     g_L as measured           g_l = n_{l+1} v_{l+1} E[φ'(√q_l z)²] / (1 − p) · g_{l+1}
///
/// q_l, g_l: the variance of z_l and of ∂loss/∂z_l over units and images; z standard normal; v_l: the variance of the weights, whose biases are 0;
/// n_l: the width of layer l, n_0 the pixels; φ: the activation; p: the rate of dropout; ⟨x²⟩: the mean square of the pixels. For ReLU
/// this is He's factor n·v/2 a layer, for φ(x) = x Glorot's n·v.
///
/// Poole et al., "Exponential expressivity in deep neural networks through transient chaos", NeurIPS 2016; Schoenholz et al., "Deep Information
/// Propagation", ICLR 2017. The gradients' part takes the weights of the backward pass for independent of those of the forward pass.
public struct MeanFieldNetwork: Sendable {
    /// A linear layer, whose weight is `[outputs, inputs]`.
    public struct Layer: Sendable {
        let inputs: Int
        let outputs: Int
        let weightVariance: Double
    }

    /// The linear layers, first to last.
    public let layers: [Layer]
    private let activation: ActivationKind
    private let dropout: Double

    /// Linear layers from `sizes[0]` to `sizes[1]` and so on, with the activation and dropout between them.
    ///
    /// - Returns: nil for weights that are not drawn with mean 0.
    init?(sizes: [Int], activation: ActivationKind, dropout: Double = 0, initialization: Initialization) {
        var layers: [Layer] = []
        for (inputs, outputs) in zip(sizes, sizes.dropFirst()) {
            guard let variance = initialization.variance([outputs, inputs]) else { return nil }
            layers.append(Layer(inputs: inputs, outputs: outputs, weightVariance: variance))
        }
        self.layers = layers
        self.activation = activation
        self.dropout = dropout
    }

    /// q_l for each layer.
    public func activationVariances(inputSecondMoment: Double) -> [Double] {
        var variances: [Double] = []
        for layer in layers {
            let inputs = variances.last.map { expectation(activation.value, variance: $0) } ?? inputSecondMoment
            variances.append(Double(layer.inputs) * layer.weightVariance * inputs)
        }
        return variances
    }

    /// g_l for each layer, from q_l and the last one's.
    public func gradientVariances(activationVariances: [Double], last: Double) -> [Double] {
        var variances = [last]
        for (layer, q) in zip(layers.dropFirst(), activationVariances).reversed() {
            let slope = expectation(activation.derivative, variance: q)
            variances.append(Double(layer.outputs) * layer.weightVariance * slope * variances[variances.count - 1])
        }
        return variances.reversed()
    }

    /// E[f(√variance · z)²] after dropout, which keeps the mean and so enlarges the square.
    private func expectation(_ function: (Double) -> Double, variance: Double) -> Double {
        let deviation = variance.squareRoot()
        return GaussianExpectation.of { z in
            let y = function(deviation * z)
            return y * y
        } / (1 - dropout)
    }
}
