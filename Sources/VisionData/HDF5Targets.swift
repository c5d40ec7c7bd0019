import Configuration
import Foundation
import HDF5
import TensorCore

/// Masks, boxes, label sets and targets beside the images of an HDF5 file, in all of its parts or in none.
///
/// `/train/masks`, `[n, height, width]`, integers: the class of each pixel, or 255. `/train/boxes`, `[n, most of an image, 5]`, integers or numbers with fractions, which
/// are kept in float32: class, x, y, width and height of each object in pixels, the class −1 in rows that hold none.
/// `/train/label_sets`, `[n, classes]`, integers: 1 for each class that an image has, else 0. `/train/targets`, `[n]` or `[n, k]`, floating-point numbers: what belongs to
/// each image.
struct HDF5Targets {
    private static let masks = "masks", boxes = "boxes", labelSets = "label_sets", targets = "targets"
    /// Class, x, y, width, height.
    private static let boxLength = 5

    let masks: [UInt8]?
    let boxes: InstanceBoxes?
    let labelSets: LabelSets?
    let targets: ImageTargets?

    /// Whether a part says of its images what may stand in the place of a label.
    static func standForLabels(in part: String, of file: HDF5Reader) -> Bool {
        file.exists("/\(part)/\(labelSets)") || file.exists("/\(part)/\(targets)")
    }

    /// - Parameter parts: the names of the groups, and how many images each has.
    /// - Throws: `.data` when a dataset is in one part alone, or has another shape or type.
    init(_ parts: [(name: String, count: Int)], of file: HDF5Reader, shape: ImageShape) throws {
        func read(_ name: String, rowShape: [Int?], in part: (name: String, count: Int)) throws -> (values: [Double], shape: [Int])? {
            let dataset = "/\(part.name)/\(name)"
            guard let first = parts.first(where: { file.exists("/\($0.name)/\(name)") }) else { return nil }
            guard file.exists(dataset) else { throw UserError(.data, "\(file.path): there is no \(dataset), but /\(first.name)/\(name)") }
            let found = try file.shape(of: dataset), expected = [part.count] + rowShape
            guard found.count == expected.count, zip(found, expected).allSatisfy({ $1 == nil || $0 == $1 }) else {
                let text = expected.map { $0.map(String.init) ?? (name == Self.boxes ? "most of an image" : name == Self.labelSets ? "classes" : "numbers") }.joined(separator: ", ")
                throw UserError(.data, "\(file.path): \(dataset): found the shape \(found), expected [\(text)]")
            }
            let type = try file.elementType(of: dataset), areFractions = [.float32, .float64].contains(type) && name == Self.boxes
            guard areFractions || ![.float32, .float64, .otherFloat, .string, .compound, .other].contains(type) else {
                throw UserError(.data, "\(file.path): \(dataset): found elements of type \(type.rawValue), expected integers\(name == Self.boxes ? " or numbers in float32 or float64" : "")")
            }
            guard try file.isWritten(dataset) else { throw UserError(.data, "\(file.path): \(dataset): was declared and not wholly written") }
            return (try file.read(dataset, as: Double.self), found)
        }
        var pixels: [UInt8] = [], objects: [[InstanceBox]] = [], maximum = 0, hasMasks = false, hasBoxes = false
        for part in parts {
            if let found = try read(Self.masks, rowShape: [shape.height, shape.width], in: part) {
                hasMasks = true
                if let place = found.values.firstIndex(where: { !(0...255).contains($0) }) {
                    let image = place / (shape.height * shape.width)
                    throw UserError(.data, "\(file.path): /\(part.name)/\(Self.masks): class \(String(format: "%.0f", found.values[place])) in the mask at index \(image), expected 0 to 255")
                }
                pixels += found.values.map { UInt8($0) }
            }
            if let found = try read(Self.boxes, rowShape: [nil, Self.boxLength], in: part) {
                hasBoxes = true
                maximum = max(maximum, found.shape[1])
                objects += try (0..<part.count).map { image in
                    try (0..<found.shape[1]).compactMap { row in
                        let numbers = (0..<Self.boxLength).map { found.values[(image * found.shape[1] + row) * Self.boxLength + $0] }
                        if numbers[0] == -1 { return nil }
                        guard let label = Int32(exactly: numbers[0]) else {
                            throw UserError(.data, "\(file.path): /\(part.name)/\(Self.boxes): the class \(numbers[0]) at index \(image), expected a whole number")
                        }
                        return InstanceBox(label: label, x: Float(numbers[1]), y: Float(numbers[2]), width: Float(numbers[3]), height: Float(numbers[4]))
                    }
                }
            }
        }
        masks = hasMasks ? pixels : nil
        boxes = hasBoxes ? InstanceBoxes(maximum: maximum, objects) : nil
        var sets: [UInt8] = [], setLength: Int?
        for part in parts {
            guard let found = try read(Self.labelSets, rowShape: [nil], in: part) else { continue }
            let length = found.shape[1]
            if let setLength, setLength != length {
                throw UserError(.data, "\(file.path): \(Self.labelSets): found \(length) classes in one part and \(setLength) in another")
            }
            if let place = found.values.firstIndex(where: { $0 != 0 && $0 != 1 }) {
                throw UserError(.data, """
                    \(file.path): /\(part.name)/\(Self.labelSets): found \(String(format: "%.0f", found.values[place])) for class \(place % length) \
                    at index \(place / length), expected 0 or 1
                    """)
            }
            setLength = length
            sets += found.values.map { UInt8($0) }
        }
        labelSets = setLength.map { LabelSets(classCount: $0, sets) }
        targets = try Self.readTargets(parts, of: file)
    }

    /// - Throws: `.data` when they are in one part alone, or of another shape or type.
    private static func readTargets(_ parts: [(name: String, count: Int)], of file: HDF5Reader) throws -> ImageTargets? {
        guard let first = parts.first(where: { file.exists("/\($0.name)/\(targets)") }) else { return nil }
        var values: [Float] = [], count: Int?
        for part in parts {
            let dataset = "/\(part.name)/\(targets)"
            guard file.exists(dataset) else { throw UserError(.data, "\(file.path): there is no \(dataset), but /\(first.name)/\(targets)") }
            let found = try file.shape(of: dataset), length = found.count == 1 ? 1 : found.last ?? 0
            guard (1...2).contains(found.count), found[0] == part.count, length > 0, count ?? length == length else {
                throw UserError(.data, "\(file.path): \(dataset): found the shape \(found), expected [\(part.count)] or [\(part.count), \(count.map(String.init) ?? "numbers of an image")]")
            }
            let type = try file.elementType(of: dataset)
            guard [.float32, .float64].contains(type) else {
                throw UserError(.data, "\(file.path): \(dataset): found elements of type \(type.rawValue), expected float32 or float64")
            }
            guard try file.isWritten(dataset) else { throw UserError(.data, "\(file.path): \(dataset): was declared and not wholly written") }
            count = length
            if type == .float64, let sentence = Self.lost(try file.read(dataset, as: Double.self), count: length) { throw UserError(.data, "\(file.path): \(dataset): \(sentence)") }
            values += try file.read(dataset, as: Float.self)
        }
        return ImageTargets(count: count ?? 1, values)
    }

    /// What float32 takes from numbers, where that is a thousandth of their spread or more; nil where it is not.
    private static func lost(_ values: [Double], count: Int) -> String? {
        for number in 0..<count {
            let column = stride(from: number, to: values.count, by: count).map { values[$0] }
            guard column.count > 1, column.allSatisfy(\.isFinite) else { continue }
            let mean = column.reduce(0, +) / Double(column.count), spread = (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)).squareRoot()
            let error = column.map { abs(Double(Float($0)) - $0) }.max() ?? 0
            guard spread > 0, error.isFinite, error > spread / 1000 else { continue }
            return "the numbers of column \(number) spread by \(String(format: "%.3g", spread)) about \(String(format: "%.6g", mean)), which float32 does not tell apart; expected them less their mean"
        }
        return nil
    }

    /// Writes those of some images, where there are some.
    static func write(_ images: LabeledImages, _ range: Range<Int>, to part: String, of file: borrowing HDF5Writer) throws {
        if let pixels = images.masks {
            let size = images.shape.height * images.shape.width
            let column = try file.makeColumn(
                "/\(part)/\(masks)", of: UInt8.self, rowShape: [images.shape.height, images.shape.width], rowsPerChunk: max(1, (1 << 20) / size))
            try column.append(Array(pixels[range.lowerBound * size..<range.upperBound * size]))
            try column.close()
        }
        if let objects = images.boxes {
            let numbers = range.flatMap { image in
                let rows = objects.boxes[image].map { [Float($0.label)] + $0.numbers }
                return (rows + [[Float]](repeating: [-1, 0, 0, 0, 0], count: objects.maximum - rows.count)).flatMap(\.self)
            }
            func write<Element: HDF5Element>(_ values: [Element]) throws {
                let column = try file.makeColumn("/\(part)/\(boxes)", of: Element.self, rowShape: [objects.maximum, boxLength], rowsPerChunk: 1_024)
                try column.append(values)
                try column.close()
            }
            let areWhole = objects.boxes.allSatisfy { $0.allSatisfy(\.isWhole) }
            try areWhole ? write(numbers.map { Int64($0) }) : write(numbers)
        }
        if let sets = images.labelSets {
            let column = try file.makeColumn("/\(part)/\(labelSets)", of: UInt8.self, rowShape: [sets.classCount], rowsPerChunk: 1_024)
            try column.append(Array(sets.values[range.lowerBound * sets.classCount..<range.upperBound * sets.classCount]))
            try column.close()
        }
        if let numbers = images.targets {
            let column = try file.makeColumn("/\(part)/\(targets)", of: Float.self, rowShape: [numbers.count], rowsPerChunk: 1_024)
            try column.append(Array(numbers.values[range.lowerBound * numbers.count..<range.upperBound * numbers.count]))
            try column.close()
        }
    }

    /// A label for each image, where the file has none: the class of its largest box, of equal ones the first; or the class of most pixels that are no
    /// background (class 0) and count; 0 where there is neither. nil without masks and boxes.
    func labels(count: Int, imageSize: Int) -> [Int64]? {
        if let boxes { return boxes.boxes.map { $0.largest.map { Int64($0.label) } ?? 0 } }
        guard let masks else { return nil }
        return (0..<count).map { image in
            var counts = [Int](repeating: 0, count: 256)
            for pixel in masks[image * imageSize..<(image + 1) * imageSize] { counts[Int(pixel)] += 1 }
            let most = counts[1..<255].max() ?? 0
            return most == 0 ? 0 : Int64(counts[1..<255].firstIndex(of: most) ?? 0)
        }
    }

    /// The largest class of a pixel or an object; nil where there is none.
    var largestClass: Int? {
        let ofPixels = masks?.lazy.filter { $0 != LabeledImages.ignored }.max().map { Int($0) }
        return [ofPixels, boxes?.boxes.lazy.joined().map(\.label).max().map { Int($0) }].compactMap(\.self).max()
    }
}
