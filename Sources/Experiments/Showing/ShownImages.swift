import Configuration
import Foundation
import RunStore
import Tasks
import TensorCore
import VisionData

/// An image that a model is shown: its pixels as the model sees them.
public struct ShownImage: Sendable {
    /// What it is called: `test image 7`, or the name of its file.
    public let name: String
    /// Its class's name; nil where nobody knows it.
    public let label: String?
    /// Normalized, `[height · width · channels]`.
    public let pixels: [Float]
    /// The class of every pixel, `[height · width]`; nil where nobody knows it.
    public var mask: [UInt8]?
}

/// Which image is meant.
public enum ImageChoice: Equatable, Sendable {
    /// The place of a test image of the run.
    case index(Int)
    /// The first test image of a class, by name or number.
    case ofClass(String)
    /// An image file.
    case file(String)

    /// `7`, `class:coat`, or a path.
    public init(_ word: String) {
        if let index = Int(word) { self = .index(index) } else if word.hasPrefix("class:") { self = .ofClass(String(word.dropFirst("class:".count))) } else { self = .file(word) }
    }
}

extension TrainedModel {
    /// The pixels of a file as the model takes them.
    ///
    /// - Throws: `.noInput` when it is not there, `.data` when it cannot be decoded.
    func image(file path: String) throws -> ShownImage {
        try requirePictures { _ in "the place of a test image, such as 0" }
        let files = try UnlabeledFiles([path])
        guard files.paths == [path] else { throw UserError(.usage, "\(path): is a folder, expected an image file") }
        let block = try files.block(0..<1, as: data ?? DataConfiguration(), shape: input, normalization: normalization, places: 1)
        guard let images = block.images else { throw block.errors.first ?? UserError(.data, "\(path): cannot be decoded") }
        return ShownImage(name: (path as NSString).lastPathComponent, label: nil, pixels: try images.pixels(of: images.indices(of: .test)))
    }

    /// The place of a class in the model's logits.
    ///
    /// - Throws: `.usage` when there is none of that name or number.
    public func classIndex(_ word: String) throws -> Int {
        if let index = classNames.firstIndex(of: word) ?? classNames.firstIndex(where: { $0.lowercased() == word.lowercased() }) { return index }
        if let index = Int(word), (0..<classes).contains(index) { return index }
        guard !classNames.isEmpty else { throw UserError(.usage, "there is no class '\(word.shortened())'; expected a number from 0 to \(classes - 1)") }
        throw UserError(.usage, "there is no class '\(word.shortened())'\(suggestion(for: word, among: classNames))")
    }

    /// What a class is called: its name, or its number; of a model that estimates numbers, which of these.
    public func className(_ index: Int) -> String { numbers != nil ? "number \(index)" : classNames.indices.contains(index) ? classNames[index] : "class \(index)" }
}

/// The test images of a run, found again where it found them.
public struct TestImages {
    private let dataset: ImageDataset
    private let order: [Int32]

    /// Loads the images of a run's data set and checks that they are those of the run.
    ///
    /// - Parameters:
    ///   - dataDirectory: the folder of `--data-dir`.
    ///   - dataFile: of `--data`.
    /// - Throws: `.noInput` when they are not found, `.data` when they are others.
    public init(of run: RunFolder, dataDirectory: String?, dataFile: String?, registry: Registry = .standard) throws {
        let recorded = try RecordedExperiment(
            of: run, dataDirectory: dataDirectory, dataFile: dataFile, hasPlaceOptions: true, hasWeightsOption: false, registry: registry)
        dataset = recorded.experiment.part(of: recorded.trial).dataset
        order = dataset.evaluationOrder(of: .test)
    }

    /// How many there are.
    public var count: Int { order.count }

    /// The place itself, where there is an image.
    ///
    /// - Throws: `.usage` where there is none.
    func place(_ place: Int) throws -> Int {
        guard (0..<count).contains(place) else { throw UserError(.usage, "there is no test image \(place); expected a number from 0 to \(count - 1)") }
        return place
    }

    /// The class of an image by its place.
    public func label(_ place: Int) -> Int { Int(dataset.labels[Int(order[place])]) }

    /// The pixels of some, by their places, one after another.
    public func pixels(of places: Range<Int>) throws -> [Float] { try dataset.pixels(of: Array(order[places])) }

    /// Batches of the first `limit` images for a probe; missing ones of the last batch are zeros.
    func batches(_ limit: Int, of size: Int, shape: ImageShape) -> () throws -> (pixels: [Float], count: Int)? {
        var start = 0
        let end = min(limit, count)
        return {
            guard start < end else { return nil }
            let places = start..<min(start + size, end)
            start = places.upperBound
            let pixels = try self.pixels(of: places)
            return (pixels + [Float](repeating: 0, count: size * shape.count - pixels.count), places.count)
        }
    }

    fileprivate func image(_ place: Int, _ trained: TrainedModel) throws -> ShownImage {
        var image = ShownImage(name: "test image \(place)", label: trained.className(label(place)), pixels: try pixels(of: place..<place + 1))
        if dataset.images.masks != nil { image.mask = try dataset.mask(of: order[place]) }
        return image
    }
}

extension TrainedModel {
    /// The images that somebody chose.
    ///
    /// - Parameter tests: loads the run's test images, where they are needed.
    /// - Throws: `.usage` when a place lies beyond the last image or a class has none, and what reading a file throws.
    public func images(_ choices: [ImageChoice], tests: () throws -> TestImages) throws -> [ShownImage] {
        try choices.map { choice in
            switch choice {
            case .file(let path): return try image(file: path)
            case .index(let place):
                let tests = try tests()
                return try tests.image(tests.place(place), self)
            case .ofClass(let name):
                let tests = try tests(), index = try classIndex(name)
                guard let place = (0..<tests.count).first(where: { tests.label($0) == index }) else {
                    throw UserError(.usage, "the test images have none of the class \(className(index))")
                }
                return try tests.image(place, self)
            }
        }
    }

    /// The picture of an answer of a model that gives images: pixels from 0 to 1.
    public func answeredPicture(_ answer: [Float]) -> [Float] {
        if case .logits = imageAnswers { return answer.map { 1 / (1 + Foundation.exp(-$0)) } }
        if case .pixels = imageAnswers, case .given(let mean, let deviation) = normalization { return clamped(answer, mean: mean, deviation: deviation) }
        return answer.map { min(1, max(0, $0)) }
    }

    /// The picture of an image's normalized pixels: `[height · width · channels]` from 0 to 1, as they were before they were normalized.
    public func picture(_ pixels: [Float]) -> [Float] {
        guard case .given(let mean, let deviation) = normalization else { return pixels.map { min(1, max(0, $0)) } }
        return shown(pixels, mean: mean, deviation: deviation)
    }
}

/// Pixels as they were before they were normalized; what lies below 0 or above 1 is cut off.
func clamped(_ pixels: [Float], mean: [Double], deviation: [Double]) -> [Float] {
    pixels.indices.map { min(1, max(0, pixels[$0] * Float(deviation[$0 % deviation.count]) + Float(mean[$0 % mean.count]))) }
}

/// Pixels from 0 to 1 as they were before they were normalized.
private func shown(_ pixels: [Float], mean: [Double], deviation: [Double]) -> [Float] {
    let values = pixels.indices.map { Double(pixels[$0]) * deviation[$0 % deviation.count] + mean[$0 % mean.count] }
    // Numbers that are no bytes are stretched to what can be shown.
    let low = min(0, values.min() ?? 0), high = max(1, values.max() ?? 1), isByte = low > -0.01 && high < 1.01
    return values.map { Float(isByte ? min(1, max(0, $0)) : ($0 - low) / (high - low)) }
}

extension TestImages {
    /// The size of the images as models see them.
    public var shape: ImageShape { dataset.shape }

    /// What a class is called: its name, or its number.
    public func className(_ index: Int) -> String { dataset.classNames.flatMap { $0.indices.contains(index) ? $0[index] : nil } ?? "class \(index)" }

    /// The picture of an image, `[height · width · channels]` from 0 to 1, and its objects.
    func scene(_ place: Int) throws -> (pixels: [Float], objects: [ShownBox]) {
        let boxes = dataset.field(named: "boxes"), fields = [Field.image(dataset.shape)] + (boxes.map { [$0] } ?? [])
        let pipeline = BatchPipeline(evaluating: dataset, fields: fields, indices: [order[place]], batchSize: 1)
        guard let batch = try pipeline.next() else { return ([], []) }
        let pixels = Array(UnsafeBufferPointer(start: batch.fields[0].assumingMemoryBound(to: Float.self), count: dataset.shape.count))
        var objects: [ShownBox] = []
        if let boxes {
            let rows = UnsafeBufferPointer(start: batch.fields[1].assumingMemoryBound(to: Float.self), count: boxes.shape.elementCount)
            for start in stride(from: 0, to: rows.count, by: 5) where rows[start] >= 0 {
                objects.append(ShownBox(label: Int(rows[start]), score: nil, edges: Array(rows[start + 1..<start + 5])))
            }
        }
        return (shown(pixels, mean: dataset.normalization.mean, deviation: dataset.normalization.std), objects)
    }
}

extension ImageDataset {
    /// The mask of an image in the size in which models take it.
    fileprivate func mask(of sample: Int32) throws -> [UInt8] {
        guard let field = field(named: "mask") else { preconditionFailure("\(name) has no masks") }
        let pipeline = BatchPipeline(evaluating: self, fields: [field], indices: [sample], batchSize: 1)
        guard let batch = try pipeline.next() else { return [] }
        return UnsafeBufferPointer(start: batch.fields[0].assumingMemoryBound(to: Int32.self), count: shape.height * shape.width).map { UInt8($0) }
    }

    /// The pixels of some images as models take them, not augmented.
    fileprivate func pixels(of samples: [Int32]) throws -> [Float] {
        var pixels: [Float] = []
        pixels.reserveCapacity(samples.count * shape.count)
        let pipeline = BatchPipeline(evaluating: self, fields: [.image(shape)], indices: samples, batchSize: max(1, min(samples.count, 64)))
        while let batch = try pipeline.next() {
            pixels += UnsafeBufferPointer(start: batch.fields[0].assumingMemoryBound(to: Float.self), count: batch.count * shape.count)
        }
        return pixels
    }
}

extension ModelProbe {
    /// The mean attention distance over the first test images.
    public func attentionDistances(over tests: TestImages, limit: Int) throws -> AttentionDistances {
        try attentionDistances(tests.batches(limit, of: batchSize, shape: trained.input))
    }

    /// Whether the model makes codes of images, which autoencoders do.
    public var hasCodes: Bool { outputs["features.code"] != nil }

    /// The codes of the first test images, their embeddings, or their features before the head, with their classes.
    public func pooledFeatures(of tests: TestImages, limit: Int) throws -> (vectors: [[Float]], labels: [Int]) {
        let answers = outputs["logits"].map { trained.normalizesEmbeddings ? MetricLearning.normalized($0) : $0 }
        guard let features = trained.embeds ? answers : outputs["features.code"] ?? outputs["features.pooled"] else {
            throw UserError(.usage, "\(trained.definition.family) has no features before its head")
        }
        let evaluate = try evaluator(of: [features]), nothing = [Float](repeating: 0, count: batchSize * trained.outputs), next = tests.batches(limit, of: batchSize, shape: trained.input)
        var vectors: [[Float]] = []
        while let (pixels, count) = try next() {
            let values = try evaluate(pixels, nothing)[0], width = values.shape.elementCount / batchSize, floats = values.floats
            for image in 0..<count { vectors.append(Array(floats[image * width..<(image + 1) * width])) }
        }
        return (vectors, vectors.indices.map(tests.label))
    }
}
