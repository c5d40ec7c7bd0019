import Configuration
import HDF5
import TensorCore

/// Images without labels in an HDF5 file, read block by block: `/images` `[n, channels, height, width]` or `[n, channels, depth, height, width]`, bytes or other integers that stand for 0 to 1,
/// or numbers that are used as they are.
public struct UnlabeledImages {
    /// The file's path.
    public let path: String
    private let array: HDF5ImageArray

    /// Opens a file.
    ///
    /// - Parameter mayBeBytes: whether integers are taken, which only make sense where images are normalized after they are read.
    /// - Throws: `.noInput` when it is not there, `.data` when it holds no such images.
    public init(_ path: String, mayBeBytes: Bool) throws {
        self.path = path
        let file = try HDF5Reader(path)
        array = try HDF5ImageArray("/images", of: file, layout: nil, remedy: { "transpose them to \($0 == .ndhwc ? "[0, 4, 1, 2, 3]" : "[0, 3, 1, 2]")" })
        guard mayBeBytes || [.float32, .float64].contains(array.type) else {
            throw UserError(.data, "\(path): /images: found elements of type \(array.type.rawValue), expected float32, normalized already")
        }
        guard try file.isWritten("/images") else {
            throw UserError(.data, "\(path): /images: was declared and not wholly written; what is missing would be read as zeros")
        }
    }

    /// How many images there are, at least one.
    public var count: Int { array.count }
    /// One image's size.
    public var shape: ImageShape { array.shape }

    /// Reads some of the images as the test images of a data set, whose labels mean nothing.
    ///
    /// - Parameter sizing: the size to which they are brought, and how; nil: they stay.
    /// - Throws: `.data` when a number is not finite or the images do not fit into the memory.
    public func block(
        _ rows: Range<Int>, normalization: NormalizationConfiguration, sizing: (size: Size2D, kind: ResizeKind)? = nil
    ) throws -> ImageDataset {
        let size = Double(rows.count) * Double(shape.height) * Double(shape.width) * Double(shape.channels)
        try requireMemory(forImages: Double(rows.count), byteCount: 2 * size * Double(array.valueSize), at: "\(path): /images")
        let all = 0..<rows.count
        let images = LabeledImages(
            name: path, shape: shape, pixels: try array.read(rows), labels: [Int32](repeating: 0, count: rows.count), classCount: 1, classNames: nil,
            train: all, validation: nil, test: all)
        var configuration = DataConfiguration()
        (configuration.validation, configuration.normalization) = (.count(0), normalization)
        if let sizing { (configuration.size, configuration.resize) = (sizing.size, sizing.kind) }
        return try ImageDataset(images, configuration)
    }
}
