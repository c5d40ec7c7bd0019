import Configuration
import Foundation
import Measures

/// `train.ema: {decay: 0.9998}`: the exponential moving average of the weights, as in timm's ModelEmaV3.
///
///     a ← a + (1 − d) (w − a) after every step, with d = 0 after the first
///
/// `d` is `decay`, or with `warmup` after step t the smaller of that and 1 − 1 / t^`warmup_power`, so that the first steps are soon forgotten.
/// Running statistics are averaged likewise; with `buffers: copy` they are those of the weights.
///
/// Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on Control and Optimization 30, 1992.
public struct MovingAverageConfiguration: Configurable {
    /// How much of the average is kept in a step.
    public var decay = 0.9998
    /// Whether less of it is kept at the beginning.
    public var warmup = false
    /// How soon the warm-up reaches `decay`.
    public var warmupPower = 2.0 / 3
    /// What is done with running statistics.
    public var buffers = Buffers.average

    /// What the average has for running statistics.
    public enum Buffers: String, CaseIterable, Sendable { case average, copy }

    /// Every key at its default.
    public init() {}

    public static let options: [Key<MovingAverageConfiguration>] = [
        Key("decay", \.decay, .number(in: 0..<1), "How much of the average is kept in a step."),
        Key("warmup", \.warmup, .flag, "Whether less is kept at the beginning: after t steps 1 − 1 / t^warmup_power, until that is more than decay."),
        Key("warmup_power", \.warmupPower, .positive, "How soon the warm-up reaches decay: 2/3 reaches 0.999 after 31,600 steps, 3/4 after 10,000."),
        Key("buffers", \.buffers, .choice, "Whether running statistics are averaged too, or are those of the weights."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        // What a run keeps has every key.
        if warmupPower != Self().warmupPower, !warmup { fields.report("found without warmup: true, expected either both or neither", at: "warmup_power") }
    }

    /// How much of the average is kept in the update after so many finished steps.
    func decay(after step: Int) -> Double {
        guard step > 1 else { return 0 }
        return warmup ? min(1 - pow(Double(step), -warmupPower), decay) : decay
    }
}

/// `train.swa: {start_epoch: 15, learning_rate: 0.01}`: stochastic weight averaging, the equal average of the weights at the ends of epochs, as with
/// PyTorch's AveragedModel, SWALR and update_bn.
///
///     a ← a + (w − a) / (n + 1) at the end of the epoch `start_epoch`, with n = 0, and of those after it
///
/// Running statistics are those of the averaged weights, over the training images of the epoch as it augmented them: each the mean over its batches. So
/// where there are batch norms and validation images, each of these epochs takes another forward pass over the training images.
///
/// With `learning_rate` the schedule ends there: from its rate at the beginning of `start_epoch` the rate goes to the given one over `anneal_epochs`,
/// along half a cosine or a line, and stays there.
///
/// Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.
public struct StochasticAverageConfiguration: Configurable {
    /// The first epoch at whose end weights are averaged, counted from 1.
    public var startEpoch = 1
    /// The learning rate from there on; nil: that of the schedule.
    public var learningRate: Double?
    /// Over how many epochs the learning rate goes there.
    public var annealEpochs = 0
    /// How it goes there.
    public var anneal = Annealing.cosine

    /// The curve between two learning rates.
    public enum Annealing: String, CaseIterable, Sendable {
        case cosine, linear

        /// How far the rate has gone, from 0 to 1, after a share of the way.
        func progress(_ share: Double) -> Double { self == .linear ? share : (1 - cos(.pi * share)) / 2 }
    }

    /// From the first epoch on.
    public init() {}

    public static let options: [Key<StochasticAverageConfiguration>] = [
        .required("start_epoch", \.startEpoch, .integer(in: 1...TrainConfiguration.largestEpochCount),
            missing: "is missing, expected the first epoch at whose end the weights are averaged",
            "The first epoch, counted from 1, at whose end the weights are averaged."),
        Key("learning_rate", \.learningRate, .number(in: 0...), "The learning rate from the beginning of that epoch on; absent: that of the schedule."),
        Key("anneal_epochs", \.annealEpochs, .integer(in: 0...TrainConfiguration.largestEpochCount),
            "Over how many epochs the learning rate goes from that of the schedule to this one."),
        Key("anneal", \.anneal, .choice, "Whether it goes there along half a cosine or a line."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        guard learningRate == nil, !fields.errors.hasAny(under: fields.path(of: "learning_rate")) else { return }
        for (key, isDefault) in [("anneal_epochs", annealEpochs == 0), ("anneal", anneal == .cosine)] where !isDefault {
            fields.report("found without learning_rate, expected either both or neither", at: key)
        }
    }

    /// How many ends of epochs are in the average after so many finished epochs.
    func count(after epochs: Int) -> Int { max(0, epochs - startEpoch + 1) }
}

extension TrainConfiguration {
    /// The averages of the weights that are kept.
    public var averages: [WeightAverage] { (ema == nil ? [] : [.ema]) + (swa == nil ? [] : [.swa]) }

    /// Why a training that ended after so many epochs has no average over epochs; nil where it has one, or is to have none.
    public func absenceOfAverage(after epochs: Int) -> String? {
        guard let swa, swa.count(after: epochs) == 0 else { return nil }
        let reason = epochs < self.epochs && earlyStopping != nil ? ", by early stopping," : ""
        return "its training ended after epoch \(grouped(epochs))\(reason) before the average began, at the end of epoch \(grouped(swa.startEpoch)) (train.swa.start_epoch)"
    }

    /// The measures of a task with those of the averaged weights.
    public func measures(_ measures: [Measure]) -> [Measure] {
        measures + averages.flatMap { average in measures.filter(\.isOfEvaluation).map(average.measure) }
    }
}
