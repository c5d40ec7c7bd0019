import TensorCore

/// All images of a data set with their labels, in memory as they are stored: not yet split, subset or normalized.
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

    /// The memory of the images.
    public var byteCount: Int {
        switch pixels {
        case .bytes(let values, _): values.count
        case .floats(let values): values.count * MemoryLayout<Float>.stride
        }
    }
}
