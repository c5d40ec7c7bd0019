/// The layers of a run whose outputs are measured, and what theory says of them.
public struct LayerDescription: Sendable, Equatable {
    /// The module paths.
    public var names: [String]
    /// The variance of each layer's output at the start; nil where the model has no theory.
    public var predictedActivationVariance: [Double]?
    /// That of the loss's gradient with respect to it, from the last layer's measured one.
    public var predictedGradientVariance: [Double]?

    /// The layers that are measured, and what theory says of them.
    public init(names: [String], predictedActivationVariance: [Double]? = nil, predictedGradientVariance: [Double]? = nil) {
        self.names = names
        self.predictedActivationVariance = predictedActivationVariance
        self.predictedGradientVariance = predictedGradientVariance
    }
}

/// Statistics of the layers' outputs over a fixed batch, before norms and activations: one number for each of `LayerDescription.names`.
public struct LayerRecord: Sendable, Equatable {
    /// Finished epochs; 0 stands for the initial weights.
    public var epoch: Int
    /// One for each layer.
    public var activationMean: [Double]
    /// One for each layer.
    public var activationVariance: [Double]
    /// The variance of the gradient of the batch's mean loss.
    public var gradientVariance: [Double]

    /// What was measured before or after an epoch.
    public init(epoch: Int, activationMean: [Double], activationVariance: [Double], gradientVariance: [Double]) {
        self.epoch = epoch
        self.activationMean = activationMean
        self.activationVariance = activationVariance
        self.gradientVariance = gradientVariance
    }
}
