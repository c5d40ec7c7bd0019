import Configuration
import HDF5
import TensorCore

/// A dataset of images, whose shape and type are right: `[n, channels, height, width]`, or with the channels last; uint8 and uint16 stand for 0 to 1,
/// float32 and float64 are used as they are, in float32.
struct HDF5ImageArray {
    private let dataset: String
    private let file: HDF5Reader
    let count: Int
    let shape: ImageShape
    let type: ElementType
    /// Whether channels come last in the file.
    let hasChannelsLast: Bool

    /// - Parameters:
    ///   - layout: where the channels are; nil: first, and a shape that looks otherwise is refused.
    ///   - remedy: what to do about such a shape.
    init(_ images: String, of file: HDF5Reader, layout: HDF5Source.Layout?, remedy: String) throws {
        (dataset, self.file) = (images, file)
        let dimensions = try file.shape(of: images)
        hasChannelsLast = layout == .nhwc
        let expected = hasChannelsLast ? "[n, height, width, channels]" : "[n, channels, height, width]"
        if dimensions.count == 3 {
            throw UserError(.data, """
                \(file.path): \(images): found the shape \(dimensions), which lacks an axis for the channels, expected \(expected); images of one \
                channel are \([dimensions[0], 1, dimensions[1], dimensions[2]])
                """)
        }
        guard dimensions.count == 4, !dimensions.contains(0) else {
            throw UserError(.data, "\(file.path): \(images): found the shape \(dimensions), expected \(expected), none of them 0")
        }
        let last = dimensions[3]
        if layout == nil, [1, 3, 4].contains(last), dimensions[1] > last, dimensions[2] > last {
            throw UserError(.data, """
                \(file.path): \(images): found the shape \(dimensions), which looks like [n, height, width, channels], expected \(expected); \(remedy)
                """)
        }
        count = dimensions[0]
        shape = hasChannelsLast
            ? ImageShape(height: dimensions[1], width: dimensions[2], channels: last)
            : ImageShape(height: dimensions[2], width: last, channels: dimensions[1])
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

    private func ordered<Element>(_ images: [Element]) -> [Element] {
        hasChannelsLast || shape.channels == 1 ? images : channelsLast(images, shape: shape)
    }
}

/// `[n, channels, height, width]` → `[n, height, width, channels]`.
func channelsLast<Element>(_ images: [Element], shape: ImageShape) -> [Element] {
    let channels = shape.channels, area = shape.height * shape.width
    return [Element](unsafeUninitializedCapacity: images.count) { output, initialized in
        images.withUnsafeBufferPointer { images in
            for image in stride(from: 0, to: images.count, by: shape.count) {
                for channel in 0..<channels {
                    let plane = image + channel * area
                    for pixel in 0..<area { output.initializeElement(at: image + pixel * channels + channel, to: images[plane + pixel]) }
                }
            }
        }
        initialized = images.count
    }
}
