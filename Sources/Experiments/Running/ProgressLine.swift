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
            let share = (Double(report.epoch) + Double(report.step) / Double(report.stepsPerEpoch)) / Double(report.epochCount)
            terminal.status(Self.line(
                label, share: share, epoch: (report.epoch + 1, report.epochCount), loss: report.loss, accuracy: report.accuracy,
                speed: (report.imagesPerSecond, report.secondsLeft)))
        case .epochFinished(let metrics, _):
            var validation: (Double, Double)?
            if let loss = metrics.validationLoss, let accuracy = metrics.validationAccuracy { validation = (loss, accuracy) }
            let line = Self.line(
                label, epoch: (metrics.epoch + 1, loop.configuration.epochs), loss: metrics.trainLoss, accuracy: metrics.trainAccuracy,
                validation: validation, speed: latest.map { ($0.imagesPerSecond, $0.secondsLeft) })
            if terminal.isInteractive { terminal.status(line) } else { terminal.line(line.text) }
        case .stoppedEarly(let epoch):
            terminal.line("\(label)  stopped early after epoch \(epoch + 1)")
        case .digested, .layersMeasured, .stepFinished, .epochTrained, .interrupted, .diverged, .tested:
            break
        }
    }

    /// What is given up where the line is too long: the bar, then digits, the losses, the accuracy of the training, that of the
    /// validation, the time that is left. The label, the epoch and the speed stay.
    ///
    /// - Parameter share: of the training that is done, for a bar.
    static func line(
        _ label: String, share: Double? = nil, epoch: (number: Int, count: Int), loss: Double, accuracy: Double,
        validation: (loss: Double, accuracy: Double)? = nil, speed: (imagesPerSecond: Double, secondsLeft: Double)?
    ) -> FittingLine {
        var line = FittingLine(label)
        if let share { line.append(bar(share, width: 20), shorter: [bar(share, width: 10), ""], givenUpAt: 1) }
        line.append("epoch \(epoch.number)/\(epoch.count)")
        // Forms of one rank change together: fewer digits; no loss; no accuracy of the training; none of the validation.
        line.append("loss \(decimals(loss, 4))", shorter: ["loss \(decimals(loss, 2))", ""], givenUpAt: 2)
        let rough = "accuracy \(decimals(accuracy, 2))"
        line.append("accuracy \(decimals(accuracy, 4))", shorter: [rough, rough, ""], givenUpAt: 2)
        if let (loss, accuracy) = validation {
            let rough = "val \(decimals(accuracy, 2))"
            line.append(
                "validation \(decimals(loss, 4)) \(decimals(accuracy, 4))",
                shorter: ["val \(decimals(loss, 2)) \(decimals(accuracy, 2))", rough, rough, ""], givenUpAt: 2)
        }
        if let speed {
            line.append("\(grouped(Int(speed.imagesPerSecond.rounded()))) images/s")
            line.append("\(duration(speed.secondsLeft)) left", shorter: [""], givenUpAt: 3)
        }
        return line
    }

    private static func bar(_ share: Double, width: Int) -> String {
        let filled = Int(share * Double(width))
        return String(repeating: "━", count: filled) + String(repeating: "╌", count: width - filled)
    }
}
