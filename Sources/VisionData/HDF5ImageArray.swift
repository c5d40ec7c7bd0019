import Configuration
import HDF5
import TensorCore

/// A dataset of images, volumes or sequences, whose shape and type are right: `[n, channels, height, width]`, or as its layout says; uint8 and uint16 stand for 0 to 1,
/// float32 and float64 are used as they are, in float32.
struct HDF5ImageArray {
    private let dataset: String
    private let file: HDF5Reader
    let count: Int
    let shape: ImageShape
    let type: ElementType
    private let dimensions: [Int]
    private let layout: HDF5Source.Layout

    /// - Parameters:
    ///   - layout: the order of the axes; nil: the channels are first, and a shape that looks otherwise is refused.
    ///   - isRecorded: whether no shape is refused for how it looks.
    ///   - remedy: what to do about a shape that looks like a layout with the channels last.
    init(
        _ images: String, of file: HDF5Reader, layout given: HDF5Source.Layout?, isRecorded: Bool = false, remedy: (HDF5Source.Layout) -> String
    ) throws {
        (dataset, self.file) = (images, file)
        let dimensions = try file.shape(of: images), layout = given ?? (dimensions.count == 5 ? .ncdhw : .nchw), expected = layout.words
        (self.dimensions, self.layout) = (dimensions, layout)
        if dimensions.count == 3, layout.rank == 4 {
            throw UserError(.data, """
                \(file.path): \(images): found the shape \(dimensions), which lacks an axis for the channels, expected \(expected); images of one \
                channel are \([dimensions[0], 1, dimensions[1], dimensions[2]])
                """)
        }
        guard dimensions.count == layout.rank, !dimensions.contains(0) else {
            throw UserError(.data, "\(file.path): \(images): found the shape \(dimensions), expected \(expected), none of them 0")
        }
        let last = dimensions[layout.rank - 1]
        if given == nil, !isRecorded, [1, 3, 4].contains(last), dimensions[1..<layout.rank - 1].allSatisfy({ $0 > last }) {
            let other: HDF5Source.Layout = layout == .ncdhw ? .ndhwc : .nhwc
            throw UserError(.data, """
                \(file.path): \(images): found the shape \(dimensions), which looks like \(other.words), expected \(expected); \(remedy(other))
                """)
        }
        count = dimensions[0]
        shape = layout.shape(of: dimensions)
        type = try file.elementType(of: images)
        guard [.uint8, .uint16, .float32, .float64].contains(type) else {
            throw UserError(.data, "\(file.path): \(images): found elements of type \(type.rawValue), expected uint8, uint16, float32 or float64")
        }
    }

    /// The memory of a pixel's channel, once it is read.
    var valueSize: Int { type == .uint8 ? 1 : 4 }

    /// What is converted, in a sentence; nil for what is used as it is.
    var note: String? {
        switch type {
        case .uint16: "\(file.path): \(dataset): uint16 images are used as float32, 65,535 standing for 1"
        case .float64: "\(file.path): \(dataset): float64 images are used as float32"
        default: nil
        }
    }

    /// Some of the images, with the channels last.
    ///
    /// - Throws: `.data` when a number is not finite in float32.
    func read(_ rows: Range<Int>) throws -> LabeledImages.Pixels {
        guard type != .uint8 else { return .bytes(ordered(try file.read(dataset, rows: rows, as: UInt8.self)), maximum: 255) }
        var values = try file.read(dataset, rows: rows, as: Float.self)
        if type == .uint16 { for place in values.indices { values[place] /= 65_535 } }
        if let place = values.firstIndex(where: { !$0.isFinite }) {
            let found = "\(file.path): \(dataset): image \(rows.lowerBound + place / shape.count) holds"
            if type == .float64, let stored = try? file.read(dataset, rows: rows, as: Double.self)[place], stored.isFinite {
                throw UserError(.data, "\(found) \(stored), expected numbers that float32 can hold")
            }
            throw UserError(.data, "\(found) \(values[place]), expected finite numbers")
        }
        return .floats(ordered(values))
    }

    private func ordered<Element>(_ images: [Element]) -> [Element] { layout.ordered(images, of: dimensions) }
}
