import Checksums
import Configuration
import Foundation

/// A file that begins with the SHA-256 of the rest of it, in the block that HDF5 leaves to its users; so HDF5 tools read it as ever, and
/// a byte that has changed is found before anything is made of it.
enum Seal {
    static let byteCount = 512
    private static let title = "harness checkpoint, SHA-256 of the bytes after this block: "

    /// Writes the digest into the empty block of a closed file; `target` is the path that errors name.
    static func close(_ path: String, naming target: String) throws {
        do {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try file.write(contentsOf: block(for: bytes))
            try file.close()
        } catch {
            throw UserError(.io, "\(target): cannot be written: \(reason(error))")
        }
    }

    /// - Throws: `.data` when a byte of the file has changed since it was sealed, `.noInput` when it is not there.
    static func check(_ path: String) throws {
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else {
            throw UserError(.noInput, "\(path): cannot be read")
        }
        guard bytes.count > byteCount, bytes.prefix(byteCount) == block(for: bytes) else {
            throw UserError(.data, "\(path): is damaged: its digest is not that of its content")
        }
    }

    private static func block(for file: Data) -> Data {
        let digest = SHA256()
        file.dropFirst(byteCount).withUnsafeBytes { digest.update($0) }
        let text = Data((title + digest.finish() + "\n").utf8)
        return text + Data(count: byteCount - text.count)
    }
}
