import Foundation
import Synchronization
import TensorCore
import Testing

struct WorkerPoolTests {
    @Test(arguments: [1, 2, 4])
    func everyTaskRunsOnceAndRunWaits(threads: Int) {
        let pool = WorkerPool(threads: threads)
        let counts = (0..<97).map { _ in Counter() }
        for round in 1...200 {
            pool.run(counts.count) { worker, task in
                precondition((0..<threads).contains(worker))
                counts[task].value.add(1, ordering: .relaxed)
            }
            #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == round })
        }
    }

    @Test(arguments: [(1_000, 8, 8), (2, 8, 2), (8, 8, 8), (3, 1, 1)])
    func noMoreThreadsThanShards(threads: Int, shards: Int, count: Int) {
        #expect(WorkerPool(threads: threads, shards: shards).threadCount == count)
    }

    @Test func noTasksIsNoWork() {
        WorkerPool(threads: 2).run(0) { _, _ in Issue.record("there is no task to run") }
    }

    @Test func threadsEndWithThePool() throws {
        func threadCount() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count }
        let before = try threadCount()
        for _ in 0..<40 { WorkerPool(threads: 8).run(16) { _, _ in } }
        // Other tests start threads of their own meanwhile, but not 280 of them.
        let deadline = ContinuousClock.now + .seconds(10)
        while try threadCount() > before + 100, ContinuousClock.now < deadline { sched_yield() }
        #expect(try threadCount() <= before + 100)
    }

    final class Counter: Sendable { let value = Atomic<Int>(0) }
}
