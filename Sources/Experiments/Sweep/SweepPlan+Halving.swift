import Configuration
import Measures
import RunStore

/// The epochs that a trial has recorded, and what was measured of each.
struct TrialHistory {
    let measures: [Measure]
    let epochs: [EpochRecord]

    init(_ measures: [Measure], _ epochs: [EpochRecord]) {
        self.measures = measures
        self.epochs = epochs
    }

    static let nothing = TrialHistory([], [])

    init(_ run: RunReader) throws { self.init(run.description.measures, try run.epochs()) }
}

extension SweepPlan {
    private var halving: Halving? {
        file.halving.map { Halving(metric: $0.metric, factor: $0.factor, first: $0.first) }
    }

    /// The epochs after which trials are stopped, ascending.
    var rungs: [Int] {
        guard let halving else { return [] }
        let epochs = entries.compactMap { try? writtenDefinition(of: $0).models[0].train.epochs }.max() ?? 0
        return halving.rungs(epochs: epochs)
    }

    /// The trials that end after `epochs` epochs because other cells of their model did better.
    ///
    /// Who takes part in the choice, and so its result, is the same before and after it was written to the plan.
    ///
    /// - Parameter history: what a trial has recorded, be it in this sweep or elsewhere.
    func losers(after epochs: Int, history: (SweepFile.Entry) throws -> TrialHistory) throws -> [SweepFile.Entry] {
        guard let halving else { return [] }
        let candidates = try entries.map { try Candidate($0, after: epochs, metric: halving.metric, history: history) }
        // nil: nobody has recorded an epoch.
        guard let monitor = candidates.lazy.compactMap(\.monitor).first else { return [] }
        var losers: Set<String> = []
        for own in Dictionary(grouping: candidates, by: \.entry.model).values {
            let cells = Dictionary(grouping: own, by: \.entry.cell).sorted { $0.key < $1.key }.map(\.value)
            let survivors = halving.survivors(of: cells.map(Candidate.mean), by: monitor, after: epochs)
            for (position, trials) in cells.enumerated() where !survivors.contains(position) {
                losers.formUnion(trials.filter(\.canBeStopped).map(\.entry.name))
            }
        }
        return entries.filter { losers.contains($0.name) }
    }

    /// A trial before the choice at a rung.
    private struct Candidate {
        let entry: SweepFile.Entry
        /// The metric after the rung's epoch, or after the last one of a training that ended by itself; nil of one that is out.
        let value: Double?
        /// What the value is of; nil where nothing is known of the trial.
        let monitor: Monitor?
        /// Whether it would train beyond the rung, or has.
        let canBeStopped: Bool

        init(
            _ entry: SweepFile.Entry, after epochs: Int, metric: String, history: (SweepFile.Entry) throws -> TrialHistory
        ) throws {
            self.entry = entry
            let known: TrialHistory
            switch entry.outcome {
            case .failed: known = .nothing
            case .stopped(let earlier) where earlier < epochs: known = .nothing
            case .planned, .finished, .diverged, .stopped: known = try history(entry)
            }
            let isFinished = entry.outcome == .finished
            let last = known.epochs.count >= epochs ? known.epochs[epochs - 1] : entry.outcome == .diverged ? nil : known.epochs.last
            let place = known.measures.firstIndex { Monitor($0).name == metric }
            monitor = place.map { Monitor(known.measures[$0]) }
            value = place.flatMap { last?.validation[$0] }
            canBeStopped = entry.outcome == .planned || isFinished && known.epochs.count > epochs
        }

        /// The value of a cell with these trials, one for each seed; nil when one of them has none.
        static func mean(of trials: [Candidate]) -> Double? {
            let values = trials.compactMap(\.value)
            return values.count == trials.count ? values.reduce(0, +) / Double(values.count) : nil
        }
    }
}
