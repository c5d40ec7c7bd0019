import Foundation

/// Memory that starts on a page. Pages that are never touched cost nothing.
func allocateAligned(_ byteCount: Int) -> UnsafeMutableRawPointer {
    var pointer: UnsafeMutableRawPointer?
    let status = posix_memalign(&pointer, 4096, max(byteCount, 64))
    guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
    return pointer
}

/// The memory of this machine in bytes, or less where the process has a limit (`ulimit -v`).
private let memoryLimit: Int = {
    var limit = rlimit()
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_AS.rawValue)), &limit) == 0 else { return machine }
    return min(machine, Int(clamping: limit.rlim_cur))
}()

/// Throws when `byteCount` is more than this machine has, before the system ends the process for it.
public func requireMemory(_ byteCount: Int) throws(RecordingError) {
    guard byteCount <= memoryLimit else {
        let sizes = [byteCount, memoryLimit].map { String(format: "%.1f GB", Double($0) / 1e9) }
        throw RecordingError(path: "", message: "needs at least \(sizes[0]) of memory, more than the \(sizes[1]) that this process may use")
    }
}
