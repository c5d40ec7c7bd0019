import Configuration
import Measures
import RunStore
import Training

/// The names of `/progress` in a weights file. Training counts epochs from 0, a file from 1.
private enum ProgressKey {
    static let step = "step", epoch = "epoch", bestEpoch = "best_epoch", best = "best_"
    static let bestMonitored = "best_monitored", epochsWithoutImprovement = "epochs_without_improvement"
    static let epochSteps = "epoch_steps", epochPrefix = "epoch_", sum = "_sum", count = "_count"
}

extension WeightsNotes {
    /// - Parameter monitor: by which the best weights are found.
    init(_ state: TrainingState, monitor: Monitor, data: DataDescription?, logDigest: String? = nil) {
        let progress = state.progress, means = state.epochMeans
        var scalars: [String: WeightsScalar] = [
            ProgressKey.step: .integer(progress.step), ProgressKey.epoch: .integer(progress.epoch),
            ProgressKey.epochsWithoutImprovement: .integer(progress.epochsWithoutImprovement),
        ]
        if let epoch = progress.bestEpoch { scalars[ProgressKey.bestEpoch] = .integer(epoch + 1) }
        if let value = progress.bestValue { scalars[ProgressKey.best + monitor.name] = .real(value) }
        if let value = progress.bestMonitored { scalars[ProgressKey.bestMonitored] = .real(value) }
        if !state.isAtEpochEnd {
            scalars[ProgressKey.epochSteps] = .integer(means.stepCount)
            for (name, pair) in means.sums {
                scalars[ProgressKey.epochPrefix + name + ProgressKey.sum] = .real(pair.sum)
                // Most measures count a step as one.
                if pair.count != Double(means.stepCount) { scalars[ProgressKey.epochPrefix + name + ProgressKey.count] = .real(pair.count) }
            }
        }
        // The split is the run file's to tell.
        var data = data
        data?.split = nil
        self.init(progress: scalars, data: data, logDigest: logDigest)
    }

    /// The state of the training whose file this is; `path` is the file's, for errors.
    func state(path: String) throws -> TrainingState {
        func integer(_ name: String) throws -> Int? {
            switch self.progress[name] {
            case .integer(let value): value
            case nil: nil
            case .real: throw UserError(.data, "\(path): /progress/\(name) is not a whole number")
            }
        }
        func real(_ name: String) -> Double? {
            switch self.progress[name] {
            case .real(let value): value
            case .integer(let value): Double(value)
            case nil: nil
            }
        }
        guard let step = try integer(ProgressKey.step), let epoch = try integer(ProgressKey.epoch) else {
            throw UserError(.data, "\(path): has no /progress/step and epoch to resume from")
        }
        var progress = TrainingProgress()
        (progress.step, progress.epoch) = (step, epoch)
        progress.bestEpoch = try integer(ProgressKey.bestEpoch).map { $0 - 1 }
        let monitored = ProgressKey.best + Monitor.prefix
        progress.bestValue = self.progress.keys.first { $0.hasPrefix(monitored) }.flatMap(real)
        progress.bestMonitored = real(ProgressKey.bestMonitored)
        progress.epochsWithoutImprovement = try integer(ProgressKey.epochsWithoutImprovement) ?? 0
        return TrainingState(
            progress: progress,
            epochMeans: try RunningMeans(stepCount: integer(ProgressKey.epochSteps) ?? 0, sums: sums(steps: integer(ProgressKey.epochSteps) ?? 0)))
    }

    /// The measures' sums over the steps of the epoch at hand.
    private func sums(steps: Int) -> [String: MeasureSum] {
        var sums: [String: MeasureSum] = [:]
        for (key, value) in progress where key.hasPrefix(ProgressKey.epochPrefix) && key.hasSuffix(ProgressKey.sum) {
            guard case .real(let sum) = value else { continue }
            let name = String(key.dropFirst(ProgressKey.epochPrefix.count).dropLast(ProgressKey.sum.count))
            var count = Double(steps)
            if case .real(let own)? = progress[ProgressKey.epochPrefix + name + ProgressKey.count] { count = own }
            sums[name] = MeasureSum(sum: sum, count: count)
        }
        return sums
    }
}
