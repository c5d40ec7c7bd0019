import Checksums
import Configuration
import Foundation
import HDF5

/// The SHA-256 of a file at its beginning, in the block that HDF5 leaves to its users. HDF5 tools read such a file as ever, anybody can repeat the digest
/// (`tail -c +513 FILE | sha256sum`), and a byte that has changed is found before anything is made of it.
///
/// A file is sealed when it is whole; a run file that still grows has an empty block.
enum Seal {
    static let byteCount = 512
    private static let title = "harness, SHA-256 of the bytes after this block: "
    /// What the block of a checkpoint began with before other files were sealed.
    private static let formerTitle = "harness checkpoint, SHA-256 of the bytes after this block: "

    enum State {
        /// The file has no seal: it was made before files of its kind were sealed, or by another program, or it is no HDF5 file.
        case absent
        /// The block is empty: the file was not finished.
        case open
        /// The file is as it was sealed.
        case whole
    }

    /// Tells whether a file is sealed, and checks it if it is.
    ///
    /// - Throws: `.data` when a byte of the file has changed since it was sealed, `.noInput` when it is not there.
    static func state(of path: String) throws -> State {
        var block: [UInt8] = [], early: State?
        let digest = SHA256()
        let isFile = try readPieces(of: path) { piece in
            var piece = piece
            if block.count < byteCount {
                let missing = min(byteCount - block.count, piece.count)
                block += piece[..<missing]
                piece = UnsafeRawBufferPointer(rebasing: piece[missing...])
                if block.count == byteCount, block.allSatisfy({ $0 == 0 }) { early = .open }
                let begins = block.starts(with: title.utf8.prefix(block.count)) || block.starts(with: formerTitle.utf8.prefix(block.count))
                if early == nil, !begins { early = .absent }
            }
            digest.update(piece)
            return early == nil
        }
        if let early { return early }
        guard isFile else { return .absent }
        // What is shorter than the block was never sealed: what it is, the library says.
        guard block.count == byteCount else { return .absent }
        let sum = digest.finish()
        if block == Self.block(title, sum) || block == Self.block(formerTitle, sum) { return .whole }
        // When a file was cut short, the library knows by how much.
        do { _ = try HDF5Reader(path) } catch {
            if "\(error)".contains("is truncated") { throw error }
        }
        throw UserError(.data, "\(path): is damaged: its digest is not that of its content")
    }

    /// An HDF5 file with an empty block, made in memory, with its seal.
    static func sealed(_ image: Data) -> Data {
        let digest = SHA256()
        image.dropFirst(byteCount).withUnsafeBytes { digest.update($0) }
        return Data(block(title, digest.finish())) + image.dropFirst(byteCount)
    }

    /// The block for a file whose other bytes have this digest.
    static func block(_ digest: String) -> [UInt8] { block(title, digest) }

    private static func block(_ title: String, _ digest: String) -> [UInt8] {
        let text = Array((title + digest + "\n").utf8)
        return text + [UInt8](repeating: 0, count: byteCount - text.count)
    }
}

/// Writes a sealed HDF5 file so that its path always holds a whole one, the old or the new.
///
/// - Parameter write: makes and closes the file at the path that it gets, with `Seal.byteCount` bytes for the seal.
func replaceSealedFile(at path: String, _ write: (_ path: String) throws -> Void) throws {
    try replaceFile(at: path, with: Seal.sealed(hdf5Image(for: path, write)))
}
