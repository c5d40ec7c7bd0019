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

    @Test func noTasksIsNoWork() {
        WorkerPool(threads: 2).run(0) { _, _ in Issue.record("there is no task to run") }
    }

    final class Counter: Sendable { let value = Atomic<Int>(0) }
}
