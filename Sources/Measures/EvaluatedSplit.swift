/// A part of the data on which a trained model is evaluated.
public enum EvaluatedSplit: String, Sendable, CaseIterable {
    case test, validation
}
