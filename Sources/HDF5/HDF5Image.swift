import CHDF5
import Configuration
import Foundation

/// What the path of a file in memory begins with.
let memoryFilePrefix = "/proc/self/fd/"

/// The bytes of an HDF5 file that is made in memory: what a disk refuses then concerns nobody but `replaceFile`, and not the library, which
/// does not bear it well.
///
/// - Parameters:
///   - target: the path that errors name.
///   - write: makes and closes the file at the path that it gets.
public func hdf5Image(for target: String, _ write: (_ path: String) throws -> Void) throws -> Data {
    let descriptor = chdf5_memory_file()
    func failure() -> UserError { UserError(.io, "\(target): cannot be made in memory: \(String(cString: strerror(errno)))") }
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    try write("\(memoryFilePrefix)\(descriptor)")
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure() }
    var image = Data(count: Int(status.st_size))
    try image.withUnsafeMutableBytes { bytes in
        var done = 0
        while done < bytes.count {
            let count = uninterrupted { pread(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(done)) }
            guard count > 0 else { throw failure() }
            done += count
        }
    }
    return image
}
