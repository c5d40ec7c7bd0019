import Configuration
import HDF5
import TensorCore

/// A dataset of images, whose shape and type are right: `[n, channels, height, width]`, or with the channels last.
struct HDF5ImageArray {
    let count: Int
    let shape: ImageShape
    let type: ElementType
    /// Whether channels come last in the file.
    let hasChannelsLast: Bool

    /// - Parameters:
    ///   - layout: where the channels are; nil: first, and a shape that looks otherwise is refused.
    ///   - remedy: what to do about such a shape.
    init(_ images: String, of file: HDF5Reader, layout: HDF5Source.Layout?, remedy: String) throws {
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
        guard type == .uint8 || type == .float32 else {
            throw UserError(.data, "\(file.path): \(images): found elements of type \(type.rawValue), expected uint8 or float32")
        }
    }

    /// Whole images as they were read, with the channels last.
    func ordered<Element>(_ images: [Element]) -> [Element] {
        hasChannelsLast || shape.channels == 1 ? images : channelsLast(images, shape: shape)
    }
}

/// `[n, channels, height, width]` → `[n, height, width, channels]`.
private func channelsLast<Element>(_ images: [Element], shape: ImageShape) -> [Element] {
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
