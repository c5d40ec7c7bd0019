import Configuration
import Layers
import TensorCore

/// The code in the middle of an autoencoder: its length, and what keeps it from being a copy.
public struct CodeOptions: Configurable {
    /// How many numbers a code has.
    public var size = 32
    /// What follows the linear map to the code.
    public var activation = ActivationKind.identity
    /// Whether an image has a distribution of codes.
    public var isVariational = false
    /// By how much its divergence from a normal one counts.
    public var divergenceWeight = 1.0
    /// By how much the sum of the code's absolute values counts.
    public var sparsity = 0.0

    /// 32 numbers that nothing restrains.
    public init() {}

    public static let options: [Key<CodeOptions>] = [
        Key("code", \.size, .count, paper: "Hinton and Salakhutdinov, Science 313, 2006", "How many numbers a code has."),
        Key("code_activation", \.activation, .choice, "What follows the linear map to the code."),
        Key("variational", \.isVariational, .flag, paper: "Kingma and Welling, ICLR 2014",
            "Whether an image has a normal distribution of codes, from which training draws; evaluation takes its mean."),
        Key("kl_weight", \.divergenceWeight, .number(in: 0...), writesDefault: false, paper: "Higgins et al., ICLR 2017 (β)",
            "Of variational: by how much the divergence of the codes' distribution from a standard normal one counts in the loss; it is divided by the numbers of the image, as the loss is."),
        Key("sparsity", \.sparsity, .number(in: 0...), paper: "Ng, \"Sparse autoencoder\", CS294A, 2011", "By how much the sum of the absolute values of the code counts in the training's loss."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        if !isVariational {
            if divergenceWeight != CodeOptions().divergenceWeight { fields.report("goes with variational: true", at: "kl_weight") }
            return
        }
        if activation != .identity { fields.report("goes with codes that are what they are; a variational code has mean and variance without an activation", at: "code_activation") }
        if sparsity > 0 { fields.report("goes with codes of one value; variational ones are restrained by their divergence", at: "sparsity") }
    }
}

/// Features `[B, n]` → a code `[B, size]`, with what the loss has of it.
///
///     h = activation(W · x + b)
///     variational    μ, log σ² = W · x + b;  h = μ + σ ε in training, ε normal, and μ in evaluation
///                    penalty −½ Σ (1 + log σ² − μ² − σ²), divided by the numbers of the image and weighted
///     sparse         penalty Σ |h|, weighted
///
/// Parameters: `code` `[size, n]`, of a variational code `[2 · size, n]`: the means first.
///
/// Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10.
struct ImageCode {
    private let linear: Linear
    private let options: CodeOptions
    private let numbers: Int
    private let scope: Scope

    /// - Parameter numbers: how many an image has.
    init(_ inputs: Int, _ options: CodeOptions, numbers: Int, initialization: Initialization, in scope: Scope) {
        (self.options, self.numbers, self.scope) = (options, numbers, scope["code"])
        linear = Linear(inputs, options.isVariational ? 2 * options.size : options.size, initialization: initialization, in: scope["code"])
    }

    /// The map's weight, `[size, n]`.
    var weight: Tensor { linear.weight }

    /// Records one call, which adds the code as `code` and its penalties to the outputs.
    func callAsFunction(_ x: Tensor, adding outputs: inout NamedOutputs) {
        let sum = linear(x)
        guard sum.isValid else { return outputs.add("code", sum) }
        guard options.isVariational else {
            let code = scope.record { sum.activated(options.activation.activation) }
            outputs.add("code", code)
            if options.sparsity > 0 {
                outputs.addPenalty("sparsity", unit: "1", weight: options.sparsity, scope.record { code.cast(to: .float32).abs().sum(axes: [1]) })
            }
            return
        }
        scope.record {
            let values = sum.cast(to: .float32), mean = values.sliced(axis: 1, 0..<options.size), logVariance = values.sliced(axis: 1, options.size..<2 * options.size)
            let noise = sum.graph.mode == .training ? mean.randomNormal([options.size], stream: scope.nextStream()) : nil
            outputs.add("code", noise.map { mean + (logVariance * 0.5).exp() * $0 } ?? mean)
            let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum(axes: [1]) * 0.5
            outputs.addPenalty("divergence", unit: "nat", weight: options.divergenceWeight, divergence / Float(numbers), isEvaluated: true)
        }
    }
}
