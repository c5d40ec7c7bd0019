import Configuration

/// The `optimizer:` of a definition: `{adamw: {learning_rate: 1e-3, weight_decay: 0.05}}`, or a bare name for its defaults.
///
/// In the formulas `g` is the gradient, `w` a parameter, `γ` the learning rate of the step, `λ` the weight decay. The conventions and the
/// defaults are PyTorch's.
public enum OptimizerConfiguration: Sendable, Equatable {
    /// Stochastic gradient descent: `g ← g + λw`, `b ← μb + g`, `w ← w − γb`; with Nesterov's momentum `w ← w − γ(g + μb)`.
    ///
    /// Sutskever, Martens, Dahl, Hinton: "On the importance of initialization and momentum in deep learning", ICML 2013.
    case sgd(SGD)
    /// `g ← g + λw`, `s ← s + g²`, `w ← w − γ g / (√s + ε)`.
    ///
    /// Duchi, Hazan, Singer: "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 12, 2011.
    case adagrad(Adagrad)
    /// `g ← g + λw`, `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − γ m̂ / (√v̂ + ε)` with `m̂ = m / (1−β₁ᵗ)` and `v̂ = v / (1−β₂ᵗ)`.
    ///
    /// Kingma, Ba: "Adam: A Method for Stochastic Optimization", ICLR 2015 (arXiv:1412.6980).
    case adam(Adam)
    /// Adam with the weight decay outside of the gradient: `w ← (1 − γλ)w − γ m̂ / (√v̂ + ε)`.
    ///
    /// Loshchilov, Hutter: "Decoupled Weight Decay Regularization", ICLR 2019 (arXiv:1711.05101).
    case adamw(Adam)
    /// One that a program adds.
    case added(AddedOptimizer)

    /// Stochastic gradient descent, with momentum where it is asked for.
    public struct SGD: Configurable {
        /// The rate before the schedule's factor.
        public var learningRate = 1e-3
        /// The share of the last update that goes on.
        public var momentum = 0.0
        /// Whether the gradient is taken where the momentum leads.
        public var nesterov = false
        /// The factor of the weight decay; 0 for none.
        public var weightDecay = 0.0

        /// PyTorch's defaults.
        public init() {}

        public static let options: [Key<SGD>] = [
            learningRateOption(\.learningRate),
            Key("momentum", \.momentum, .number(in: 0..<1), "μ: how much of the last step goes into the next."),
            Key("nesterov", \.nesterov, .flag, paper: "Sutskever et al., ICML 2013", "Whether the momentum looks ahead."),
            weightDecayOption(\.weightDecay),
        ]

        public mutating func check(_ fields: inout FieldReader) {
            if nesterov, momentum == 0 { fields.report("found true with a momentum of 0, expected a momentum above 0", at: "nesterov") }
        }
    }

    /// A rate for each parameter that falls with the squares of its gradients.
    public struct Adagrad: Configurable {
        /// The rate before the schedule's factor.
        public var learningRate = 1e-2
        /// Keeps the denominator from 0.
        public var epsilon = 1e-10
        /// The factor of the weight decay; 0 for none.
        public var weightDecay = 0.0

        /// PyTorch's defaults.
        public init() {}

        public static let options: [Key<Adagrad>] = [
            learningRateOption(\.learningRate), epsilonOption(\.epsilon), weightDecayOption(\.weightDecay),
        ]
    }

    /// Means of the gradients over those of their squares.
    public struct Adam: Configurable {
        /// The rate before the schedule's factor.
        public var learningRate = 1e-3
        /// β₁ and β₂.
        public var betas = [0.9, 0.999]
        /// Keeps the denominator from 0.
        public var epsilon = 1e-8
        /// The factor of the weight decay; 0 for none.
        public var weightDecay: Double

        /// PyTorch's defaults but for the weight decay, which Adam and AdamW have another of.
        public init(weightDecay: Double) { self.weightDecay = weightDecay }

        /// Adam's defaults.
        public init() { self.init(weightDecay: 0) }

        public static let options: [Key<Adam>] = [
            learningRateOption(\.learningRate),
            Key("betas", \.betas, .betas, "β₁ and β₂: how much of the running means of the gradient and of its square is kept."),
            epsilonOption(\.epsilon), weightDecayOption(\.weightDecay),
        ]
    }

    /// AdamW with PyTorch's defaults.
    public static let `default` = OptimizerConfiguration.adamw(Adam(weightDecay: 1e-2))

    /// The peak learning rate, which the schedule scales.
    public var learningRate: Double {
        switch self {
        case .sgd(let options): options.learningRate
        case .adagrad(let options): options.learningRate
        case .adam(let options), .adamw(let options): options.learningRate
        case .added(let optimizer): optimizer.rule.learningRate
        }
    }

    /// The factor of the weight decay; 0 for none.
    public var weightDecay: Double {
        switch self {
        case .sgd(let options): options.weightDecay
        case .adagrad(let options): options.weightDecay
        case .adam(let options), .adamw(let options): options.weightDecay
        case .added(let optimizer): optimizer.rule.weightDecay
        }
    }

    /// The arrays that the optimizer keeps between steps, by PyTorch's names.
    public var slotNames: [String] {
        switch self {
        case .sgd(let options): options.momentum > 0 ? ["momentum_buffer"] : []
        case .adagrad: ["sum"]
        case .adam, .adamw: ["exp_avg", "exp_avg_sq"]
        case .added(let optimizer): optimizer.rule.slotNames
        }
    }
}

// MARK: Options

extension OptimizerConfiguration {
    /// A name, or a map with a name and its options.
    static let kind = OptionKind<OptimizerConfiguration>.variants("optimizer", [
        Variant("sgd", SGD(), paper: "Sutskever, Martens, Dahl and Hinton, ICML 2013", "Stochastic gradient descent, with momentum where it is given.",
            make: { .sgd($0) }, options: { if case .sgd(let options) = $0 { options } else { nil } }),
        Variant("adagrad", Adagrad(), paper: "Duchi, Hazan and Singer, JMLR 12, 2011", "Steps over the root of all squares of the gradient so far.",
            make: { .adagrad($0) }, options: { if case .adagrad(let options) = $0 { options } else { nil } }),
        Variant("adam", Adam(), paper: "Kingma and Ba, ICLR 2015", "Steps by running means of the gradient and of its square.",
            make: { .adam($0) }, options: { if case .adam(let options) = $0 { options } else { nil } }),
        Variant("adamw", Adam(weightDecay: 1e-2), paper: "Loshchilov and Hutter, ICLR 2019", "Adam with the weight decay outside of the gradient.",
            make: { .adamw($0) }, options: { if case .adamw(let options) = $0 { options } else { nil } }),
    ], added: { if case .added(let optimizer) = $0 { variant(like: optimizer.rule) } else { nil } })

    /// The variant of an optimizer that a program adds, for definitions (`Additions`): of the type of this one, whatever its options.
    public static func variant<Rule: UpdateRule>(like rule: Rule) -> Variant<OptimizerConfiguration> {
        Variant(
            adding: Rule.self, make: { .added(AddedOptimizer($0)) }, options: { if case .added(let optimizer) = $0 { optimizer.rule as? Rule } else { nil } })
    }
}

private func learningRateOption<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
    Key("learning_rate", property, .number(in: 0...), "γ: the highest learning rate, which the schedule scales.")
}

private func weightDecayOption<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
    Key("weight_decay", property, .number(in: 0...), "λ: how strongly weights are drawn to 0.")
}

private func epsilonOption<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
    Key("epsilon", property, .number(in: 0...), "ε: keeps the divisor away from 0.")
}

extension OptionKind where Value == [Double] {
    fileprivate static let betas = OptionKind(
        "two numbers from 0, below 1", schema: .list(of: .range(from: 0, to: 1, isOpen: true), orOne: false),
        read: { fields, key in
            guard let values = fields.numbers(key, in: 0..<1) else { return nil }
            if values.count == 2 { return values }
            if !fields.errors.hasAny(under: fields.path(of: key)) {
                fields.report("expected two numbers from 0 up to but not 1, found \(values.count)", at: key)
            }
            return nil
        }, write: { .list($0.map { .scalar($0) }) })
}
