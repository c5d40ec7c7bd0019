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
        entries.append(entry("models", ConfigurationNode(.map(models.map { entry($0.name, $0.definition.node) }), mark: mark)))
        if let sweep { entries.append(entry("sweep", sweep.node)) }
        return ConfigurationNode(.map(entries), mark: mark)
    }

    /// A model that a word of the command line names: a preset, a family, or YAML such as `{vit: {patch: 4, width: 96, depth: 6, heads: 3}}`.
    ///
    /// - Throws: `.usage` with everything that is wrong with it.
    public static func model(_ word: String, registry: ModelRegistry = .standard) throws -> ModelDefinition {
        let errors = ConfigurationErrors()
        let mark = SourceMark(file: "'\(word)'", line: nil)
        let model = registry.read(try YAML.node(word) { _ in mark }, path: "", errors: errors)
        try errors.throwIfAny()
        guard let model else { preconditionFailure("a model is read or reported") }
        return model
    }
}
