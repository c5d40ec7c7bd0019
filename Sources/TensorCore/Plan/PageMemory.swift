import Configuration
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
        // Large pages, where the system has them: matrices are read across many small ones, each of which the processor would have to look up.
        if byteCount >= 8 << 20 { madvise(start, byteCount, MADV_HUGEPAGE) }
    }

    deinit { munmap(start, byteCount) }
}

/// Throws when `byteCount` is more than this process may use, before the system ends it for that.
///
/// - Parameter held: what of it has been allocated already.
public func requireMemory(_ byteCount: Int, held: Int = 0) throws(RecordingError) {
    if let shortage = MemoryDemand(total: Double(byteCount), held: Double(held)).shortage {
        throw RecordingError(path: "", message: "needs \(shortage)", isShortOfMemory: true)
    }
}
