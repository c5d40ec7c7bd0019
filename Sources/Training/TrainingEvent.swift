import TensorCore

/// What happens in a training, in order: any number of steps and progress reports, then an epoch's end, and so on; at the end at most one
/// of `stoppedEarly`, `interrupted` and `diverged`; then, unless it was one of the latter two, the evaluation on the test split.
public enum TrainingEvent: Sendable {
    /// Before the first step, and before the event of every `TrainingLoop.digestInterval`th step and of an epoch's last.
    case digested(WeightDigest)
    /// Before the first step, after its digest, and before the event of every epoch's end, if the configuration asks for it.
    case layersMeasured(LayerStatistics)
    case stepFinished(StepMetrics)
    /// After the last step of an epoch, before its validation: the weights stand still until the event of the epoch's end has been heard.
    case epochTrained
    /// At most twice a second, and at the end of an epoch's last step.
    case progress(ProgressReport)
    case epochFinished(EpochMetrics, EpochTiming)
    /// The metric of early stopping has not improved for as many epochs as its patience.
    case stoppedEarly(epoch: Int)
    /// Someone asked the training to stop; `stepCount` steps are finished.
    case interrupted(stepCount: Int)
    case diverged(Divergence)
    /// The results of the best weights on the validation split, if the task makes tables of it; before those on the test.
    case validated(EvaluationResult)
    /// The results of the best weights on the test split.
    case tested(EvaluationResult)
}

/// Hears of everything that happens in a training: logs, weight files, progress lines.
public protocol TrainingListener: AnyObject {
    /// Called on the training's thread between steps. `loop.arrays` and `loop.state` are what they are at that moment. An error ends the training.
    func receive(_ event: TrainingEvent, from loop: TrainingLoop) throws
}

/// How a training ended.
public enum TrainingOutcome: Sendable, Equatable {
    case completed(test: EvaluationResult)
    /// Ended on request, before its end and before the test split was touched.
    case interrupted
    case diverged(Divergence)
}

/// A loss or weights that are not finite any more.
public struct Divergence: Sendable, Equatable, CustomStringConvertible {
    /// From 0.
    public let step: Int
    /// From 0.
    public let epoch: Int
    /// That of the step.
    public let loss: Double
    /// The Euclidean norm of the whole gradient.
    public let gradientNorm: Double
    /// The first parameter in the order of declaration whose gradient or value is not finite, or `loss`.
    public let tensor: String
    /// What of `tensor` is not finite.
    public let quantity: Quantity

    /// What is no longer finite.
    public enum Quantity: String, Sendable {
        case value, gradient
    }

    /// `the training diverged at step 12 (epoch 1): the gradient of conv1.weight is not finite (loss nan, gradient norm nan)`
    public var description: String {
        let what = tensor == Self.lossName ? "the loss" : "the \(quantity.rawValue) of \(tensor)"
        return "the training diverged at step \(step + 1) (epoch \(epoch + 1)): \(what) is not finite (loss \(text(loss)), gradient norm \(text(gradientNorm)))"
    }

    /// The sign of a NaN says nothing.
    private func text(_ value: Double) -> String { value.isNaN ? "nan" : "\(value)" }

    private static let lossName = "loss"

    /// Finds the first tensor that is not finite.
    init(step: Int, epoch: Int, loss: Double, gradientNorm: Double, in store: ParameterStore) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.gradientNorm = gradientNorm
        for entry in store.entries {
            let range = entry.offset..<entry.offset + entry.count
            for (quantity, values) in (entry.isTrained ? [(Quantity.gradient, store.gradients)] : []) + [(.value, store.values)]
            where !values[range].allSatisfy(\.isFinite) {
                (tensor, self.quantity) = (entry.name, quantity)
                return
            }
        }
        (tensor, quantity) = (Self.lossName, .value)
    }
}
