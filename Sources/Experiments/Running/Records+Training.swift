import Measures
import Models
import RunStore
import TensorCore
import Training
import VisionData

// MARK: Training's values as the run store's. Training counts steps and epochs from 0, a run file from 1.

extension StepRecord {
    init(_ metrics: StepMetrics) {
        self.init(
            step: metrics.step + 1, epoch: metrics.epoch + 1, values: metrics.values.values,
            learningRate: metrics.learningRate, gradientNorm: metrics.gradientNorm)
    }
}

extension EpochRecord {
    init(_ metrics: EpochMetrics) {
        self.init(
            epoch: metrics.epoch + 1, training: metrics.training.values,
            validation: metrics.validation?.evaluated ?? metrics.training.measures.map { _ in nil })
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
    init?(_ model: ModelDefinition, measuredBy loop: TrainingLoop, image: ImageShape, task: some TrainingTask) throws {
        guard let start = try loop.layerStatistics() else { return nil }
        self.init(names: loop.layerNames)
        guard let family = model.configuration as? any MeanFieldConfiguration,
            let network = family.meanFieldNetwork(input: image, classes: task.outputCount)
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
        let treatment = dataset.isTreated ? TreatmentDescription(
            classCounts: dataset.trainingCounts, classNumbers: dataset.classNumbers, relabeledImages: dataset.relabeledImages.map { $0 - Int32(images.train.lowerBound) },
            givenLabels: dataset.relabeledImages.map { dataset.labels[Int($0)] }) : nil
        self.init(
            imageShape: [dataset.shape.height, dataset.shape.width, dataset.shape.channels], mean: dataset.normalization.mean,
            standardDeviation: dataset.normalization.std, classNames: dataset.classNames ?? [],
            split: SplitDescription(
                training: places(.train, among: images.train), validation: places(.validation, among: images.validation ?? images.train),
                bringsValidation: images.validation != nil, test: places(.test, among: dataset.testIsFold ? images.train : images.test),
                testIsFold: dataset.testIsFold, treatment: treatment),
            files: images.files.map { FilesDescription(test: $0.paths(of: dataset.testIsFold ? images.train : images.test), leftOutCount: $0.leftOutCount) })
    }
}

extension EvaluationRecord {
    init(_ result: EvaluationResult) { self.init(values: result.values.evaluated, tables: result.tables) }
}

extension ErrorPictures {
    /// The most confident errors of a classification's test.
    ///
    /// - Returns: nil where the source has no images, the tables no logits or classes, or every image is classified right.
    /// - Throws: what is wrong with an image file that cannot be read any more.
    init?(_ test: EvaluationResult, of source: any SampleSource) throws {
        guard let dataset = source as? ImageDataset, let logits = test.tables["logits"]?.reals, let labels = test.tables["labels"]?.integers,
            test.tables["predictions"] != nil, !labels.isEmpty,
            let scores = ClassScores(logits: logits, labels: labels, classCount: logits.count / labels.count, areMargins: test.values.measures.areOfMargins), scores.isMeasurable
        else { return nil }
        let order = dataset.evaluationOrder(of: .test)
        precondition(order.count == labels.count, "an evaluation has a row for each image")
        let wrong = labels.indices.filter { !scores.isRight(image: $0) }.map { (image: $0, confidence: scores.confidence(image: $0)) }
        let worst = wrong.sorted { ($0.confidence, $1.image) > ($1.confidence, $0.image) }.prefix(Self.limit)
        if worst.isEmpty { return nil }
        let pictures = try dataset.pictures(of: worst.map { order[$0.image] }, longest: Self.longestSide)
        let first = (dataset.testIsFold ? dataset.images.train : dataset.images.test).lowerBound
        self.init(
            height: pictures.height, width: pictures.width, channels: pictures.channels, pixels: pictures.pixels,
            predicted: worst.map { Int64(scores.predictions[$0.image]) }, labels: worst.map { labels[$0.image] }, confidences: worst.map { Float($0.confidence) }, areMargins: scores.areMargins,
            places: worst.map { Int64(order[$0.image]) - Int64(first) })
    }
}

extension MeasureValues {
    /// The values of an evaluation; nil for what is measured in training alone.
    fileprivate var evaluated: [Double?] { zip(measures, values).map { $0.isOfEvaluation ? $1 : nil } }
}

extension TrainingTask {
    /// The layouts of the evaluations that its runs record: the test's, and the validation's where it has tables for that.
    var layouts: [EvaluatedSplit: EvaluationLayout] {
        var layouts = [EvaluatedSplit.test: layout(of: .test)]
        let validation = layout(of: .validation)
        if !validation.columns.isEmpty { layouts[.validation] = validation }
        return layouts
    }
}
