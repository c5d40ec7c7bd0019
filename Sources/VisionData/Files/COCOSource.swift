import Configuration
import Foundation
import TensorCore

/// `coco: FOLDER`, or `coco: {path: FOLDER, train: annotations/instances_train2017.json, train_images: train2017, size: 128}`: image files with the boxes, and
/// where `masks` says so the masks, of COCO's JSON files.
public struct COCOSource: Configurable {
    /// As it is written: relative to the file that says it.
    public var path: String
    /// The JSON file of the training images, and the folder of its image files, in the folder.
    public var train = "annotations/instances_train2017.json", trainImages = "train2017"
    /// Those of the test images.
    public var test = "annotations/instances_val2017.json", testImages = "val2017"
    /// The side to which images are stretched, in pixels.
    public var size = 256
    /// How many boxes an image has at most.
    public var most = 100
    /// Whether the regions of objects are read as classes of pixels.
    public var hasMasks = false

    /// A folder.
    public init(path: String) { self.path = path }

    /// No folder yet.
    public init() { self.init(path: "") }

    public static let options: [Key<COCOSource>] = [
        .required("path", \.path, .text, missing: "expected a path", "The folder, relative to the file that says it."),
        Key("train", \.train, .text, "The JSON file of the training images, in the folder."),
        Key("train_images", \.trainImages, .text, "The folder of the training images, in the folder."),
        Key("test", \.test, .text, "The JSON file of the test images, in the folder."),
        Key("test_images", \.testImages, .text, "The folder of the test images, in the folder."),
        Key("size", \.size, .integer(in: 8...2_048), "The side to which images are stretched, in pixels."),
        Key("most", \.most, .integer(in: 1...10_000), "How many boxes an image has at most; more are an error."),
        Key("masks", \.hasMasks, .flag, "Whether the polygons and runs of objects are read as the class of each pixel; then class 0 is the background, before the categories."),
    ]
}

/// What is read of a JSON file of COCO's: images, categories and boxes.
private struct COCOFile: Decodable {
    struct Image: Decodable {
        let id: Whole, fileName: String
        /// In pixels, those that boxes are of; nil where the file does not say it.
        let width, height: Whole?

        enum CodingKeys: String, CodingKey {
            case id, width, height
            case fileName = "file_name"
        }
    }
    struct Category: Decodable { let id: Whole, name: String }
    struct Annotation: Decodable {
        let imageID: Whole, categoryID: Whole, bbox: [Double], isCrowd: Whole?, segmentation: COCOMask?

        enum CodingKeys: String, CodingKey {
            case bbox, segmentation
            case imageID = "image_id"
            case categoryID = "category_id"
            case isCrowd = "iscrowd"
        }
    }

    /// A number of any form that is whole: the decoder's own error about another one has no place.
    struct Whole: Decodable, Hashable {
        let value: Int

        init(from decoder: any Decoder) throws {
            let number = try decoder.singleValueContainer().decode(Double.self)
            guard let value = Int(exactly: number) else {
                throw DecodingError.typeMismatch(Int.self, DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "\(number)"))
            }
            self.value = value
        }
    }

    let images: [Image], categories: [Category], annotations: [Annotation]

    /// - Throws: `.noInput` when the file is not there, `.data` with the place when it is no such JSON, or ends too early.
    static func read(_ path: String, segmentations: Bool) throws -> COCOFile {
        guard let bytes = FileManager.default.contents(atPath: path) else { throw UserError(.noInput, at: "data.coco", "there is no file \(path)") }
        let decoder = JSONDecoder()
        decoder.userInfo[COCOMask.isWanted] = segmentations
        do { return try decoder.decode(COCOFile.self, from: bytes) } catch let error as DecodingError {
            func place(_ context: DecodingError.Context, _ key: String? = nil) -> String {
                let steps = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" } + (key.map { [".\($0)"] } ?? [])
                return steps.isEmpty ? "the whole" : String(steps.joined().trimmingPrefix("."))
            }
            func kind(_ type: Any.Type) -> String {
                switch type {
                case is Int.Type: "a whole number that fits 64 bits"
                case is Double.Type: "a number"
                case is String.Type: "a text"
                case is [Double].Type, is [Any].Type: "a list"
                default: "a map"
                }
            }
            let sentence = switch error {
            case .keyNotFound(let key, let context): "\(place(context, key.stringValue)) is missing"
            case .typeMismatch(let type, let context): "\(place(context)): expected \(kind(type))"
            case .valueNotFound(_, let context): "\(place(context)) is null"
            case .dataCorrupted: "is no JSON, or ends too early"
            @unknown default: "cannot be read"
            }
            throw UserError(.data, "\(path): \(sentence)")
        }
    }
}

/// Reads images and boxes of two JSON files of COCO's, for training and for the test, with the image files that they name.
///
/// Images are decoded in three colours and stretched to `size`×`size` bytes, kept in memory. Classes are the categories of the training file by ascending number;
/// an image's label is the class of its largest box, the first class where it has none. Boxes go with their images, rounded outwards to whole pixels and cut at the
/// image's border. Left out, and counted in a sentence: regions of crowds (`iscrowd: 1`), and boxes of no width or height, of which COCO has some, or outside
/// their images.
///
/// With `masks`, class 0 is the background and comes before the categories. A pixel has the class of the object that it lies in; one that lies in objects of two classes,
/// or in a crowd, does not count (255). Masks are drawn in the image's own size, as pycocotools draws them, and come to `size` by the nearest pixel.
///
/// - Parameters:
///   - path: of the folder.
///   - onProblem: is told what is wrong with an image or an annotation, which is then left out; nil: it is thrown.
/// - Throws: `UserError` with the file and the record.
func loadCOCOImages(_ source: COCOSource, at path: String, onProblem: ((UserError) -> Void)? = nil) throws -> (images: LabeledImages, notes: [String]) {
    func report(_ error: UserError) throws {
        guard let onProblem else { throw error }
        onProblem(error)
    }
    let side = source.size, shape = ImageShape(height: side, width: side, channels: 3)
    let parts = [(source.train, source.trainImages), (source.test, source.testImages)].map { (json: ImageFiles.join(path, $0), folder: ImageFiles.join(path, $1)) }
    let files = try parts.map { try COCOFile.read($0.json, segmentations: source.hasMasks) }, categories = files[0].categories.sorted { $0.id.value < $1.id.value }
    let first = source.hasMasks ? 1 : 0
    let numbers = Dictionary(categories.enumerated().map { ($1.id, $0 + first) }, uniquingKeysWith: { first, _ in first })
    if source.hasMasks, categories.count + 1 > LabeledImages.ignored {
        throw UserError(.data, "\(parts[0].json): categories: found \(grouped(categories.count)), expected at most \(LabeledImages.ignored - 1) with masks of bytes")
    }
    if numbers.count != categories.count || categories.isEmpty {
        throw UserError(.data, "\(parts[0].json): categories: found \(categories.isEmpty ? "none" : "two of one id"), expected each once")
    }
    let total = files.reduce(0) { $0 + $1.images.count }
    try requireMemory(forImages: Double(total), byteCount: Double(total) * Double(shape.count), at: path)
    if let twice = Dictionary(grouping: categories, by: \.name).values.filter({ $0.count > 1 }).map({ $0[0].name }).min() {
        throw UserError(.data, "\(parts[0].json): categories: two are called '\(twice.shortened())', expected a name of its own for each")
    }
    for (place, category) in files[0].categories.enumerated() where category.name.isNoLine {
        throw UserError(.data, "\(parts[0].json): categories[\(place)].name: found '\(category.name.visibleOnOneLine)', expected a name on one line")
    }
    // The test's classes are those of the training; what the test's file calls otherwise would be another class under its number.
    let names = Dictionary(categories.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
    for (place, category) in files[1].categories.enumerated() {
        guard let name = names[category.id], name != category.name else { continue }
        throw UserError(
            .data, "\(parts[1].json): categories[\(place)]: \(category.id.value) is called '\(category.name.visibleOnOneLine.shortened())', expected '\(name.shortened())' as in \(parts[0].json)")
    }
    var counts: [Int] = []
    var pixels: [UInt8] = [], boxes: [[InstanceBox]] = [], labels: [Int32] = [], masks: [UInt8]? = source.hasMasks ? [] : nil, crowds = 0, empty = 0
    pixels.reserveCapacity(total * shape.count)
    for (part, file) in zip(parts, files) {
        if file.images.isEmpty { throw UserError(.data, "\(part.json): images: found none, expected at least one") }
        let places = Dictionary(file.images.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        if places.count != file.images.count { throw UserError(.data, "\(part.json): images: found two of one id, expected each once") }
        var found = [[(row: Int, annotation: COCOFile.Annotation)]](repeating: [], count: file.images.count)
        for (row, annotation) in file.annotations.enumerated() {
            let record = "\(part.json): annotations[\(row)]"
            guard let place = places[annotation.imageID] else {
                try report(UserError(.data, "\(record): image_id \(annotation.imageID.value) is none of the images"))
                continue
            }
            guard numbers[annotation.categoryID] != nil else {
                try report(UserError(.data, "\(record): category_id \(annotation.categoryID.value) is none of the categories"))
                continue
            }
            guard annotation.bbox.count == 4, annotation.bbox.allSatisfy(\.isFinite), annotation.bbox[2] >= 0, annotation.bbox[3] >= 0 else {
                try report(UserError(.data, "\(record): found the bbox \(annotation.bbox), expected x, y, and a width and a height from 0"))
                continue
            }
            if annotation.isCrowd?.value == 1 { crowds += 1 }
            found[place].append((row, annotation))
        }
        let before = labels.count
        for (place, (image, records)) in zip(file.images, found).enumerated() {
            let annotations = records.map(\.annotation).filter { $0.isCrowd?.value != 1 }
            let imagePath = ImageFiles.join(part.folder, image.fileName)
            guard !image.fileName.leavesItsFolder else {
                try report(UserError(.data, "\(part.json): images[\(place)].file_name: found '\(image.fileName.visibleOnOneLine)', expected a file in \(part.folder)"))
                continue
            }
            guard let bytes = FileManager.default.contents(atPath: imagePath) else {
                try report(UserError(.noInput, "\(part.json): there is no file \(imagePath), which it names"))
                continue
            }
            let decoded: DecodedImage
            do { decoded = try DecodedImage([UInt8](bytes), path: imagePath, ImageDecoding()) } catch let error as UserError where error.kind != .internal {
                try report(error)
                continue
            }
            let said = Size2D(image.height?.value ?? decoded.size.height, image.width?.value ?? decoded.size.width)
            guard said == decoded.size else {
                try report(UserError(.data, "\(part.json): images[\(place)]: says \(said) pixels, found \(decoded.size) in \(imagePath)"))
                continue
            }
            pixels += try decoded.values(Size2D(side, side)).map { UInt8($0.rounded()) }
            if masks != nil {
                var mask = [UInt8](repeating: 0, count: decoded.size.height * decoded.size.width)
                for (row, annotation) in records {
                    guard let inside = annotation.segmentation?.pixels(height: decoded.size.height, width: decoded.size.width) else {
                        try report(UserError(
                            .data, "\(part.json): annotations[\(row)]: segmentation: expected polygons of at least three corners, or runs that fill the image of \(decoded.size)"))
                        continue
                    }
                    let label = annotation.isCrowd?.value == 1 ? LabeledImages.ignored : UInt8(numbers[annotation.categoryID] ?? 0)
                    for place in mask.indices where inside[place] { mask[place] = mask[place] == 0 || mask[place] == label ? label : LabeledImages.ignored }
                }
                masks! += (0..<side * side).map { place in
                    mask[(2 * (place / side) + 1) * decoded.size.height / (2 * side) * decoded.size.width + (2 * (place % side) + 1) * decoded.size.width / (2 * side)]
                }
            }
            let own = annotations.compactMap { annotation in
                InstanceBox(annotation.bbox, of: decoded.size, stretchedTo: side, label: Int32(numbers[annotation.categoryID] ?? 0))
            }
            empty += annotations.count - own.count
            if own.count > source.most {
                try report(UserError(.data, "\(part.json): the image \(image.fileName) has \(grouped(own.count)) boxes, expected at most the \(grouped(source.most)) of data.coco.most"))
            }
            labels.append(own.largest?.label ?? 0)
            boxes.append(Array(own.prefix(source.most)))
        }
        counts.append(labels.count - before)
    }
    let images = try LabeledImages(
        (path as NSString).lastPathComponent, shape: shape, pixels: .bytes(pixels, maximum: 255), labels: labels, classNames: (source.hasMasks ? ["background"] : []) + categories.map(\.name),
        testCount: counts[1], masks: masks, boxes: InstanceBoxes(maximum: source.most, boxes))
    let notes = [
        crowds > 0 ? "\(path): regions of crowds that are left out: \(grouped(crowds))" : nil,
        empty > 0 ? "\(path): boxes of no width or height, or outside their images, that are left out: \(grouped(empty))" : nil,
    ]
    return (images, notes.compactMap(\.self))
}

extension String {
    /// Whether it is empty, or would break a line of text.
    fileprivate var isNoLine: Bool { allSatisfy(\.isWhitespace) || visibleOnOneLine != self }

    /// Whether a path leads out of the folder in which it begins, or is none.
    fileprivate var leavesItsFolder: Bool { isNoLine || hasPrefix("/") || split(separator: "/").contains("..") }
}

extension InstanceBox {
    /// x, y, width and height in an image, in one that is stretched to a square; nil where nothing of it is left.
    fileprivate init?(_ numbers: [Double], of size: Size2D, stretchedTo side: Int, label: Int32) {
        func edges(_ first: Double, _ length: Double, _ whole: Int) -> Range<Int>? {
            let scale = Double(side) / Double(whole), low = max(0, first) * scale, high = min(Double(whole), first + length) * scale
            return low < high ? Int(low.rounded(.down))..<Int(min(Double(side), high.rounded(.up))) : nil
        }
        guard let x = edges(numbers[0], numbers[2], size.width), let y = edges(numbers[1], numbers[3], size.height) else { return nil }
        self.init(label: label, x: Float(x.lowerBound), y: Float(y.lowerBound), width: Float(x.count), height: Float(y.count))
    }
}
