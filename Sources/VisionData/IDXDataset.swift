import Configuration
import Foundation
import TensorCore

/// How the IDX files of a data set are called, and what differs in them from MNIST's.
struct IDXForm: Sendable {
    /// Images and labels for training, images and labels for the test.
    var fileNames = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    /// Folders that its archive makes, beside one of the data set's name.
    var folderNames: [String] = []
    /// Whether rows and columns of the images are swapped.
    var isTransposed = false
    /// The label of the first class.
    var firstLabel = 0
}

/// The four files of a data set in MNIST's layout, found in one folder.
struct IDXDataset {
    let dataset: NamedDataset
    let directory: String
    private let form: IDXForm
    private let paths: [String: String]

    /// Where a data set is looked for, in order.
    ///
    /// With a given `directory`: its subfolder of that name, then the folder itself, and nowhere else. Otherwise the folder of that name under
    /// `~/.local/share/datasets`, `/usr/local/share/datasets` and `/usr/share/datasets` (Debian's packages).
    static func places(of dataset: NamedDataset, directory: String?) -> [String] {
        let names = [dataset.name] + dataset.folderNames
        func below(_ folder: String) -> [String] {
            names.map { ((folder as NSString).expandingTildeInPath as NSString).appendingPathComponent($0) }
        }
        if let directory { return below(directory) + [(directory as NSString).expandingTildeInPath] }
        return ["~/.local/share/datasets", "/usr/local/share/datasets", "/usr/share/datasets"].flatMap(below)
    }

    /// The first of the places that holds one of the four files; it must hold them all.
    ///
    /// - Parameter recorded: a folder where they were found before, which is looked into last.
    init(finding dataset: NamedDataset, directory: String?, recordedIn recorded: String? = nil) throws {
        guard case .idx(let form) = dataset.form else { preconditionFailure("\(dataset.name) has no IDX files") }
        let places = Self.places(of: dataset, directory: directory) + (recorded.map { [$0] } ?? [])
        for place in places {
            let found = Self.files(form.fileNames, in: place)
            guard !found.isEmpty else { continue }
            if let missing = form.fileNames.first(where: { found[$0] == nil }) {
                throw UserError(.noInput, "\(place): \(missing) (plain or .gz) is missing; \(dataset.name) needs \(form.fileNames.joined(separator: ", "))")
            }
            (self.dataset, self.directory, self.form, paths) = (dataset, place, form, found)
            return
        }
        throw UserError(.noInput, """
            data set \(dataset.name) not found: looked for \(form.fileNames[0]) (plain or .gz) in \(places.joined(separator: ", ")); \
            \(dataset.howToGet)
            """)
    }

    /// The files present in `folder` by their plain names; a plain file goes before a gzipped one.
    private static func files(_ names: [String], in folder: String) -> [String: String] {
        var found: [String: String] = [:]
        for name in names {
            let plain = (folder as NSString).appendingPathComponent(name)
            found[name] = [plain, plain + ".gz"].first { FileManager.default.fileExists(atPath: $0) }
        }
        return found
    }

    /// One of the two parts with its headers read and compared.
    private struct Part {
        let images: IDXFile
        let labels: IDXFile
        var count: Int { images.dimensions[0] }
        var shape: ImageShape { ImageShape(height: images.dimensions[1], width: images.dimensions[2], channels: 1) }
    }

    private func openPart(images: String, labels: String) throws -> Part {
        guard let imagePath = paths[images], let labelPath = paths[labels] else { preconditionFailure("a data set was made without its files") }
        let part = try Part(images: IDXFile(path: imagePath, rank: 3), labels: IDXFile(path: labelPath, rank: 1))
        guard part.labels.dimensions[0] == part.count else {
            throw UserError(.data, "\(labelPath): found \(part.labels.dimensions[0]) labels, expected \(part.count), one for each image of \(imagePath)")
        }
        return part
    }

    private func open() throws -> (train: Part, test: Part) {
        let train = try openPart(images: form.fileNames[0], labels: form.fileNames[1])
        let test = try openPart(images: form.fileNames[2], labels: form.fileNames[3])
        guard test.shape == train.shape else {
            throw UserError(.data, "\(test.images.stream.name): found images of \(test.shape), expected \(train.shape) as in \(train.images.stream.name)")
        }
        if form.isTransposed, train.shape.height != train.shape.width {
            throw UserError(.data, "\(train.images.stream.name): found images of \(train.shape), expected as many rows as columns")
        }
        return (train, test)
    }

    /// Counts and shape from the headers alone.
    func survey() throws -> (trainCount: Int, testCount: Int, shape: ImageShape) {
        let parts = try open()
        return (parts.train.count, parts.test.count, parts.train.shape)
    }

    /// Reads everything; the two image files are decompressed at the same time.
    func load() throws -> LabeledImages {
        let (train, test) = try open()
        let shape = train.shape, imageCount = Double(train.count) + Double(test.count)
        // Labels are read as bytes and kept as Int32.
        try requireMemory(
            forImages: imageCount, byteCount: imageCount * (Double(shape.height) * Double(shape.width) + 9), at: train.images.stream.name)
        let trainByteCount = train.count * shape.count
        let byteCount = trainByteCount + test.count * shape.count
        let pixels = try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            let bytes = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<byteCount]))
            try Self.readTogether([
                (train.images, UnsafeMutableRawBufferPointer(rebasing: bytes[..<trainByteCount])),
                (test.images, UnsafeMutableRawBufferPointer(rebasing: bytes[trainByteCount...])),
            ])
            if form.isTransposed {
                for start in stride(from: 0, to: byteCount, by: shape.count) { Self.transpose(UnsafeMutableBufferPointer(rebasing: buffer[start..<start + shape.count]), shape) }
            }
            initialized = byteCount
        }
        let labels = try readLabels(train.labels) + readLabels(test.labels)
        return LabeledImages(
            name: dataset.name, shape: shape, pixels: .bytes(pixels, maximum: 255), labels: labels,
            classCount: dataset.classNames.count, classNames: dataset.classNames,
            train: 0..<train.count, validation: nil, test: train.count..<train.count + test.count)
    }

    private func readLabels(_ file: IDXFile) throws -> [Int32] {
        let labels = try file.readElements(), expected = form.firstLabel...form.firstLabel + dataset.classNames.count - 1
        if let index = labels.firstIndex(where: { !expected.contains(Int($0)) }) {
            throw UserError(.data, "\(file.stream.name): label \(labels[index]) at index \(index), expected \(expected.lowerBound) to \(expected.upperBound)")
        }
        return labels.map { Int32($0) - Int32(form.firstLabel) }
    }

    /// Swaps rows and columns of a square image.
    private static func transpose(_ image: UnsafeMutableBufferPointer<UInt8>, _ shape: ImageShape) {
        precondition(shape.height == shape.width && shape.channels == 1, "square images of one channel are turned")
        for row in 0..<shape.height { for column in 0..<row { image.swapAt(row * shape.width + column, column * shape.width + row) } }
    }

    /// Reads several files into their buffers, each on a thread of its own; the first file's error goes before the others'.
    private static func readTogether(_ jobs: [(file: IDXFile, buffer: UnsafeMutableRawBufferPointer)]) throws {
        // Each iteration touches only its own file, buffer and element of `failures`, and all have ended before any is read here.
        nonisolated(unsafe) let jobs = jobs
        nonisolated(unsafe) let failures = UnsafeMutableBufferPointer<(any Error)?>.allocate(capacity: jobs.count)
        failures.initialize(repeating: nil)
        defer {
            failures.deinitialize()
            failures.deallocate()
        }
        SystemThread.forEach(below: jobs.count) { index in
            do { try jobs[index].file.readElements(into: jobs[index].buffer) } catch { failures[index] = error }
        }
        for failure in failures { if let failure { throw failure } }
    }
}
