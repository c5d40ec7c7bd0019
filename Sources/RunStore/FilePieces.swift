import Checksums
import Configuration
import Foundation
import HDF5

/// Reads a file from its beginning to its end, piece by piece.
///
/// - Parameter body: takes a piece; false: the rest is not needed.
/// - Returns: whether it is a file that can be read so, and no pipe, device or folder.
/// - Throws: `.noInput` when it is not there, `.io` when it cannot be read, and what `body` throws.
func readPieces(of path: String, _ body: (UnsafeRawBufferPointer) throws -> Bool) throws -> Bool {
    // A pipe is not waited for.
    let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else {
        if errno == ENOENT { throw UserError(.noInput, "\(path): there is no such file") }
        throw UserError(.io, "\(path): cannot be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { buffer.deallocate() }
    while true {
        let count = uninterrupted { read(descriptor, buffer.baseAddress!, buffer.count) }
        guard count >= 0 else { throw UserError(.io, "\(path): cannot be read: \(String(cString: strerror(errno)))") }
        if count == 0 { return true }
        guard try body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { return true }
    }
}

/// The SHA-256 of the bytes of a file of weights, as `sha256sum` prints it.
///
/// - Throws: `.noInput` when it is not there, `.data` when it is no file or larger than weights in this machine's memory could be, `.io` when it
///   cannot be read.
public func fileDigest(of path: String) throws -> String {
    let digest = SHA256(), limit = MachineLimits.memory()
    var status = stat()
    if stat(path, &status) == 0, status.st_size > limit {
        throw UserError(.data, "\(path): has \(grouped(Int(status.st_size))) bytes, more than the \(grouped(limit)) of memory that its weights could take")
    }
    let isFile = try readPieces(of: path) { piece in
        digest.update(piece)
        return true
    }
    guard isFile else { throw UserError(.data, "\(path): is no file") }
    return digest.finish()
}
