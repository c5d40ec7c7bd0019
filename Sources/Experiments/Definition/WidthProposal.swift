import Configuration
import Models
import TensorCore

/// The width with which a model comes nearest to the budget of a definition's first model: what `match` asks for.
public struct WidthProposal: Sendable {
    /// `models.vit.vit.width`
    public let keyPath: String
    /// The width that comes nearest.
    public let width: Int
    /// Parameters or multiply-adds at that width, and those it should have.
    public let count: Int
    /// The parameters that were asked for.
    public let budget: Int
}

extension Experiment {
    /// For each model but the first whose definition has a width, the one that meets the first model's parameters or MACs best; empty where
    /// the definition does not ask for it.
    public var widthProposals: [WidthProposal] {
        guard let match = definition.match, match != .none, let first = models.first else { return [] }
        let count: (ModelSummary) -> Int = match == .parameters ? \.parameters : \.multiplyAdds
        return definition.models.dropFirst().compactMap { proposal(for: $0, budget: count(first.summary), count) }
    }

    private func proposal(for model: Definition.Model, budget: Int, _ count: (ModelSummary) -> Int) -> WidthProposal? {
        guard let path = model.definition.widthPath else { return nil }
        let dataset = (parts[model.name] ?? self).dataset, node = model.definition.node, place = Array(path.dropLast())
        guard node.value(at: path) != nil, let map = node.value(at: place) else { return nil }
        // Heads have to divide the width, and so have the groups of a norm.
        let step = Self.divisor(in: map, model.definition.keys(at: place)) ?? 1

        /// The size at a width, nil where the model cannot have it.
        func size(_ multiple: Int) -> Int? {
            var changed = node
            let width = ConfigurationNode(.scalar("\(multiple * step)", quoted: false), mark: node.mark)
            let errors = ConfigurationErrors()
            guard (try? Override(path, to: width).apply(to: &changed, self.definition.registry)) != nil,
                let definition = self.definition.registry.models.read(changed, path: "", errors: errors), errors.messages.isEmpty
            else { return nil }
            return (try? ModelSummary(definition, input: dataset.shape, classes: dataset.classCount)).map(count)
        }
        /// The first multiple from here up that the model can have.
        func possible(from multiple: Int) -> (multiple: Int, size: Int)? {
            for candidate in multiple..<multiple + 8 { if let size = size(candidate) { return (candidate, size) } }
            return nil
        }
        // Sizes grow with the width: the best is the last one below the budget or the first one above it.
        var low = 1, high = 2
        while let found = possible(from: high), found.size < budget, high * step < 32_768 { (low, high) = (high, high * 2) }
        while high - low > 1 {
            let middle = (low + high) / 2
            if let found = possible(from: middle), found.size < budget { low = middle } else { high = middle }
        }
        let candidates = [low, low + 1, high].compactMap(possible)
        guard let best = candidates.min(by: { abs($0.size - budget) < abs($1.size - budget) }) else { return nil }
        return WidthProposal(keyPath: (["models", model.name] + path).joined(separator: "."), width: best.multiple * step, count: best.size, budget: budget)
    }

    /// The number in a map that has to divide the width; nil where there is none.
    private static func divisor(in map: ConfigurationNode, _ keys: [OptionDescription]) -> Int? {
        for key in keys {
            guard let node = map[key.name] else { continue }
            if key.role == .widthDivisor, case .scalar(let text, _) = node.value { return Int(text) }
            if let found = divisor(in: node, key.children) { return found }
        }
        return nil
    }
}
