import Configuration
import Foundation

/// The `schedule:` of a definition: how the learning rate changes over the steps.
///
///     schedule: constant
///     schedule: {step: {every: 30, factor: 0.1}}              # × factor after every 30 epochs
///     schedule: {step: {milestones: [60, 120], factor: 0.2}}  # × factor after these epochs
///     schedule: {cosine: {warmup_epochs: 1, final_factor: 0}}
///
/// Each takes `warmup_epochs` (also parts of epochs): a linear rise from near 0 to the full rate.
public struct ScheduleConfiguration: Sendable, Equatable {
    public enum Shape: Sendable, Equatable {
        case constant
        /// Times `factor` after each multiple of `epochs`.
        case every(epochs: Int, factor: Double)
        /// Times `factor` after each of these numbers of epochs.
        case milestones([Int], factor: Double)
        /// Half a cosine from 1 after the warm-up to `finalFactor` at the end (Loshchilov, Hutter: "SGDR", ICLR 2017, without restarts).
        case cosine(finalFactor: Double)
    }

    public var shape = Shape.constant
    public var warmupEpochs = 0.0

    public init(_ shape: Shape = .constant, warmupEpochs: Double = 0) {
        self.shape = shape
        self.warmupEpochs = warmupEpochs
    }

    /// The numbers of epochs after which the rate would change, but a training of `epochs` has ended, under the option that says them.
    public func unreachedEpochs(in epochs: Int) -> [(option: String, epochs: [Int])] {
        switch shape {
        case .constant, .cosine: []
        case .every(let interval, _): interval < epochs ? [] : [(OptionKeys.every.rawValue, [interval])]
        case .milestones(let milestones, _):
            milestones.allSatisfy { $0 < epochs } ? [] : [(OptionKeys.milestones.rawValue, milestones.filter { $0 >= epochs })]
        }
    }
}

/// The learning rate as a pure function of the step.
public struct LearningRateSchedule: Sendable {
    private let shape: ScheduleConfiguration.Shape
    private let peak: Double
    private let stepsPerEpoch: Int
    private let stepCount: Int
    private let warmupSteps: Int

    /// - Parameter peak: the optimizer's learning rate.
    public init(_ configuration: ScheduleConfiguration, peak: Double, stepsPerEpoch: Int, epochs: Int) {
        shape = configuration.shape
        self.peak = peak
        self.stepsPerEpoch = stepsPerEpoch
        stepCount = stepsPerEpoch * epochs
        warmupSteps = Int((configuration.warmupEpochs * Double(stepsPerEpoch)).rounded())
    }

    /// The learning rate of the update of `step`, counted from 0 over the whole training.
    ///
    /// The warm-up's last step has the full rate. Milestones count from the beginning, warm-up included; the cosine starts after it.
    public func learningRate(at step: Int) -> Double {
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
            let progress = Double(max(0, step - warmupSteps)) / Double(max(1, stepCount - warmupSteps))
            factor = final + (1 - final) * (1 + cos(.pi * progress)) / 2
        }
        return peak * warmup * factor
    }
}

// MARK: Reading definitions

extension ScheduleConfiguration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case constant, step, cosine
    }

    enum OptionKeys: String, CodingKey {
        case every, milestones, factor
        case finalFactor = "final_factor"
        case warmupEpochs = "warmup_epochs"
    }

    /// Reads the variant under `key`, reporting what is wrong in it; a constant rate when it is absent or wrong.
    init(_ key: String, from fields: inout FieldReader) {
        self.init()
        guard let (name, node, path) = fields.variant(key) else { return }
        guard let name = CodingKeys(rawValue: name) else {
            let known = CodingKeys.allCases.map(\.rawValue)
            fields.report("unknown schedule '\(name)'\(suggestion(for: name, among: known))", at: key)
            return
        }
        var options = FieldReader(node, path: path, errors: fields.errors)
        switch name {
        case .constant: break
        case .cosine: shape = .cosine(finalFactor: options.number("final_factor", default: 0, in: 0...1))
        case .step: shape = Self.steps(from: &options)
        }
        warmupEpochs = options.number("warmup_epochs", default: 0, in: 0...)
        options.finish()
    }

    private static func steps(from options: inout FieldReader) -> Shape {
        let every = options.integer("every", in: 1...)
        let milestones = options.integers("milestones", in: 1...)
        let factor = options.number("factor", default: 0.1, in: 0...1)
        if options.has("every") == options.has("milestones") {
            options.errors.report(
                "expected either every or milestones, found \(options.has("every") ? "both" : "neither")",
                at: options.node.mark, path: options.path)
        }
        return if let every { .every(epochs: every, factor: factor) } else { .milestones(milestones ?? [], factor: factor) }
    }
}

// MARK: Codable, in the form of a definition

extension ScheduleConfiguration: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "expected one schedule"))
        }
        let options = try container.nestedContainer(keyedBy: OptionKeys.self, forKey: key)
        switch key {
        case .constant:
            shape = .constant
        case .cosine:
            shape = .cosine(finalFactor: try options.decode(Double.self, forKey: .finalFactor))
        case .step:
            let factor = try options.decode(Double.self, forKey: .factor)
            if let every = try options.decodeIfPresent(Int.self, forKey: .every) {
                shape = .every(epochs: every, factor: factor)
            } else {
                shape = .milestones(try options.decode([Int].self, forKey: .milestones), factor: factor)
            }
        }
        warmupEpochs = try options.decode(Double.self, forKey: .warmupEpochs)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let key: CodingKeys = switch shape {
        case .constant: .constant
        case .every, .milestones: .step
        case .cosine: .cosine
        }
        var options = container.nestedContainer(keyedBy: OptionKeys.self, forKey: key)
        switch shape {
        case .constant:
            break
        case .every(let epochs, let factor):
            try options.encode(epochs, forKey: .every)
            try options.encode(factor, forKey: .factor)
        case .milestones(let epochs, let factor):
            try options.encode(epochs, forKey: .milestones)
            try options.encode(factor, forKey: .factor)
        case .cosine(let finalFactor):
            try options.encode(finalFactor, forKey: .finalFactor)
        }
        try options.encode(warmupEpochs, forKey: .warmupEpochs)
    }
}
