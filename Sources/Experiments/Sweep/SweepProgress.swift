import Configuration
import Foundation
import RunStore
import Synchronization
import Training

/// The progress of a sweep over all its trials.
///
/// On a terminal one line is rewritten; elsewhere each trial gets a line when it ends, and the whole gets one now and then: after two seconds
/// and then ever more seldom, at least once a minute.
final class SweepProgress: Sendable {
    private struct State {
        var done = 0, failed = 0
        /// The share of its epochs that each running trial has trained, and what is said of it.
        var running: [String: (share: Double, text: String)] = [:]
        /// Trained since the start, in trials.
        var trained = 0.0
        /// When a line about the whole is due where lines are not rewritten.
        var nextLine: ContinuousClock.Instant
    }

    private let count: Int
    private let terminal: Terminal
    private let start = ContinuousClock.now
    private let firstLine: Duration
    private let state: Mutex<State>

    /// - Parameters:
    ///   - done: how many of the `count` trials need nothing more.
    ///   - firstLine: when the first line about the whole is due where lines are not rewritten.
    init(count: Int, done: Int, terminal: Terminal, firstLine: Duration = .seconds(2)) {
        self.count = count
        self.terminal = terminal
        self.firstLine = firstLine
        state = Mutex(State(done: done, nextLine: start + firstLine))
        terminal.line("\(grouped(count)) trials, \(grouped(done)) done, \(grouped(count - done)) left")
    }

    func begin(_ name: String) { state.withLock { $0.running[name] = (0, "") } }

    func advance(_ name: String, by text: String, share: Double) {
        let (line, isDue) = state.withLock { state -> (String, Bool) in
            let before = state.running[name]?.share ?? share
            state.trained += max(0, share - before)
            state.running[name] = (share, text)
            let now = ContinuousClock.now, isDue = !terminal.isInteractive && now >= state.nextLine
            if isDue { state.nextLine = now + min(.seconds(60), max(firstLine, (now - start) / 2)) }
            return (status(state), isDue)
        }
        if isDue { terminal.line(line) } else { terminal.status(line) }
    }

    /// Ends the line that is rewritten, so that what comes next has a line of its own.
    func close() { terminal.endStatus() }

    /// A trial ends for now; `lines` are what it said. `isDone`: nothing more will be done about it.
    func end(_ name: String, lines: [String], isDone: Bool, isFailed: Bool = false) {
        let (counts, line) = state.withLock { state -> (String, String) in
            state.running[name] = nil
            if isDone { state.done += 1 }
            if isFailed { state.failed += 1 }
            return ("\(grouped(state.done))/\(grouped(count))", status(state))
        }
        for text in lines { terminal.line("\(counts)  \(text)") }
        terminal.status(line)
    }

    private func status(_ state: State) -> String {
        var parts = ["\(grouped(state.done))/\(grouped(count)) done", "\(state.running.count) running"]
        if state.failed > 0 { parts.append("\(grouped(state.failed)) failed") }
        parts.append("\(grouped(count - state.done - state.running.count)) left")
        if state.trained > 0 {
            let left = Double(count - state.done) - state.running.values.reduce(0) { $0 + $1.share }
            parts.append("\(duration((.now - start) / .seconds(1) / state.trained * left)) left")
        }
        return parts.joined(separator: "  ") + state.running.sorted { $0.key < $1.key }.map { "  │ \($0.value.text)" }.joined()
    }
}

/// Tells a sweep's progress how far one of its trials is.
final class SweepTrialProgress: TrainingListener {
    private let name: String, label: String
    private let progress: SweepProgress

    init(name: String, label: String, progress: SweepProgress) {
        self.name = name
        self.label = label
        self.progress = progress
    }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
        guard case .progress(let report) = event else { return }
        let share = (Double(report.epoch) + Double(report.step) / Double(report.stepsPerEpoch)) / Double(report.epochCount)
        progress.advance(name, by: "\(label) epoch \(report.epoch + 1)/\(report.epochCount)", share: share)
    }
}
