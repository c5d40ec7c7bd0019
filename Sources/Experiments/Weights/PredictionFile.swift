import HDF5

/// A file of predictions: `/logits` `[n, classes]` and the most probable classes, `/classes` and `/probabilities` (of a hinge loss `/margins`) `[n, top]`, with
/// `/class_names` where classes have names and `/paths` of image files; an image with fewer classes has −1 and a number of 0 behind them. Its path holds what it
/// held before until it is finished.
public final class PredictionFile {
    private let replacement: FileReplacement
    private var file: HDF5Writer?
    private let logits: HDF5Column<Float>
    private let classes: HDF5Column<Int32>
    private let scores: HDF5Column<Float>
    private let top: Int
    private var paths: [String] = []

    /// Begins a file.
    ///
    /// - Parameter kind: what predictions have of their classes.
    /// - Throws: `.io` when it cannot be written.
    public init(_ path: String, classes classCount: Int, classNames: [String], top: Int, _ kind: ImagePrediction.Kind = .probability) throws {
        self.top = top
        replacement = try FileReplacement(of: path, isForeign: true)
        let file = try HDF5Writer(replacement.temporaryPath, for: path)
        if !classNames.isEmpty { try file.write(classNames, to: "/class_names") }
        logits = try file.makeColumn("/logits", of: Float.self, rowShape: [classCount], rowsPerChunk: 256)
        classes = try file.makeColumn("/classes", of: Int32.self, rowShape: [top], rowsPerChunk: 256)
        scores = try file.makeColumn(kind == .margin ? "/margins" : "/probabilities", of: Float.self, rowShape: [top], rowsPerChunk: 256)
        self.file = consume file
    }

    /// Adds the logits of some images and what comes of them.
    ///
    /// - Parameter paths: of the images' files, where each has one.
    public func append(_ logits: UnsafeBufferPointer<Float>, _ predictions: [ImagePrediction], paths: [String] = []) throws {
        self.paths += paths
        try self.logits.append(Array(logits))
        func filled<Value>(_ values: [Value], with rest: Value) -> [Value] { values + Array(repeating: rest, count: top - values.count) }
        try classes.append(predictions.flatMap { filled($0.classes, with: -1) })
        try scores.append(predictions.flatMap { filled($0.scores, with: 0) })
    }

    /// Brings the file to disk and gives it its name.
    public func finish() throws {
        try logits.close()
        try classes.close()
        try scores.close()
        let file = file.take()!
        if !paths.isEmpty { try file.write(paths, to: "/paths") }
        try file.close()
        try replacement.commit()
    }
}

/// A file with a vector for each image, `/embeddings` or `/estimates` `[n, length]`, and `/paths` of image files. Its path holds what it held before until it is finished.
public final class VectorFile {
    private let replacement: FileReplacement
    private var file: HDF5Writer?
    private let vectors: HDF5Column<Float>
    private var paths: [String] = []

    /// Begins a file.
    ///
    /// - Parameter name: of the vectors.
    /// - Throws: `.io` when it cannot be written.
    public init(_ path: String, _ name: String, length: Int) throws {
        replacement = try FileReplacement(of: path, isForeign: true)
        let file = try HDF5Writer(replacement.temporaryPath, for: path)
        vectors = try file.makeColumn("/\(name)", of: Float.self, rowShape: [length], rowsPerChunk: 256)
        self.file = consume file
    }

    /// Adds the vectors of some images.
    ///
    /// - Parameter paths: of the images' files, where each has one.
    public func append(_ vectors: UnsafeBufferPointer<Float>, paths: [String] = []) throws {
        self.paths += paths
        try self.vectors.append(Array(vectors))
    }

    /// Brings the file to disk and gives it its name.
    public func finish() throws {
        try vectors.close()
        let file = file.take()!
        if !paths.isEmpty { try file.write(paths, to: "/paths") }
        try file.close()
        try replacement.commit()
    }
}
