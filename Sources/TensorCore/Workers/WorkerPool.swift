import CKernels
import COneDNN
import Foundation
import Synchronization

/// A fixed set of threads that run the tasks of one job at a time.
///
/// `run` is a fork and a join: the caller takes part as worker 0, and when it returns every task has ended. Tasks are taken in
/// any order, so they must not depend on each other. oneDNN is single-threaded on every worker: parallelism is between tasks.
///
/// Invariant that makes the sharing safe: `body` and `taskCount` are written only while no worker is active, before `generation`
/// is raised, and read only by workers that have seen the new generation; `run` returns only when all have left.
public final class WorkerPool: @unchecked Sendable {
    public let threadCount: Int

    private typealias Body = (_ worker: Int, _ task: Int) -> Void
    private var body: Body?
    private var taskCount = 0
    private let generation = Atomic<Int>(0)
    private let nextTask = Atomic<Int>(0)
    private let activeWorkers = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let isEnding = Atomic<Bool>(false)
    private let startedWorkers = Atomic<Int>(0)
    private let endedWorkers = Atomic<Int>(0)
    private let wake = NSCondition()
    private var threads: [Thread] = []

    /// How often a waiting worker looks before it sleeps: about 30 µs, longer than the gaps between the segments of a step.
    private static let spins = 2_000

    public init(threads threadCount: Int) {
        precondition(threadCount > 0, "a pool needs at least one thread")
        self.threadCount = threadCount
        for worker in 1..<max(threadCount, 1) {
            let thread = Thread { [unowned self] in work(as: worker) }
            thread.name = "worker \(worker)"
            thread.stackSize = 4 << 20
            threads.append(thread)
            thread.start()
        }
        // Threads hold the pool without owning it, so each must have taken hold before `init` returns.
        while startedWorkers.load(ordering: .acquiring) < threadCount - 1 { sched_yield() }
    }

    deinit {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        generation.add(1, ordering: .sequentiallyConsistent)
        wake.lock()
        wake.broadcast()
        wake.unlock()
        while endedWorkers.load(ordering: .acquiring) < threadCount - 1 { sched_yield() }
    }

    /// Runs `body` once for each task in 0 ..< count and returns when all have ended.
    public func run(_ count: Int, _ body: (_ worker: Int, _ task: Int) -> Void) {
        onednn_use_one_thread()
        guard threadCount > 1, count > 1 else {
            for task in 0..<count { body(0, task) }
            return
        }
        withoutActuallyEscaping(body) { body in
            self.body = body
            taskCount = count
            nextTask.store(0, ordering: .relaxed)
            activeWorkers.store(threadCount - 1, ordering: .relaxed)
            generation.add(1, ordering: .sequentiallyConsistent)
            if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
                wake.lock()
                wake.broadcast()
                wake.unlock()
            }
            takeTasks(as: 0)
            var spins = 0
            while activeWorkers.load(ordering: .acquiring) > 0 {
                kernel_spin_hint()
                spins += 1
                if spins > 10_000 { sched_yield() }
            }
            self.body = nil
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

    private func work(as worker: Int) {
        onednn_use_one_thread()
        var seen = 0
        startedWorkers.add(1, ordering: .acquiringAndReleasing)
        while true {
            seen = waitForGeneration(after: seen)
            if isEnding.load(ordering: .acquiring) { break }
            takeTasks(as: worker)
            activeWorkers.subtract(1, ordering: .acquiringAndReleasing)
        }
        endedWorkers.add(1, ordering: .acquiringAndReleasing)
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
