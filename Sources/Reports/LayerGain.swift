import Foundation
import RunStore

/// How signals and gradients change on their way through a network at its start: the factor of their variance from one hidden layer to the next.
///
/// The geometric mean over the hidden layers, which are all layers but the last, whose outputs are the logits:
///
///     activation gain = (variance of the last ÷ that of the first)^(1 / (hidden layers − 1))
///     gradient gain   = (variance of the first ÷ that of the last)^(1 / (hidden layers − 1))
///
/// 1 keeps the scale, below it signals vanish, above it they explode. nil where there are fewer than two hidden layers, or nothing to divide by.
struct LayerGain {
    /// As measured before the first step.
    let activation: Double?
    let gradient: Double?
    let predictedActivation: Double?
    let predictedGradient: Double?

    init(_ run: RunSummary) {
        let start = run.layers.first { $0.epoch == 0 }, layers = run.description.layers
        activation = Self.factor(start?.activationVariance, isForward: true)
        gradient = Self.factor(start?.gradientVariance, isForward: false)
        predictedActivation = Self.factor(layers?.predictedActivationVariance, isForward: true)
        predictedGradient = Self.factor(layers?.predictedGradientVariance, isForward: false)
    }

    private static func factor(_ variances: [Double]?, isForward: Bool) -> Double? {
        guard let variances, variances.count > 2 else { return nil }
        let first = variances[0], last = variances[variances.count - 2]
        return finite(pow(isForward ? last / first : first / last, 1 / Double(variances.count - 2)))
    }
}
