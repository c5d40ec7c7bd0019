import Checksums
import Configuration
import Foundation
import HDF5

/// An array under a dotted name, such as `blocks.0.attn.qkv.weight`, that lies in memory of somebody else.
///
/// Who makes it keeps `values` valid as long as it is used, and unchanged while it is written.
public struct ArrayView {
    /// The dotted path.
    public let name: String
    /// The lengths of the axes.
    public let shape: [Int]
    /// In row-major order.
    public let values: UnsafeMutableBufferPointer<Float>

    /// A tensor at a place in memory, which must stay valid while the file is written.
    public init(name: String, shape: [Int], values: UnsafeMutableBufferPointer<Float>) {
        precondition(shape.reduce(1, *) == values.count, "\(name): \(values.count) values do not fill the shape \(shape)")
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// A single number beside the arrays: a count or a measurement.
public enum WeightsScalar: Sendable, Equatable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    case integer(Int)
    case real(Double)

    /// A whole number.
    public init(integerLiteral value: Int) { self = .integer(value) }
    /// A real number.
    public init(floatLiteral value: Double) { self = .real(value) }
}

/// What a weights file or checkpoint holds besides its arrays.
public struct WeightsNotes: Sendable, Equatable {
    /// The numbers under `/progress`, by name.
    public var progress: [String: WeightsScalar]
    /// What a user of the weights needs to know of the data; nil in files of format 1 and of others.
    public var data: DataDescription?
    /// In checkpoints: the digest of what the run had recorded (`LiveRun.logDigest`).
    public var logDigest: String?

    /// Nothing unless given.
    public init(progress: [String: WeightsScalar] = [:], data: DataDescription? = nil, logDigest: String? = nil) {
        self.progress = progress
        self.data = data
        self.logDigest = logDigest
    }
}

/// Writes a weights file from arrays where they lie, with no copy of them in memory.
///
///     /parameters/blocks/0/attn/qkv/weight     nested by the dotted name
///     /buffers/…                               running statistics
///     /optimizer/<slot>/blocks/0/…             such as the first and second moments; not in best.h5
///     /averages/<name>/{parameters,buffers}/…  what a training keeps of averages; not in best.h5
///     /progress/<scalar>                       epoch, step, best validation accuracy, …
///     /data/{image_shape,mean,…}               what a user of the model needs (`DataDescription`)
///     /log/sha256                              in checkpoints
///
///     let writer = try WeightsWriter("weights/best.h5")
///     try writer.write(parameters, under: "/parameters")
///     try writer.finish(notes)                            // now weights/best.h5 is the new file
///
/// Until `finish` the path holds what it held before. The file is read back and compared with the arrays before it is sealed, which therefore
/// must not change between `write` and the end of `finish`. The bytes depend on the values and on the order of the arrays only. One thread
/// at a time may use it.
public final class WeightsWriter {
    /// The file's path.
    public let path: String
    private let replacement: FileReplacement
    private var file: HDF5Writer?
    /// What lies where in the file, in ascending order.
    private var blocks: [(offset: Int, bytes: UnsafeRawBufferPointer)] = []

    /// Begins a file, which takes its name when it is finished.
    ///
    /// - Parameter isForeign: whether it lies outside of this program's folders, as `FileReplacement` has it.
    /// - Throws: `UserError(.inputOutput)` when it cannot be written.
    public init(_ path: String, isForeign: Bool = false) throws {
        self.path = path
        replacement = try FileReplacement(of: path, isForeign: isForeign)
        file = try HDF5Writer(replacement.temporaryPath, for: path, userBlockByteCount: Seal.byteCount)
        try file!.setAttribute("format_version", of: "/", to: Int64(weightsFormatVersion))
    }

    /// Writes arrays under a group, which is made even for none.
    public func write(_ arrays: [ArrayView], under group: String) throws {
        try file!.makeGroup(group)
        for array in arrays {
            precondition(!array.name.contains("/"), "\(array.name): a parameter's name has dots and no slashes")
            let dataset = "\(group)/\(array.name.split(separator: ".").joined(separator: "/"))"
            let values = UnsafeBufferPointer(array.values)
            if let offset = try file!.write(block: values, to: dataset, shape: array.shape) { blocks.append((offset, UnsafeRawBufferPointer(values))) }
        }
    }

    /// Adds the rest, checks that the file holds what was written, brings it to disk and gives it its name.
    public func finish(_ notes: WeightsNotes) throws {
        try file!.makeGroup("/progress")
        for (name, scalar) in notes.progress.sorted(by: { $0.key < $1.key }) {
            switch scalar {
            case .integer(let value): try file!.write(Int64(value), to: "/progress/\(name)")
            case .real(let value): try file!.write(value, to: "/progress/\(name)")
            }
        }
        try notes.data?.write(to: file!)
        if let digest = notes.logDigest { try file!.write(digest, to: "/log/sha256") }
        try file.take()!.close()

        // The disk is slower than the digest: while it writes, the file is read back from the system's memory.
        let disk = BackgroundWork { [replacement] in try replacement.synchronize() }
        let digest = Result { try digestComparing() }
        try disk.wait()
        try Seal.block(digest.get()).withUnsafeBytes { try replacement.write($0, at: 0) }
        try replacement.commit()
    }

    /// The digest of the file after its seal, if the arrays read back as they are in memory.
    private func digestComparing() throws -> String {
        let digest = SHA256()
        blocks.sort { $0.offset < $1.offset }
        var next = 0
        try replacement.readBack(from: Seal.byteCount) { piece, start in
            digest.update(piece)
            let end = start + piece.count
            while next < blocks.count, blocks[next].offset < end {
                let (offset, bytes) = blocks[next], blockEnd = offset + bytes.count
                let from = max(offset, start), count = min(blockEnd, end) - from
                guard memcmp(piece.baseAddress! + (from - start), bytes.baseAddress! + (from - offset), count) == 0 else {
                    throw replacement.isNotAsWritten
                }
                if blockEnd > end { break }
                next += 1
            }
        }
        guard next == blocks.count else { throw replacement.isNotAsWritten }
        return digest.finish()
    }
}

/// The format that this program writes; a reader refuses a newer one.
let weightsFormatVersion = 2
