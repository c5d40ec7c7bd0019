import Synchronization

extension SystemThread {
    /// The result of `body` for each number below `count`, computed on as many threads as can compute at a time.
    ///
    /// - Parameters:
    ///   - stopsAtFailure: whether no number is begun after a failure. Numbers are begun in order, so the first failure by number is among the results.
    ///   - progress: is told how many are done, of how many; on any thread.
    /// - Returns: nil for each number that was not begun.
    public static func results<Value: Sendable>(
        below count: Int, stopsAtFailure: Bool = false, progress: (@Sendable (_ done: Int, _ count: Int) -> Void)? = nil,
        _ body: @escaping @Sendable (_ index: Int) throws -> Value
    ) -> [Result<Value, any Error>?] {
        let state = Mutex<(results: [Result<Value, any Error>?], done: Int, hasFailed: Bool)>((.init(repeating: nil, count: count), 0, false))
        forEach(below: count) { index in
            if stopsAtFailure, state.withLock({ $0.hasFailed }) { return }
            let result = Result { try body(index) }
            let done = state.withLock { state in
                state.results[index] = result
                state.done += 1
                if case .failure = result { state.hasFailed = true }
                return state.done
            }
            progress?(done, count)
        }
        return state.withLock { $0.results }
    }
}
