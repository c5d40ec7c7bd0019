import Checksums
import Configuration
import HDF5

/// A weights file, open for reading: this program's, or any HDF5 file with `/parameters`.
///
/// Its arrays are read one at a time, into memory that the caller has.
public final class WeightsReader {
    /// An array of the file.
    public struct Entry: Sendable, Equatable {
        /// Dotted, such as `blocks.0.attn.qkv.weight`.
        public let name: String
        /// The lengths of the axes.
        public let shape: [Int]
        /// Inside the file.
        let dataset: String

        /// How many numbers it has.
        public var count: Int { shape.reduce(1, *) }
    }

    /// The file's path.
    public let path: String
    /// In the order of the file.
    public let parameters: [Entry]
    /// Running statistics; none when the file has no `/buffers`.
    public let buffers: [Entry]
    /// The optimizer's arrays by their slot; none in `best.h5` and in published weights.
    public let optimizer: [(slot: String, arrays: [Entry])]
    /// What the file says beside the tensors.
    public let notes: WeightsNotes
    private let file: HDF5Reader

    /// Opens a file, and checks its digest if it is sealed.
    ///
    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there.
    public convenience init(_ path: String) throws {
        try self.init(path, try Seal.state(of: path))
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
        self.file = file
        parameters = try Self.arrays(under: "/parameters", file)
        buffers = try Self.arrays(under: "/buffers", file)
        let slots = file.exists("/optimizer") ? try file.children(of: "/optimizer") : []
        optimizer = try slots.filter { try file.kind(of: "/optimizer/\($0)") == .group }.map { ($0, try Self.arrays(under: "/optimizer/\($0)", file)) }
        var progress: [String: WeightsScalar] = [:]
        for name in file.exists("/progress") ? try file.children(of: "/progress") : [] {
            progress[name] = try Self.scalar("/progress/\(name)", file)
        }
        notes = WeightsNotes(
            progress: progress, data: try DataDescription(from: file),
            logDigest: file.exists("/log/sha256") ? try file.readString("/log/sha256") : nil)
    }

    /// Reads an array of this file.
    ///
    /// - Parameter target: as many numbers as the array has.
    public func read(_ array: Entry, into target: UnsafeMutableBufferPointer<Float>) throws {
        try file.read(array.dataset, into: target)
    }

    /// Checks that an array holds finite floating-point numbers.
    ///
    /// - Throws: `.data` with its name and what it holds instead.
    public func checkNumbers(of array: Entry) throws {
        switch try file.elementType(of: array.dataset) {
        case .float32, .float64: break
        case let type: throw UserError(.data, "\(path): \(array.name) holds \(type), expected floating-point numbers")
        }
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: array.count)
        defer { values.deallocate() }
        try read(array, into: values)
        guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw UserError(.data, "\(path): \(array.name) holds \(values[place]) at place \(grouped(place)), expected finite numbers")
    }

    /// The first of the parameters and buffers that are not as `record` has them, by name; nil when all agree.
    ///
    /// - Parameter tensors: the names that go with the record's checksums.
    public func firstDifference(from record: DigestRecord, tensors: [String]) throws -> String? {
        let stored = Dictionary((parameters + buffers).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: stored.values.map(\.count).max() ?? 0)
        defer { scratch.deallocate() }
        for (name, checksum) in zip(tensors, record.checksums) {
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
