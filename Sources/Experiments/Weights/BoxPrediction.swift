import Configuration
import Measures
import Tasks
import TensorCore
import VisionData

/// An object that a model has found in an image.
public struct FoundObject: Sendable, Equatable {
    /// The index of its class.
    public let label: Int
    /// How sure the model is of it.
    public let score: Double
    /// In pixels of the image's own size, within it.
    public let box: Box
}

extension TrainedModel {
    /// The objects in some files, in their order; damaged ones are left out.
    ///
    /// Images are brought to the model's size as those of the run were, where its definition says how; else they are stretched to it.
    ///
    /// - Parameters:
    ///   - onError: is told what is wrong with a file that is left out.
    ///   - body: takes an image and what was found in it, the surest first.
    /// - Throws: `.data` when no file can be decoded, and what `body` throws.
    public func findObjects(
        in files: UnlabeledFiles, threads: Int, onError: (UserError) throws -> Void, _ body: @escaping (_ image: WholeImage, _ found: [FoundObject]) throws -> Void
    ) throws {
        var queue = try objectQueue(shape: input, count: files.paths.count, threads: threads, body)
        try queue.add(files, isSized: true, onError: onError)
    }

    /// The same of the images of an HDF5 file.
    ///
    /// - Throws: `.data` when they are of another size than the model's, and the run does not say how they come to it.
    public func findObjects(in images: UnlabeledImages, threads: Int, _ body: @escaping (_ image: WholeImage, _ found: [FoundObject]) throws -> Void) throws {
        try requireFit(images)
        var queue = try objectQueue(shape: images.shape, count: images.count, threads: threads, body)
        try queue.add(images, resize: resize)
    }

    private func objectQueue(
        shape: ImageShape, count: Int, threads: Int, _ body: @escaping (WholeImage, [FoundObject]) throws -> Void
    ) throws -> AnswerQueue<[Detection]> {
        guard let boxes else { throw UserError(.usage, "\(definition.family) was not trained to find objects") }
        return try AnswerQueue(self, overlap: nil, shape: shape, imageCount: count, threads: threads, read: { boxes.found($0.baseAddress!) }) { image, _, answers in
            try body(image, answers[0].compactMap { FoundObject($0, in: image, isOnlyOne: boxes.findsOne) })
        }
    }
}

extension FoundObject {
    /// nil where nothing of the box lies in the image; the only one of an image is kept.
    fileprivate init?(_ detection: Detection, in image: WholeImage, isOnlyOne: Bool) {
        let low = image.restored(x: detection.box.x0, y: detection.box.y0), high = image.restored(x: detection.box.x1, y: detection.box.y1)
        let whole = Box(x0: 0, y0: 0, x1: Double(image.size.width), y1: Double(image.size.height))
        let box = Box(x0: low.x, y0: low.y, x1: max(low.x, high.x), y1: max(low.y, high.y)).clipped(to: whole)
        guard isOnlyOne || box.area > 0 else { return nil }
        self.init(label: detection.label, score: detection.score, box: box)
    }
}
