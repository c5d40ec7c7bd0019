import Measures

extension EvaluationRecord {
    /// The logits and labels of a classification; nil where the run keeps none (`train.store_outputs: false`), or its task has others.
    public func scores(of run: RunDescription) -> ClassScores? {
        guard let classes = run.classes, let logits = tables["logits"]?.reals, let labels = tables["labels"]?.integers else { return nil }
        return ClassScores(logits: logits, labels: labels, classCount: classes, areMargins: run.measures.areOfMargins)
    }
}
