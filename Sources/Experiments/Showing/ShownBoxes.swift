import Configuration
import RunStore
import VisionData

/// A box in an image, as it is shown.
public struct ShownBox: Sendable {
    /// The index of its class.
    public let label: Int
    /// How sure the model is of it; nil where it does not say.
    public let score: Float?
    /// Left, upper, right and lower edge, in pixels of the image that the model sees.
    public let edges: [Float]
}

/// A test image with its objects, and with those that a run found in it.
public struct ShownScene: Sendable {
    /// Its place in the test.
    public let place: Int
    /// `[height · width · channels]` from 0 to 1.
    public let pixels: [Float]
    /// What the data say.
    public let objects: [ShownBox]
    /// What the run found, the surest first.
    public let found: [ShownBox]
}

/// What a run found in the test, as its file has it (`/evaluation/test/found_…`).
public struct FoundBoxes {
    /// The boxes of each test image, by its place.
    private let boxes: [Int: [ShownBox]]

    /// - Throws: `.data` where the run has found none because it was trained for something else, or has not been tested.
    public init(of run: RunFolder) throws {
        let tables = try RunReader(run).contents().evaluations[.test]?.tables ?? [:]
        guard let classes = tables["found_class"]?.integers, let edges = tables["found_box"]?.reals, edges.count == 4 * classes.count else {
            throw UserError(.data, "\(run.runFile): has no boxes that were found in the test: the run is of another task than detection and localization, or is not finished")
        }
        // A localization has one for each image, and no score.
        let places = tables["found_image"]?.integers ?? classes.indices.map { Int64($0) }, scores = tables["found_score"]?.reals
        var boxes: [Int: [ShownBox]] = [:]
        for (row, place) in places.enumerated() where row < classes.count {
            boxes[Int(place), default: []].append(ShownBox(label: Int(classes[row]), score: scores?[row], edges: Array(edges[4 * row..<4 * row + 4])))
        }
        self.boxes = boxes
    }

    /// The surest of a test image, at most as many.
    func surest(_ count: Int, of place: Int) -> [ShownBox] { Array((boxes[place] ?? []).prefix(count)) }
}

extension TestImages {
    /// Test images with the boxes of the data, and the surest of those that were found.
    ///
    /// - Parameters:
    ///   - choices: by place or by class; nil: the first ones.
    ///   - count: how many found boxes an image has at most.
    /// - Throws: `.usage` when there is no such image or a file is asked for.
    public func scenes(_ choices: [ImageChoice], _ found: FoundBoxes, atMost count: Int) throws -> [ShownScene] {
        let places = try choices.map { choice in
            switch choice {
            case .index(let place): return try self.place(place)
            case .ofClass, .file: throw UserError(.usage, "--image: boxes are shown of the run's test images; expected the place of one, such as 0")
            }
        }
        return try places.map { place in
            let (pixels, objects) = try scene(place)
            return ShownScene(place: place, pixels: pixels, objects: objects, found: found.surest(count, of: place))
        }
    }
}
