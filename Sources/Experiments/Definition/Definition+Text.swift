import Configuration
import Models

extension Definition {
    /// The definition with its overrides applied and every default filled in, as YAML that means the same.
    public var resolvedText: String { YAML.text(resolved, .yaml) }

    /// The same as a node.
    var resolved: ConfigurationNode {
        func entry(_ key: String, _ value: some Encodable) -> ConfigurationNode.Entry {
            let node = YAML.node(of: value)
            return .init(key: key, mark: node.mark, node: node)
        }
        let models = models.map { entry($0.name, $0.definition) }
        let mark = SourceMark(file: name, line: nil)
        let head = [entry("data", data), entry("train", train), entry("seeds", seeds), entry("precision", precision)]
        let match = match.map { [entry("match", $0)] } ?? []
        let last = ConfigurationNode.Entry(key: "models", mark: mark, node: ConfigurationNode(.map(models), mark: mark))
        let sweep = sweep.map { [ConfigurationNode.Entry(key: "sweep", mark: mark, node: $0.node)] } ?? []
        return ConfigurationNode(.map(head + match + [last] + sweep), mark: mark)
    }

    /// A model that a word of the command line names: a preset, a family, or YAML such as `{vit: {patch: 4, width: 96, depth: 6, heads: 3}}`.
    ///
    /// - Throws: `.usage` with everything that is wrong with it.
    public static func model(_ word: String) throws -> ModelDefinition {
        let errors = ConfigurationErrors()
        let mark = SourceMark(file: "'\(word)'", line: nil)
        let model = ModelRegistry.read(try YAML.node(word) { _ in mark }, path: "", errors: errors)
        try errors.throwIfAny()
        guard let model else { preconditionFailure("a model is read or reported") }
        return model
    }
}
