import Configuration

/// How the answers of a model that gives images are read.
public struct ImageAnswers: Sendable, Equatable {
    /// Whether they are logits of pixels from 0 to 1, and no pixels on the scale of normalized images.
    public let areLogits: Bool
}

extension TaskRegistry {
    /// How the answers of a model that was trained for a definition's task are read as images; nil where they are none.
    ///
    /// - Throws: `.usage` for options that cannot be read.
    public func imageAnswers(_ node: ConfigurationNode?) throws -> ImageAnswers? {
        let errors = ConfigurationErrors()
        guard let (name, given) = choice(node, errors), name == "reconstruction" else { return nil }
        var fields = given
        let options = ReconstructionOptions(from: &fields)
        try errors.throwIfAny()
        return ImageAnswers(areLogits: options.loss == .bce)
    }
}
