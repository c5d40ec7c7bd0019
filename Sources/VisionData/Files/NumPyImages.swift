import Configuration
import Foundation
import TensorCore

/// `numpy: FILE.npz`, or `numpy: {path: FILE.npz, classes: 10, layout: nhwc}`: a data set of one's own in NumPy's arrays; `loadNumPyImages` says which.
public struct NumPySource: Configurable {
    /// As it is written: relative to the file that says it.
    public var path: String
    /// The number of classes; nil: the largest label + 1.
    public var classes: Int?
    /// The order of an image's axes.
    public var layout = HDF5Source.Layout.nhwc

    /// A file.
    public init(path: String) { self.path = path }

    /// No file yet.
    public init() { self.init(path: "") }

    public static let options: [Key<NumPySource>] = [
        .required("path", \.path, .text, missing: "expected a path", "The .npz file, or a folder of .npy files, relative to the file that says it."),
        Key("classes", \.classes, .integer(in: 1...HDF5Source.largestClassCount), "How many classes there are; absent: the largest label + 1."),
        Key("layout", \.layout, .choice, "The order of the axes of images, of volumes (ncdhw, ndhwc) or of sequences (ncl, nlc)."),
    ]
}

extension NumPySource {
    /// Whether a folder holds such arrays as `.npy` files.
    public static func isFolder(_ path: String) -> Bool {
        ["train_images", "x_train", "X_train"].contains { FileManager.default.fileExists(atPath: ImageFiles.join(path, "\($0).npy")) }
    }
}

/// Reads a data set from a `.npz` file, or a folder of `.npy` files, with `train_images`, `train_labels`, `test_images`, `test_labels` and, where it brings its own validation images,
/// `val_images` and `val_labels`, as MedMNIST calls them; or `x_train`, `y_train`, `x_test`, `y_test`, as Keras does. Images are `[n, height, width]` or
/// `[n, height, width, channels]`: uint8 and uint16 stand for 0 to 1, float32 and float64 are used as they are, in float32. Labels are integers from 0,
/// `[n]` or `[n, 1]`.
///
/// - Returns: the images, and sentences about what was converted.
/// - Throws: `UserError` with the file and the array.
func loadNumPyImages(_ source: NumPySource, at path: String) throws -> (images: LabeledImages, notes: [String]) {
    let file = try NumPyFile(path)
    func find(_ names: [String]) throws -> (name: String, array: NumPyFile.Array)? {
        for name in names { if let array = try file.array(name) { return (name, array) } }
        return nil
    }
    var parts: [(images: NumPyPart, labels: [Int64])] = [], hasValidation = false
    for part in ["train", "val", "test"] {
        guard let images = try find(["\(part)_images", "x_\(part)", "X_\(part)"]) else {
            if part == "val" { continue }
            throw UserError(.data, "\(path): has no array \(part)_images (or x_\(part)); it holds \(file.names.prefix(8).joined(separator: ", ").shortened())")
        }
        guard let labels = try find(["\(part)_labels", "y_\(part)"]) else {
            throw UserError(.data, "\(path): has \(images.name), and no labels for it (\(part)_labels or y_\(part))")
        }
        let read = try NumPyPart(images.array, at: "\(path): \(images.name)", layout: source.layout)
        parts.append((read, try numPyLabels(labels.array, at: "\(path): \(labels.name)", count: read.count, images: images.name)))
        if part == "val" { hasValidation = true }
    }
    let first = parts[0].images
    for part in parts.dropFirst() where part.images.shape != first.shape || part.images.type != first.type {
        throw UserError(.data, "\(part.images.place): found \(part.images.type) images of \(part.images.shape), expected \(first.type) of \(first.shape) as in \(first.place)")
    }
    let labels = parts.flatMap(\.labels), limit = Int64(source.classes ?? HDF5Source.largestClassCount)
    if let wrong = labels.first(where: { $0 < 0 || $0 >= limit }) {
        throw UserError(.data, "\(path): found the label \(wrong), expected 0 to \(limit - 1)")
    }
    let counts = parts.map(\.images.count), total = counts.reduce(0, +)
    try requireMemory(forImages: Double(total), byteCount: Double(total) * Double(first.shape.count) * (first.type == "u1" ? 1 : 4), at: path)
    let pixels: LabeledImages.Pixels = first.type == "u1" ? .bytes(parts.flatMap { $0.images.bytes }, maximum: 255) : .floats(try parts.flatMap { try $0.images.floats() })
    let images = LabeledImages(
        name: (path as NSString).lastPathComponent, shape: first.shape, pixels: pixels, labels: labels.map(Int32.init),
        classCount: source.classes ?? Int(labels.max() ?? 0) + 1, classNames: nil, train: 0..<counts[0],
        validation: hasValidation ? counts[0]..<counts[0] + counts[1] : nil, test: total - counts[counts.count - 1]..<total)
    let notes = ["f8": "\(path): float64 images are used as float32", "u2": "\(path): uint16 images are used as float32, 65,535 standing for 1"][first.type].map { [$0] } ?? []
    return (images, notes)
}

private func numPyLabels(_ array: NumPyFile.Array, at place: String, count: Int, images: String) throws -> [Int64] {
    guard array.shape == [count] || array.shape == [count, 1] else {
        throw UserError(.data, "\(place): found the shape \(array.shape), expected [\(count)], one label for each image of \(images)")
    }
    func values<Value: FixedWidthInteger>(_ type: Value.Type) throws -> [Int64] {
        try array.elements.withUnsafeBytes { bytes in
            try (0..<count).map { index in
                guard let value = Int64(exactly: Value(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Value>.size, as: Value.self))) else {
                    throw UserError(.data, "\(place): the label at index \(index) is too large")
                }
                return value
            }
        }
    }
    switch array.type {
    case "u1", "b1": return try values(UInt8.self)
    case "i1": return try values(Int8.self)
    case "u2": return try values(UInt16.self)
    case "i2": return try values(Int16.self)
    case "u4": return try values(UInt32.self)
    case "i4": return try values(Int32.self)
    case "u8": return try values(UInt64.self)
    case "i8": return try values(Int64.self)
    default: throw UserError(.data, "\(place): found elements of type \(array.type), expected integers")
    }
}

/// The images of one part.
private struct NumPyPart {
    let place: String
    let count: Int
    let shape: ImageShape
    let type: String
    private let elements: ArraySlice<UInt8>
    private let dimensions: [Int]
    private let layout: HDF5Source.Layout

    init(_ array: NumPyFile.Array, at place: String, layout: HDF5Source.Layout) throws {
        // Images of one channel may lack its axis.
        let dimensions = array.shape, isGray = dimensions.count == 3 && layout.rank == 4
        let expected = layout == .nhwc ? "[n, height, width] or \(layout.words)" : layout.words
        guard isGray || dimensions.count == layout.rank, !dimensions.contains(0) else {
            throw UserError(.data, "\(place): found the shape \(dimensions), expected \(expected), none of them 0")
        }
        guard !array.isFortranOrdered else { throw UserError(.data, "\(place): lies in Fortran's order, expected C's; numpy.ascontiguousarray brings it there") }
        guard ["u1", "u2", "f4", "f8"].contains(array.type) else {
            throw UserError(.data, "\(place): found elements of type \(array.type), expected uint8, uint16, float32 or float64")
        }
        if dimensions.count == 4, layout == .nhwc, [1, 3, 4].contains(dimensions[1]), dimensions[2] > 4, dimensions[3] > 4 {
            throw UserError(.data, "\(place): found the shape \(dimensions), which looks like [n, channels, height, width]; say layout: nchw in data.numpy")
        }
        (self.place, count, type, elements) = (place, dimensions[0], array.type, array.elements)
        (self.dimensions, self.layout) = isGray ? (dimensions + [1], .nhwc) : (dimensions, layout)
        shape = self.layout.shape(of: self.dimensions)
    }

    private func ordered<Value>(_ values: [Value]) -> [Value] { layout.ordered(values, of: dimensions) }

    var bytes: [UInt8] { ordered(Array(elements)) }

    func floats() throws -> [Float] {
        let total = count * shape.count
        let values: [Float] = elements.withUnsafeBytes { bytes in
            (0..<total).map { index in
                switch type {
                case "u2": Float(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))) / 65_535
                case "f4": Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
                default: Float(Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))))
                }
            }
        }
        if let position = values.firstIndex(where: { !$0.isFinite }) {
            throw UserError(.data, "\(place): image \(position / shape.count) holds \(values[position]), expected finite numbers that float32 can hold")
        }
        return ordered(values)
    }
}
