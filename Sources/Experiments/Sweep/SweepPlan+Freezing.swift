import Configuration
import Foundation
import RunStore
import VisionData

extension SweepPlan {
    /// What a plan made now has to do with one that was frozen.
    enum Relation: Equatable {
        case same
        /// All trials of the frozen plan are here, and some more.
        case extended(by: Int)
        /// The frozen plan is done, so this one may take its place.
        case follows
        /// A frozen plan under way has trials that are not here, or another rule of early termination; a sentence about the difference.
        case contradicts(String)
    }

    /// The plan that counts: this one, or a frozen one under way that it contradicts. What is known of the trials comes along.
    ///
    /// Results that an earlier version of the program put under the last part of the experiment's name stay there and go on.
    ///
    /// - Parameters:
    ///   - replans: whether this one counts even then.
    ///   - startsOver: whether all is planned anew, whatever is known.
    ///   - say: hears how the two differ.
    /// - Throws: `.data` when the frozen plan cannot be read, `.usage` when it is that of another definition.
    public func inForce(results: URL, replans: Bool, startsOver: Bool, say: (String) -> Void) throws -> SweepPlan {
        var plan = self
        plan.file.definition = source?.name(results: results)
        plan.keepEarlierNames(results: results)
        guard var frozen = try plan.frozen(results: results, replans: replans || startsOver) else { return plan }
        frozen.file.definition = plan.file.definition
        if frozen.experiment != experiment {
            say("the results of an earlier version are in \(results.lastPathComponent)/\(frozen.experiment), where they go on")
            plan.file.experiment = frozen.experiment
        }
        if startsOver { return plan }
        switch plan.relation(to: frozen) {
        case .same:
            break
        case .extended(let count):
            say("\(grouped(count)) trials of the definition are new; the plan has them now")
        case .follows:
            say("the plan of \(grouped(frozen.entries.count)) trials is done; the definition's takes its place")
        case .contradicts(let difference):
            guard replans else {
                var frozen = frozen
                frozen.base = base
                say("the definition has changed since the plan was made (\(difference)): the plan goes on; --replan takes the definition's")
                return frozen
            }
        }
        return plan.keepingOutcomes(of: frozen)
    }

    /// The plan of this definition that was frozen before, or nil.
    private func frozen(results: URL, replans: Bool) throws -> SweepPlan? {
        let path = SweepFile.path(experiment: experiment, results: results.path)
        guard FileManager.default.fileExists(atPath: path) else {
            let earlier = EarlierName.of(experiment).map { SweepFile.path(experiment: $0, results: results.path) }
            guard let earlier, var plan = try? SweepPlan(reading: earlier, registry: registry) else { return nil }
            plan.takeCurrentNames(data: base?.data.places.content, results: results)
            return isPlanOfSameDefinition(plan) ? plan : nil
        }
        var plan: SweepPlan
        do { plan = try SweepPlan(reading: path, registry: registry) } catch let error as UserError where error.kind == .data {
            throw UserError(.data, "\(error); when it is moved away, the sweep is planned again and keeps its runs")
        }
        plan.takeCurrentNames(data: base?.data.places.content, results: results)
        if isPlanOfSameDefinition(plan) { return plan }
        if let other = plan.file.definition {
            throw UserError(.usage, """
                \(path): is the plan of another definition, \(other); give this one another name or other results (--results), or move that plan away
                """)
        }
        if replans { return plan }
        throw UserError(.usage, """
            \(path): is the plan of another definition or of an earlier state of this one, which an earlier version did not record; --replan takes \
            this one's and keeps the runs
            """)
    }

    /// Whether a frozen plan was made from the definition of this one. One that does not say so was when its trials are among this one's, or these
    /// among its; one that names another file, as after a move, only when its trials are the same.
    private func isPlanOfSameDefinition(_ frozen: SweepPlan) -> Bool {
        guard let mine = file.definition, let theirs = frozen.file.definition else {
            let own = Set(entries.map(\.name)), others = Set(frozen.entries.map(\.name))
            return own.isSubset(of: others) || others.isSubset(of: own)
        }
        return mine == theirs || relation(to: frozen) == .same
    }

    /// Gives entries the hashes of their runs, where these have names by an earlier rule.
    private mutating func keepEarlierNames(results: URL) {
        var earlier = EarlierRuns(of: experiment, results: results, except: Set(entries.map(\.name)), registry: registry)
        for (index, entry) in entries.enumerated() where !FileManager.default.fileExists(atPath: folder(of: entry, results: results).path) {
            guard let run = earlier.earlierFolder(entry.hash) else { continue }
            file.entries[index].hash = String(run.path.suffix(8))
        }
    }

    /// Gives entries of a plan by an earlier rule the hashes of this version, but for those whose runs were begun.
    private mutating func takeCurrentNames(data: DataContent?, results: URL) {
        guard file.identityVersion == nil else { return }
        file.identityVersion = Trial.identityVersion
        for (index, entry) in entries.enumerated() where !folder(of: entry, results: results).hasRun {
            guard var definition = try? definition(of: entry) else { continue }
            definition.data.places.content = data
            if let trial = definition.trials.first { file.entries[index].hash = trial.hash }
        }
    }

    func relation(to frozen: SweepPlan) -> Relation {
        let mine = Set(entries.map(\.name)), theirs = Set(frozen.entries.map(\.name))
        let missing = theirs.subtracting(mine).count, added = mine.subtracting(theirs).count
        let isSameRule = file.halving == frozen.file.halving
        if missing == 0, isSameRule { return added == 0 ? .same : .extended(by: added) }
        if frozen.entries.allSatisfy({ $0.outcome != .planned }) { return .follows }
        var differences: [String] = []
        if missing > 0 { differences.append("\(grouped(missing)) of its \(grouped(theirs.count)) trials are not in the definition any more") }
        if added > 0 { differences.append("\(grouped(added)) would be new") }
        if !isSameRule { differences.append("halving is another") }
        return .contradicts(differences.joined(separator: ", "))
    }

    /// This plan with what is known of its trials from an earlier one.
    ///
    /// Trials that were stopped early are planned again when others have come: then they may be among the best.
    private func keepingOutcomes(of earlier: SweepPlan) -> SweepPlan {
        let isSame = Set(entries.map(\.name)) == Set(earlier.entries.map(\.name)) && file.halving == earlier.file.halving
        let outcomes = Dictionary(uniqueKeysWithValues: earlier.entries.map { ($0.name, $0.outcome) })
        var plan = self
        for index in plan.entries.indices {
            guard let outcome = outcomes[plan.entries[index].name] else { continue }
            if case .stopped = outcome, !isSame { continue }
            plan.file.entries[index].outcome = outcome
        }
        return plan
    }
}
