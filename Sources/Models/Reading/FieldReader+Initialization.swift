import Configuration
import Layers

extension FieldReader {
    /// How weights start: `zeros`, `he`, `{he: {distribution: uniform, fan: out}}`, `{truncated_normal: {deviation: 0.02}}`, …
    mutating func initialization(_ key: String, default value: Initialization) -> Initialization {
        guard let (name, node, path) = variant(key) else { return value }
        var options = FieldReader(node, path: path, errors: errors)
        let result: Initialization
        switch name {
        case "zeros": result = .zeros
        case "constant": result = .constant(value: options.number("value", default: 0))
        case "normal": result = .normal(deviation: options.number("deviation", default: 0.01, in: 0...))
        case "uniform": result = .uniform(bound: options.number("bound", default: 0.05, in: 0...))
        case "truncated_normal":
            let deviation = options.number("deviation", default: 0.02, in: 0...)
            let bound = options.number("bound", default: 2)
            if bound <= 0 || bound < deviation / 10 {
                options.report("expected a positive number, at least a tenth of the deviation \(deviation), found \(bound)", at: "bound")
            }
            result = .truncatedNormal(deviation: deviation, bound: bound)
        case "xavier":
            result = .xavier(
                distribution: options.choice("distribution", default: .uniform), gain: options.gain(default: .identity))
        case "he":
            result = .he(
                distribution: options.choice("distribution", default: .normal), fan: options.choice("fan", default: .in),
                gain: options.gain(default: .relu))
        case "lecun": result = .leCun(distribution: options.choice("distribution", default: .normal))
        default:
            let known = ["zeros", "constant", "normal", "uniform", "truncated_normal", "xavier", "he", "lecun"]
            report("unknown initialization '\(name)'\(suggestion(for: name, among: known))", at: key)
            return value
        }
        options.finish()
        return result
    }

    /// The key `gain`: a positive number, or an activation whose gain is known.
    private mutating func gain(default activation: ActivationKind) -> Double {
        let fallback = activation.gain ?? 1
        guard let found = node("gain") else { return fallback }
        if let number = WrittenNumber(found), number.value > 0 {
            guard let complaint = number.complaint(0...) else { return number.value }
            report(complaint, at: "gain")
            return fallback
        }
        if case .scalar(let text, _) = found.value, let gain = ActivationKind(rawValue: text)?.gain { return gain }
        let known = ActivationKind.allCases.filter { $0.gain != nil }.map(\.rawValue)
        report("expected a positive number or one of \(known.joined(separator: ", ")), found \(found.kind)", at: "gain")
        return fallback
    }
}
