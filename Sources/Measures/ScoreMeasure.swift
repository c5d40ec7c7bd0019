/// What can be measured of a finished run from the logits that its file keeps, beside what its task measured.
public enum ScoreMeasure: Sendable, Hashable {
    /// `ClassScores.topAccuracy`: `top5_accuracy`, for any number from 1.
    case topAccuracy(Int)
    case balancedAccuracy, macroPrecision, macroF1, auc, calibrationError, brierScore, negativeLogLikelihood
    /// The temperature that fits the validation's logits, and what the calibration is with it.
    case temperature, scaledCalibrationError, scaledNegativeLogLikelihood

    /// All but the top-k accuracies.
    private static let plain: [(name: String, measure: ScoreMeasure)] = [
        ("balanced_accuracy", .balancedAccuracy), ("macro_precision", .macroPrecision), ("macro_f1", .macroF1), ("auc", .auc), ("ece", .calibrationError),
        ("brier", .brierScore), ("nll", .negativeLogLikelihood), ("temperature", .temperature), ("scaled_ece", .scaledCalibrationError),
        ("scaled_nll", .scaledNegativeLogLikelihood),
    ]

    /// The names of all measures, with two of the top-k accuracies, for messages and help.
    public static let names = ["top2_accuracy", "top5_accuracy"] + plain.map(\.name)

    /// Finds `macro_f1`, `top5_accuracy` and the like.
    public init?(_ name: String) {
        if let known = Self.plain.first(where: { $0.name == name }) {
            self = known.measure
        } else if let match = name.wholeMatch(of: /top([1-9][0-9]{0,8})_accuracy/), let k = Int(match.1) {
            self = .topAccuracy(k)
        } else {
            return nil
        }
    }

    /// As metrics are called, without the split.
    public var name: String {
        if case .topAccuracy(let k) = self { return "top\(k)_accuracy" }
        return Self.plain.first { $0.measure == self }!.name
    }

    /// What it is as a measure.
    public var measure: Measure {
        switch self {
        case .topAccuracy, .balancedAccuracy, .macroPrecision, .macroF1, .auc: Measure(name, unit: "1", better: .larger, bounds: 0...1, occasion: .evaluation)
        case .calibrationError, .scaledCalibrationError: Measure(name, unit: "1", better: .smaller, bounds: 0...1, occasion: .evaluation)
        case .brierScore: Measure(name, unit: "1", better: .smaller, bounds: 0...2, occasion: .evaluation)
        case .temperature: Measure(name, unit: "1", better: .smaller, occasion: .evaluation)
        case .negativeLogLikelihood, .scaledNegativeLogLikelihood: Measure(name, unit: "nat", better: .smaller, occasion: .evaluation)
        }
    }

    /// Whether it is a part of all images.
    public var isShareOfImages: Bool { if case .topAccuracy = self { true } else { false } }

    /// What it is in words.
    public var title: String {
        switch self {
        case .topAccuracy(let k): "top-\(k) accuracy"
        case .balancedAccuracy: "balanced accuracy, the mean recall of the classes"
        case .macroPrecision: "macro precision, the mean of the classes"
        case .macroF1: "macro F1, the mean of the classes"
        case .auc: "AUC, the mean of each class against all others"
        case .calibrationError: "expected calibration error, \(ClassScores.usualBinCount) bins"
        case .brierScore: "Brier score, summed over the classes"
        case .negativeLogLikelihood: "negative log-likelihood"
        case .temperature: "temperature by which the validation's logits are calibrated"
        case .scaledCalibrationError: "expected calibration error after temperature scaling, \(ClassScores.usualBinCount) bins"
        case .scaledNegativeLogLikelihood: "negative log-likelihood after temperature scaling"
        }
    }

    /// Whether it is made from probabilities, which the margins of a hinge loss do not give.
    public var isOfProbabilities: Bool { isFittedToValidation || [.calibrationError, .brierScore, .negativeLogLikelihood].contains(self) }

    /// Whether it is made with what is fitted to the validation's logits.
    public var isFittedToValidation: Bool { [.temperature, .scaledCalibrationError, .scaledNegativeLogLikelihood].contains(self) }

    /// Its value; NaN where it is not defined.
    ///
    /// - Parameter validation: the same model's scores of the validation images, for measures that are fitted to them.
    public func value(of scores: ClassScores, validation: ClassScores? = nil) -> Double {
        if isFittedToValidation {
            guard let temperature = validation?.calibratingTemperature, let scaled = scores.scaled(by: temperature) else { return .nan }
            return self == .temperature ? temperature : self == .scaledCalibrationError ? scaled.calibrationError() : scaled.negativeLogLikelihood
        }
        return switch self {
        case .topAccuracy(let k): scores.topAccuracy(k)
        case .balancedAccuracy: scores.balancedAccuracy
        case .macroPrecision: scores.macroPrecision
        case .macroF1: scores.macroF1
        case .auc: scores.macroAUC
        case .calibrationError: scores.calibrationError()
        case .brierScore: scores.brierScore
        case .negativeLogLikelihood: scores.negativeLogLikelihood
        case .temperature, .scaledCalibrationError, .scaledNegativeLogLikelihood: .nan
        }
    }
}
