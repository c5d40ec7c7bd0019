import Configuration

extension OptionKind where Value == Initialization {
    /// How weights start: `zeros`, `he`, `{he: {distribution: uniform, fan: out}}`, `{truncated_normal: {deviation: 0.02}}`, …
    public static let initialization = variants("initialization", [
        Variant("constant", Constant(), "The same value everywhere.",
            make: { .constant(value: $0.value) }, options: { if case .constant(let value) = $0 { Constant(value: value) } else { nil } }),
        Variant("zeros", Zeros(), "Zero everywhere: constant with the value 0.", make: { _ in .zeros }, options: { _ in nil }),
        Variant("normal", Normal(), "Normal, with a deviation that does not depend on the shape.",
            make: { .normal(deviation: $0.deviation) }, options: { if case .normal(let deviation) = $0 { Normal(deviation: deviation) } else { nil } }),
        Variant("uniform", Uniform(), "Uniform within bounds that do not depend on the shape.",
            make: { .uniform(bound: $0.bound) }, options: { if case .uniform(let bound) = $0 { Uniform(bound: bound) } else { nil } }),
        Variant("uniform_over_fan_in", UniformOverFanIn(), paper: "LeCun, Bottou, Bengio and Haffner, 1998", "Uniform within ±bound / fan_in.",
            make: { .uniformOverFanIn(bound: $0.bound) },
            options: { if case .uniformOverFanIn(let bound) = $0 { UniformOverFanIn(bound: bound) } else { nil } }),
        Variant("truncated_normal", TruncatedNormal(), "Normal, with values beyond bounds drawn again.",
            make: { .truncatedNormal(deviation: $0.deviation, bound: $0.bound) },
            options: { if case .truncatedNormal(let deviation, let bound) = $0 { TruncatedNormal(deviation: deviation, bound: bound) } else { nil } }),
        Variant("xavier", Xavier(), paper: "Glorot and Bengio, AISTATS 2010", "Variance gain² · 2 / (fan_in + fan_out).",
            make: { .xavier(distribution: $0.distribution, gain: $0.gain) },
            options: { if case .xavier(let distribution, let gain) = $0 { Xavier(distribution: distribution, gain: gain) } else { nil } }),
        Variant("he", He(), paper: "He, Zhang, Ren and Sun, ICCV 2015", "Variance gain² / fan.",
            make: { .he(distribution: $0.distribution, fan: $0.fan, gain: $0.gain) },
            options: { if case .he(let distribution, let fan, let gain) = $0 { He(distribution: distribution, fan: fan, gain: gain) } else { nil } }),
        Variant("lecun", LeCun(), paper: "LeCun, Bottou, Orr and Müller, 1998", "Variance 1 / fan_in.",
            make: { .leCun(distribution: $0.distribution) },
            options: { if case .leCun(let distribution) = $0 { LeCun(distribution: distribution) } else { nil } }),
    ])
}

private struct Zeros: Configurable {
    static let options: [Key<Zeros>] = []
}

private struct Constant: Configurable {
    var value = 0.0
    static let options: [Key<Constant>] = [Key("value", \.value, .anyNumber, "The value.")]
}

private struct Normal: Configurable {
    var deviation = 0.01
    static let options: [Key<Normal>] = [deviationOption(\.deviation)]
}

private struct Uniform: Configurable {
    var bound = 0.05
    static let options: [Key<Uniform>] = [Key("bound", \.bound, .number(in: 0...), "The largest value; the least is its negative.")]
}

private struct UniformOverFanIn: Configurable {
    var bound = 2.4
    static let options: [Key<UniformOverFanIn>] = [Key("bound", \.bound, .number(in: 0...), "The largest value times the inputs of a unit.")]
}

private struct TruncatedNormal: Configurable {
    var deviation = 0.02
    var bound = 2.0

    static let options: [Key<TruncatedNormal>] = [
        deviationOption(\.deviation),
        Key("bound", \.bound, .anyNumber, "Absolute, not in deviations."),
    ]

    mutating func check(_ fields: inout FieldReader) {
        if bound <= 0 || bound < deviation / 10 {
            fields.report("expected a positive number, at least a tenth of the deviation \(deviation), found \(bound)", at: "bound")
        }
    }
}

private struct Xavier: Configurable {
    var distribution = Initialization.Distribution.uniform
    var gain = ActivationKind.identity.gain!
    static let options: [Key<Xavier>] = [distributionOption(\.distribution), Key("gain", \.gain, .gain, gainText)]
}

private struct He: Configurable {
    var distribution = Initialization.Distribution.normal
    var fan = Fan.in
    var gain = ActivationKind.relu.gain!

    static let options: [Key<He>] = [
        distributionOption(\.distribution),
        Key("fan", \.fan, .choice, "Whether the scale keeps the variance of signals (in), of gradients (out), or something between."),
        Key("gain", \.gain, .gain, gainText),
    ]
}

private struct LeCun: Configurable {
    var distribution = Initialization.Distribution.normal
    static let options: [Key<LeCun>] = [distributionOption(\.distribution)]
}

private let gainText = "By what weights in front of an activation are scaled up: a number, or the activation."

private func deviationOption<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
    Key("deviation", property, .number(in: 0...), "The standard deviation.")
}

private func distributionOption<Root>(_ property: WritableKeyPath<Root, Initialization.Distribution> & Sendable) -> Key<Root> {
    Key("distribution", property, .choice, "The shape of the distribution; both have the same variance.")
}

extension OptionKind where Value == Double {
    /// A positive number, or an activation whose gain is known.
    fileprivate static let gain = OptionKind(
        "a number above 0, or an activation", schema: .either([.range(from: 0, to: nil, isOpen: false), .names(activations)]),
        read: { fields, key in
            guard let found = fields.node(key) else { return nil }
            if let number = WrittenNumber(found), number.value > 0 {
                guard let complaint = number.complaint(0...) else { return number.value }
                fields.report(complaint, at: key)
                return nil
            }
            if case .scalar(let text, _) = found.value, let gain = ActivationKind(rawValue: text)?.gain { return gain }
            fields.report("expected a positive number or one of \(activations.joined(separator: ", ")), found \(found.kind)", at: key)
            return nil
        }, write: { .scalar($0) })

    private static var activations: [String] { ActivationKind.allCases.filter { $0.gain != nil }.map(\.rawValue) }
}
