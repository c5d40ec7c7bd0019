import Configuration
import TensorCore
import Training
import VisionData

/// How a model that answers for every pixel is asked about images of other sizes.
public struct MaskOptions: Sendable {
    /// Whether images are cut into tiles of the model's size even where the run brought its images to that.
    public var isTiled = false
    /// How many pixels neighbouring tiles have in common, at least; nil: a quarter of the model's shorter side.
    public var overlap: Int?

    /// As the run's images were.
    public init() {}
}

extension TrainedModel {
    /// The largest class of each pixel of some files, in their order; damaged ones are left out.
    ///
    /// Images are brought to the model's size as those of the run were, where its definition says a size, and the masks back to theirs; else they are cut into
    /// tiles of the model's size (`Tiling`).
    ///
    /// - Parameters:
    ///   - onError: is told what is wrong with a file that is left out.
    ///   - body: takes an image and its mask, `[height, width]` of the image's own size.
    /// - Throws: `.data` when no file can be decoded, `.usage` when the overlap is as large as the model's images, and what `body` throws.
    public func predictMasks(
        _ files: UnlabeledFiles, _ options: MaskOptions, threads: Int, onError: (UserError) throws -> Void, _ body: @escaping (_ image: WholeImage, _ mask: [UInt8]) throws -> Void
    ) throws {
        let isSized = resize != nil && !options.isTiled
        var count = 0
        var queue = try MaskQueue(self, options, isSized: isSized, shape: input, imageCount: files.paths.count, threads: threads, body)
        for index in files.paths.indices {
            let image: WholeImage
            do { image = try files.whole(index, as: data ?? DataConfiguration(), model: input, isSized: isSized) } catch let error as UserError where error.kind != .internal {
                try onError(error)
                continue
            }
            count += 1
            try queue.add(image)
        }
        try queue.flush()
        if count == 0 { throw UserError(.data, "none of the \(grouped(files.paths.count)) files can be decoded") }
    }

    /// The same of the images of an HDF5 file.
    public func predictMasks(
        _ images: UnlabeledImages, _ options: MaskOptions, threads: Int, _ body: @escaping (_ image: WholeImage, _ mask: [UInt8]) throws -> Void
    ) throws {
        guard images.shape.channels == input.channels else {
            throw UserError(.data, "\(images.path): /images: found images of \(images.shape), expected \(grouped(input.channels)) channels, as the model takes")
        }
        let isSized = resize != nil && !options.isTiled
        var queue = try MaskQueue(self, options, isSized: isSized, shape: isSized ? images.shape : input, imageCount: images.count, threads: threads, body)
        for index in 0..<images.count { try queue.add(images.whole(index, model: input, resize: isSized ? resize : nil)) }
        try queue.flush()
    }
}

/// Images that wait until there are enough for a batch.
private struct MaskQueue {
    private let trained: TrainedModel
    private let predictor: Predictor
    private let isSized: Bool
    /// Of what is waiting.
    private let shape: ImageShape
    private let overlap: Int
    private let body: (WholeImage, [UInt8]) throws -> Void
    private var waiting: [(image: WholeImage, tiling: Tiling?)] = []
    private var pixels = LabeledImages.Pixels.bytes([], maximum: 255)
    private var count = 0

    init(
        _ trained: TrainedModel, _ options: MaskOptions, isSized: Bool, shape: ImageShape, imageCount: Int, threads: Int,
        _ body: @escaping (WholeImage, [UInt8]) throws -> Void
    ) throws {
        let input = trained.input, side = min(input.height, input.width)
        guard options.overlap ?? 0 < side else {
            throw UserError(.usage, "--overlap: found \(grouped(options.overlap ?? 0)) pixels, expected fewer than the \(grouped(side)) of the model's images")
        }
        (self.trained, self.isSized, self.shape, self.body) = (trained, isSized, shape, body)
        overlap = options.overlap ?? side / 4
        predictor = try trained.predictor(for: isSized ? imageCount : max(imageCount, 8), threads: threads).0
    }

    mutating func add(_ image: WholeImage) throws {
        let tiling = isSized ? nil : Tiling(image.size, tile: Size2D(trained.input.height, trained.input.width), overlap: overlap)
        let tiles = tiling.map { image.pixels.tiles($0, channels: shape.channels) } ?? image.pixels
        if count == 0 { pixels = tiles } else if let joined = pixels.joined(tiles) { pixels = joined } else {
            try flush()
            pixels = tiles
        }
        waiting.append((image, tiling))
        count += tiling?.count ?? 1
        if count >= predictor.batchSize || count * shape.count >= TrainedModel.blockCount { try flush() }
    }

    mutating func flush() throws {
        guard count > 0 else { return }
        let input = trained.input, size = Size2D(input.height, input.width)
        let dataset = try ImageDataset(
            unlabeled: pixels, shape: shape, count: count, normalization: trained.normalization, sizing: isSized ? trained.resize.map { (size, $0) } : nil)
        var answers: [[UInt8]] = []
        try predictor.forEachBatch(of: dataset.indices(of: .test), from: dataset) { batch in
            guard let logits = batch["logits"] else { return }
            let length = input.height * input.width * trained.classes
            for sample in batch.sampleIndices.indices {
                answers.append(Self.largest(UnsafeBufferPointer(rebasing: logits[sample * length..<(sample + 1) * length]), of: trained.classes))
            }
        }
        var first = 0
        for (image, tiling) in waiting {
            var mask = tiling == nil ? answers[first] : [UInt8](repeating: 0, count: image.size.height * image.size.width)
            for tile in 0..<(tiling?.count ?? 0) { tiling?.put(answers[first + tile], ofTile: tile, into: &mask) }
            first += tiling?.count ?? 1
            try body(image, image.restored(mask))
        }
        (waiting, count) = ([], 0)
    }

    /// The largest class of each pixel; of equal ones the first.
    private static func largest(_ logits: UnsafeBufferPointer<Float>, of classes: Int) -> [UInt8] {
        stride(from: 0, to: logits.count, by: classes).map { start in
            var best = 0
            for label in 1..<max(classes, 1) where logits[start + label] > logits[start + best] { best = label }
            return UInt8(best)
        }
    }
}
