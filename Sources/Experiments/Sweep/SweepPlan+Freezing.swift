import Configuration
import Foundation
import RunStore

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
    /// - Parameters:
    ///   - replans: whether this one counts even then.
    ///   - say: hears how the two differ.
    /// - Throws: `.data` when the frozen plan cannot be read.
    public func inForce(results: URL, replans: Bool, say: (String) -> Void) throws -> SweepPlan {
        let path = SweepFile.path(experiment: experiment, results: results.path)
        guard FileManager.default.fileExists(atPath: path) else { return self }
        let frozen: SweepPlan
        do { frozen = try SweepPlan(reading: path) } catch let error as UserError where error.kind == .data {
            throw UserError(.data, "\(error); when it is moved away, the sweep is planned again and keeps its runs")
        }
        switch relation(to: frozen) {
        case .same:
            break
        case .extended(let count):
            say("\(grouped(count)) trials of the definition are new; the plan has them now")
        case .follows:
            say("the plan of \(grouped(frozen.entries.count)) trials is done; the definition's takes its place")
        case .contradicts(let difference):
            guard replans else {
                var frozen = frozen
                frozen.dataPlaces = dataPlaces
                say("the definition has changed since the plan was made (\(difference)): the plan goes on; --replan takes the definition's")
                return frozen
            }
        }
        return keepingOutcomes(of: frozen)
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
