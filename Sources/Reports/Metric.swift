import Configuration
import RunStore

/// A number of a finished run that runs are compared by.
public enum Metric: String, Sendable, CaseIterable {
    case testAccuracy = "test_accuracy"
    case testLoss = "test_loss"
    case valAccuracy = "val_accuracy"
    case valLoss = "val_loss"
    case trainAccuracy = "train_accuracy"
    case trainLoss = "train_loss"
    case secondsPerEpoch = "seconds_per_epoch"
    case imagesPerSecond = "images_per_second"
    case activationGain = "activation_gain"
    case predictedActivationGain = "predicted_activation_gain"
    case gradientGain = "gradient_gain"
    case predictedGradientGain = "predicted_gradient_gain"

    /// - Throws: `.usage` with the nearest name when there is no such metric.
    public init(named name: String) throws {
        guard let metric = Metric(rawValue: name) else {
            throw UserError(.usage, "unknown metric '\(name)'\(suggestion(for: name, among: Metric.allCases.map(\.rawValue)))")
        }
        self = metric
    }

    /// What it is, with its unit.
    public var explanation: String {
        switch self {
        case .testAccuracy: "test accuracy (share of the test set)"
        case .testLoss: "test loss (nat)"
        case .valAccuracy: "validation accuracy (share), best epoch"
        case .valLoss: "validation loss (nat), best epoch"
        case .trainAccuracy: "training accuracy (share), last epoch"
        case .trainLoss: "training loss (nat), last epoch"
        case .secondsPerEpoch: "seconds an epoch"
        case .imagesPerSecond: "images a second"
        case .activationGain: "activation gain (factor of the variance of the layers' outputs, from one hidden layer to the next, at the start)"
        case .predictedActivationGain: "activation gain at the start as mean-field theory has it"
        case .gradientGain: "gradient gain (factor of the variance of the loss's gradient, from one hidden layer to the one before, at the start)"
        case .predictedGradientGain: "gradient gain at the start as mean-field theory has it"
        }
    }

    /// As the title of a column.
    var title: String {
        switch self {
        case .secondsPerEpoch: "s/epoch"
        case .imagesPerSecond: "images/s"
        default: rawValue.replacing("_", with: " ")
        }
    }

    /// Between which numbers a value can lie; nil where there are no such bounds.
    var bounds: ClosedRange<Double>? {
        switch self {
        case .testAccuracy, .valAccuracy, .trainAccuracy: 0...1
        default: nil
        }
    }

    /// How many decimals a table shows.
    var decimals: Int {
        switch self {
        case .secondsPerEpoch: 1
        case .imagesPerSecond: 0
        default: 4
        }
    }

    /// Whether a run has it before its first step, however it ends.
    var isOfTheStart: Bool {
        switch self {
        case .activationGain, .predictedActivationGain, .gradientGain, .predictedGradientGain: true
        default: false
        }
    }

    func value(of run: RunSummary) -> Double? {
        switch self {
        case .testAccuracy: run.evaluation?.accuracy
        case .testLoss: run.evaluation?.loss
        case .valAccuracy: run.epochs.compactMap(\.valAccuracy).max()
        case .valLoss: run.epochs.compactMap(\.valLoss).min()
        case .trainAccuracy: run.epochs.last?.trainAccuracy
        case .trainLoss: run.epochs.last?.trainLoss
        case .secondsPerEpoch: run.machine?.secondsPerEpoch
        case .imagesPerSecond: run.machine?.imagesPerSecond
        case .activationGain: LayerGain(run).activation
        case .predictedActivationGain: LayerGain(run).predictedActivation
        case .gradientGain: LayerGain(run).gradient
        case .predictedGradientGain: LayerGain(run).predictedGradient
        }
    }
}
