import Configuration
import TensorCore

/// How the answers of a model that gives images are read.
public enum ImageAnswers: Sendable {
    /// Pixels on the scale of normalized images.
    case pixels
    /// Logits of pixels from 0 to 1.
    case logits
    /// Only pixels that were hidden were learned: of each image the task hides some as in its test, and answers are pixels from 0 to 1 with the image's own
    /// where they were seen.
    case completions(Reconstruction)
}

extension TaskRegistry {
    /// How the answers of a model that was trained for a definition's task are read as images; nil where they are none.
    ///
    /// - Parameters:
    ///   - mean: by which images are normalized, as by `deviation`.
    ///   - hidesPixels: whether the model hides parts of the image itself.
    /// - Throws: `.usage` for options that cannot be read.
    public func imageAnswers(
        _ node: ConfigurationNode?, shape: ImageShape, mean: [Double], deviation: [Double], hidesPixels: Bool
    ) throws -> ImageAnswers? {
        let errors = ConfigurationErrors()
        guard let (name, given) = choice(node, errors), name == "reconstruction" else { return nil }
        var fields = given
        let options = ReconstructionOptions(from: &fields)
        try errors.throwIfAny()
        if hidesPixels || options.counted == .hidden {
            return .completions(Reconstruction(shape: shape, mean: mean.map { Float($0) }, deviation: deviation.map { Float($0) }, options))
        }
        return options.loss == .bce ? .logits : .pixels
    }
}
