import Configuration
import Measures
import Training

/// The progress of one trial: epoch, loss, the measure that is watched, images a second and the time left.
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
                label, share: share, epoch: (report.epoch + 1, report.epochCount), Shown(report.values, loop.monitor),
                speed: (report.imagesPerSecond, report.secondsLeft)))
        case .epochFinished(let metrics, _):
            let line = Self.line(
                label, epoch: (metrics.epoch + 1, loop.configuration.epochs), Shown(metrics.training, loop.monitor),
                validation: metrics.validation.map { Shown($0, loop.monitor) }, speed: latest.map { ($0.imagesPerSecond, $0.secondsLeft) })
            if terminal.isInteractive { terminal.status(line) } else { terminal.line(line.text) }
        case .stoppedEarly(let epoch):
            terminal.line("\(label)  stopped early after epoch \(epoch + 1)")
        case .digested, .layersMeasured, .stepFinished, .epochTrained, .interrupted, .diverged, .validated, .tested:
            break
        }
    }

    /// The values of a line: the loss, and what is watched where that is another measure.
    struct Shown {
        let loss: Double
        let watched: (title: String, value: Double)?

        init(_ values: MeasureValues, _ monitor: Monitor) {
            loss = values[Measure.lossName] ?? .nan
            // What is not measured of the training is NaN there.
            watched = monitor.measure.name == Measure.lossName ? nil : values[monitor.measure.name].flatMap { $0.isNaN ? nil : (monitor.measure.title, $0) }
        }
    }

    /// What is given up where the line is too long: the bar, then digits, the losses, what is watched of the training, that of the
    /// validation, the time that is left. The label, the epoch and the speed stay.
    ///
    /// - Parameter share: of the training that is done, for a bar.
    static func line(
        _ label: String, share: Double? = nil, epoch: (number: Int, count: Int), _ training: Shown,
        validation: Shown? = nil, speed: (imagesPerSecond: Double, secondsLeft: Double)?
    ) -> FittingLine {
        var line = FittingLine(label)
        if let share { line.append(bar(share, width: 20), shorter: [bar(share, width: 10), ""], givenUpAt: 1) }
        line.append("epoch \(epoch.number)/\(epoch.count)")
        // Forms of one rank change together: fewer digits; no loss; no watched measure of the training; none of the validation.
        let isLossAlone = training.watched == nil, roughLoss = "loss \(decimals(training.loss, 2))"
        line.append(
            "loss \(decimals(training.loss, 4))", shorter: isLossAlone ? [roughLoss, roughLoss, ""] : [roughLoss, ""], givenUpAt: 2)
        if let (title, value) = training.watched {
            let rough = "\(title) \(decimals(value, 2))"
            line.append("\(title) \(decimals(value, 4))", shorter: [rough, rough, ""], givenUpAt: 2)
        }
        if let validation {
            func text(_ digits: Int) -> String {
                ([validation.loss] + (validation.watched.map { [$0.value] } ?? [])).map { decimals($0, digits) }.joined(separator: " ")
            }
            let rough = "val \(decimals(validation.watched?.value ?? validation.loss, 2))"
            line.append("validation \(text(4))", shorter: ["val \(text(2))", rough, rough, ""], givenUpAt: 2)
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
