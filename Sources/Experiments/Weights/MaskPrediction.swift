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
        var queue = try maskQueue(options, isSized: isSized, shape: input, count: files.paths.count, threads: threads, body)
        try queue.add(files, isSized: isSized, onError: onError)
    }

    /// The same of the images of an HDF5 file.
    public func predictMasks(
        _ images: UnlabeledImages, _ options: MaskOptions, threads: Int, _ body: @escaping (_ image: WholeImage, _ mask: [UInt8]) throws -> Void
    ) throws {
        guard images.shape.channels == input.channels else {
            throw UserError(.data, "\(images.path): /images: found images of \(images.shape), expected \(grouped(input.channels)) channels, as the model takes")
        }
        let isSized = resize != nil && !options.isTiled
        var queue = try maskQueue(options, isSized: isSized, shape: isSized ? images.shape : input, count: images.count, threads: threads, body)
        try queue.add(images, resize: isSized ? resize : nil)
    }

    private func maskQueue(
        _ options: MaskOptions, isSized: Bool, shape: ImageShape, count: Int, threads: Int, _ body: @escaping (WholeImage, [UInt8]) throws -> Void
    ) throws -> AnswerQueue<[UInt8]> {
        let side = min(input.height, input.width), overlap = options.overlap ?? side / 4
        guard overlap < side else {
            throw UserError(.usage, "--overlap: found \(grouped(overlap)) pixels, expected fewer than the \(grouped(side)) of the model's images")
        }
        let classes = classes
        return try AnswerQueue(self, overlap: isSized ? nil : overlap, shape: shape, imageCount: count, threads: threads, read: { Self.largest($0, of: classes) }) { image, tiling, answers in
            guard let tiling else { return try body(image, image.restored(answers[0])) }
            var mask = [UInt8](repeating: 0, count: image.size.height * image.size.width)
            for tile in 0..<tiling.count { tiling.put(answers[tile], ofTile: tile, into: &mask) }
            try body(image, image.restored(mask))
        }
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
