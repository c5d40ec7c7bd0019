import Checksums
import Configuration
import RunStore
import TensorCore
import Training

/// The names of `/progress` in a weights file. Training counts epochs from 0, a file from 1.
private enum ProgressKey {
    static let step = "step", epoch = "epoch", bestEpoch = "best_epoch", bestAccuracy = "best_val_accuracy"
    static let bestMonitored = "best_monitored", epochsWithoutImprovement = "epochs_without_improvement"
    static let epochSteps = "epoch_steps", epochLossSum = "epoch_loss_sum", epochAccuracySum = "epoch_accuracy_sum"
}

extension Checkpoint {
    /// Whether it was made between two epochs.
    var isAtEpochEnd: Bool { epochMeans.stepCount == 0 }
}

extension WeightsFile {
    init(_ checkpoint: Checkpoint) {
        func arrays(_ tensors: [NamedTensor]) -> [NamedArray] {
            tensors.map { NamedArray(name: $0.name, shape: $0.tensor.shape.dimensions, values: $0.tensor.floats) }
        }
        let progress = checkpoint.progress, means = checkpoint.epochMeans
        var scalars: [String: WeightsScalar] = [
            ProgressKey.step: .integer(progress.step), ProgressKey.epoch: .integer(progress.epoch),
            ProgressKey.epochsWithoutImprovement: .integer(progress.epochsWithoutImprovement),
        ]
        if let epoch = progress.bestEpoch { scalars[ProgressKey.bestEpoch] = .integer(epoch + 1) }
        if let accuracy = progress.bestAccuracy { scalars[ProgressKey.bestAccuracy] = .real(accuracy) }
        if let value = progress.bestMonitored { scalars[ProgressKey.bestMonitored] = .real(value) }
        if !checkpoint.isAtEpochEnd {
            scalars[ProgressKey.epochSteps] = .integer(means.stepCount)
            scalars[ProgressKey.epochLossSum] = .real(means.lossSum)
            scalars[ProgressKey.epochAccuracySum] = .real(means.accuracySum)
        }
        self.init(
            parameters: arrays(checkpoint.parameters), buffers: arrays(checkpoint.buffers),
            optimizer: Dictionary(uniqueKeysWithValues: checkpoint.optimizer.map { ($0.name, arrays($0.tensors)) }),
            progress: scalars)
    }

    /// What a training goes on from; `path` is the file's, for errors.
    func checkpoint(path: String) throws -> Checkpoint {
        func tensors(_ arrays: [NamedArray]) -> [NamedTensor] {
            arrays.map { NamedTensor(name: $0.name, tensor: HostTensor(Shape($0.shape), $0.values)) }
        }
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
            throw UserError(.data, "\(path): has no /progress/step and epoch to go on from")
        }
        var progress = TrainingProgress()
        (progress.step, progress.epoch) = (step, epoch)
        progress.bestEpoch = try integer(ProgressKey.bestEpoch).map { $0 - 1 }
        progress.bestAccuracy = real(ProgressKey.bestAccuracy)
        progress.bestMonitored = real(ProgressKey.bestMonitored)
        progress.epochsWithoutImprovement = try integer(ProgressKey.epochsWithoutImprovement) ?? 0
        return Checkpoint(
            parameters: tensors(parameters), buffers: tensors(buffers),
            optimizer: optimizer.map { Checkpoint.Slot(name: $0.key, tensors: tensors($0.value)) }, progress: progress,
            epochMeans: RunningMeans(
                stepCount: try integer(ProgressKey.epochSteps) ?? 0, lossSum: real(ProgressKey.epochLossSum) ?? 0,
                accuracySum: real(ProgressKey.epochAccuracySum) ?? 0))
    }

    /// The first tensor whose checksum is not the recorded one, or nil when all agree.
    func firstDifference(from record: DigestRecord, tensors: [String]) -> String? {
        let arrays = Dictionary((parameters + buffers).map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
        return zip(tensors, record.checksums).first { name, checksum in arrays[name].map(TensorChecksum.whole) != checksum }?.0
    }
}
