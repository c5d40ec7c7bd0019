import Measures
import Training

/// Says what a task warns of in the values of the validation or of the test, once in each part of a training.
final class TaskWarnings: TrainingListener {
    private let task: any TrainingTask
    private let say: (String) -> Void
    private var isSaid = false

    init(of task: any TrainingTask, say: @escaping (String) -> Void) { (self.task, self.say) = (task, say) }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
        let found: (values: MeasureValues, place: String)? =
            switch event {
            case .epochFinished(let metrics, _): metrics.validation.map { ($0, "after epoch \(metrics.epoch + 1)") }
            case .tested(let result): (result.values, "in the test")
            default: nil
            }
        guard !isSaid, let found, let warning = task.warning(about: found.values) else { return }
        isSaid = true
        say("\(found.place) \(warning)")
    }
}
