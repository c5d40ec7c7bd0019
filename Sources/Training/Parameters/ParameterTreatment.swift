import Configuration
import Foundation
import TensorCore

/// How one parameter is trained.
public struct ParameterTreatment: Sendable, Equatable {
    /// For how many epochs at the beginning it keeps its initial value; `Int.max` where it keeps it to the end.
    public var frozenEpochCount = 0
    /// Whether it keeps its initial value to the end.
    public var isFrozen: Bool { frozenEpochCount == .max }
    /// By what the learning rate of a step is multiplied.
    public var learningRateFactor = 1.0
    /// λ in the place of the optimizer's and of what the parameter's role says; nil: those.
    public var weightDecay: Double?

    /// As without rules.
    public init() {}

    init(_ rule: ParameterRule) {
        frozenEpochCount = rule.freeze ? .max : rule.freezeUntilEpoch
        learningRateFactor = rule.learningRateFactor
        weightDecay = rule.weightDecay
    }
}

extension [ParameterRule] {
    /// How the parameter of this name is trained: as the first rule says that matches it.
    public func treatment(of name: String) -> ParameterTreatment { first { $0.matches(name) }.map(ParameterTreatment.init) ?? ParameterTreatment() }

    /// Whether the parameter of a name is frozen in an epoch, counted from 0.
    func freezing(in epoch: Int) -> (_ name: String) -> Bool {
        { name in treatment(of: name).frozenEpochCount > epoch }
    }

    /// Whether the parameter of a name keeps its initial value to the end.
    func freezes(_ name: String) -> Bool { treatment(of: name).isFrozen }

    /// The epochs, counted from 0, from which on other parameters may be frozen than before: 0 first.
    var stages: [Int] { Set([0] + map(\.freezeUntilEpoch)).sorted() }

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
        // Later there are never more of them.
        if !treatments.isEmpty, treatments.allSatisfy({ $0.frozenEpochCount > 0 }) {
            let when = treatments.allSatisfy(\.isFrozen) ? "" : " in the first epoch"
            throw UserError(at: "train.parameters", "all \(names.count) parameters\(owner) are frozen\(when), expected at least one that is trained")
        }
        return treatments
    }
}

extension TrainConfiguration {
    /// How each of a model's parameters is trained, in their order: as the rules say, at a rate that decays from layer to layer.
    ///
    /// - Parameters:
    ///   - layers: into which layers they fall.
    ///   - model: whose parameters they are, for errors.
    /// - Throws: `UserError(.usage)` when a rule concerns none of them, or nothing is left to train.
    public func treatments(of parameters: [Parameter], layers: LayerOrder, in model: String? = nil) throws -> [ParameterTreatment] {
        var treatments = try self.parameters.treatments(of: parameters.map(\.name), in: model)
        let numbers = layers.layers(of: parameters), last = numbers.max() ?? 0
        for index in treatments.indices { treatments[index].learningRateFactor *= pow(layerDecay, Double(last - numbers[index])) }
        return treatments
    }
}
