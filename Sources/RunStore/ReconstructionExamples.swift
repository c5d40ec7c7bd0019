import HDF5

/// The first images of a test, and what a model made of them, as a run of reconstruction keeps them.
public struct ReconstructionExamples: Sendable {
    /// Rows of pictures of one kind: the images, what the model saw of them where that is something else, its answers.
    public struct Row: Sendable {
        /// What they are, in a word.
        public let name: String
        /// Picture after picture, `[height, width, channels]`, from 0 to 1.
        public let pixels: [Float]
    }

    /// From above.
    public let rows: [Row]
    /// How many pictures a row has.
    public let count: Int
    /// The size of each.
    public let height: Int, width: Int, channels: Int

    /// nil for a run that keeps none.
    init?(from file: HDF5Reader) throws {
        let group = "/evaluation/test", first = "\(group)/example_images"
        guard file.exists(first) else { return nil }
        let shape = try file.shape(of: first)
        guard shape.count == 4, shape.allSatisfy({ $0 > 0 }) else { return nil }
        rows = try [("image", first), ("seen", "\(group)/example_inputs"), ("answer", "\(group)/example_answers")].compactMap { name, path in
            file.exists(path) ? Row(name: name, pixels: try file.read(path, as: Float.self)) : nil
        }
        guard rows.count > 1, rows.allSatisfy({ $0.pixels.count == shape.reduce(1, *) }) else { return nil }
        (count, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    }

    /// The pixels of one picture.
    public func picture(_ row: Row, _ index: Int) -> [Float] {
        let length = height * width * channels
        return Array(row.pixels[index * length..<(index + 1) * length])
    }
}
