import Configuration
import Foundation
import RunStore

/// Follows a sweep from another process: its running trials step by step, how others ended, and how far the whole is.
public final class SweepTail {
    private let folder: String
    private let lastRows: Int
    /// The trials that were running when it was last asked, by the names of their run folders.
    private var tails: [String: RunTail] = [:]
    /// What the plan said when it was last asked; nil before.
    private var outcomes: [String: String]?
    /// How long the trials took that are finished; nil for those that do not say.
    private var seconds: [String: Double?] = [:]
    private var told: (counts: String, hasTime: Bool, time: ContinuousClock.Instant)?
    /// How often the progress is told while no trial ends.
    private let interval: Duration

    /// - Parameters:
    ///   - folder: an experiment's folder with a plan in it.
    ///   - lastRows: how many of the steps that are there already are told of each running trial.
    public init(_ folder: String, lastRows: Int, interval: Duration = .seconds(10)) {
        self.folder = folder
        self.lastRows = lastRows
        self.interval = interval
    }

    /// Whether there is a sweep's plan in a folder.
    public static func hasPlan(_ folder: String) -> Bool { FileManager.default.fileExists(atPath: SweepFile.path(in: folder)) }

    /// The lines about what has happened, and how the sweep ended, once it has.
    ///
    /// - Throws: `.data` when the plan is damaged.
    public func next() throws -> (lines: [String], ending: String?) {
        // First, so that what was written before its end is read.
        let isGoingOn = RunFolder(path: folder).isBeingWritten
        let trials = try SweepFile.outcomes(in: SweepFile.path(in: folder))
        let running = trials.filter { $0.outcome == "planned" && run($0.name).isBeingWritten }.map(\.name)
        var lines: [String] = []
        for name in running {
            let tail = tails[name] ?? RunTail(run(name), lastRows: lastRows)
            tails[name] = tail
            // A run that is just being made has no file yet.
            guard let news = try? tail.next() else { continue }
            lines += news.lines.map { "\(name)  \($0)" }
        }
        for trial in trials where !running.contains(trial.name) { lines += ending(of: trial.name, trial.outcome, isGoingOn) }
        outcomes = Dictionary(trials.map { ($0.name, $0.outcome) }) { $1 }
        let counts = self.counts(trials, running: running.count)
        if !isGoingOn { return (lines, ending(trials, counts)) }
        let time = timeLeft(trials, running)
        if told.map({ $0.counts != counts || !$0.hasTime && time != nil || .now - $0.time >= interval }) ?? true {
            told = (counts, time != nil, .now)
            lines.append(counts + (time.map { "  \(duration($0)) left" } ?? ""))
        }
        return (lines, nil)
    }

    private func run(_ name: String) -> RunFolder { RunFolder(path: "\(folder)/\(name)") }

    // MARK: Trials

    /// What is said of a trial that is not running: how it ended, when that is news.
    private func ending(of name: String, _ outcome: String, _ isGoingOn: Bool) -> [String] {
        let isNews = outcomes.map { $0[name] != nil && $0[name] != outcome } ?? false
        let tail = tails.removeValue(forKey: name)
        guard isNews || tail != nil else { return [] }
        let news = try? (tail ?? RunTail(run(name), lastRows: 0)).next()
        let rest = tail == nil ? [] : news?.lines ?? []
        let last = switch outcome {
        case "planned": isGoingOn ? "waits for the other trials" : news?.ending
        case "failed": "failed"
        case "stopped": "was stopped, because others did better"
        default: news?.ending ?? outcome
        }
        return (rest + [last].compactMap(\.self)).map { "\(name)  \($0)" }
    }

    // MARK: The whole

    private func counts(_ trials: [(name: String, outcome: String)], running: Int) -> String {
        let left = trials.count { $0.outcome == "planned" }, lost = trials.count { ["failed", "diverged"].contains($0.outcome) }
        var parts = ["\(grouped(trials.count - left))/\(grouped(trials.count)) done", "\(running) running"]
        if lost > 0 { parts.append("\(grouped(lost)) failed") }
        return (parts + ["\(grouped(left - running)) left"]).joined(separator: "  ")
    }

    private func ending(_ trials: [(name: String, outcome: String)], _ counts: String) -> String {
        let left = trials.count { $0.outcome == "planned" }
        guard left == 0 else { return "the sweep was interrupted with \(grouped(left)) of \(grouped(trials.count)) trials left; `harness sweep` goes on" }
        let numbers = ["finished", "stopped", "diverged", "failed"].compactMap { outcome -> String? in
            let count = trials.count { $0.outcome == outcome }
            return count == 0 ? nil : "\(grouped(count)) \(outcome)"
        }
        return "the sweep is done: \(numbers.joined(separator: ", "))"
    }

    /// Seconds, by how long the trials took that are finished; before that by how far those are that run. nil when neither says anything.
    private func timeLeft(_ trials: [(name: String, outcome: String)], _ running: [String]) -> Double? {
        for trial in trials where trial.outcome == "finished" && seconds[trial.name] == nil {
            seconds[trial.name] = .some(try? MachineRecord(run(trial.name))?.wallClockSeconds)
        }
        let shares = running.map { tails[$0]?.share ?? 0 }
        var each = seconds.values.compactMap(\.self).filter { $0 > 0 }
        if each.isEmpty {
            each = zip(running, shares).compactMap { name, share in
                guard share > 0, let text = try? MachineRecord(run(name))?.startedAt, let start = try? Date(text, strategy: .iso8601) else { return nil }
                return -start.timeIntervalSinceNow / share
            }
        }
        guard !each.isEmpty else { return nil }
        let left = Double(trials.count { $0.outcome == "planned" }) - shares.reduce(0, +)
        return each.reduce(0, +) / Double(each.count) * left / Double(max(1, running.count))
    }
}
