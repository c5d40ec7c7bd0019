import TensorCore

/// A plan of a training, compiled anew for the epochs from which on other parameters are frozen than before; the earlier one is freed first.
final class StagedPlan {
    private let stages: [Int]
    private let compile: (_ epoch: Int) throws -> Plan
    private var stage = 0
    private var current: Plan?
    /// The bytes of the largest of the plans.
    let byteCount: Int

    /// Compiles the first plan. Where others follow, the last one is compiled before it, so that whatever is wrong with it is known from the start.
    ///
    /// - Parameter compile: makes the plan for the parameters that are frozen in an epoch, counted from 0.
    init(_ rules: [ParameterRule], compile: @escaping (_ epoch: Int) throws -> Plan) throws {
        stages = rules.stages
        self.compile = compile
        let last = try stages.count > 1 ? compile(stages[stages.count - 1]).byteCount : 0
        let first = try compile(0)
        current = first
        byteCount = max(last, first.byteCount)
    }

    /// That of the stage at hand.
    var plan: Plan {
        guard let current else { preconditionFailure("a training goes on although a plan could not be compiled") }
        return current
    }

    /// Makes `plan` the one for an epoch.
    func enter(epoch: Int) throws {
        guard let next = stages.last(where: { $0 <= epoch }), next != stage else { return }
        current = nil
        current = try compile(next)
        stage = next
    }
}
