import Configuration

extension RunDescription {
    /// The definition that the run keeps; nil when it cannot be read.
    public var definition: ConfigurationNode? { try? YAML.node(configuration) { SourceMark(file: "/config", line: $0) } }

    /// Whether the run file has the model's outputs for validation and test: false where the definition says `train.store_outputs: false`.
    public var keepsOutputs: Bool {
        if case .scalar("false", _)? = definition?["train"]?["store_outputs"]?.value { false } else { true }
    }
}
