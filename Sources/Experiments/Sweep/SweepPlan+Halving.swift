import RunStore

extension SweepPlan {
    private var halving: Halving? {
        file.halving.flatMap { stored in
            Halving.Metric(rawValue: stored.metric).map { Halving(metric: $0, factor: stored.factor, first: stored.first) }
        }
    }

    /// The epochs after which trials are stopped, ascending.
    var rungs: [Int] {
        guard let halving else { return [] }
        let epochs = entries.compactMap { try? writtenDefinition(of: $0).train.epochs }.max() ?? 0
        return halving.rungs(epochs: epochs)
    }

    /// The trials that end after `epochs` epochs because other cells of their model did better.
    ///
    /// Who takes part in the choice, and so its result, is the same before and after it was written to the plan.
    ///
    /// - Parameter records: the epochs that a trial has recorded, be it in this sweep or elsewhere.
    func losers(after epochs: Int, records: (SweepFile.Entry) throws -> [EpochRecord]) throws -> [SweepFile.Entry] {
        guard let halving else { return [] }
        let candidates = try entries.map { try Candidate($0, after: epochs, metric: halving.metric, records: records) }
        var losers: Set<String> = []
        for own in Dictionary(grouping: candidates, by: \.entry.model).values {
            let cells = Dictionary(grouping: own, by: \.entry.cell).sorted { $0.key < $1.key }.map(\.value)
            let survivors = halving.survivors(of: cells.map(Candidate.mean), after: epochs)
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
        /// Whether it would train beyond the rung, or has.
        let canBeStopped: Bool

        init(
            _ entry: SweepFile.Entry, after epochs: Int, metric: Halving.Metric, records: (SweepFile.Entry) throws -> [EpochRecord]
        ) throws {
            self.entry = entry
            let known: [EpochRecord]
            switch entry.outcome {
            case .failed: known = []
            case .stopped(let earlier) where earlier < epochs: known = []
            case .planned, .finished, .diverged, .stopped: known = try records(entry)
            }
            let isFinished = entry.outcome == .finished
            let last = known.count >= epochs ? known[epochs - 1] : entry.outcome == .diverged ? nil : known.last
            value = metric == .validationAccuracy ? last?.valAccuracy : last?.valLoss
            canBeStopped = entry.outcome == .planned || isFinished && known.count > epochs
        }

        /// The value of a cell with these trials, one for each seed; nil when one of them has none.
        static func mean(of trials: [Candidate]) -> Double? {
            let values = trials.compactMap(\.value)
            return values.count == trials.count ? values.reduce(0, +) / Double(values.count) : nil
        }
    }
}
