import CMatrices
import Configuration
import Foundation
import TensorCore

/// MATLAB 5 files with images `X` `[height, width, channels, n]`, uint8, and their labels `y` `[n, 1]`.
struct MatrixForm: Sendable {
    /// Folders in which the files are looked for, beside one of the data set's name.
    var folderNames: [String] = []
    let train: String
    let test: String
    let shape: ImageShape
    /// The label that stands for the class 0; the others are their classes.
    let labelOfFirst: Int
}

/// A data set of MATLAB files that were found in one folder.
struct MatrixDataset {
    let dataset: NamedDataset
    let directory: String
    private let form: MatrixForm

    /// The first of the places that holds one of the files; it must hold both.
    init(finding dataset: NamedDataset, directory: String?, recordedIn recorded: String? = nil) throws {
        guard case .matrices(let form) = dataset.form else { preconditionFailure("\(dataset.name) has no MATLAB files") }
        let place = try dataset.place(of: [form.train, form.test], in: directory, recordedIn: recorded)
        (self.dataset, self.directory, self.form) = (dataset, place, form)
    }

    private func info(_ file: String, _ name: String) throws -> (info: matrix_info, path: String) {
        let path = ImageFiles.join(directory, file), message = Message(size: Int(MATRIX_MESSAGE))
        // A pipe would wait for its other end.
        _ = try ByteStream(path: path)
        var info = matrix_info()
        guard matrix_read_info(path, name, &info, message.pointer) == 0 else { throw UserError(.data, "\(path): \(message.text)") }
        return (info, path)
    }

    private func images(_ file: String) throws -> (info: matrix_info, path: String, count: Int) {
        let (info, path) = try info(file, "X"), shape = form.shape
        let lengths = [info.lengths.0, info.lengths.1, info.lengths.2, info.lengths.3].prefix(Int(info.rank)).map { Int($0) }
        guard info.kind == MATRIX_UINT8, lengths.count == 4, Array(lengths[..<3]) == [shape.height, shape.width, shape.channels], lengths[3] > 0 else {
            throw UserError(.data, "\(path): X: found the shape \(lengths), expected bytes of [\(shape.height), \(shape.width), \(shape.channels), n]")
        }
        return (info, path, lengths[3])
    }

    /// Counts by what the files say of their arrays.
    func survey() throws -> (trainCount: Int, testCount: Int, shape: ImageShape) {
        (try images(form.train).count, try images(form.test).count, form.shape)
    }

    /// Reads everything.
    func load() throws -> LabeledImages {
        let counts = try survey(), total = counts.trainCount + counts.testCount, shape = form.shape
        // A file's array is in memory twice while it is put in order.
        try requireMemory(
            forImages: Double(total), byteCount: (Double(total) + 2 * Double(max(counts.trainCount, counts.testCount))) * Double(shape.count) + 24 * Double(total),
            at: directory)
        var pixels: [UInt8] = [], labels: [Int32] = []
        pixels.reserveCapacity(total * shape.count)
        for file in [form.train, form.test] {
            let (info, path, count) = try images(file)
            let stored: [UInt8] = try read(path, "X", info, count: count * shape.count)
            for image in 0..<count {
                for row in 0..<shape.height {
                    for column in 0..<shape.width {
                        for channel in 0..<shape.channels {
                            pixels.append(stored[row + shape.height * (column + shape.width * (channel + shape.channels * image))])
                        }
                    }
                }
            }
            labels += try self.labels(file, count: count)
        }
        return LabeledImages(
            name: dataset.name, shape: shape, pixels: .bytes(pixels, maximum: 255), labels: labels, classCount: dataset.classNames.count,
            classNames: dataset.classNames, train: 0..<counts.trainCount, validation: nil, test: counts.trainCount..<total)
    }

    private func labels(_ file: String, count: Int) throws -> [Int32] {
        let (info, path) = try info(file, "y")
        let lengths = [info.lengths.0, info.lengths.1].prefix(Int(info.rank)).map { Int($0) }
        guard info.rank == 2, lengths.contains(1), lengths[0] == count || lengths[1] == count else {
            throw UserError(.data, "\(path): y: found the shape \(lengths), expected [\(count), 1], one label for each image of X")
        }
        let values: [Double]
        switch info.kind {
        case MATRIX_UINT8: values = (try read(path, "y", info, count: count) as [UInt8]).map(Double.init)
        case MATRIX_FLOAT64: values = try read(path, "y", info, count: count)
        default: throw UserError(.data, "\(path): y: found elements of another type, expected uint8 or double")
        }
        return try values.enumerated().map { index, value in
            let label = value == Double(form.labelOfFirst) ? 0 : value
            guard let class_ = Int32(exactly: label), class_ >= 0, class_ < dataset.classNames.count, value != 0 || form.labelOfFirst == 0 else {
                throw UserError(.data, "\(path): y: label \(value) at index \(index), expected 1 to \(form.labelOfFirst)")
            }
            return class_
        }
    }

    private func read<Element: BitwiseCopyable>(_ path: String, _ name: String, _ info: matrix_info, count: Int) throws -> [Element] {
        let message = Message(size: Int(MATRIX_MESSAGE)), info = info
        return try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            let failed = withUnsafePointer(to: info) { matrix_read(path, name, $0, buffer.baseAddress, message.pointer) }
            guard failed == 0 else { throw UserError(.data, "\(path): \(name): \(message.text)") }
            initialized = count
        }
    }
}

extension NamedDataset {
    /// The first of the places of a data set that holds one of its files; it must hold them all.
    ///
    /// - Parameter recorded: a folder where they were found before, which is looked into last.
    func place(of files: [String], in directory: String?, recordedIn recorded: String?) throws -> String {
        let places = IDXDataset.places(of: self, directory: directory) + (recorded.map { [$0] } ?? [])
        func exists(_ name: String, _ place: String) -> Bool { FileManager.default.fileExists(atPath: ImageFiles.join(place, name)) }
        for place in places where files.contains(where: { exists($0, place) }) {
            if let missing = files.first(where: { !exists($0, place) }) {
                throw UserError(.noInput, "\(place): \(missing) is missing; \(name) needs \(files.joined(separator: ", "))")
            }
            return place
        }
        throw UserError(.noInput, "data set \(name) not found: looked for \(files[0]) in \(places.joined(separator: ", ")); \(howToGet)")
    }
}
