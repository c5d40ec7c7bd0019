import Configuration
import Foundation
import HDF5
import TensorCore

/// Reads a data set from an HDF5 file.
///
/// The file holds `/train/images`, `[n, channels, height, width]`, of volumes also `[n, channels, depth, height, width]` (or in the order of axes that the source says), of a type that
/// `HDF5ImageArray` takes, and `/train/labels`, `[n]`, integers from 0; the same under `/test`, and under `/val` when it brings its own validation images. The
/// number of classes is `source.classes`, or the root attribute `classes`, or that of the names, or the largest label + 1. The root attribute or dataset
/// `class_names`, a list of texts, names them. Masks, boxes, label sets and targets may stand beside the images (`HDF5Targets`); then there may be no labels, and an
/// image's is that of most of it (`HDF5Targets.labels`), or the first of its set.
///
/// - Throws: `UserError` with the file and the object: `.noInput` for a missing file, `.data` for what is missing in it, damaged or does not fit together.
///
/// - Parameters:
///   - path: of the file, where it was found.
///   - isRecorded: whether a shape that looks like another layout is taken as the source says.
/// - Returns: the images, and sentences about what was converted.
func loadHDF5Images(_ source: HDF5Source, at path: String, isRecorded: Bool = false) throws -> (images: LabeledImages, notes: [String]) {
    let file = try HDF5Reader(path)
    let parts = try ["train", "val", "test"]
        .filter { $0 != "val" || file.exists("/val/images") || file.exists("/val/labels") }
        .map { try HDF5Part($0, of: file, layout: source.layout, isRecorded: isRecorded) }
    let train = parts[0]
    for part in parts.dropFirst() where part.shape != train.shape || part.type != train.type {
        throw UserError(.data, """
            \(path): \(part.images): found \(part.type.rawValue) images of \(part.shape), expected \(train.type.rawValue) of \(train.shape) as in \(train.images)
            """)
    }

    try requireMemory(for: parts, in: file)
    for dataset in parts.flatMap({ [$0.images] + ($0.hasLabels ? [$0.labels] : []) }) where try !file.isWritten(dataset) {
        throw UserError(.data, "\(path): \(dataset): was declared and not wholly written; what is missing would be read as zeros")
    }
    let pixels = try readPixels(of: parts)
    let counts = parts.map(\.count), total = counts.reduce(0, +)
    let targets = try HDF5Targets(parts.map { ($0.name, $0.count) }, of: file, shape: train.shape)
    if let other = parts.first(where: { $0.hasLabels != train.hasLabels }) {
        throw UserError(.data, "\(path): there is no \(train.hasLabels ? other.labels : train.labels), but \(train.hasLabels ? train.labels : other.labels)")
    }
    let isOfSets = !train.hasLabels && targets.masks == nil && targets.boxes == nil
    let derived = train.hasLabels || isOfSets ? nil : targets.labels(count: total, imageSize: train.shape.height * train.shape.width)
    let labels = isOfSets
        ? try targets.labels(of: total, in: file, classes: source.classes)
        : try readLabels(parts.map(\.labels), in: file, classes: source.classes, derived: derived, largest: targets.largestClass)
    let images = LabeledImages(
        name: (path as NSString).lastPathComponent, shape: train.shape, pixels: pixels, labels: labels.values,
        classCount: labels.classCount, classNames: labels.classNames,
        train: 0..<counts[0],
        validation: parts.count == 3 ? counts[0]..<counts[0] + counts[1] : nil,
        test: total - counts[parts.count - 1]..<total, masks: targets.masks, boxes: targets.boxes,
        labelSets: targets.labelSets, targets: targets.targets, hasSetsAlone: isOfSets && targets.labelSets != nil)
    func describe(_ image: Int) -> String {
        let part = image < counts[0] ? 0 : image >= images.test.lowerBound ? parts.count - 1 : 1
        return "/\(parts[part].name)/images at index \(grouped(image - counts[..<part].reduce(0, +)))"
    }
    if let complaint = targets.masks.flatMap({ images.complaint(about: $0, of: describe) }) ?? targets.boxes.flatMap({ images.complaint(about: $0, of: describe) }) {
        throw UserError(.data, "\(path): \(complaint)")
    }
    if let complaint = targets.labelSets.flatMap({ images.complaint(about: $0) }) ?? targets.targets.flatMap({ images.complaint(about: $0) }) {
        throw UserError(.data, "\(path): \(complaint)")
    }
    return (images, train.array.note.map { [$0] } ?? [])
}

/// One of `/train`, `/val` and `/test`, whose datasets have fitting shapes and types.
private struct HDF5Part {
    let name: String
    let images: String
    let labels: String
    /// False where masks or boxes say what is in the images.
    let hasLabels: Bool
    let array: HDF5ImageArray
    var count: Int { array.count }
    var shape: ImageShape { array.shape }
    var type: ElementType { array.type }

    init(_ name: String, of file: HDF5Reader, layout: HDF5Source.Layout?, isRecorded: Bool) throws {
        self.name = name
        images = "/\(name)/images"
        labels = "/\(name)/labels"
        array = try HDF5ImageArray(
            images, of: file, layout: layout, isRecorded: isRecorded,
            remedy: { "say layout: \($0) in data.hdf5 if channels come last, or layout: \($0.channelsFirst) if they do not" })
        let stands = file.exists("/\(name)/masks") || file.exists("/\(name)/boxes") || HDF5Targets.standForLabels(in: name, of: file)
        hasLabels = file.exists(labels) || !stands
        guard hasLabels else { return }
        let labelDimensions = try file.shape(of: labels)
        guard labelDimensions == [count] else {
            throw UserError(.data, "\(file.path): \(labels): found the shape \(labelDimensions), expected [\(count)], one label for each image of \(images)")
        }
        let labelType = try file.elementType(of: labels)
        guard ![.float32, .float64, .otherFloat, .string, .compound, .other].contains(labelType) else {
            throw UserError(.data, "\(file.path): \(labels): found elements of type \(labelType.rawValue), expected integers")
        }
    }
}

/// Checks that the images can be held, before any is read.
///
/// The largest part is in memory three times while it is put among the others, and its labels come with 64 bits.
private func requireMemory(for parts: [HDF5Part], in file: HDF5Reader) throws {
    let counts = parts.map { Double($0.count) }, total = counts.reduce(0, +), largest = counts.max() ?? 0
    let imageSize = Double(parts[0].array.valueSize) * Double(parts[0].shape.height) * Double(parts[0].shape.width) * Double(parts[0].shape.channels)
    try requireMemory(forImages: total, byteCount: (total + 2 * largest) * imageSize + largest * 8, at: "\(file.path): \(parts[0].images)")
}

/// The pixels of all parts, `[images, height, width, channels]`.
private func readPixels(of parts: [HDF5Part]) throws -> LabeledImages.Pixels {
    var bytes: [UInt8] = [], floats: [Float] = []
    for part in parts {
        switch try part.array.read(0..<part.count) {
        case .bytes(let values, _): bytes += values
        case .floats(let values): floats += values
        case .files: break
        }
    }
    return floats.isEmpty ? .bytes(bytes, maximum: 255) : .floats(floats)
}

extension HDF5Targets {
    /// What stands in the place of labels: the first class of each image's set, of images without any the first of all; without sets one class for all.
    fileprivate func labels(of count: Int, in file: HDF5Reader, classes: Int?) throws -> (values: [Int32], classCount: Int, classNames: [String]?) {
        guard let labelSets else { return ([Int32](repeating: 0, count: count), 1, nil) }
        let classCount = labelSets.classCount
        if let classes, classes != classCount {
            throw UserError(.data, "\(file.path): label_sets have \(grouped(classCount)) classes, expected the \(grouped(classes)) of data.hdf5.classes")
        }
        let names = try file.classNames()
        try file.requireNames(names, count: classCount)
        let labels = (0..<count).map { image in Int32((0..<classCount).first { labelSets.has($0, image: image) } ?? 0) }
        return (labels, classCount, names)
    }
}

extension HDF5Reader {
    /// The names of the classes, of the root attribute `class_names` or of the dataset of that name; nil where there is neither.
    fileprivate func classNames() throws -> [String]? {
        try attributeStrings("class_names", of: "/") ?? (exists("/class_names") ? readStrings("/class_names") : nil)
    }

    /// - Throws: `.data` where there are names that are not one for each class, or empty ones.
    fileprivate func requireNames(_ names: [String]?, count: Int) throws {
        guard let names else { return }
        if names.count != count { throw UserError(.data, "\(path): class_names has \(names.count) names, expected \(count), one for each class") }
        if let unnamed = names.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) { throw UserError(.data, "\(path): class_names has an empty name for class \(unnamed)") }
    }
}

/// The labels of all parts, how many classes there are, and their names.
///
/// - Parameters:
///   - derived: those of all parts, where the file has none.
///   - largest: the largest class of masks and boxes.
func readLabels(
    _ datasets: [String], in file: HDF5Reader, classes: Int?, derived: [Int64]? = nil, largest: Int? = nil
) throws -> (values: [Int32], classCount: Int, classNames: [String]?) {
    let labels = try derived.map { [$0] } ?? datasets.map { try file.read($0, as: Int64.self) }
    let classNames = try file.classNames()
    let declared = try classes ?? file.attribute("classes", of: "/", as: Int64.self)?.first.map(Int.init) ?? classNames?.count
    if let declared, !(1...HDF5Source.largestClassCount).contains(declared) {
        throw UserError(.data, "\(file.path): the attribute classes is \(declared), expected 1 to \(HDF5Source.largestClassCount)")
    }
    let limit = declared ?? HDF5Source.largestClassCount
    // Classes of masks and boxes are looked at with these.
    for (dataset, values) in zip(datasets, labels) where derived == nil {
        if let index = values.firstIndex(where: { !(0..<Int64(limit)).contains($0) }) {
            throw UserError(.data, "\(file.path): \(dataset): label \(values[index]) at index \(index), expected 0 to \(limit - 1)")
        }
    }
    let all = labels.joined().map(Int32.init), classCount = declared ?? max(Int(all.max() ?? 0), largest ?? 0, 0) + 1
    if classCount > HDF5Source.largestClassCount {
        throw UserError(.data, "\(file.path): the class \(classCount - 1) in masks or boxes, expected 0 to \(HDF5Source.largestClassCount - 1)")
    }
    try file.requireNames(classNames, count: classCount)
    return (all, classCount, classNames)
}
