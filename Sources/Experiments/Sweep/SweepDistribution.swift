import Configuration
import Foundation
import TensorCore

/// What a random cell draws a value from.
enum SweepDistribution: Sendable {
    case uniform(Double, Double)
    /// Uniform in the logarithm.
    case logUniform(Double, Double)
    /// Both bounds included.
    case integer(Int, Int)
    case choice([ConfigurationNode])

    init?(_ node: ConfigurationNode, path: String, errors: ConfigurationErrors) {
        guard let (name, options, place) = FieldReader.variant(of: node, path: path, errors: errors) else { return nil }
        let names = ["uniform", "log_uniform", "integer", "choice"]
        guard names.contains(name) else {
            errors.report("unknown distribution '\(name)'\(suggestion(for: name, among: names))", at: node.mark, path: path)
            return nil
        }
        guard case .list(let items) = options.value, !items.isEmpty else {
            errors.report("expected a list, found \(options.kind)", at: options.mark, path: place)
            return nil
        }
        if name == "choice" {
            self = .choice(items)
            return
        }
        let numbers = items.compactMap { item -> Double? in
            guard case .scalar(let text, quoted: false) = item.value, let number = Double(text), number.isFinite else { return nil }
            return number
        }
        guard items.count == 2, numbers.count == 2, numbers[0] <= numbers[1] else {
            errors.report("expected two numbers, [from, to], found \(YAML.line(options))", at: options.mark, path: place)
            return nil
        }
        switch name {
        case "uniform":
            self = .uniform(numbers[0], numbers[1])
        case "log_uniform":
            guard numbers[0] > 0 else {
                errors.report("expected bounds above 0, found \(YAML.line(options))", at: options.mark, path: place)
                return nil
            }
            self = .logUniform(numbers[0], numbers[1])
        default:
            guard let from = Int(exactly: numbers[0]), let to = Int(exactly: numbers[1]), to - from < 1 << 24 else {
                errors.report("expected two whole numbers, found \(YAML.line(options))", at: options.mark, path: place)
                return nil
            }
            self = .integer(from, to)
        }
    }

    /// The value of cell `index`: a function of seed, key and index alone. Numbers have four significant digits, so that a table shows all of them.
    func draw(_ index: Int, seed: UInt64, key: String) -> ConfigurationNode {
        var draws = PhiloxStream(seed: seed, name: "sweep \(key)").draws(time: 0, sample: UInt64(index))
        let mark = SourceMark(file: "random cell \(index)", line: nil)
        func number(_ value: Double) -> ConfigurationNode {
            ConfigurationNode(.scalar(String(format: "%.4g", value), quoted: false), mark: mark)
        }
        // 53 bits, of which a float has too few.
        func share() -> Double { Double(draws.next() >> 11) * 0x1p-53 }
        return switch self {
        case .uniform(let from, let to): number(from + (to - from) * share())
        case .logUniform(let from, let to): number(exp(log(from) + (log(to) - log(from)) * share()))
        case .integer(let from, let to):
            ConfigurationNode(.scalar("\(from + draws.integer(below: to - from + 1))", quoted: false), mark: mark)
        case .choice(let values): values[draws.integer(below: values.count)]
        }
    }
}
