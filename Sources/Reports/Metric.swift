import Measures
import RunStore

/// A number of a finished run that runs are compared by: a measure of its task on a split, or something of every run.
public enum Metric: RawRepresentable, Sendable, Hashable {
    /// A measure of the test.
    case test(String)
    /// A measure of the validation, after the epoch where it was best.
    case validation(String)
    /// Over the last epoch of the training.
    case training(String)
    case other(Other)

    /// Measures of a run beside its evaluation.
    public enum Other: String, Sendable, CaseIterable {
        case secondsPerEpoch = "seconds_per_epoch"
        case imagesPerSecond = "images_per_second"
        case activationGain = "activation_gain"
        case predictedActivationGain = "predicted_activation_gain"
        case gradientGain = "gradient_gain"
        case predictedGradientGain = "predicted_gradient_gain"
    }

    /// What every run has: `seconds_per_epoch` and the like.
    public static let others = Other.allCases.map(Metric.other)
    static let secondsPerEpoch = Metric.other(.secondsPerEpoch), imagesPerSecond = Metric.other(.imagesPerSecond)

    /// The metrics of runs with these measures.
    static func known(_ measures: [Measure]) -> [Metric] {
        measures.flatMap { measure in
            (measure.isOfEvaluation ? [.test(measure.name), .validation(measure.name)] : []) + (measure.isOfTraining ? [.training(measure.name)] : [])
        } + others
    }

    /// `test_accuracy`, `val_loss`, `train_loss`, `seconds_per_epoch`; which measures there are the runs say.
    public init?(rawValue name: String) {
        func measure(_ prefix: String) -> String? { name.hasPrefix(prefix) && name.count > prefix.count ? String(name.dropFirst(prefix.count)) : nil }
        if let measure = measure("test_") {
            self = .test(measure)
        } else if let measure = measure(Monitor.prefix) {
            self = .validation(measure)
        } else if let measure = measure("train_") {
            self = .training(measure)
        } else if let other = Other(rawValue: name) {
            self = .other(other)
        } else {
            return nil
        }
    }

    /// As the command line calls it.
    public var rawValue: String {
        switch self {
        case .test(let measure): "test_\(measure)"
        case .validation(let measure): Monitor.prefix + measure
        case .training(let measure): "train_\(measure)"
        case .other(let other): other.rawValue
        }
    }

    var measureName: String? {
        switch self {
        case .test(let name), .validation(let name), .training(let name): name
        case .other: nil
        }
    }

    /// The measure that it is of; nil for what every run has.
    func measure(among measures: [Measure]) -> Measure? { measures.first { $0.name == measureName } }

    /// What is computed from the logits of a split; nil for what a run has measured itself, if it has a measure of that name.
    func score(_ measures: [Measure] = []) -> (split: EvaluatedSplit, measure: ScoreMeasure)? {
        guard measure(among: measures) == nil else { return nil }
        switch self {
        case .test(let name): return ScoreMeasure(name).map { (.test, $0) }
        case .validation(let name): return ScoreMeasure(name).map { (.validation, $0) }
        case .training, .other: return nil
        }
    }

    /// What it is, with its unit.
    func explanation(among measures: [Measure]) -> String {
        let measure = measure(among: measures), title = measure?.title ?? measureName ?? ""
        /// In parentheses.
        func unit(_ whole: String = "") -> String {
            guard let measure else { return "" }
            return measure.isShareCounted ? " (share\(whole))" : measure.unit == "1" ? "" : " (\(measure.unit))"
        }
        if let score = score(), measure == score.measure.measure {
            let isTest = score.split == .test, unit = score.measure.measure.unit
            // Not every number from 0 to 1 is a share.
            let words = score.measure.title + (score.measure.isShareOfImages ? " (share\(isTest ? " of the test set" : ""))" : unit == "1" ? "" : " (\(unit))")
            return isTest ? "test \(words)" : "validation \(words), best weights"
        }
        return switch self {
        case .test: "test \(title)\(unit(" of the test set"))"
        case .validation: "validation \(title)\(unit()), best epoch"
        case .training: "training \(title)\(unit()), last epoch"
        case .other(.secondsPerEpoch): "seconds an epoch"
        case .other(.imagesPerSecond): "images a second"
        case .other(.activationGain):
            "activation gain (factor of the variance of the layers' outputs, from one hidden layer to the next, at the start)"
        case .other(.predictedActivationGain): "activation gain at the start as mean-field theory has it"
        case .other(.gradientGain):
            "gradient gain (factor of the variance of the loss's gradient, from one hidden layer to the one before, at the start)"
        case .other(.predictedGradientGain): "gradient gain at the start as mean-field theory has it"
        }
    }

    /// As the title of a column.
    var title: String {
        switch self {
        case .other(.secondsPerEpoch): "s/epoch"
        case .other(.imagesPerSecond): "images/s"
        default: rawValue.replacing("_", with: " ")
        }
    }

    /// How many decimals a table shows.
    var decimals: Int {
        switch self {
        case .other(.secondsPerEpoch): 1
        case .other(.imagesPerSecond): 0
        default: 4
        }
    }

    /// Whether it is made from what was measured in each epoch.
    var isOfEpochs: Bool {
        switch self {
        case .validation, .training: true
        case .test, .other: false
        }
    }

    /// Whether a run has it before its first step, however it ends.
    var isOfTheStart: Bool {
        switch self {
        case .other(.activationGain), .other(.predictedActivationGain), .other(.gradientGain), .other(.predictedGradientGain): true
        default: false
        }
    }

    func value(of run: RunSummary) -> Double? {
        let measures = run.description.measures, place = measures.firstIndex { $0.name == measureName }
        if place == nil, let value = run.scores[self] { return value }
        switch self {
        case .test: return place.flatMap { run.testValues?[$0] }
        case .validation:
            guard let place else { return nil }
            let values = run.epochs.compactMap { $0.validation[place] }
            return measures[place].better == .larger ? values.max() : values.min()
        case .training: return place.flatMap { run.epochs.last?.training[$0] }
        // A run that was resumed after its last epoch timed none.
        case .other(.secondsPerEpoch): return run.machine.flatMap { $0.secondsPerEpoch > 0 ? $0.secondsPerEpoch : nil }
        case .other(.imagesPerSecond): return run.machine.flatMap { $0.imagesPerSecond > 0 ? $0.imagesPerSecond : nil }
        case .other(.activationGain): return LayerGain(run).activation
        case .other(.predictedActivationGain): return LayerGain(run).predictedActivation
        case .other(.gradientGain): return LayerGain(run).gradient
        case .other(.predictedGradientGain): return LayerGain(run).predictedGradient
        }
    }
}

extension Measure {
    /// Whether it counts what is right among samples or pixels: an IoU and an average precision lie between 0 and 1 too, and count nothing.
    var isShareCounted: Bool { isShare && name.hasSuffix("accuracy") }
}
