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

    public struct SGD: Codable, Sendable, Equatable {
        public var learningRate = 1e-3
        public var momentum = 0.0
        public var nesterov = false
        public var weightDecay = 0.0

        public init() {}

        enum CodingKeys: String, CodingKey {
            case learningRate = "learning_rate"
            case momentum, nesterov
            case weightDecay = "weight_decay"
        }
    }

    public struct Adagrad: Codable, Sendable, Equatable {
        public var learningRate = 1e-2
        public var epsilon = 1e-10
        public var weightDecay = 0.0

        public init() {}

        enum CodingKeys: String, CodingKey {
            case learningRate = "learning_rate"
            case epsilon
            case weightDecay = "weight_decay"
        }
    }

    public struct Adam: Codable, Sendable, Equatable {
        public var learningRate = 1e-3
        /// β₁ and β₂.
        public var betas = [0.9, 0.999]
        public var epsilon = 1e-8
        public var weightDecay: Double

        public init(weightDecay: Double = 0) { self.weightDecay = weightDecay }

        enum CodingKeys: String, CodingKey {
            case learningRate = "learning_rate"
            case betas, epsilon
            case weightDecay = "weight_decay"
        }
    }

    /// AdamW with PyTorch's defaults.
    public static let `default` = OptimizerConfiguration.adamw(Adam(weightDecay: 1e-2))

    /// The peak learning rate, which the schedule scales.
    public var learningRate: Double {
        switch self {
        case .sgd(let options): options.learningRate
        case .adagrad(let options): options.learningRate
        case .adam(let options), .adamw(let options): options.learningRate
        }
    }

    public var weightDecay: Double {
        switch self {
        case .sgd(let options): options.weightDecay
        case .adagrad(let options): options.weightDecay
        case .adam(let options), .adamw(let options): options.weightDecay
        }
    }

    /// The arrays that the optimizer keeps between steps, by PyTorch's names.
    public var slotNames: [String] {
        switch self {
        case .sgd(let options): options.momentum > 0 ? ["momentum_buffer"] : []
        case .adagrad: ["sum"]
        case .adam, .adamw: ["exp_avg", "exp_avg_sq"]
        }
    }
}

// MARK: Reading definitions

extension OptimizerConfiguration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case sgd, adagrad, adam, adamw
    }

    /// Reads the variant under `key`, reporting what is wrong in it; the default when it is absent or wrong.
    init(_ key: String, from fields: inout FieldReader) {
        self = .default
        guard let (name, node, path) = fields.variant(key) else { return }
        guard let name = CodingKeys(rawValue: name) else {
            let known = CodingKeys.allCases.map(\.rawValue)
            fields.report("unknown optimizer '\(name)'\(suggestion(for: name, among: known))", at: key)
            return
        }
        var options = FieldReader(node, path: path, errors: fields.errors)
        switch name {
        case .sgd: self = .sgd(SGD(from: &options))
        case .adagrad: self = .adagrad(Adagrad(from: &options))
        case .adam: self = .adam(Adam(from: &options, weightDecay: 0))
        case .adamw: self = .adamw(Adam(from: &options, weightDecay: Self.default.weightDecay))
        }
        options.finish()
    }
}

extension OptimizerConfiguration.SGD {
    init(from fields: inout FieldReader) {
        learningRate = fields.number("learning_rate", default: learningRate, in: 0...)
        momentum = fields.number("momentum", default: momentum, in: 0..<1)
        nesterov = fields.boolean("nesterov", default: nesterov)
        weightDecay = fields.number("weight_decay", default: weightDecay, in: 0...)
        if nesterov, momentum == 0 { fields.report("found true with a momentum of 0, expected a momentum above 0", at: "nesterov") }
    }
}

extension OptimizerConfiguration.Adagrad {
    init(from fields: inout FieldReader) {
        learningRate = fields.number("learning_rate", default: learningRate, in: 0...)
        epsilon = fields.number("epsilon", default: epsilon, in: 0...)
        weightDecay = fields.number("weight_decay", default: weightDecay, in: 0...)
    }
}

extension OptimizerConfiguration.Adam {
    init(from fields: inout FieldReader, weightDecay: Double) {
        learningRate = fields.number("learning_rate", default: learningRate, in: 0...)
        if let values = fields.numbers("betas", in: 0..<1) {
            if values.count == 2 {
                betas = values
            } else if !fields.errors.hasAny(under: fields.path(of: "betas")) {
                fields.report("expected two numbers from 0 up to but not 1, found \(values.count)", at: "betas")
            }
        }
        epsilon = fields.number("epsilon", default: epsilon, in: 0...)
        self.weightDecay = fields.number("weight_decay", default: weightDecay, in: 0...)
    }
}

// MARK: Codable, in the form of a definition

extension OptimizerConfiguration: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "expected one optimizer"))
        }
        switch key {
        case .sgd: self = .sgd(try container.decode(SGD.self, forKey: key))
        case .adagrad: self = .adagrad(try container.decode(Adagrad.self, forKey: key))
        case .adam: self = .adam(try container.decode(Adam.self, forKey: key))
        case .adamw: self = .adamw(try container.decode(Adam.self, forKey: key))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .sgd(let options): try container.encode(options, forKey: .sgd)
        case .adagrad(let options): try container.encode(options, forKey: .adagrad)
        case .adam(let options): try container.encode(options, forKey: .adam)
        case .adamw(let options): try container.encode(options, forKey: .adamw)
        }
    }
}
