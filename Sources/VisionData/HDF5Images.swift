import Configuration
import Foundation
import HDF5
import TensorCore

/// Reads a data set from an HDF5 file.
///
/// The file holds `/train/images`, `[n, channels, height, width]`, uint8 (0 to 255, standing for 0 to 1) or float32 (used as they are, all finite),
/// and `/train/labels`, `[n]`, integers from 0; the same under `/test`, and under `/val` when it brings its own validation images. The
/// number of classes is `source.classes`, or the root attribute `classes`, or the largest label + 1. The root attribute `class_names`, a
/// list of texts, names them.
///
/// - Throws: `UserError` with the file and the object: `.noInput` for a missing file, `.data` for what is missing in it, damaged or does not fit together.
func loadHDF5Images(_ source: HDF5Source) throws -> LabeledImages {
    let path = (source.path as NSString).expandingTildeInPath
    let file = try HDF5Reader(path)
    let parts = try ["train", "val", "test"]
        .filter { $0 != "val" || file.exists("/val/images") || file.exists("/val/labels") }
        .map { try HDF5Part($0, of: file) }
    let train = parts[0]
    for part in parts.dropFirst() where part.shape != train.shape || part.type != train.type {
        throw UserError(.data, """
            \(path): \(part.images): found \(part.type.rawValue) images of \(part.shape), expected \(train.type.rawValue) of \(train.shape) as in \(train.images)
            """)
    }

    let pixels: LabeledImages.Pixels =
        if train.type == .uint8 {
            .bytes(try readPixels(of: parts, in: file, as: UInt8.self), maximum: 255)
        } else {
            .floats(try readPixels(of: parts, in: file, as: Float.self))
        }
    let labels = try readLabels(of: parts, in: file, classes: source.classes)
    let classNames = try file.attributeStrings("class_names", of: "/")
    if let classNames, classNames.count != labels.classCount {
        throw UserError(.data, "\(path): the attribute class_names has \(classNames.count) names, expected \(labels.classCount), one for each class")
    }

    let counts = parts.map(\.count), total = counts.reduce(0, +)
    return LabeledImages(
        name: (path as NSString).lastPathComponent, shape: train.shape, pixels: pixels, labels: labels.values,
        classCount: labels.classCount, classNames: classNames,
        train: 0..<counts[0],
        validation: parts.count == 3 ? counts[0]..<counts[0] + counts[1] : nil,
        test: total - counts[parts.count - 1]..<total)
}

/// One of `/train`, `/val` and `/test`, whose datasets have fitting shapes and types.
private struct HDF5Part {
    let images: String
    let labels: String
    let count: Int
    let shape: ImageShape
    let type: ElementType

    init(_ name: String, of file: HDF5Reader) throws {
        images = "/\(name)/images"
        labels = "/\(name)/labels"
        let dimensions = try file.shape(of: images)
        guard dimensions.count == 4, !dimensions.contains(0) else {
            throw UserError(.data, "\(file.path): \(images): found the shape \(dimensions), expected [n, channels, height, width], none of them 0")
        }
        count = dimensions[0]
        shape = ImageShape(height: dimensions[2], width: dimensions[3], channels: dimensions[1])
        type = try file.elementType(of: images)
        guard type == .uint8 || type == .float32 else {
            throw UserError(.data, "\(file.path): \(images): found elements of type \(type.rawValue), expected uint8 or float32")
        }
        let labelDimensions = try file.shape(of: labels)
        guard labelDimensions == [count] else {
            throw UserError(.data, "\(file.path): \(labels): found the shape \(labelDimensions), expected [\(count)], one label for each image of \(images)")
        }
        let labelType = try file.elementType(of: labels)
        guard ![.float32, .float64, .string, .other].contains(labelType) else {
            throw UserError(.data, "\(file.path): \(labels): found elements of type \(labelType.rawValue), expected integers")
        }
    }
}

/// The pixels of all parts, `[images, height, width, channels]`.
private func readPixels<Element: HDF5Element>(of parts: [HDF5Part], in file: HDF5Reader, as type: Element.Type) throws -> [Element] {
    var pixels: [Element] = []
    for part in parts {
        let stored = try file.read(part.images, as: type)
        if let floats = stored as? [Float], let position = floats.firstIndex(where: { !$0.isFinite }) {
            throw UserError(.data, """
                \(file.path): \(part.images): image \(position / part.shape.count) holds \(floats[position]), expected finite numbers
                """)
        }
        pixels += part.shape.channels == 1 ? stored : channelsLast(stored, shape: part.shape)
    }
    return pixels
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

private func readLabels(of parts: [HDF5Part], in file: HDF5Reader, classes: Int?) throws -> (values: [Int32], classCount: Int) {
    let labels = try parts.map { try file.read($0.labels, as: Int64.self) }
    let declared = try classes ?? file.attribute("classes", of: "/", as: Int64.self)?.first.map(Int.init)
    if let declared, !(1...HDF5Source.largestClassCount).contains(declared) {
        throw UserError(.data, "\(file.path): the attribute classes is \(declared), expected 1 to \(HDF5Source.largestClassCount)")
    }
    let limit = declared ?? HDF5Source.largestClassCount
    for (part, values) in zip(parts, labels) {
        if let index = values.firstIndex(where: { !(0..<Int64(limit)).contains($0) }) {
            throw UserError(.data, "\(file.path): \(part.labels): label \(values[index]) at index \(index), expected 0 to \(limit - 1)")
        }
    }
    let all = labels.joined().map(Int32.init)
    return (all, declared ?? Int(all.max() ?? 0) + 1)
}
