import Foundation

/// Whole pages of memory, zero at first. Pages that are never touched cost nothing, and all of them go back to the system at the end.
final class PageMemory {
    let start: UnsafeMutableRawPointer
    private let byteCount: Int

    init(_ byteCount: Int) {
        self.byteCount = max(byteCount, 64)
        guard let start = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start != MAP_FAILED else {
            fatalError("out of memory: \(byteCount) bytes")
        }
        self.start = start
    }

    deinit { munmap(start, byteCount) }
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
