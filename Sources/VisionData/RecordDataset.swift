import Configuration
import Foundation
import TensorCore

/// Files in which images follow one another, each as long as the others, with their labels before them or in a file of their own.
struct RecordForm: Sendable {
    /// Folders that the archive makes.
    let folderNames: [String]
    /// Files of images for training, and for the test.
    let train: [String]
    let test: [String]
    /// Files of labels beside them; empty where a label is part of a record.
    var trainLabels: [String] = []
    var testLabels: [String] = []
    /// Bytes before an image, and which of them is its label.
    var prefix = (count: 1, label: 0)
    /// Of the first class.
    var firstLabel = 0
    /// Each channel's plane after the other; in a plane rows after one another, or columns.
    let shape: ImageShape
    var hasColumnsFirst = false
    /// A file of another form of the same data, and what to say of it.
    var otherForm: (file: String, sentence: String)?

    static let cifar10 = RecordForm(
        folderNames: ["cifar-10-batches-bin"], train: (1...5).map { "data_batch_\($0).bin" }, test: ["test_batch.bin"],
        shape: ImageShape(height: 32, width: 32, channels: 3),
        otherForm: ("data_batch_1", "is the form for Python, which is not read, since unpickling runs what a file says; fetch cifar-10-binary.tar.gz"))
    static let cifar100 = RecordForm(
        folderNames: ["cifar-100-binary"], train: ["train.bin"], test: ["test.bin"], prefix: (2, 1),
        shape: ImageShape(height: 32, width: 32, channels: 3),
        otherForm: ("train", "is the form for Python, which is not read, since unpickling runs what a file says; fetch cifar-100-binary.tar.gz"))
    static let stl10 = RecordForm(
        folderNames: ["stl10_binary"], train: ["train_X.bin"], test: ["test_X.bin"], trainLabels: ["train_y.bin"], testLabels: ["test_y.bin"], prefix: (0, 0),
        firstLabel: 1, shape: ImageShape(height: 96, width: 96, channels: 3), hasColumnsFirst: true)

    /// In the order of their fine labels.
    static let cifar100ClassNames = [
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy", "bridge", "bus", "butterfly",
        "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
        "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
        "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
        "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
        "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
        "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
        "willow_tree", "wolf", "woman", "worm",
    ]
}

/// A data set of records whose files were found in one folder.
struct RecordDataset {
    let dataset: NamedDataset
    let directory: String
    private let form: RecordForm

    /// The first of the places that holds one of the files; it must hold them all.
    init(finding dataset: NamedDataset, directory: String?, recordedIn recorded: String? = nil) throws {
        guard case .records(let form) = dataset.form else { preconditionFailure("\(dataset.name) has no files of records") }
        (self.dataset, self.form) = (dataset, form)
        do {
            self.directory = try dataset.place(of: form.train + form.trainLabels + form.test + form.testLabels, in: directory, recordedIn: recorded)
        } catch {
            let places = IDXDataset.places(of: dataset, directory: directory)
            if let other = form.otherForm, let path = places.map({ ImageFiles.join($0, other.file) }).first(where: FileManager.default.fileExists) {
                throw UserError(.data, "\(path): \(other.sentence)")
            }
            throw error
        }
    }

    private var recordLength: Int { form.prefix.count + form.shape.count }

    /// How many records a file has, by its length.
    private func count(of name: String) throws -> Int {
        let path = ImageFiles.join(directory, name), stream = try ByteStream(path: path), length = stream.storedByteCount
        guard length > 0, length.isMultiple(of: recordLength) else {
            throw UserError(.data, "\(path): has \(grouped(length)) bytes, expected a multiple of \(grouped(recordLength)), the length of an image\(form.prefix.count > 0 ? " with its label" : "")")
        }
        return length / recordLength
    }

    /// Counts by the files' lengths.
    func survey() throws -> (trainCount: Int, testCount: Int, shape: ImageShape) {
        (try form.train.reduce(0) { try $0 + count(of: $1) }, try form.test.reduce(0) { try $0 + count(of: $1) }, form.shape)
    }

    /// Reads everything.
    func load() throws -> LabeledImages {
        let counts = try survey(), total = counts.trainCount + counts.testCount, shape = form.shape
        try requireMemory(forImages: Double(total), byteCount: Double(total) * Double(shape.count + 8), at: directory)
        var pixels: [UInt8] = [], labels: [Int32] = []
        pixels.reserveCapacity(total * shape.count)
        for (images, labelFiles) in [(form.train, form.trainLabels), (form.test, form.testLabels)] {
            for (index, name) in images.enumerated() {
                let path = ImageFiles.join(directory, name), imageCount = try count(of: name), stream = try ByteStream(path: path)
                for image in 0..<imageCount {
                    let record = try stream.read(count: recordLength, expecting: "\(imageCount * recordLength) bytes")
                    if form.prefix.count > 0 { labels.append(try label(record[form.prefix.label], path, image)) }
                    append(record[form.prefix.count...], to: &pixels)
                }
                guard labelFiles.indices.contains(index) else { continue }
                let labelPath = ImageFiles.join(directory, labelFiles[index]), labelStream = try ByteStream(path: labelPath)
                guard labelStream.storedByteCount == imageCount else {
                    throw UserError(.data, "\(labelPath): has \(grouped(labelStream.storedByteCount)) labels, expected \(grouped(imageCount)), one for each image of \(path)")
                }
                for (place, value) in try labelStream.read(count: imageCount, expecting: "\(imageCount) bytes").enumerated() {
                    labels.append(try label(value, labelPath, place))
                }
            }
        }
        return LabeledImages(
            name: dataset.name, shape: shape, pixels: .bytes(pixels, maximum: 255), labels: labels, classCount: dataset.classNames.count,
            classNames: dataset.classNames, train: 0..<counts.trainCount, validation: nil, test: counts.trainCount..<total)
    }

    private func label(_ value: UInt8, _ path: String, _ index: Int) throws -> Int32 {
        let label = Int32(value) - Int32(form.firstLabel)
        guard label >= 0, label < dataset.classNames.count else {
            throw UserError(.data, "\(path): label \(value) at index \(index), expected \(form.firstLabel) to \(form.firstLabel + dataset.classNames.count - 1)")
        }
        return label
    }

    /// Planes → pixels with their channels together.
    private func append(_ planes: ArraySlice<UInt8>, to pixels: inout [UInt8]) {
        let height = form.shape.height, width = form.shape.width, area = height * width
        planes.withUnsafeBufferPointer { planes in
            for row in 0..<height {
                for column in 0..<width {
                    let place = form.hasColumnsFirst ? column * height + row : row * width + column
                    for channel in 0..<form.shape.channels { pixels.append(planes[channel * area + place]) }
                }
            }
        }
    }
}

/// A named data set whose files were found.
enum FoundDataset {
    case idx(IDXDataset)
    case records(RecordDataset)
    case matrices(MatrixDataset)

    var directory: String {
        switch self {
        case .idx(let files): files.directory
        case .records(let files): files.directory
        case .matrices(let files): files.directory
        }
    }

    func survey() throws -> (trainCount: Int, testCount: Int, shape: ImageShape) {
        switch self {
        case .idx(let files): try files.survey()
        case .records(let files): try files.survey()
        case .matrices(let files): try files.survey()
        }
    }

    func load() throws -> LabeledImages {
        switch self {
        case .idx(let files): try files.load()
        case .records(let files): try files.load()
        case .matrices(let files): try files.load()
        }
    }
}

extension NamedDataset {
    /// Finds the files of a data set that comes in files.
    ///
    /// - Parameter recorded: a folder where they were found before, which is looked into last.
    func find(in directory: String?, recordedIn recorded: String? = nil) throws -> FoundDataset {
        switch form {
        case .idx: .idx(try IDXDataset(finding: self, directory: directory, recordedIn: recorded))
        case .records: .records(try RecordDataset(finding: self, directory: directory, recordedIn: recorded))
        case .matrices: .matrices(try MatrixDataset(finding: self, directory: directory, recordedIn: recorded))
        }
    }
}
