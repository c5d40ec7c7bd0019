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
        let epochs = entries.compactMap { try? definition(of: $0).train.epochs }.max() ?? 0
        return halving.rungs(epochs: epochs)
    }

    /// The trials that end after `epochs` epochs because other cells of their model did better.
    ///
    /// Who takes part in the choice, and so its result, is the same before and after it was written to the plan.
    ///
    /// - Parameter record: the last epoch of a trial up to `epochs`, or nil where there is none.
    func losers(after epochs: Int, record: (SweepFile.Entry) throws -> EpochRecord?) throws -> [SweepFile.Entry] {
        guard let halving else { return [] }
        let alive = entries.filter { entry in
            if case .stopped(let earlier) = entry.outcome { earlier >= epochs } else { true }
        }
        var models: [String] = []
        for entry in alive where !models.contains(entry.model) { models.append(entry.model) }
        return try models.flatMap { model -> [SweepFile.Entry] in
            let own = alive.filter { $0.model == model }
            let cells = Set(own.map(\.cell)).sorted()
            let values = try cells.map { cell -> Double? in
                let values = try own.filter { $0.cell == cell }.map { entry -> Double? in
                    switch entry.outcome {
                    case .failed, .diverged: return nil
                    case .planned, .finished, .stopped:
                        let record = try record(entry)
                        return halving.metric == .validationAccuracy ? record?.valAccuracy : record?.valLoss
                    }
                }
                let known = values.compactMap { $0 }
                return known.count == values.count ? known.reduce(0, +) / Double(known.count) : nil
            }
            let survivors = Set(halving.survivors(of: values).map { cells[$0] })
            return own.filter { !survivors.contains($0.cell) && $0.outcome == .planned }
        }
    }
}
