import Configuration
import Foundation

/// Copies a file piece by piece, so that `target` holds a whole file at any moment: what it held before, or the copy.
///
/// - Throws: `.io` when one cannot be read or the other not be written, or does not read back as it was written.
public func copyFile(from source: String, to target: String) throws {
    let descriptor = uninterrupted { open(source, O_RDONLY | O_CLOEXEC) }
    func failure() -> UserError { UserError(.io, "\(source): cannot be read: \(String(cString: strerror(errno)))") }
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    let replacement = try FileReplacement(of: target)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    /// What `source` has from a place on, at most a buffer full.
    func piece(at place: Int, upTo limit: Int) throws -> UnsafeRawBufferPointer {
        let count = uninterrupted { pread(descriptor, buffer.baseAddress!, min(limit, buffer.count), off_t(place)) }
        guard count >= 0 else { throw failure() }
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }
    var place = 0
    while true {
        let bytes = try piece(at: place, upTo: .max)
        if bytes.isEmpty { break }
        try replacement.write(bytes, at: place)
        place += bytes.count
    }
    guard try replacement.byteCount() == place else { throw replacement.isNotAsWritten }
    try replacement.readBack { written, start in
        var done = 0
        while done < written.count {
            let bytes = try piece(at: start + done, upTo: written.count - done)
            guard !bytes.isEmpty, memcmp(bytes.baseAddress!, written.baseAddress! + done, bytes.count) == 0 else { throw replacement.isNotAsWritten }
            done += bytes.count
        }
    }
    try replacement.commit()
}
