import Models
import RunStore
import Training
import VisionData

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

extension LayerRecord {
    init(_ statistics: LayerStatistics) {
        self.init(
            epoch: statistics.epoch, activationMean: statistics.activationMeans, activationVariance: statistics.activationVariances,
            gradientVariance: statistics.gradientVariances)
    }
}

extension LayerDescription {
    /// The layers that `loop` measures, with the theory of `model` for the weights as they are now, at the start; nil where it measures none.
    init?(_ model: ModelDefinition, measuredBy loop: TrainingLoop) {
        guard let start = loop.layerStatistics() else { return nil }
        self.init(names: loop.layerNames)
        let dataset = loop.dataset
        guard let family = model.configuration as? any MeanFieldConfiguration,
            let network = family.meanFieldNetwork(input: dataset.shape, classes: dataset.classCount)
        else { return }
        precondition(network.layers.count == names.count, "the theory is about the layers that are measured")
        let variances = network.activationVariances(inputSecondMoment: start.inputSecondMoment)
        predictedActivationVariance = variances
        predictedGradientVariance = network.gradientVariances(
            activationVariances: variances, last: start.gradientVariances[names.count - 1])
    }
}

extension DataDescription {
    /// What a user of a model has to know of the data it was trained on.
    init(_ dataset: ImageDataset) {
        let images = dataset.images
        func places(_ split: Split, among part: Range<Int>) -> [Int32] { dataset.indices(of: split).map { $0 - Int32(part.lowerBound) } }
        self.init(
            imageShape: [dataset.shape.height, dataset.shape.width, dataset.shape.channels], mean: dataset.normalization.mean,
            standardDeviation: dataset.normalization.std, classNames: dataset.classNames ?? [],
            split: SplitDescription(
                training: places(.train, among: images.train), validation: places(.validation, among: images.validation ?? images.train),
                bringsValidation: images.validation != nil, test: places(.test, among: images.test)))
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
