import Measures

extension EvaluationRecord {
    /// The logits and labels of a classification.
    ///
    /// - Parameter classes: how many there are (`RunDescription.classes`).
    /// - Returns: nil where the run keeps none (`train.store_outputs: false`), or its task has others.
    public func scores(classes: Int?) -> ClassScores? {
        guard let classes, let logits = tables["logits"]?.reals, let labels = tables["labels"]?.integers else { return nil }
        return ClassScores(logits: logits, labels: labels, classCount: classes)
    }
}
