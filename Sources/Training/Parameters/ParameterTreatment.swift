import Configuration

/// How one parameter is trained.
public struct ParameterTreatment: Sendable, Equatable {
    /// Whether it keeps its initial value.
    public var isFrozen = false
    /// By what the learning rate of a step is multiplied.
    public var learningRateFactor = 1.0
    /// λ in the place of the optimizer's and of what the parameter's role says; nil: those.
    public var weightDecay: Double?

    /// As without rules.
    public init() {}

    init(_ rule: ParameterRule) {
        isFrozen = rule.freeze
        learningRateFactor = rule.learningRateFactor
        weightDecay = rule.weightDecay
    }
}

extension [ParameterRule] {
    /// How the parameter of this name is trained: as the first rule says that matches it.
    public func treatment(of name: String) -> ParameterTreatment { first { $0.matches(name) }.map(ParameterTreatment.init) ?? ParameterTreatment() }

    /// Whether the parameter of this name keeps its initial value.
    func freezes(_ name: String) -> Bool { treatment(of: name).isFrozen }

    /// How each of a model's parameters is trained, in the order of `names`.
    ///
    /// - Parameter model: whose parameters they are, for errors.
    /// - Throws: `UserError(.usage)` when a rule concerns none of them, or nothing is left to train.
    public func treatments(of names: [String], in model: String? = nil) throws -> [ParameterTreatment] {
        let owner = model.map { " of \($0)" } ?? ""
        let owners = names.map { name in firstIndex { $0.matches(name) } }
        for (index, rule) in enumerated() where !owners.contains(index) {
            let place = "train.parameters[\(index)].match", pattern = "'\(rule.match.shortened())'"
            if let taken = names.first(where: rule.matches), let earlier = owners[names.firstIndex(of: taken)!] {
                throw UserError(at: place, "\(pattern) has no parameter left; train.parameters[\(earlier)] comes first for \(taken)")
            }
            throw UserError(at: place, "\(pattern) matches no parameter\(owner); \(NamePattern(rule.match).hint(among: names))")
        }
        let treatments = names.map(treatment)
        if !treatments.isEmpty, treatments.allSatisfy(\.isFrozen) {
            throw UserError(at: "train.parameters", "all \(names.count) parameters\(owner) are frozen, expected at least one that is trained")
        }
        return treatments
    }
}
