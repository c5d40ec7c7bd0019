import Configuration
import Measures
import RunStore
import VisionData

/// A test image beside those that a run finds like it.
public struct ShownNeighbourhood: Sendable {
    /// A test image.
    public struct Picture: Sendable {
        /// In the test.
        public let place: Int
        /// Of its class.
        public let label: Int
        /// `[height · width · channels]` from 0 to 1.
        public let pixels: [Float]
        /// The Euclidean distance from the image whose neighbours are shown.
        public let distance: Float
    }

    /// The image whose neighbours these are.
    public let image: Picture
    /// The nearest first.
    public let nearest: [Picture]
    /// The farthest one of its class and the nearest one of another: with the image the hardest triplet of the test. Nil where there is none.
    public let hardest: (positive: Picture, negative: Picture)?
}

/// The vectors of a run's test images, as its file has them: `/evaluation/test/embeddings` of metric learning, or `codes` of a reconstruction.
public struct TestVectors {
    private let values: [Float]
    private let length: Int

    /// - Throws: `.data` where the run has none because it was trained for something else, has not been tested, or keeps no outputs.
    public init(of run: RunFolder) throws {
        let contents = try RunReader(run).contents(), tables = contents.evaluations[.test]?.tables ?? [:]
        let columns = contents.description.layouts[.test]?.columns ?? []
        guard let column = columns.first(where: { ["embeddings", "codes"].contains($0.name) }), let values = tables[column.name]?.reals, let length = column.rowShape.first, length > 0 else {
            // The other tables of the tasks that have such vectors are always there.
            if columns.contains(where: { $0.name == "example_images" }) {
                throw UserError(.data, "\(run.runFile): has no codes of the test images: its model makes none, or the run kept no outputs (train.store_outputs: false)")
            }
            if columns.contains(where: { $0.name == "neighbours" }) {
                throw UserError(.data, "\(run.runFile): has no embeddings of the test images: the run kept no outputs (train.store_outputs: false)")
            }
            throw UserError(.data, "\(run.runFile): has neither embeddings nor codes of the test images: the run is of another task than metric_learning or reconstruction by codes, or is not finished")
        }
        (self.values, self.length) = (values, length)
    }

    /// How many images have one.
    var count: Int { values.count / length }

    /// The squared Euclidean distances of all images from one, to the bit those by which the run found its neighbours.
    func squaredDistances(from place: Int) -> [Float] {
        values.withUnsafeBufferPointer { values in
            (0..<count).map { NearestRows.squaredDistance(values.baseAddress! + place * length, values.baseAddress! + $0 * length, length: length) }
        }
    }
}

extension TestImages {
    /// Test images with their neighbours.
    ///
    /// - Parameters:
    ///   - choices: by place or by class.
    ///   - count: how many neighbours an image has.
    /// - Throws: `.usage` when there is no such image or a file is asked for, `.data` when the run has vectors of other images.
    public func neighbourhoods(_ choices: [ImageChoice], _ vectors: TestVectors, count neighbours: Int) throws -> [ShownNeighbourhood] {
        guard vectors.count == count else { throw UserError(.data, "the run has vectors of \(grouped(vectors.count)) test images, and its data have \(grouped(count))") }
        return try choices.map { choice in
            let place = try self.place(choice), label = label(place), distances = vectors.squaredDistances(from: place)
            func picture(_ other: Int) throws -> ShownNeighbourhood.Picture {
                ShownNeighbourhood.Picture(place: other, label: self.label(other), pixels: try scene(other).pixels, distance: distances[other].squareRoot())
            }
            let order = distances.indices.filter { $0 != place }.sorted { (distances[$0], $0) < (distances[$1], $1) }
            let positive = order.last { self.label($0) == label }, negative = order.first { self.label($0) != label }
            let hardest = try positive.flatMap { positive in try negative.map { (try picture(positive), try picture($0)) } }
            return ShownNeighbourhood(image: try picture(place), nearest: try order.prefix(neighbours).map(picture), hardest: hardest)
        }
    }

    /// The place of a test image that somebody chose.
    private func place(_ choice: ImageChoice) throws -> Int {
        switch choice {
        case .index(let place): return try self.place(place)
        case .ofClass(let word):
            if let place = (0..<count).first(where: { className(label($0)) == word || "\(label($0))" == word }) { return place }
            throw UserError(.usage, "no test image is of a class '\(word.shortened())'")
        case .file: throw UserError(.usage, "--image: neighbours are shown of the run's test images; expected the place of one, such as 0")
        }
    }
}
