import Configuration
import TensorCore

/// All images of a data set with their labels, in memory or in their files: not yet split, subset or normalized.
///
/// The official training images come first, then the official validation images if there are any, then the test images; an
/// image's place in this order is its *global index*, which keys its random draws.
public struct LabeledImages: Sendable {
    /// The values of all images, `[images, height, width, channels]`.
    public enum Pixels: Sendable {
        /// Bytes from 0 to `maximum`, which stand for 0 to 1.
        case bytes([UInt8], maximum: UInt8)
        /// Values used as they are.
        case floats([Float])
        /// Files that are decoded when they are needed.
        case files(ImageFiles)
    }

    /// The data set's name in messages.
    public let name: String
    /// One image's size.
    public let shape: ImageShape
    /// All images, one after another, channels last.
    public let pixels: Pixels
    /// One class index an image, from 0 up to but not `classCount`.
    public let labels: [Int32]
    /// Labels are from 0 up to it.
    public let classCount: Int
    /// Names of the classes by index, when the data set has them.
    public let classNames: [String]?
    /// Global indices of the official training images.
    public let train: Range<Int>
    /// Global indices of the official validation images, when the data set has some.
    public let validation: Range<Int>?
    /// Global indices of the official test images.
    public let test: Range<Int>
    /// The class of every pixel, `[images, height, width]`, where the data say it: an index as of labels, or `ignored`.
    public internal(set) var masks: [UInt8]?
    /// The objects in every image, where the data say them.
    public internal(set) var boxes: InstanceBoxes?

    /// Which classes each image has, where the data say them.
    public internal(set) var labelSets: LabelSets?
    /// Numbers that belong to each image, where the data say them.
    public internal(set) var targets: ImageTargets?
    /// Whether labels stand in for the label sets that alone were given.
    var hasSetsAlone = false

    /// The files, where the images are in files.
    public var files: ImageFiles? { if case .files(let files) = pixels { files } else { nil } }

    /// The memory of the images.
    public var byteCount: Int {
        let pixelBytes =
            switch pixels {
            case .bytes(let values, _): values.count
            case .floats(let values): values.count * MemoryLayout<Float>.stride
            case .files(let files): files.byteCount
            }
        return pixelBytes + (masks?.count ?? 0)
    }
}

extension LabeledImages {
    /// Images in memory: those for training first, then those for validation, then those for the test.
    ///
    /// - Parameters:
    ///   - name: the data set's, in messages and in run files.
    ///   - labels: one for each image, from 0.
    ///   - classCount: nil: the number of `classNames`, or the largest label + 1.
    ///   - validationCount: 0: they are taken from those for training (`ImageDataset`).
    ///   - masks: the class of every pixel, `[images, height, width]`, 255 where a pixel does not count.
    ///   - boxes: the objects of each image.
    ///   - labelSets: the classes of each image.
    ///   - targets: the numbers of each image.
    /// - Throws: `.data` in one sentence, when the numbers do not fit together.
    public init(
        _ name: String, shape: ImageShape, pixels: Pixels, labels: [Int32], classCount: Int? = nil, classNames: [String]? = nil,
        validationCount: Int = 0, testCount: Int, masks: [UInt8]? = nil, boxes: InstanceBoxes? = nil, labelSets: LabelSets? = nil,
        targets: ImageTargets? = nil
    ) throws {
        func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
            if !condition { throw UserError(.data, "\(name): \(sentence())") }
        }
        let classCount = classCount ?? classNames?.count ?? (Int(labels.max() ?? -1) + 1)
        let valueCount: Int
        switch pixels {
        case .bytes(let values, let maximum):
            valueCount = values.count
            try require(maximum > 0, "found 0 as the largest value of a byte, expected 1 to 255")
        case .floats(let values):
            valueCount = values.count
            if let index = values.firstIndex(where: { !$0.isFinite }) { try require(false, "the value at index \(index) is not finite") }
        case .files(let files): valueCount = files.entries.count * shape.count
        }
        try require(min(shape.height, shape.width, shape.channels) > 0, "found images of \(shape), expected lengths of at least 1")
        try require(
            valueCount == labels.count * shape.count,
            "found \(grouped(valueCount)) values for \(grouped(labels.count)) labels, expected \(grouped(shape.count)) for each image of \(shape)")
        if let index = labels.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
            try require(false, "label \(labels[index]) at index \(index), expected 0 to \(classCount - 1)")
        }
        try require(classNames.map { $0.count == classCount } ?? true, "found \(classNames?.count ?? 0) names of classes, expected \(classCount)")
        try require(
            validationCount >= 0 && testCount > 0 && validationCount + testCount < labels.count,
            "found \(grouped(labels.count)) images, \(validationCount) of them for validation and \(testCount) for the test, expected at least one for training and one for the test")
        let trainCount = labels.count - validationCount - testCount
        self.init(
            name: name, shape: shape, pixels: pixels, labels: labels, classCount: classCount, classNames: classNames, train: 0..<trainCount,
            validation: validationCount > 0 ? trainCount..<trainCount + validationCount : nil, test: labels.count - testCount..<labels.count,
            masks: masks, boxes: boxes, labelSets: labelSets, targets: targets)
        if let complaint = masks.flatMap({ complaint(about: $0) }) ?? boxes.flatMap({ complaint(about: $0) }) { throw UserError(.data, "\(name): \(complaint)") }
        if let complaint = labelSets.flatMap({ complaint(about: $0) }) ?? targets.flatMap({ complaint(about: $0) }) { throw UserError(.data, "\(name): \(complaint)") }
    }
}
