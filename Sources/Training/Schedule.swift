import Configuration
import Foundation

/// The `schedule:` of a definition: how the learning rate changes over the steps.
///
///     schedule: constant
///     schedule: {step: {every: 30, factor: 0.1}}              # × factor after every 30 epochs
///     schedule: {step: {milestones: [60, 120], factor: 0.2}}  # × factor after these epochs
///     schedule: {cosine: {warmup_epochs: 1, final_factor: 0}}
///
/// Each takes `warmup_epochs` (also parts of epochs): a linear rise from near 0 to the full rate. In a training that continues another one
/// (`WeightOrigin.afterEpoch`) a constant rate and steps go on as if it had been one training; a cosine has reached its end by then, so another one begins
/// at the full rate, as SGDR restarts, and ends with the training.
public struct ScheduleConfiguration: Sendable, Equatable {
    /// How the rate goes after the warm-up.
    public enum Shape: Sendable, Equatable {
        case constant
        /// Times `factor` after each multiple of `epochs`.
        case every(epochs: Int, factor: Double)
        /// Times `factor` after each of these numbers of epochs.
        case milestones([Int], factor: Double)
        /// Half a cosine from 1 after the warm-up to `finalFactor` at the end (Loshchilov, Hutter: "SGDR", ICLR 2017, without restarts).
        case cosine(finalFactor: Double)
    }

    /// How the rate goes after the warm-up.
    public var shape = Shape.constant
    /// How long the rate rises from 0, in epochs.
    public var warmupEpochs = 0.0

    /// A constant rate without a warm-up, unless given.
    public init(_ shape: Shape = .constant, warmupEpochs: Double = 0) {
        self.shape = shape
        self.warmupEpochs = warmupEpochs
    }

    /// The numbers of epochs after which the rate would change, but a training of `epochs` has ended, under the option that says them.
    public func unreachedEpochs(in epochs: Int) -> [(option: String, epochs: [Int])] {
        switch shape {
        case .constant, .cosine: []
        case .every(let interval, _): interval < epochs ? [] : [(Self.everyKey, [interval])]
        case .milestones(let milestones, _):
            milestones.allSatisfy { $0 < epochs } ? [] : [(Self.milestonesKey, milestones.filter { $0 >= epochs })]
        }
    }

    /// What the rate does when a training continues another one for `count` epochs, in words.
    ///
    /// - Parameters:
    ///   - peak: the optimizer's learning rate.
    ///   - start: after how many epochs the other one ended.
    public func continuation(peak: Double, after start: Int, for count: Int) -> String {
        func rate(after epoch: Int) -> Double { LearningRateSchedule(self, peak: peak, stepsPerEpoch: 1, epochs: start + count, after: start).learningRate(at: epoch) }
        func name(_ rate: Double) -> String { String(format: "%.4g", rate) }
        let now = name(rate(after: start))
        switch shape {
        case .constant:
            return "the learning rate stays at \(name(peak))"
        case .every(let epochs, _):
            return "the learning rate goes on at \(now), and changes after every \(epochs == 1 ? "epoch" : "\(grouped(epochs)) epochs, counted from the first")"
        case .milestones(let milestones, _):
            let next = milestones.filter { $0 > start && $0 < start + count }.sorted().map { grouped($0) }
            return "the learning rate goes on at \(now)" + (next.isEmpty ? "" : ", and changes after \(next.joined(separator: ", ")) epochs, counted from the first")
        case .cosine(let final):
            return "the cosine starts again: the learning rate falls from \(name(peak)) to \(name(peak * final)) over \(count == 1 ? "this epoch" : "these \(grouped(count)) epochs")"
        }
    }
}

extension TrainConfiguration {
    /// What the learning rate does when a training continues another one for `count` epochs, in words.
    ///
    /// - Parameter start: after how many epochs the other one ended.
    public func rateOfContinuation(after start: Int, for count: Int) -> String {
        guard let swa, let rate = swa.learningRate, swa.startEpoch <= start else {
            return schedule.continuation(peak: optimizer.learningRate, after: start, for: count)
        }
        return "the learning rate of train.swa goes on, at \(String(format: "%.4g", rate))"
    }
}

/// The learning rate as a pure function of the step.
public struct LearningRateSchedule: Sendable {
    private let shape: ScheduleConfiguration.Shape
    private let peak: Double
    private let stepsPerEpoch: Int
    private let stepCount: Int
    private let warmupSteps: Int
    private let firstStep: Int
    /// What ends the schedule, where it has a learning rate of its own.
    private let average: StochasticAverageConfiguration?

    /// - Parameters:
    ///   - peak: the optimizer's learning rate.
    ///   - start: after how many epochs the training ended that this one continues; 0 where it continues none.
    ///   - average: an average over epochs, which may have a learning rate of its own.
    public init(
        _ configuration: ScheduleConfiguration, peak: Double, stepsPerEpoch: Int, epochs: Int, after start: Int = 0,
        averaging average: StochasticAverageConfiguration? = nil
    ) {
        self.average = average
        shape = configuration.shape
        self.peak = peak
        self.stepsPerEpoch = stepsPerEpoch
        stepCount = stepsPerEpoch * epochs
        firstStep = stepsPerEpoch * start
        warmupSteps = Int((configuration.warmupEpochs * Double(stepsPerEpoch)).rounded())
    }

    /// The learning rate of the update of `step`, counted from 0 over the whole training.
    ///
    /// The warm-up's last step has the full rate. Milestones count from the beginning, warm-up included; the cosine starts after it, and in a training that
    /// continues another one at its first step. Where an average over epochs has a learning rate, the rate goes there from what it is at the first step of the
    /// first of these epochs.
    public func learningRate(at step: Int) -> Double {
        guard let average, let target = average.learningRate, case let start = (average.startEpoch - 1) * stepsPerEpoch, step >= start else {
            return scheduledRate(at: step)
        }
        let length = average.annealEpochs * stepsPerEpoch
        let progress = average.anneal.progress(length == 0 ? 1 : min(1, Double(step - start) / Double(length)))
        return target * progress + scheduledRate(at: start) * (1 - progress)
    }

    private func scheduledRate(at step: Int) -> Double {
        let warmup = step < warmupSteps ? Double(step + 1) / Double(warmupSteps) : 1
        let factor: Double
        switch shape {
        case .constant:
            factor = 1
        case .every(let epochs, let decay):
            factor = pow(decay, Double(step / stepsPerEpoch / epochs))
        case .milestones(let epochs, let decay):
            factor = pow(decay, Double(epochs.count { step / stepsPerEpoch >= $0 }))
        case .cosine(let final):
            let start = max(warmupSteps, firstStep)
            let progress = Double(max(0, step - start)) / Double(max(1, stepCount - start))
            factor = final + (1 - final) * (1 + cos(.pi * progress)) / 2
        }
        return peak * warmup * factor
    }
}

// MARK: Options

extension ScheduleConfiguration {
    /// A name, or a map with a name and its options.
    static let kind = OptionKind<ScheduleConfiguration>.variants("schedule", [
        Variant("constant", Constant(), "The same learning rate from first to last.",
            make: { ScheduleConfiguration(.constant, warmupEpochs: $0.warmupEpochs) },
            options: { if case .constant = $0.shape { Constant(warmupEpochs: $0.warmupEpochs) } else { nil } }),
        Variant("step", Steps(), "Times a factor after some epochs.", make: \.configuration, options: { Steps($0) }),
        Variant("cosine", Cosine(), paper: "Loshchilov and Hutter, \"SGDR\", ICLR 2017, without restarts", "Half a cosine from the full rate down.",
            make: { ScheduleConfiguration(.cosine(finalFactor: $0.finalFactor), warmupEpochs: $0.warmupEpochs) },
            options: { if case .cosine(let final) = $0.shape { Cosine(finalFactor: final, warmupEpochs: $0.warmupEpochs) } else { nil } }),
    ])

    private struct Constant: Configurable {
        var warmupEpochs = 0.0
        static let options: [Key<Constant>] = [warmup(\.warmupEpochs)]
    }

    private struct Cosine: Configurable {
        var finalFactor = 0.0
        var warmupEpochs = 0.0
        static let options: [Key<Cosine>] = [
            Key("final_factor", \.finalFactor, .number(in: 0...1), "The learning rate at the end, as a part of the highest."),
            warmup(\.warmupEpochs),
        ]
    }

    private struct Steps: Configurable {
        var every: Int?
        var milestones: [Int]?
        var factor = 0.1
        var warmupEpochs = 0.0

        init() {}

        init?(_ schedule: ScheduleConfiguration) {
            switch schedule.shape {
            case .constant, .cosine: return nil
            case .every(let epochs, let factor): (every, self.factor) = (epochs, factor)
            case .milestones(let epochs, let factor): (milestones, self.factor) = (epochs, factor)
            }
            warmupEpochs = schedule.warmupEpochs
        }

        var configuration: ScheduleConfiguration {
            let shape = every.map { Shape.every(epochs: $0, factor: factor) } ?? .milestones(milestones ?? [], factor: factor)
            return ScheduleConfiguration(shape, warmupEpochs: warmupEpochs)
        }

        static let options: [Key<Steps>] = [
            Key(everyKey, \.every, .integer(in: 1...), "After how many epochs, again and again."),
            Key(milestonesKey, \.milestones, .integers(in: 1...), "After which epochs, counted from the beginning."),
            Key("factor", \.factor, .number(in: 0...1), "What the learning rate is multiplied with each time."),
            warmup(\.warmupEpochs),
        ]

        mutating func check(_ fields: inout FieldReader) {
            if fields.has(everyKey) != fields.has(milestonesKey) { return }
            fields.errors.report(
                "expected either every or milestones, found \(fields.has(everyKey) ? "both" : "neither")", at: fields.node.mark, path: fields.path)
        }
    }

    fileprivate static let everyKey = "every", milestonesKey = "milestones"

    private static func warmup<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
        Key("warmup_epochs", property, .number(in: 0...), paper: "Goyal et al., 2017 (arXiv:1706.02677)",
            "Over how many epochs, parts included, the rate rises from near 0 to the full one.")
    }
}
