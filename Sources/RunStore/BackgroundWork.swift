import Configuration
import Foundation

/// Work on a thread of its own, whose end somebody waits for; where the system starts no thread it is done at once.
///
/// Sendable because `result` is written before `done` is signalled and read after it was waited for.
public final class BackgroundWork: @unchecked Sendable {
    private var result: Result<Void, any Error>?
    private let done = DispatchSemaphore(value: 0)

    /// Begins. What `body` uses is its own until `wait` has returned.
    public init(_ body: @escaping () throws -> Void) {
        // The promise above is the caller's to keep.
        nonisolated(unsafe) let body = body
        let work: @Sendable () -> Void = { [self] in
            result = Result { try body() }
            done.signal()
        }
        if !SystemThread.start(named: "background", work) { work() }
    }

    /// Waits for the end.
    ///
    /// - Throws: what the work threw.
    public func wait() throws {
        done.wait()
        done.signal()
        try result!.get()
    }
}
