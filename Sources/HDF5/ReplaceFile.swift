import Configuration
import Foundation

/// Writes a file so that its path always holds a whole one, the old or the new, whenever the process or the machine stops.
///
/// `write` gets the path of a temporary file in the same folder; what it wrote is brought to disk, renamed to `path`, and the folder is
/// brought to disk too. When anything fails the temporary file is removed and the old file stays.
public func replaceFile(at path: String, write: (_ temporaryPath: String) throws -> Void) throws {
    let temporary = path + ".tmp"
    do {
        try write(temporary)
        try synchronize(temporary, naming: path)
        guard rename(temporary, path) == 0 else {
            throw UserError(.io, "\(path): cannot be replaced: \(String(cString: strerror(errno)))")
        }
        let folder = (path as NSString).deletingLastPathComponent
        try synchronize(folder.isEmpty ? "." : folder, naming: path)
    } catch {
        // The HDF5 library may hold it open still: cut it first, so that a full disk has its room back.
        truncate(temporary, 0)
        unlink(temporary)
        throw error
    }
}

/// Waits until a file or folder is on the disk.
private func synchronize(_ path: String, naming target: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    // Some file systems cannot synchronize folders and say EINVAL: there is nothing to wait for then.
    guard descriptor >= 0, fsync(descriptor) == 0 || errno == EINVAL else {
        throw UserError(.io, "\(target): cannot be written to disk: \(String(cString: strerror(errno)))")
    }
}
