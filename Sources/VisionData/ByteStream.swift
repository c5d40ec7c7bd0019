import CZlib
import Configuration
import Foundation

/// The bytes of a file in order, decompressed when the file is gzipped (in one member or several, RFC 1952), read strictly: whatever is
/// missing, damaged or left over is an error that names the file.
///
/// Content decides: a file that starts with gzip's magic number is decompressed under any name, and a file whose name
/// ends in `.gz` must start with it.
final class ByteStream {
    let name: String
    /// Bytes of the file as it is stored.
    let storedByteCount: Int
    private(set) var isCompressed = false
    /// Bytes of content so far.
    private var position = 0

    private let file: UnsafeMutablePointer<FILE>?
    private let input: UnsafeMutableRawBufferPointer
    private var unread = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Allocated apart, since zlib keeps its address.
    private let inflater = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var inflaterEnded = false

    /// Opens the file at `path`.
    convenience init(path: String) throws {
        // A pipe would wait for its other end.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let reason = errno
            // A socket cannot be opened at all.
            if reason == ENXIO { throw UserError(.noInput, "\(path): not a regular file") }
            throw UserError(reason == ENOENT ? .noInput : .io, "\(path): cannot be opened: \(String(cString: strerror(reason)))")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let file = fdopen(descriptor, "rb") else {
            close(descriptor)
            throw UserError(.noInput, "\(path): not a regular file")
        }
        try self.init(name: path, file: file, storedByteCount: Int(status.st_size), capacity: 1 << 18)
    }

    /// Reads from memory; `name` stands for the file in errors.
    convenience init(bytes: [UInt8], name: String) throws {
        try self.init(name: name, file: nil, storedByteCount: bytes.count, capacity: bytes.count, bytes: bytes)
    }

    private init(name: String, file: UnsafeMutablePointer<FILE>?, storedByteCount: Int, capacity: Int, bytes: [UInt8] = []) throws {
        self.name = name
        self.file = file
        self.storedByteCount = storedByteCount
        inflater.initialize(to: z_stream())
        input = .allocate(byteCount: max(capacity, 1), alignment: 16)
        input.copyBytes(from: bytes)
        unread = UnsafeRawBufferPointer(rebasing: input[..<bytes.count])
        if bytes.isEmpty { try refill() }

        isCompressed = unread.count >= 2 && unread[0] == 0x1f && unread[1] == 0x8b
        if isCompressed {
            let status = inflateInit2_(inflater, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            precondition(status == Z_OK, "zlib cannot be initialized: status \(status)")
        } else if name.hasSuffix(".gz") {
            let start = unread.prefix(2).map { String(format: "%02x", $0) }.joined(separator: " ")
            throw UserError(.data, "\(name): not a gzip file: it starts with \(start.isEmpty ? "nothing" : start), expected 1f 8b")
        }
    }

    deinit {
        if isCompressed { inflateEnd(inflater) }
        inflater.deallocate()
        if let file { fclose(file) }
        input.deallocate()
    }

    /// Whether the file could hold `byteCount` bytes of content at all: deflate shrinks to 1/1032 at best.
    func couldHold(_ byteCount: Int) -> Bool {
        isCompressed ? byteCount / 1032 <= storedByteCount : byteCount <= storedByteCount
    }

    /// Fills `buffer` completely. `expecting` is the content's size in words, for the error when the file is too short.
    func read(into buffer: UnsafeMutableRawBufferPointer, expecting: String) throws {
        let found = try readAvailable(into: buffer)
        guard found == buffer.count else {
            throw UserError(.data, "\(name): truncated: the content ends after \(position) bytes, expected \(expecting)")
        }
    }

    func read(count: Int, expecting: String) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(into: UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count])), expecting: expecting)
            initialized = count
        }
    }

    /// Everything up to the end.
    func readAll() throws -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try chunk.withUnsafeMutableBytes { try readAvailable(into: $0) }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }

    /// Checks that nothing is left, and gzip's checksum with it.
    func finish(expecting: String) throws {
        var extra: UInt8 = 0
        let found = try withUnsafeMutableBytes(of: &extra) { try readAvailable(into: $0) }
        guard found == 0 else {
            throw UserError(.data, "\(name): more bytes follow the content, expected \(expecting)")
        }
        if isCompressed {
            if unread.isEmpty { try refill() }
            guard unread.isEmpty else {
                throw UserError(.data, "\(name): unexpected bytes follow the end of the gzip stream")
            }
        }
    }

    /// Fills as much of `buffer` as there is content, and returns how much that was.
    private func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = try isCompressed ? inflateSome(into: rest) : copySome(into: rest)
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    private func copySome(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if unread.isEmpty { try refill() }
        let count = min(unread.count, buffer.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: unread[..<count]))
        unread = UnsafeRawBufferPointer(rebasing: unread[count...])
        position += count
        return count
    }

    private func inflateSome(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let capacity = min(buffer.count, 1 << 30)
        inflater.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        inflater.pointee.avail_out = UInt32(capacity)
        var contentCount: Int { position + capacity - Int(inflater.pointee.avail_out) }
        while !inflaterEnded, inflater.pointee.avail_out == UInt32(capacity) {
            if unread.isEmpty { try refill() }
            guard let start = unread.baseAddress, !unread.isEmpty else {
                throw UserError(.data, "\(name): truncated: the gzip stream breaks off after \(contentCount) bytes of content")
            }
            inflater.pointee.next_in = UnsafeMutablePointer(mutating: start.assumingMemoryBound(to: UInt8.self))
            inflater.pointee.avail_in = UInt32(unread.count)
            let status = inflate(inflater, Z_NO_FLUSH)
            unread = UnsafeRawBufferPointer(rebasing: unread[(unread.count - Int(inflater.pointee.avail_in))...])
            switch status {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: try beginNextMember()
            default:
                let reason = inflater.pointee.msg.map { String(cString: $0) } ?? "zlib status \(status)"
                throw UserError(.data, "\(name): damaged gzip data near byte \(contentCount) of the content: \(reason)")
            }
        }
        let count = capacity - Int(inflater.pointee.avail_out)
        position += count
        return count
    }

    /// After the end of a member: goes on with another one behind it, if there is one.
    private func beginNextMember() throws {
        if unread.isEmpty { try refill() }
        guard unread.first == 0x1f else {
            inflaterEnded = true
            return
        }
        inflateReset(inflater)
    }

    private func refill() throws {
        guard let file else { return }
        let count = fread(input.baseAddress, 1, input.count, file)
        if count == 0, ferror(file) != 0 {
            throw UserError(.io, "\(name): cannot be read: \(String(cString: strerror(errno)))")
        }
        unread = UnsafeRawBufferPointer(rebasing: input[..<count])
    }
}
