import Configuration
import Foundation
import HDF5

/// A safetensors file, open for reading: eight bytes with the header's length, the header, and the tensors' bytes.
///
/// The header is checked wholly against the size of the file before anything is made of it; numbers are read piece by piece. The file's bytes
/// are little-endian, as this machine's are.
final class SafetensorsReader {
    let path: String
    /// In the order of the header.
    let tensors: [SafetensorsTensor]
    private let descriptor: Int32
    private let dataStart: Int

    /// What the format's own library refuses too.
    static let largestHeader = 100_000_000
    private static let pieceByteCount = 1 << 20

    /// - Throws: `.data` when it is damaged or something else, `.noInput` when it is not there, `.io` when it cannot be read.
    init(_ path: String) throws {
        // A pipe is not waited for.
        let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            if errno == ENOENT { throw UserError(.noInput, "\(path): there is no such file") }
            throw UserError(.io, "\(path): cannot be opened: \(String(cString: strerror(errno)))")
        }
        do {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw SafetensorsFault("is no file") }
            let fileSize = Int(status.st_size)
            guard fileSize >= 8 else { throw SafetensorsFault("is truncated (it has \(fileSize) bytes, and a safetensors file at least 8)") }
            var length: UInt64 = 0
            try withUnsafeMutableBytes(of: &length) { try Self.read($0, at: 0, from: descriptor, path) }
            length = UInt64(littleEndian: length)
            guard length <= Self.largestHeader else {
                throw SafetensorsFault("declares a header of \(length) bytes, expected at most \(grouped(Self.largestHeader))")
            }
            guard Int(length) <= fileSize - 8 else {
                throw SafetensorsFault("is truncated (its header has \(length) bytes, and the file \(fileSize))")
            }
            var header = [UInt8](repeating: 0, count: Int(length))
            try header.withUnsafeMutableBytes { try Self.read($0, at: 8, from: descriptor, path) }
            dataStart = 8 + Int(length)
            tensors = try SafetensorsHeader(header, dataByteCount: fileSize - dataStart).tensors
        } catch {
            close(descriptor)
            if let fault = error as? SafetensorsFault { throw UserError(.data, "\(path): \(fault.sentence)") }
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Reads some of a tensor's numbers, converted to float32.
    ///
    /// - Parameters:
    ///   - first: the place of the first of them.
    ///   - target: as many numbers as are read.
    func read(_ tensor: SafetensorsTensor, from first: Int = 0, into target: UnsafeMutableBufferPointer<Float>) throws {
        precondition(first >= 0 && first + target.count <= tensor.count, "\(tensor.name) has \(tensor.count) numbers")
        let size = tensor.type.byteCount, perPiece = Self.pieceByteCount / size
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: min(perPiece, target.count) * size, alignment: 8)
        defer { scratch.deallocate() }
        for start in stride(from: 0, to: target.count, by: perPiece) {
            let count = min(perPiece, target.count - start)
            let piece = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(count * size)])
            try Self.read(piece, at: dataStart + tensor.bytes.lowerBound + (first + start) * size, from: descriptor, path)
            try convert(UnsafeRawBufferPointer(piece), of: tensor, to: UnsafeMutableBufferPointer(rebasing: target[start..<start + count]))
        }
    }

    /// The one number of a tensor of whole numbers; nil for other tensors.
    func integer(of tensor: SafetensorsTensor) throws -> Int64? {
        guard tensor.count == 1, tensor.type == .int64 else { return nil }
        var value: Int64 = 0
        try withUnsafeMutableBytes(of: &value) { try Self.read($0, at: dataStart + tensor.bytes.lowerBound, from: descriptor, path) }
        return Int64(littleEndian: value)
    }

    private func convert(_ piece: UnsafeRawBufferPointer, of tensor: SafetensorsTensor, to target: UnsafeMutableBufferPointer<Float>) throws {
        // Plain loops: they are run for every number of a network, in debug builds too.
        let count = target.count, numbers = target.baseAddress
        guard count > 0, let numbers, let bytes = piece.baseAddress else { return }
        var index = 0
        switch tensor.type {
        case .float32:
            memcpy(numbers, bytes, piece.count)
        case .float64:
            let stored = bytes.assumingMemoryBound(to: Double.self)
            while index < count { numbers[index] = Float(stored[index]); index += 1 }
        case .float16:
            let stored = bytes.assumingMemoryBound(to: Float16.self)
            while index < count { numbers[index] = Float(stored[index]); index += 1 }
        case .bfloat16:
            let stored = bytes.assumingMemoryBound(to: UInt16.self)
            while index < count { numbers[index] = Float(bitPattern: UInt32(stored[index]) << 16); index += 1 }
        default:
            throw UserError(.data, "\(path): \(tensor.name.shortened()) holds \(tensor.type.rawValue), expected F16, BF16, F32 or F64")
        }
    }

    private static func read(_ target: UnsafeMutableRawBufferPointer, at offset: Int, from descriptor: Int32, _ path: String) throws {
        var done = 0
        while done < target.count {
            let count = uninterrupted { pread(descriptor, target.baseAddress! + done, target.count - done, off_t(offset + done)) }
            guard count >= 0 else { throw UserError(.io, "\(path): cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { throw UserError(.data, "\(path): was cut short while it was read") }
            done += count
        }
    }
}
