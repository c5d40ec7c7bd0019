import Configuration

/// How some parameters are trained, a rule of `train.parameters`: `{match: "backbone.*", learning_rate_factor: 0.1, weight_decay: 0}`.
public struct ParameterRule: Configurable {
    /// Which parameters it concerns, by their dotted names. `*` stands for any text, dots included.
    public var match = "*"
    /// Whether they keep their initial values.
    public var freeze = false
    /// For how many epochs at the beginning they keep their initial values, after which they are trained.
    public var freezeUntilEpoch = 0
    /// By what the learning rate of the step is multiplied for them.
    public var learningRateFactor = 1.0
    /// λ for them, whatever they are for; nil: as if there were no rule.
    public var weightDecay: Double?

    /// Every parameter, trained as if there were no rule.
    public init() {}

    public static let options: [Key<ParameterRule>] = [
        .required("match", \.match, .text, missing: "is missing, expected a pattern of parameter names, such as \"blocks.0.*\"",
            "Which parameters, by their dotted names; * stands for any text, dots included."),
        Key("freeze", \.freeze, .flag, "Whether they keep their initial values: no gradient, no state of the optimizer, no backward work behind them."),
        Key("freeze_until_epoch", \.freezeUntilEpoch, .integer(in: 0...1_000_000), writesDefault: false,
            "For how many epochs at the beginning they are frozen; after that they are trained, and the optimizer's state of them begins."),
        Key("learning_rate_factor", \.learningRateFactor, .positive, "By what the learning rate of every step is multiplied for them."),
        Key("weight_decay", \.weightDecay, .number(in: 0...),
            "λ for them, norms and biases included; absent: the optimizer's, as without the rule."),
    ]

    public mutating func check(_ fields: inout FieldReader) {
        guard freeze else { return }
        if freezeUntilEpoch != 0 { fields.report("is given for parameters that the rule freezes, expected either of the two", at: "freeze_until_epoch") }
        if learningRateFactor != 1 { fields.report("is given for parameters that the rule freezes, expected either of the two", at: "learning_rate_factor") }
        if weightDecay != nil { fields.report("is given for parameters that the rule freezes, expected either of the two", at: "weight_decay") }
    }

    /// Whether the rule concerns the parameter of this name.
    public func matches(_ name: String) -> Bool { NamePattern(match).matches(name) }
}
