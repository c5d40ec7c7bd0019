import Foundation

/// Memory that is about to be asked for, compared with what this process may still have.
///
/// An allocation that fails ends the process without a word, so whoever needs much of it asks here first.
public struct MemoryDemand: Sendable {
    /// All that the work takes at its peak, in bytes.
    public var total: Double
    /// What of it has been allocated already.
    public var held: Double

    /// Bytes in all, and those of them that are kept throughout.
    public init(total: Double, held: Double = 0) {
        self.total = total
        self.held = held
    }

    /// What is missing, as the end of a sentence: `at least 4.0 GB of memory, more than the 2.0 GB that this process may use`; nil where
    /// nothing is.
    public var shortage: String? {
        let limit = Double(MachineLimits.memory())
        if total > limit {
            return "at least \(Self.text(total)) of memory, more than the \(Self.text(limit)) that this process may use"
        }
        guard let left = Self.addressSpaceLeft, total - held > left else { return nil }
        // What stays free may be less than nothing, and then even what is held is too much.
        return "at least \(Self.text(total)) of memory, more than the \(Self.text(max(held + left, 0))) that its limit (ulimit -v) leaves this process"
    }

    /// What a limit of the address space leaves beyond what is mapped already; nil without a limit.
    ///
    /// Stacks and heaps of threads reserve whole stretches of it, so some is kept back: where Dispatch cannot start a thread it waits for ever.
    private static var addressSpaceLeft: Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_AS.rawValue)), &limit) == 0, let limit = Int(exactly: limit.rlim_cur) else { return nil }
        // The first number is the size of all that is mapped, in pages.
        let words = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        guard let pages = words.first.flatMap({ Double($0) }) else { return Double(limit) }
        return Double(limit) - pages * Double(sysconf(Int32(_SC_PAGESIZE))) - reserve
    }

    private static let reserve = Double(192 << 20)

    private static func text(_ byteCount: Double) -> String {
        byteCount < 1e9 ? String(format: "%.0f MB", byteCount / 1e6) : String(format: "%.1f GB", byteCount / 1e9)
    }
}
