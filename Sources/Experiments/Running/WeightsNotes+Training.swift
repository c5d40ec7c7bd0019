import Configuration
import RunStore
import Training

/// The names of `/progress` in a weights file. Training counts epochs from 0, a file from 1.
private enum ProgressKey {
    static let step = "step", epoch = "epoch", bestEpoch = "best_epoch", bestAccuracy = "best_val_accuracy"
    static let bestMonitored = "best_monitored", epochsWithoutImprovement = "epochs_without_improvement"
    static let epochSteps = "epoch_steps", epochLossSum = "epoch_loss_sum", epochAccuracySum = "epoch_accuracy_sum"
}

extension WeightsNotes {
    init(_ state: TrainingState, data: DataDescription?, logDigest: String? = nil) {
        let progress = state.progress, means = state.epochMeans
        var scalars: [String: WeightsScalar] = [
            ProgressKey.step: .integer(progress.step), ProgressKey.epoch: .integer(progress.epoch),
            ProgressKey.epochsWithoutImprovement: .integer(progress.epochsWithoutImprovement),
        ]
        if let epoch = progress.bestEpoch { scalars[ProgressKey.bestEpoch] = .integer(epoch + 1) }
        if let accuracy = progress.bestAccuracy { scalars[ProgressKey.bestAccuracy] = .real(accuracy) }
        if let value = progress.bestMonitored { scalars[ProgressKey.bestMonitored] = .real(value) }
        if !state.isAtEpochEnd {
            scalars[ProgressKey.epochSteps] = .integer(means.stepCount)
            scalars[ProgressKey.epochLossSum] = .real(means.lossSum)
            scalars[ProgressKey.epochAccuracySum] = .real(means.accuracySum)
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
        progress.bestAccuracy = real(ProgressKey.bestAccuracy)
        progress.bestMonitored = real(ProgressKey.bestMonitored)
        progress.epochsWithoutImprovement = try integer(ProgressKey.epochsWithoutImprovement) ?? 0
        return TrainingState(
            progress: progress,
            epochMeans: RunningMeans(
                stepCount: try integer(ProgressKey.epochSteps) ?? 0, lossSum: real(ProgressKey.epochLossSum) ?? 0,
                accuracySum: real(ProgressKey.epochAccuracySum) ?? 0))
    }
}
