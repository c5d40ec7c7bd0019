import Configuration
import Models

extension Definition {
    /// The definition with its overrides applied and every default filled in, as YAML that means the same.
    public var resolvedText: String { YAML.text(resolved, .yaml) }

    /// The same as a node.
    var resolved: ConfigurationNode {
        let mark = SourceMark(file: name, line: nil)
        func entry(_ key: String, _ node: ConfigurationNode) -> ConfigurationNode.Entry { .init(key: key, mark: mark, node: node) }
        var entries = [
            entry("data", data.node), entry("train", train.completeNode), entry("seeds", .list(seeds.map { .scalar($0) })),
            entry("precision", .text(precision.rawValue)),
        ]
        if let task { entries.append(entry("task", task)) }
        if let match { entries.append(entry("match", .text(match.rawValue))) }
        entries += remarks.entries.map { entry($0.key, $0.node) }
        entries.append(entry("models", ConfigurationNode(.map(models.map { entry($0.name, resolved($0)) }), mark: mark)))
        if !ensembles.isEmpty { entries.append(entry(Ensemble.key, ConfigurationNode(.map(ensembles.map { entry($0.name, $0.configuration.node) }), mark: mark))) }
        if let sweep { entries.append(entry("sweep", sweep.node)) }
        return ConfigurationNode(.map(entries), mark: mark)
    }

    /// The paths of values and maps that begin with a word, as far as the second key after those that are written: what a shell offers.
    public func keyPaths(beginningWith word: String) -> [String] { completions(of: word).map(\.path) }

    /// Words of the command line that set a value to what it is, for changing it: `train.epochs=4`.
    public func overrides(beginningWith word: String) -> [String] {
        completions(of: word).map { path, node in
            guard case .scalar = node.value else { return path }
            return "\(path)=\(YAML.line(node))"
        }
    }

    private func completions(of word: String) -> [(path: String, node: ConfigurationNode)] {
        let depth = word.split(separator: ".", omittingEmptySubsequences: false).count
        func below(_ node: ConfigurationNode, _ path: String, _ level: Int) -> [(String, ConfigurationNode)] {
            guard level <= depth + 1 else { return [] }
            return (node.entries ?? []).flatMap { entry -> [(String, ConfigurationNode)] in
                let own = path.isEmpty ? entry.key : "\(path).\(entry.key)"
                return (own.hasPrefix(word) ? [(own, entry.node)] : []) + below(entry.node, own, level + 1)
            }
        }
        return below(resolved, "", 1)
    }

    /// A model, with the keys of its training and of its data that differ from all models', null for those that it does not have.
    private func resolved(_ model: Model) -> ConfigurationNode {
        let family = (model.definition.node.entries ?? []).map { ($0.key, $0.node) }
        var beside = model.ownRemarks.entries
        if model.trainNode != nil { beside.append(("train", Self.difference(of: model.train, from: train))) }
        if let own = model.data { beside.append(("data", Self.difference(of: own, from: data))) }
        return beside.isEmpty ? model.definition.node : .map(family + beside)
    }

    /// A model that a word of the command line names: a preset, a family, or YAML such as `{vit: {patch: 4, width: 96, depth: 6, heads: 3}}`.
    ///
    /// - Throws: `.usage` with everything that is wrong with it.
    public static func model(_ word: String, registry: Registry = .standard) throws -> ModelDefinition {
        let errors = ConfigurationErrors()
        let mark = SourceMark(file: "'\(word)'", line: nil)
        let model = registry.models.read(try YAML.node(word) { _ in mark }, path: "", errors: errors)
        try errors.throwIfAny()
        guard let model else { preconditionFailure("a model is read or reported") }
        return model
    }
}
