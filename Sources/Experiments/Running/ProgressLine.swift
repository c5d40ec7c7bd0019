import Configuration
import Training

/// The progress of one trial: epoch, loss, accuracy, images a second and the time left.
///
/// On a terminal one line is rewritten; elsewhere each epoch gets a line.
final class ProgressLine: TrainingListener {
    private let label: String
    private let terminal: Terminal
    private var latest: ProgressReport?

    /// `label` is padded by the caller, so that the lines of several models stand under each other.
    init(label: String, terminal: Terminal) {
        self.label = label
        self.terminal = terminal
    }

    func receive(_ event: TrainingEvent, from loop: TrainingLoop) {
        switch event {
        case .progress(let report):
            latest = report
            terminal.status("\(label)  \(bar(report))  \(text(report.epoch, report.epochCount, report.loss, report.accuracy))  \(speed(report))")
        case .epochFinished(let metrics, _):
            var line = "\(label)  \(text(metrics.epoch, loop.configuration.epochs, metrics.trainLoss, metrics.trainAccuracy))"
            if let loss = metrics.validationLoss, let accuracy = metrics.validationAccuracy {
                line += "  validation \(decimals(loss, 4)) \(decimals(accuracy, 4))"
            }
            if let latest { line += "  \(speed(latest))" }
            if terminal.isInteractive { terminal.status(line) } else { terminal.line(line) }
        case .stoppedEarly(let epoch):
            terminal.line("\(label)  stopped early after epoch \(epoch + 1)")
        case .digested, .layersMeasured, .stepFinished, .epochTrained, .interrupted, .diverged, .tested:
            break
        }
    }

    private func text(_ epoch: Int, _ epochCount: Int, _ loss: Double, _ accuracy: Double) -> String {
        "epoch \(epoch + 1)/\(epochCount)  loss \(decimals(loss, 4))  accuracy \(decimals(accuracy, 4))"
    }

    private func speed(_ report: ProgressReport) -> String {
        "\(grouped(Int(report.imagesPerSecond.rounded()))) images/s  \(duration(report.secondsLeft)) left"
    }

    private func bar(_ report: ProgressReport) -> String {
        let done = (Double(report.epoch) + Double(report.step) / Double(report.stepsPerEpoch)) / Double(report.epochCount)
        let filled = Int(done * 20)
        return String(repeating: "━", count: filled) + String(repeating: "╌", count: 20 - filled)
    }
}
