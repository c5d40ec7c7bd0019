import Checksums
import Configuration
import HDF5
import Measures

/// A weights file, open for reading: this program's, any HDF5 file with `/parameters`, or a safetensors file.
///
/// Its arrays are read one at a time, into memory that the caller has. The numbers with which PyTorch counts the batches of a batch norm
/// (`num_batches_tracked`) are apart from them (`counts`).
public final class WeightsReader {
    /// An array of the file.
    public struct Entry: Sendable, Equatable {
        /// Dotted, such as `blocks.0.attn.qkv.weight`.
        public let name: String
        /// The lengths of the axes.
        public let shape: [Int]
        /// Inside the file: a dataset's path, or a tensor's name.
        let dataset: String

        /// How many numbers it has.
        public var count: Int { shape.reduce(1, *) }
    }

    /// The file's path.
    public let path: String
    /// In the order of the file.
    public let parameters: [Entry]
    /// Running statistics; none when the file has no `/buffers`. A safetensors file does not tell them from parameters but by their names.
    public let buffers: [Entry]
    /// How many batches batch norms have seen, by name; whole numbers that evaluation does not need.
    public let counts: [String: Int64]
    /// The optimizer's arrays by their slot; none in `best.h5` and in published weights.
    public let optimizer: [(slot: String, arrays: [Entry])]
    /// The averages of the weights that a training keeps; none but in its checkpoints and in `last.h5`.
    public let averages: [(name: String, parameters: [Entry], buffers: [Entry])]
    /// What the file says beside the tensors.
    public let notes: WeightsNotes
    private let file: Storage

    private enum Storage {
        case hdf5(HDF5Reader)
        case safetensors(SafetensorsReader, [String: SafetensorsTensor])
    }

    /// Opens a file, and checks its digest if it is sealed.
    ///
    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there.
    public convenience init(_ path: String) throws {
        switch try WeightsContainer(of: path) {
        case .hdf5: try self.init(path, try Seal.state(of: path))
        case .safetensors: try self.init(SafetensorsReader(path))
        }
    }

    /// Opens a file that has to be sealed.
    convenience init(sealed path: String) throws {
        let seal = try Seal.state(of: path)
        guard seal == .whole else { throw UserError(.data, "\(path): is damaged: it has no digest of its content") }
        try self.init(path, seal)
    }

    private init(_ path: String, _ seal: Seal.State) throws {
        let file = try HDF5Reader(path, isKnownWhole: seal == .whole, isAlone: true)
        guard file.exists("/parameters") else { throw file.error("is not a weights file (it has no /parameters)") }
        let version = try file.attribute("format_version", of: "/", as: Int64.self)?.first ?? 0
        guard version <= weightsFormatVersion else {
            throw file.error("has format \(version), which is newer than this program's \(weightsFormatVersion)")
        }
        guard version < 2 || seal == .whole else { throw file.error("is damaged: it has no digest of its content") }
        self.path = path
        self.file = .hdf5(file)
        parameters = try Self.arrays(under: "/parameters", file).filter { !$0.isCount }
        let stored = try Self.arrays(under: "/buffers", file)
        buffers = stored.filter { !$0.isCount }
        // What was never written reads as zeros.
        for array in parameters + buffers where try seal != .whole && !file.isWritten(array.dataset) {
            throw file.error("\(array.name) was declared and not wholly written: its values are missing")
        }
        counts = try Self.counts(stored) { entry in
            let isInteger = try ![.float32, .float64, .otherFloat].contains(file.elementType(of: entry.dataset))
            return isInteger && entry.count == 1 ? try file.read(entry.dataset, as: Int64.self).first : nil
        }
        let slots = file.exists("/optimizer") ? try file.children(of: "/optimizer") : []
        optimizer = try slots.filter { try file.kind(of: "/optimizer/\($0)") == .group }.map { ($0, try Self.arrays(under: "/optimizer/\($0)", file)) }
        let names = file.exists(Self.averagesGroup) ? try file.children(of: Self.averagesGroup) : []
        averages = try names.map { name in
            let group = "\(Self.averagesGroup)/\(name)"
            return (name, try Self.arrays(under: "\(group)/parameters", file), try Self.arrays(under: "\(group)/buffers", file))
        }
        var progress: [String: WeightsScalar] = [:]
        for name in file.exists("/progress") ? try file.children(of: "/progress") : [] {
            progress[name] = try Self.scalar("/progress/\(name)", file)
        }
        notes = WeightsNotes(
            progress: progress, data: try DataDescription(from: file),
            logDigest: file.exists("/log/sha256") ? try file.readString("/log/sha256") : nil)
    }

    private init(_ file: SafetensorsReader) throws {
        path = file.path
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
        self.file = .safetensors(file, tensors)
        let entries = file.tensors.map { Entry(name: $0.name, shape: $0.shape, dataset: $0.name) }
        parameters = entries.filter { !$0.isCount && !$0.isStatistic }
        buffers = entries.filter(\.isStatistic)
        counts = try Self.counts(entries) { try tensors[$0.dataset].flatMap(file.integer) }
        (optimizer, averages) = ([], [])
        notes = WeightsNotes()
    }

    /// The counts among arrays; 0 for one that is no single whole number.
    private static func counts(_ entries: [Entry], _ value: (Entry) throws -> Int64?) rethrows -> [String: Int64] {
        Dictionary(try entries.filter(\.isCount).map { ($0.name, try value($0) ?? 0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Reads an array of this file.
    ///
    /// - Parameter target: as many numbers as the array has.
    public func read(_ array: Entry, into target: UnsafeMutableBufferPointer<Float>) throws {
        switch file {
        case .hdf5(let file): try file.read(array.dataset, into: target)
        case .safetensors(let file, let tensors): try file.read(tensors[array.dataset]!, into: target)
        }
    }

    /// Checks that an array holds finite floating-point numbers.
    ///
    /// - Throws: `.data` with its name and what it holds instead.
    public func checkNumbers(of array: Entry) throws {
        // A safetensors file can hold more numbers than memory does.
        var pieceCount = 1 << 18
        if case .hdf5(let file) = file {
            switch try file.elementType(of: array.dataset) {
            case .float32, .float64, .otherFloat: pieceCount = max(array.count, 1)
            case let type: throw UserError(.data, "\(path): \(array.name) holds \(type.rawValue), expected floating-point numbers")
            }
        }
        let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(array.count, pieceCount))
        defer { scratch.deallocate() }
        for start in stride(from: 0, to: array.count, by: pieceCount) {
            let values = UnsafeMutableBufferPointer(rebasing: scratch[..<min(pieceCount, array.count - start)])
            switch file {
            case .hdf5: try read(array, into: values)
            case .safetensors(let file, let tensors): try file.read(tensors[array.dataset]!, from: start, into: values)
            }
            // A plain loop, which is run for every number of a network.
            var place = 0
            while place < values.count, values[place].isFinite { place += 1 }
            guard place < values.count else { continue }
            throw UserError(
                .data, "\(path): \(array.name) holds \(values[place]) at place \(grouped(start + place)), expected finite numbers")
        }
    }

    /// Where the averages of a training lie in its checkpoints.
    public static let averagesGroup = "/averages"

    /// The first of the parameters and buffers that are not as `record` has them, by name; nil when all agree.
    ///
    /// - Parameters:
    ///   - tensors: the names that go with the record's checksums.
    ///   - average: which average of the weights the file holds; nil: the weights themselves.
    public func firstDifference(from record: DigestRecord, tensors: [String], of average: WeightAverage? = nil) throws -> String? {
        let stored = Dictionary((parameters + buffers).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: stored.values.map(\.count).max() ?? 0)
        defer { scratch.deallocate() }
        for (tensor, checksum) in zip(tensors, record.checksums) {
            let parts = tensor.split(separator: "/", maxSplits: 1)
            guard parts.count == (average == nil ? 1 : 2), average.map({ parts[0] == $0.rawValue }) ?? true else { continue }
            let name = String(parts[parts.count - 1])
            guard let array = stored[name] else { return name }
            let values = UnsafeMutableBufferPointer(rebasing: scratch[..<array.count])
            try read(array, into: values)
            if TensorChecksum.whole(UnsafeBufferPointer(values)) != checksum { return name }
        }
        return nil
    }

    /// More parts than any module path has: groups that hold themselves would be followed for ever.
    private static let deepestName = 64

    /// The datasets below a group with their dotted names, in the order of the file; none when the group is missing.
    private static func arrays(under group: String, prefix: String = "", depth: Int = 0, _ file: HDF5Reader) throws -> [Entry] {
        guard file.exists(group) else { return [] }
        guard depth <= deepestName else { throw file.error("has groups within groups more than \(deepestName) deep, as one that holds itself") }
        return try file.children(of: group).flatMap { child -> [Entry] in
            let path = "\(group)/\(child)"
            if try file.kind(of: path) == .group { return try arrays(under: path, prefix: "\(prefix)\(child).", depth: depth + 1, file) }
            return [Entry(name: prefix + child, shape: try file.shape(of: path), dataset: path)]
        }
    }

    private static func scalar(_ path: String, _ file: HDF5Reader) throws -> WeightsScalar {
        guard try file.shape(of: path).isEmpty else { throw file.error("\(path) has rows, expected a single number") }
        switch try file.elementType(of: path) {
        case .float32, .float64: return .real(try file.read(path, as: Double.self)[0])
        default: return .integer(Int(try file.read(path, as: Int64.self)[0]))
        }
    }
}

extension WeightsReader.Entry {
    private var lastPart: Substring { name[(name.lastIndex(of: ".").map(name.index(after:)) ?? name.startIndex)...] }
    fileprivate var isCount: Bool { lastPart == batchCountName }
    fileprivate var isStatistic: Bool { lastPart == "running_mean" || lastPart == "running_var" }
}

/// What PyTorch calls the number of batches that a batch norm has seen.
public let batchCountName = "num_batches_tracked"
