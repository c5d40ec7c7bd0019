import Configuration
import TensorCore
import Training
import VisionData

/// Images of any size that wait until there are enough for a batch, and what is made of a model's answers for them.
struct AnswerQueue<Answer> {
    private let trained: TrainedModel
    private let predictor: Predictor
    /// Of what is waiting.
    private let shape: ImageShape
    private let overlap: Int?
    private let read: (UnsafeBufferPointer<Float>) -> Answer
    private let body: (WholeImage, Tiling?, [Answer]) throws -> Void
    private var waiting: [(image: WholeImage, tiling: Tiling?)] = []
    private var pixels = LabeledImages.Pixels.bytes([], maximum: 255)
    private var count = 0

    /// - Parameters:
    ///   - overlap: how many pixels neighbouring tiles have in common, at least; nil: images are brought to the model's size and have one answer.
    ///   - shape: of the images that are added, or of their tiles.
    ///   - imageCount: how many will come.
    ///   - read: makes something of the model's answer for an image or a tile.
    ///   - body: takes an image, how it was cut, and an answer for each tile, or the one answer.
    init(
        _ trained: TrainedModel, overlap: Int?, shape: ImageShape, imageCount: Int, threads: Int, read: @escaping (UnsafeBufferPointer<Float>) -> Answer,
        _ body: @escaping (_ image: WholeImage, _ tiling: Tiling?, _ answers: [Answer]) throws -> Void
    ) throws {
        (self.trained, self.overlap, self.shape, self.read, self.body) = (trained, overlap, shape, read, body)
        predictor = try trained.predictor(for: overlap == nil ? imageCount : max(imageCount, 8), threads: threads).0
    }

    /// Adds files and calls the body for all of them; damaged ones are left out.
    ///
    /// - Throws: `.data` when no file can be decoded.
    mutating func add(_ files: UnlabeledFiles, isSized: Bool, onError: (UserError) throws -> Void) throws {
        try trained.requirePictures()
        var found = 0
        for index in files.paths.indices {
            let image: WholeImage
            do {
                image = try files.whole(index, as: trained.data ?? DataConfiguration(), model: trained.input, isSized: isSized)
            } catch let error as UserError where error.kind != .internal {
                try onError(error)
                continue
            }
            found += 1
            try add(image)
        }
        try flush()
        if found == 0 { throw UserError(.data, "none of the \(grouped(files.paths.count)) files can be decoded") }
    }

    /// Adds the images of an HDF5 file and calls the body for all of them.
    mutating func add(_ images: UnlabeledImages, resize: ResizeKind?) throws {
        for index in 0..<images.count { try add(images.whole(index, model: trained.input, resize: resize)) }
        try flush()
    }

    private mutating func add(_ image: WholeImage) throws {
        let tiling = overlap.map { Tiling(image.size, tile: Size2D(trained.input.height, trained.input.width), overlap: $0) }
        let tiles = tiling.map { image.pixels.tiles($0, channels: shape.channels) } ?? image.pixels
        if count == 0 { pixels = tiles } else if let joined = pixels.joined(tiles) { pixels = joined } else {
            try flush()
            pixels = tiles
        }
        waiting.append((image, tiling))
        count += tiling?.count ?? 1
        if count >= predictor.batchSize || count * shape.count >= TrainedModel.blockCount { try flush() }
    }

    private mutating func flush() throws {
        guard count > 0 else { return }
        let input = trained.input, size = Size2D(input.height, input.width)
        let dataset = try ImageDataset(
            unlabeled: pixels, shape: shape, count: count, normalization: trained.normalization, sizing: overlap == nil ? trained.resize.map { (size, $0) } : nil)
        var answers: [Answer] = []
        try predictor.forEachBatch(of: dataset.indices(of: .test), from: dataset) { batch in
            guard let logits = batch["logits"] else { return }
            let length = logits.count / batch.sampleIndices.count
            for sample in batch.sampleIndices.indices { answers.append(read(UnsafeBufferPointer(rebasing: logits[sample * length..<(sample + 1) * length]))) }
        }
        var first = 0
        for (image, tiling) in waiting {
            let last = first + (tiling?.count ?? 1)
            try body(image, tiling, Array(answers[first..<last]))
            first = last
        }
        (waiting, count) = ([], 0)
    }
}
