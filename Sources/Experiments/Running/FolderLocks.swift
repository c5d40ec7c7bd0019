import Foundation

/// Locks for run folders, each by its path, within this process. One who holds a lock may take it again.
final class FolderLocks: Sendable {
    private let condition = NSCondition()
    private nonisolated(unsafe) var holders: [String: (thread: Thread, depth: Int)] = [:]

    func withLock<Result>(_ path: String, _ body: () throws -> Result) rethrows -> Result {
        let thread = Thread.current
        condition.withLock {
            while let holder = holders[path], holder.thread !== thread { condition.wait() }
            holders[path] = (thread, (holders[path]?.depth ?? 0) + 1)
        }
        defer {
            condition.withLock {
                let depth = holders[path]!.depth - 1
                holders[path] = depth == 0 ? nil : (thread, depth)
                condition.broadcast()
            }
        }
        return try body()
    }
}
