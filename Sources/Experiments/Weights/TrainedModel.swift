import Configuration
import Foundation
import Models
import RunStore
import Tasks
import TensorCore
import Training
import VisionData

/// A model with weights, and what has to be done to images before it sees them.
public struct TrainedModel: Sendable {
    /// The network.
    public let definition: ModelDefinition
    /// The size of its images.
    public let input: ImageShape
    /// How many classes it tells apart, or how many numbers an embedding has.
    public let classes: Int
    /// How boxes are read from its answers, where these are boxes; nil for others.
    public let boxes: BoxReader?
    /// How many numbers it gives for an image, a pixel or an anchor.
    public var outputs: Int { boxes?.outputCount ?? (imageAnswers == nil ? classes : input.channels) }
    /// How its answers are read as images; nil where they are none.
    public private(set) var imageAnswers: ImageAnswers?
    /// Whether its answers are embeddings, and these are divided by their lengths.
    public private(set) var embeds = false, normalizesEmbeddings = false
    /// What its task and its network draw at random in a test is drawn with this seed.
    private var seed = 0
    /// How its answers become numbers in the unit of the data's targets; nil for models that do not estimate numbers.
    public private(set) var numbers: NumberAnswers?
    /// By class index; empty where nobody names them.
    public let classNames: [String]
    /// What is done to images.
    public let normalization: NormalizationConfiguration
    /// How images of another size come to that of the model; nil: they are refused.
    public let resize: ResizeKind?
    /// What the definition says of the images with which it was trained; nil for a model without a run.
    let data: DataConfiguration?
    /// The format of the numbers between operations.
    public let precision: Precision
    let weights: FileWeights
    /// What the logits of an image's classes are.
    public private(set) var kind = ImagePrediction.Kind.probability

    /// A model for images that are normalized already.
    ///
    /// - Parameters:
    ///   - name: as messages call it.
    ///   - weights: a file of weights, HDF5 or safetensors, which is checked wholly.
    /// - Throws: `.usage` when the model does not fit images of the size, `.data` with every tensor of the file that does not fit the model.
    public init(_ name: String, _ definition: ModelDefinition, input: ImageShape, classes: Int, weights path: String, precision: Precision = .fp32) throws {
        self.init(definition, input, classes, [], nil, .none, nil, nil, precision, FileWeights(path))
        try check(name, path)
    }

    /// The model of a run, with the weights and the normalization that it recorded.
    ///
    /// - Parameters:
    ///   - which: which of its weights.
    ///   - precision: nil: that of the run.
    ///   - threshold: of a detection, which score a box has at least; nil: as in the run's test.
    /// - Throws: `.data` when the run or its weights are damaged, or it predicts nothing.
    public init(
        of run: RunFolder, weights which: RunFolder.Weights = .best, precision: Precision? = nil, threshold: Double? = nil, registry: Registry = .standard
    ) throws {
        let contents = try RunReader(run).contents(), description = contents.description, path = run.weightsFile(which)
        let definition = try Definition.recorded(contents, path: run.runFile, registry)
        let tasks = definition.registry.tasks, task = tasks.name(of: definition.task), embedding = tasks.embedding(definition.task)
        let numbers = task == "regression" ? NumberAnswers(contents.evaluations[.test]) : nil
        guard task != "regression" || numbers != nil else {
            throw UserError(.data, "\(run.runFile): has no /evaluation/test/target_means, by which its numbers are read; expected a finished run of this version")
        }
        guard let trial = definition.trials.first, let classes = embedding?.length ?? numbers?.count ?? description.classes, let data = description.data, data.imageShape.count == 3 else {
            throw UserError(.data, "\(run.runFile): does not say how images are normalized and into how many classes they fall, so it predicts nothing")
        }
        if let average = which.average, !contents.description.averages(test: contents.evaluations[.test]?.values).contains(average) {
            let reason = average == .swa ? trial.train.absenceOfAverage(after: contents.epochs.count).map { ": \($0)" } : nil
            throw UserError(.usage, "\(run.runFile): the run has no average of its weights by train.\(average.rawValue)\(reason ?? "")")
        }
        if contents.status != .running, let complaint = Diagnosis.complaint(about: which, of: run, contents) { throw UserError(.data, complaint) }
        let shape = trial.data.predictedShape(ImageShape(height: data.imageShape[0], width: data.imageShape[1], channels: data.imageShape[2]))
        let boxes = try definition.registry.tasks.boxReader(definition.task, shape: shape, classCount: classes, threshold: threshold)
        if threshold != nil, boxes == nil { throw UserError(.usage, "--threshold: goes with a run whose answers are boxes; \(run.runFile) is of another task") }
        self.init(
            trial.model.definition, shape, classes, data.classNames, boxes, .given(mean: data.mean, std: data.standardDeviation),
            trial.data.size == nil && trial.data.padTo == nil ? nil : trial.data.sizing, trial.data, precision ?? trial.precision, FileWeights(path))
        self.numbers = numbers
        // Only some models of images hide parts of them.
        let hidesPixels = task == "reconstruction" && trial.model.definition.outputs(input: shape, classes: shape.channels)["hidden"] != nil
        imageAnswers = try definition.registry.tasks.imageAnswers(
            definition.task, shape: shape, mean: data.mean, deviation: data.standardDeviation, hidesPixels: hidesPixels)
        seed = trial.seed
        (embeds, normalizesEmbeddings) = (embedding != nil, embedding?.isNormalized ?? false)
        let isOfMargins = definition.registry.tasks.isClassification(definition.task) && description.measures.areOfMargins
        kind = task == "multi_label" ? .ownProbability : isOfMargins ? .margin : .probability
        try check(trial.model.name, path)
    }

    private init(
        _ definition: ModelDefinition, _ input: ImageShape, _ classes: Int, _ classNames: [String], _ boxes: BoxReader?, _ normalization: NormalizationConfiguration,
        _ resize: ResizeKind?, _ data: DataConfiguration?, _ precision: Precision, _ weights: FileWeights
    ) {
        (self.definition, self.input, self.classes, self.classNames, self.boxes) = (definition, input, classes, classNames, boxes)
        (self.normalization, self.resize, self.data, self.precision, self.weights) = (normalization, resize, data, precision, weights)
    }

    private func check(_ name: String, _ path: String) throws {
        if definition.answersAnchors, boxes == nil {
            throw UserError(.usage, "\(name) is a model that answers for every anchor, and only its run knows them; expected a run")
        }
        let declared = try definition.declarations(of: name, input: input, classes: outputs)
        let matching = try FileWeights.matching(of: path, with: (declared.parameters + declared.buffers).shapes, except: [])
        let what = embeds ? "numbers of an embedding" : boxes == nil && imageAnswers == nil && numbers == nil ? "classes" : "numbers"
        try matching.require(of: path, fitting: "\(name) with \(grouped(outputs)) \(what) for images of \(input)")
        try FileWeights.checkNumbers(of: path, matching)
    }

    /// How many channels the images of a file's weights have, 1 or 3: as many as the network's first convolution takes. Nil where the file does not say.
    ///
    /// - Throws: `.data` when the file is damaged or no weights file, `.noInput` when it is not there.
    public static func channels(of path: String, for definition: ModelDefinition, input: ImageShape) throws -> Int? {
        let first = definition.declarations(input: input, classes: 1).parameters.first { $0.shape.rank == 4 }
        guard let found = try WeightsReader(path).parameters.first(where: { $0.name == first?.name }), found.shape.count == 4 else { return nil }
        return [1, 3].contains(found.shape[1]) ? found.shape[1] : nil
    }

    /// Into how many parts a batch is cut.
    static let shards = 8

    /// How many numbers of images are in memory at a time.
    static let blockCount = 1 << 24

    /// Computes the logits of images in their order, a batch at a time.
    ///
    /// - Parameter body: takes the logits of some images `[images, classes]`, valid during the call.
    /// - Throws: `.data` when the images are of another size or damaged, `.internal` when the memory is too small, and what `body` throws.
    public func predict(_ images: UnlabeledImages, threads: Int, _ body: (_ logits: UnsafeBufferPointer<Float>) throws -> Void) throws {
        if data?.native != nil {
            throw UserError(.usage, "\(images.path): the run was trained with images in their own sizes; expected image files")
        }
        try requireFit(images)
        let (predictor, rows) = try predictor(for: images.count, threads: threads)
        for start in stride(from: 0, to: images.count, by: rows) {
            let block = try images.block(start..<min(start + rows, images.count), normalization: normalization, sizing: resize.map { (Size2D(input.height, input.width), $0) })
            try predictor.forEachBatch(of: block.indices(of: .test), from: block) { try body($0["logits"]!) }
        }
    }

    /// - Throws: `.data` for images of another size, where the run does not say how they come to that of the model.
    func requireFit(_ images: UnlabeledImages) throws {
        guard images.shape == input || resize != nil && images.shape.channels == input.channels else {
            throw UserError(.data, "\(images.path): /images: found images of \(images.shape), expected \(input), as the model takes")
        }
    }

    /// - Parameter instead: what to give in the place of an image file.
    /// - Throws: `.usage` for a model whose images are no pictures: views, voxels, sequences.
    func requirePictures(instead: (ImageShape) -> String = { "--input with an HDF5 file of /images [n, \($0.channels), \($0.height), \($0.width)]" }) throws {
        let isMade = switch data?.source {
        case .shapes, .sequences, .named(.shapes3D), .named(.sequences1D): true
        default: false
        }
        if data?.native != nil || !isMade && [1, 3].contains(input.channels) && min(input.height, input.width) > 1 { return }
        let kind = min(input.height, input.width) == 1
            ? "sequences, images of one row" : "images of \(grouped(input.channels)) channels, such as views or slices of voxels"
        throw UserError(.usage, "the model takes \(kind), which image files are not; expected \(instead(input))")
    }

    /// Computes the logits of image files in their order; damaged ones are left out.
    ///
    /// - Parameters:
    ///   - onError: is told what is wrong with a file that is left out.
    ///   - body: takes the paths of some files and their logits `[files, classes]`, valid during the call.
    /// - Throws: `.data` when no file can be decoded, `.internal` when the memory is too small, and what `body` throws.
    public func predict(
        _ files: UnlabeledFiles, threads: Int, onError: (UserError) throws -> Void, _ body: (_ paths: [String], _ logits: UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        try requirePictures()
        let (predictor, rows) = try predictor(for: files.paths.count, threads: threads)
        var count = 0
        for start in stride(from: 0, to: files.paths.count, by: rows) {
            let block = try files.block(
                start..<min(start + rows, files.paths.count), as: data ?? DataConfiguration(), shape: input, normalization: normalization,
                places: predictor.batchSize / Self.shards)
            try block.errors.forEach(onError)
            guard let images = block.images else { continue }
            count += block.paths.count
            try predictor.forEachBatch(of: images.indices(of: .test), from: images) { batch in
                try body(batch.sampleIndices.map { block.paths[Int($0)] }, batch["logits"]!)
            }
        }
        if count == 0 { throw UserError(.data, "none of the \(grouped(files.paths.count)) files can be decoded") }
    }

    /// What computes logits, and how many images are in memory at a time.
    func predictor(for count: Int, threads: Int) throws -> (Predictor, rows: Int) {
        // A batch of large images takes much memory, and a small number of images no whole batch.
        let largest = input.count > 64 * 64 * 3 ? 16 : 64
        let batchSize = min(largest, (count + 7) / 8 * 8), definition = definition, outputs = outputs, isNormalized = normalizesEmbeddings
        let answers = imageAnswers
        do {
            let predictor = try Predictor(
                { scope, images -> any ModelOutput in
                    if case .completions(let task) = answers { return task.answers(to: images, in: scope) { definition.record($0, classes: outputs, in: scope) } }
                    let given = definition.record(images, classes: outputs, in: scope)
                    guard isNormalized else { return given }
                    let answer = given.required("logits", in: scope)
                    return answer.isValid ? MetricLearning.normalized(answer.cast(to: .float32)) : answer
                }, outputs: ["logits"],
                image: [input.height, input.width, input.channels], weights: weights, batchSize: batchSize, precision: precision,
                seed: UInt64(seed), pool: WorkerPool(threads: threads, shards: Self.shards))
            return (predictor, max(Self.blockCount / input.count / batchSize, 1) * batchSize)
        } catch let error as RecordingError {
            throw UserError(error.isShortOfMemory ? .internal : .usage, "the model: \(error)")
        }
    }
}
