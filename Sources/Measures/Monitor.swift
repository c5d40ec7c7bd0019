import Configuration

/// The measure of the validation split by which trainings are watched: for the best weights, for early stopping, for halving.
public struct Monitor: Sendable, Hashable {
    /// What is watched.
    public let measure: Measure

    /// Watches a measure, in its own direction.
    public init(_ measure: Measure) { self.measure = measure }

    /// Finds `val_accuracy` and the like.
    ///
    /// - Parameters:
    ///   - task: its name, for the error.
    ///   - keyPath: where a definition says the name.
    /// - Throws: `UserError(.usage)` that names the measures of `task` when it has none of that name.
    public init(named name: String, among measures: [Measure], of task: String, at keyPath: String) throws {
        let monitors = measures.filter(\.isOfEvaluation).map(Monitor.init)
        guard let found = monitors.first(where: { $0.name == name }) else {
            let names = monitors.map(\.name)
            throw UserError(at: keyPath, "the task \(task) does not measure '\(name.shortened())'\(suggestion(for: name, among: names))")
        }
        self = found
    }

    /// `val_accuracy`: as definitions and run files call it.
    public var name: String { Self.prefix + measure.name }

    /// With which every monitor's name begins.
    public static let prefix = "val_"

    /// Whether `value` is better than `other` by more than `margin`. Any number is better than none (NaN).
    public func isBetter(_ value: Double, than other: Double, by margin: Double = 0) -> Bool {
        if other.isNaN { return !value.isNaN }
        switch measure.better {
        case .larger: return value > other + margin
        case .smaller: return value < other - margin
        }
    }
}
