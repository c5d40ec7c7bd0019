import RunStore
import Training

// MARK: Training's values as the run store's. Training counts steps and epochs from 0, a run file from 1.

extension StepRecord {
    init(_ metrics: StepMetrics) {
        self.init(
            step: metrics.step + 1, epoch: metrics.epoch + 1, loss: metrics.loss, accuracy: metrics.accuracy,
            learningRate: metrics.learningRate, gradientNorm: metrics.gradientNorm)
    }
}

extension EpochRecord {
    init(_ metrics: EpochMetrics) {
        self.init(
            epoch: metrics.epoch + 1, trainLoss: metrics.trainLoss, trainAccuracy: metrics.trainAccuracy,
            valLoss: metrics.validationLoss, valAccuracy: metrics.validationAccuracy)
    }
}

extension TestEvaluation {
    init(_ result: EvaluationResult) {
        let classes = result.classCount
        self.init(
            loss: result.loss, accuracy: result.accuracy,
            confusion: (0..<classes).map { Array(result.confusion[$0 * classes..<($0 + 1) * classes]) },
            predictions: result.predictions.map(Int.init), labels: result.labels.map(Int.init))
    }
}
