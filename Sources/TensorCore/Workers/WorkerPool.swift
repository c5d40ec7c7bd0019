import CKernels
import COneDNN
import Configuration
import Foundation
import Synchronization

/// A fixed set of threads that run the tasks of one job at a time.
///
/// `run` is a fork and a join: the caller takes part as worker 0, and when it returns every task has ended. Tasks are taken in
/// any order, so they must not depend on each other. oneDNN is single-threaded on every worker: parallelism is between tasks.
/// One thread at a time may call `run`. The threads end with the pool.
public final class WorkerPool: Sendable {
    /// How many threads work, the caller included.
    public let threadCount: Int
    private let crew = Crew()

    /// Starts the threads, at least one counting the caller; they end with the pool. Where the system refuses one there are fewer.
    public init(threads threadCount: Int) {
        precondition(threadCount > 0, "a pool needs at least one thread")
        var started = 1
        // A thread owns the crew, not the pool: so the pool can end, and end its threads.
        while started < threadCount,
            SystemThread.start(named: "worker \(started)", stackSize: 4 << 20, { [crew, worker = started] in crew.work(as: worker) }) { started += 1 }
        self.threadCount = started
    }

    /// A pool for batches that are cut into `shards`: of the `threads` asked for only as many as can have a shard each. More would
    /// only cost the time to start and wake them, and memory for each.
    public convenience init(threads: Int, shards: Int) { self.init(threads: min(threads, shards)) }

    deinit { crew.end() }

    /// Runs `body` once for each task in 0 ..< count and returns when all have ended. Allocates nothing, for which the closure escapes: one that
    /// is made again for every call allocates itself.
    public func run(_ count: Int, _ body: @escaping (_ worker: Int, _ task: Int) -> Void) {
        onednn_use_one_thread()
        guard threadCount > 1, count > 1 else {
            for task in 0..<count { body(0, task) }
            return
        }
        crew.run(count, helpers: threadCount - 1, body)
    }
}

/// What the pool and its threads share.
///
/// Invariant that makes the sharing safe: `body` and `taskCount` are written only while no worker is active, before `generation`
/// is raised, and read only by workers that have seen the new generation; `run` returns only when all of them have left.
private final class Crew: @unchecked Sendable {
    private typealias Body = (_ worker: Int, _ task: Int) -> Void
    private var body: Body?
    private var taskCount = 0
    private let generation = Atomic<Int>(0)
    private let nextTask = Atomic<Int>(0)
    private let activeWorkers = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let isEnding = Atomic<Bool>(false)
    private let wake = NSCondition()

    /// How often a waiting thread looks before it sleeps or yields: tens of microseconds, longer than the gaps between the segments
    /// of a step.
    private static let spins = 2_000

    func run(_ count: Int, helpers: Int, _ body: @escaping (_ worker: Int, _ task: Int) -> Void) {
        self.body = body
        taskCount = count
        nextTask.store(0, ordering: .relaxed)
        activeWorkers.store(helpers, ordering: .relaxed)
        raiseGeneration()
        takeTasks(as: 0)
        var looks = 0
        while activeWorkers.load(ordering: .acquiring) > 0 {
            kernel_spin_hint()
            looks += 1
            if looks > Self.spins { sched_yield() }
        }
        self.body = nil
    }

    func end() {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        raiseGeneration()
    }

    func work(as worker: Int) {
        onednn_use_one_thread()
        var seen = 0
        while true {
            seen = waitForGeneration(after: seen)
            if isEnding.load(ordering: .acquiring) { return }
            takeTasks(as: worker)
            activeWorkers.subtract(1, ordering: .acquiringAndReleasing)
        }
    }

    private func takeTasks(as worker: Int) {
        guard let body else { return }
        while true {
            let task = nextTask.add(1, ordering: .relaxed).oldValue
            if task >= taskCount { return }
            body(worker, task)
        }
    }

    private func raiseGeneration() {
        generation.add(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
            wake.lock()
            wake.broadcast()
            wake.unlock()
        }
    }

    private func waitForGeneration(after seen: Int) -> Int {
        for _ in 0..<Self.spins {
            let now = generation.load(ordering: .acquiring)
            if now != seen { return now }
            kernel_spin_hint()
        }
        wake.lock()
        defer { wake.unlock() }
        sleepers.add(1, ordering: .sequentiallyConsistent)
        defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
        while true {
            let now = generation.load(ordering: .sequentiallyConsistent)
            if now != seen { return now }
            wake.wait()
        }
    }
}
