import Configuration

/// Says how far a long planning is: on a terminal in one line that is rewritten, elsewhere in a line every ten seconds.
public final class PlanningProgress {
    private let terminal: Terminal
    private var last = ContinuousClock.now

    /// Says nothing in the first second.
    public init(_ terminal: Terminal = .standardError) { self.terminal = terminal }

    /// `done` of `count` things are done; to be called often.
    func show(_ done: Int, of count: Int, _ things: String) {
        guard done.isMultiple(of: 64), .now - last > (terminal.isInteractive ? .seconds(1) : .seconds(10)) else { return }
        last = .now
        let line = "planning: \(grouped(done)) of \(grouped(count)) \(things)"
        if terminal.isInteractive { terminal.status(line) } else { terminal.line(line) }
    }

    /// Takes the line away.
    public func end() { terminal.endStatus() }
}
