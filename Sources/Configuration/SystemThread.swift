import Foundation
import Synchronization

/// A thread of the system, which may refuse to start one (`ulimit -u`, `ulimit -v`). Foundation's threads then never run and Dispatch waits for
/// ever; so whoever starts one here learns it, and does the work himself.
public enum SystemThread {
    /// Starts a thread that runs `body` and ends with it.
    ///
    /// - Parameters:
    ///   - name: as the system shows it, at most 15 bytes.
    ///   - stackSize: in bytes.
    /// - Returns: whether it started; false: `body` is never called.
    public static func start(named name: String, stackSize: Int = 8 << 20, _ body: @escaping @Sendable () -> Void) -> Bool {
        let work = Unmanaged.passRetained(Work(name: name, body: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let status = pthread_create(&thread, &attributes, { argument in
            let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
            Thread.current.name = work.name
            work.body()
            return nil
        }, work.toOpaque())
        if status != 0 { work.release() }
        return status == 0
    }

    private final class Work: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
    }

    /// Runs `body` once for each number below `count`, on as many threads as can compute at a time, and returns when all have ended.
    public static func forEach(below count: Int, _ body: @escaping @Sendable (_ index: Int) -> Void) {
        let next = Counter(), ended = DispatchSemaphore(value: 0)
        let work: @Sendable () -> Void = {
            while let index = next.take(below: count) { body(index) }
        }
        let helpers = (1..<max(1, min(count, MachineLimits.current.processors))).count { number in
            start(named: "helper \(number)") {
                work()
                ended.signal()
            }
        }
        work()
        for _ in 0..<helpers { ended.wait() }
    }

    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)

        func take(below end: Int) -> Int? {
            let taken = value.add(1, ordering: .relaxed).oldValue
            return taken < end ? taken : nil
        }
    }
}
