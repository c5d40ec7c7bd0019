import Configuration

extension ModelRegistry {
    /// The map of a stored definition's models with what earlier versions did not write: which of two ResNets of one depth is meant, then always
    /// CIFAR's.
    public static func completed(stored models: ConfigurationNode) -> ConfigurationNode {
        guard let entries = models.entries else { return models }
        var copy = models
        copy.value = .map(entries.map { entry in
            var entry = entry
            let isIncomplete = entry.key == ResNetConfiguration.family && needsKind(entry.node)
            entry.node = isIncomplete ? withKind(entry.node) : completed(stored: entry.node)
            return entry
        })
        return copy
    }

    private static func needsKind(_ options: ConfigurationNode) -> Bool {
        guard options["kind"] == nil, case .scalar(let text, quoted: false) = options["depth"]?.value, let depth = Int(text) else { return false }
        return ResidualLayout(depth: depth)?.isAmbiguous ?? false
    }

    private static func withKind(_ options: ConfigurationNode) -> ConfigurationNode {
        let kind = ConfigurationNode(.scalar(ResNetConfiguration.Kind.cifar.rawValue, quoted: false), mark: options.mark)
        var copy = options
        copy.value = .map((options.entries ?? []) + [.init(key: "kind", mark: options.mark, node: kind)])
        return copy
    }
}
