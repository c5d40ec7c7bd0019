import Configuration
import Foundation

/// A file in its making that takes the place of another at once: its path always holds a whole file, the old or the new, whenever the
/// process or the machine stops.
///
///     let replacement = try FileReplacement(of: "run.h5")     // run.h5.tmp is there, and empty
///     try replacement.write(bytes, at: 0)                     // or any other writer, to replacement.temporaryPath
///     try replacement.commit()                                // run.h5 is the new file
///
/// Without `commit`, or when it fails, the temporary file is removed and the old file stays. A failed `fsync` is never repeated: Linux reports
/// a lost page once, so the next attempt has to write another file. The descriptor is open from the beginning, so that no report is missed.
public final class FileReplacement {
    /// What errors name, and what the file is called in the end.
    public let path: String
    /// What it is called until then, in the same folder.
    public let temporaryPath: String
    private var descriptor: Int32
    private var isCommitted = false

    /// Makes the temporary file, or empties one that was left behind.
    ///
    /// - Parameter isForeign: whether the folder is not one of this program's, so that `path.tmp` can be somebody's: the temporary file is then a hidden
    ///   one with the process's number in its name.
    public init(of path: String, isForeign: Bool = false) throws {
        self.path = path
        let folder = path.parentPath as NSString
        temporaryPath = isForeign ? folder.appendingPathComponent(".\((path as NSString).lastPathComponent).\(getpid()).tmp") : path + ".tmp"
        if isForeign { Self.removeLeftovers(of: path) }
        let temporaryPath = temporaryPath
        descriptor = uninterrupted { open(temporaryPath, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw failure("cannot be created") }
    }

    /// Removes hidden temporary files that processes left which were killed: theirs are an hour old, and no process has their number.
    private static func removeLeftovers(of path: String) {
        let folder = path.parentPath, beginning = ".\((path as NSString).lastPathComponent)."
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? [] {
            guard name.hasPrefix(beginning), name.hasSuffix(".tmp"), let process = pid_t(name.dropFirst(beginning.count).dropLast(4)), process > 0,
                kill(process, 0) != 0, errno == ESRCH
            else { continue }
            let file = (folder as NSString).appendingPathComponent(name)
            var status = stat()
            if lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, time(nil) - status.st_mtim.tv_sec > 3600 { unlink(file) }
        }
    }

    deinit {
        if !isCommitted {
            // The HDF5 library may hold the file open still: cut it first, so that a full disk has its room back.
            if descriptor >= 0 { _ = ftruncate(descriptor, 0) }
            unlink(temporaryPath)
        }
        if descriptor >= 0 { close(descriptor) }
    }

    /// Writes all of `bytes`, which start at `offset` of the file.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = uninterrupted { pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done)) }
            guard count > 0 else { throw failure("cannot be written", count == 0 ? ENOSPC : errno) }
            done += count
        }
    }

    /// The number of bytes that the file has now.
    public func byteCount() throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot be read back") }
        return Int(status.st_size)
    }

    /// Hands the file from `offset` on to `body` piece by piece, as it reads back now.
    ///
    /// - Parameter body: gets a piece and its place; the pointer is valid during the call.
    public func readBack(from offset: Int = 0, _ body: (UnsafeRawBufferPointer, _ offset: Int) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var place = offset
        while true {
            let count = uninterrupted { pread(descriptor, buffer.baseAddress!, buffer.count, off_t(place)) }
            guard count >= 0 else { throw failure("cannot be read back") }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]), place)
            place += count
        }
    }

    /// The file does not hold what was written to it.
    public var isNotAsWritten: UserError { UserError(.io, "\(path): does not read back as it was written") }

    /// Waits until what was written so far is on the disk. May be called from another thread while this one reads back.
    public func synchronize() throws {
        // Some file systems cannot synchronize and say EINVAL: there is nothing to wait for then.
        guard uninterrupted({ fsync(descriptor) }) == 0 || errno == EINVAL else { throw failure("cannot be written to disk") }
    }

    /// Brings the file to disk, gives it its name, and brings the folder to disk too.
    public func commit() throws {
        try synchronize()
        let closed = close(descriptor)
        descriptor = -1
        // Interrupted, it is closed all the same.
        guard closed == 0 || errno == EINTR else { throw failure("cannot be written to disk") }
        guard rename(temporaryPath, path) == 0 else { throw failure("cannot be replaced") }
        isCommitted = true
        try synchronizeFolder(of: path)
    }

    private func failure(_ what: String, _ code: Int32 = errno) -> UserError {
        if code == ENOENT { return UserError(.io, "\(path): its folder does not exist") }
        return UserError(.io, "\(path): \(what): \(String(cString: strerror(code)))")
    }
}

/// Writes a file so that its path always holds a whole one, the old or the new (`FileReplacement`).
///
/// - Throws: `.io` when it cannot be written, or does not read back as it was written.
public func replaceFile(at path: String, with bytes: Data, isForeign: Bool = false) throws {
    let replacement = try FileReplacement(of: path, isForeign: isForeign)
    try bytes.withUnsafeBytes { bytes in
        try replacement.write(bytes, at: 0)
        guard try replacement.byteCount() == bytes.count else { throw replacement.isNotAsWritten }
        try replacement.readBack { piece, offset in
            guard memcmp(piece.baseAddress!, bytes.baseAddress! + offset, piece.count) == 0 else { throw replacement.isNotAsWritten }
        }
    }
    try replacement.commit()
}

/// Waits until the names in the folder of `path` are on the disk.
public func synchronizeFolder(of path: String) throws {
    let folder = path.parentPath
    let descriptor = uninterrupted { open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, uninterrupted({ fsync(descriptor) }) == 0 || errno == EINVAL else {
        throw UserError(.io, "\(path): cannot be written to disk: \(String(cString: strerror(errno)))")
    }
}

/// The result of a system call that is repeated when a signal came in between.
public func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
