import Foundation

/// Runs `body` on a thread of its own and returns what it returns; throws when it has not ended after `seconds`, as it may be waiting for ever.
///
/// Unlike the trait `.timeLimit` it does not count the time for which a test waits for its turn beside others.
public func within<Value: Sendable>(seconds: Int, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let end = DispatchSemaphore(value: 0)
    let outcome = Outcome<Value>()
    Thread.detachNewThread {
        outcome.result = Result(catching: body)
        end.signal()
    }
    guard end.wait(timeout: .now() + .seconds(seconds)) == .success, let result = outcome.result else { throw Unended(seconds: seconds) }
    return try result.get()
}

/// What `within(seconds:)` throws.
public struct Unended: Error, CustomStringConvertible {
    let seconds: Int
    public var description: String { "has not ended after \(seconds) s" }
}

/// Sendable because it is read only after the thread that writes it has signalled that it ended.
private final class Outcome<Value: Sendable>: @unchecked Sendable {
    var result: Result<Value, any Error>?
}
