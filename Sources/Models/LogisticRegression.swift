import Configuration
import Layers
import TensorCore

/// Multinomial logistic regression: one linear map from pixels to logits, the simplest baseline.
///
///     logits = W · pixels + b
///
/// Parameters: `fc.weight [classes, H·W·C]`, `fc.bias [classes]`. They start at zero, where the loss is ln(classes); the problem is
/// convex, so the start decides nothing.
public struct LogisticRegressionConfiguration: MeanFieldConfiguration {
    public static let family = "logistic_regression"

    /// How weights start.
    public var initialization: Initialization

    /// A start other than zeros is for experiments.
    public init(initialization: Initialization) { self.initialization = initialization }

    /// Zeros at the start.
    public init() { self.init(initialization: .zeros) }

    public static let documentation = "One linear map from pixels to logits."
    public static let options: [Key<LogisticRegressionConfiguration>] = [initializationOption(\.initialization)]

    public func meanFieldNetwork(input: ImageShape, classes: Int) -> MeanFieldNetwork? {
        MeanFieldNetwork(sizes: [input.count, classes], activation: .identity, initialization: initialization)
    }

    public func makeEncoder(input: ImageShape, in scope: Scope) -> any ImageEncoder {
        PixelPerceptron(input: input, widths: [], activation: .identity, dropout: 0, initialization: initialization, in: scope)
    }

    public func makeHead(inputs: Int, outputs: Int, in scope: Scope) -> any Layer {
        Linear(inputs, outputs, initialization: initialization, in: scope["fc"])
    }
}
