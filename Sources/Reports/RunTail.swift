import Configuration
import Foundation
import Measures
import RunStore

/// Follows a run's file from another process: what has been recorded since it was last asked.
public final class RunTail {
    private let folder: RunFolder
    private var stepCount: Int?
    private var epochCount = 0
    private let lastRows: Int
    /// How far the training is, by its epochs; 0 before it was asked for the first time.
    private(set) var share = 0.0

    /// - Parameter lastRows: how many of the steps that are there already are told.
    public init(_ folder: RunFolder, lastRows: Int) {
        self.folder = folder
        self.lastRows = lastRows
    }

    /// The lines about new steps and epochs, in their order, and how the run ended, once it has.
    public func next() throws -> (lines: [String], ending: String?) {
        // First, so that what was written before its end is read.
        let isBeingWritten = folder.isBeingWritten
        let run = try RunReader(folder)
        let count = try run.stepCount(), first = min(stepCount ?? max(0, count - lastRows), count)
        // Told already, but cut back to a checkpoint since.
        var lines = stepCount.map { $0 > count } == true ? ["goes on after step \(grouped(count))"] : []
        let measures = run.description.measures
        let steps = try run.steps(from: first), allEpochs = try run.epochs()
        if stepCount == nil { epochCount = allEpochs.firstIndex { $0.epoch >= steps.first?.epoch ?? .max } ?? allEpochs.count }
        var epochs = allEpochs.dropFirst(min(epochCount, allEpochs.count))[...]
        for step in steps {
            while let epoch = epochs.first, epoch.epoch < step.epoch { lines.append(Self.line(epochs.removeFirst(), measures)) }
            lines.append(Self.line(step, measures))
        }
        lines += epochs.map { Self.line($0, measures) }
        stepCount = first + steps.count
        epochCount = allEpochs.count
        share = Self.epochs(in: run.description).map { min(1, Double(epochCount) / Double($0)) } ?? 0
        return (lines, try ending(of: run, isBeingWritten: isBeingWritten))
    }

    /// How many epochs a run's definition asks for.
    private static func epochs(in run: RunDescription) -> Int? {
        guard case .scalar(let text, _)? = run.definition?["train"]?["epochs"]?.value else { return nil }
        return Int(text)
    }

    private static func line(_ step: StepRecord, _ measures: [Measure]) -> String {
        """
        step \(grouped(step.step))  epoch \(step.epoch)  \(text(step.values, measures))  \
        learning rate \(significant(step.learningRate))  gradient norm \(decimals(step.gradientNorm, 4))
        """
    }

    private static func line(_ epoch: EpochRecord, _ measures: [Measure]) -> String {
        /// The values of the weights, or of an average of them.
        func validation(_ average: WeightAverage?) -> String {
            let averages = WeightAverage.all(in: measures)
            let values = zip(measures, epoch.validation).compactMap { measure, value in
                averages.first { measure.name.hasPrefix($0.name("")) } == average ? value.map { decimals($0, 4) } : nil
            }
            return values.isEmpty ? "" : "  \(average?.rawValue ?? "validation") \(values.joined(separator: " "))"
        }
        let averages = WeightAverage.all(in: measures).map(validation).joined()
        return "epoch \(epoch.epoch)  \(text(epoch.training, measures))" + validation(nil) + averages
    }

    private static func text(_ values: [Double], _ measures: [Measure]) -> String {
        zip(measures, values).filter(\.0.isOfTraining).map { "\($0.title) \(decimals($1, 4))" }.joined(separator: "  ")
    }

    private func ending(of run: RunReader, isBeingWritten: Bool) throws -> String? {
        switch run.status {
        case .running: isBeingWritten ? nil : "was cut off after step \(grouped(try run.stepCount())); `harness run` goes on"
        case .interrupted where SweepFile.epochOfStop(of: folder) != nil:
            "was stopped by its sweep after epoch \(try SweepFile.epochOfStop(of: folder) ?? run.epochs().count), because others did better"
        case .interrupted: isBeingWritten ? nil : "was interrupted after step \(grouped(try run.stepCount())); `harness run` goes on"
        case .diverged: "diverged at step \(grouped(try run.stepCount() + 1))"
        case .finished: "finished" + (try testText(of: run) ?? "")
        }
    }

    /// The value by which the best weights were found, of the test.
    private func testText(of run: RunReader) throws -> String? {
        let measures = run.description.measures
        guard let values = try run.testValues(), let place = measures.firstIndex(where: { $0.name == run.description.monitored }), let value = values[place]
        else { return nil }
        return ": test \(measures[place].title) \(decimals(value, 4))"
    }
}
