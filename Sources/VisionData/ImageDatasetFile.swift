import Configuration
import HDF5
import TensorCore

extension LabeledImages {
    /// Writes image files one by one, each in its own size, as `loadMixedImages` reads them, with `/train/labels` and so on.
    ///
    /// - Parameter shouldStop: asked between images; throws to end the writing.
    /// - Throws: `.io` when the file cannot be written, `.data` when an image file has changed since it was looked at.
    public func writeOneByOne(to path: String, shouldStop: () throws -> Void = {}) throws {
        guard case .files(let files) = pixels else { return try write(to: path, shouldStop: shouldStop) }
        try replacingFile(at: path) { file in
            for (part, range) in parts {
                for image in range {
                    try shouldStop()
                    let number = String(image - range.lowerBound)
                    try file.write(files.decoded(image), to: "/\(part)/images/" + String(repeating: "0", count: max(0, 6 - number.count)) + number)
                }
                try file.write(Array(labels[range]), to: "/\(part)/labels")
            }
        }
    }

    private var parts: [(name: String, range: Range<Int>)] {
        [("train", train), ("val", validation ?? 0..<0), ("test", test)].filter { !$0.1.isEmpty }
    }

    /// A file that takes its place when it is whole.
    private func replacingFile(at path: String, _ write: (borrowing HDF5Writer) throws -> Void) throws {
        let replacement = try FileReplacement(of: path, isForeign: true)
        let file = try HDF5Writer(replacement.temporaryPath, for: path)
        try file.setAttribute("classes", of: "/", to: Int64(classCount))
        if let classNames { try file.setAttribute("class_names", of: "/", to: classNames) }
        try write(file)
        try file.close()
        try replacement.commit()
    }

    /// Writes the images as `loadHDF5Images` reads them: `/train/images` `[n, channels, height, width]` and `/train/labels`, the same under `/val` and
    /// `/test`, masks and boxes where there are some (`HDF5Targets`), and the attributes `classes` and `class_names` of the root. Bytes stay bytes, files become bytes of their resampled pixels; numbers
    /// stay float32.
    ///
    /// - Parameter shouldStop: asked between images; true ends the writing.
    /// - Throws: `.io` when the file cannot be written, `.data` when an image file has changed since it was looked at.
    public func write(to path: String, shouldStop: () throws -> Void = {}) throws {
        let rowShape = [shape.channels, shape.height, shape.width], rows = max(1, (1 << 20) / max(1, shape.count))
        try replacingFile(at: path) { file in
            for (name, range) in parts {
                let dataset = "/\(name)/images"
                switch pixels {
                case .bytes(let values, let maximum):
                    let column = try file.makeColumn(dataset, of: UInt8.self, rowShape: rowShape, rowsPerChunk: rows)
                    for image in range {
                        try shouldStop()
                        try column.append(planes { place in
                            let value = values[image * shape.count + place]
                            return maximum == 255 ? value : UInt8((Double(value) * 255 / Double(maximum)).rounded())
                        })
                    }
                    try column.close()
                case .floats(let values):
                    let column = try file.makeColumn(dataset, of: Float.self, rowShape: rowShape, rowsPerChunk: rows)
                    for image in range {
                        try shouldStop()
                        try column.append(planes { values[image * shape.count + $0] })
                    }
                    try column.close()
                case .files(let files):
                    let column = try file.makeColumn(dataset, of: UInt8.self, rowShape: rowShape, rowsPerChunk: rows)
                    var decoded = [Float](repeating: 0, count: shape.count), draws: PhiloxDraws?
                    for image in range {
                        try shouldStop()
                        try decoded.withUnsafeMutableBufferPointer { try files.write(image, draws: &draws, to: $0.baseAddress!) }
                        try column.append(planes { UInt8(decoded[$0].rounded()) })
                    }
                    try column.close()
                }
                try file.write(Array(labels[range]), to: "/\(name)/labels")
                try HDF5Targets.write(self, range, to: name, of: file)
            }
        }
    }

    /// One image with its channels apart.
    private func planes<Element>(_ value: (_ place: Int) -> Element) -> [Element] {
        (0..<shape.channels).flatMap { channel in (0..<shape.height * shape.width).map { value($0 * shape.channels + channel) } }
    }
}
