import Foundation

/// Memory that starts on a page. Pages that are never touched cost nothing.
func allocateAligned(_ byteCount: Int) -> UnsafeMutableRawPointer {
    var pointer: UnsafeMutableRawPointer?
    let status = posix_memalign(&pointer, 4096, max(byteCount, 64))
    guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
    return pointer
}
