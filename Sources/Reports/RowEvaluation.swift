import Configuration
import Figures
import Foundation
import Measures
import RunStore

/// What the tests of a row's runs say beside their measures, summed over the runs.
struct RowEvaluation {
    /// Images by class and predicted class, of each run; none where the task does not choose among classes.
    private(set) var confusions: [[[Int]]] = []
    /// Whether these are pixels, of which each has a class, and no images.
    private(set) var isOfPixels = false
    /// The average precision of each class in each run; none where the task finds no objects.
    private var averagePrecisions: [[Double]] = []
    /// By class; numbers where the data set does not name its classes.
    private(set) var classNames: [String] = []
    /// The predictions of each run by their confidence, and its expected calibration error; none where runs keep no logits.
    private(set) var reliabilities: [[ReliabilityBin]] = []
    private(set) var calibrationErrors: [Double] = []
    /// The most confident errors of the first run that keeps some, and what that run is called.
    private(set) var errors: ErrorPictures?
    private(set) var errorsRun = ""
    /// What the first run that keeps some made of images, and what that run is called.
    private(set) var reconstructions: ReconstructionExamples?
    private(set) var reconstructionsRun = ""
    /// The receiver operating characteristic of each run's pairs, false-positive rates and true-positive ones in turn; none where the task compares no pairs.
    private(set) var rocCurves: [[Float]] = []
    /// The estimated numbers of each run; none where the task estimates none.
    private(set) var estimates: [Estimates] = []

    /// What a run's model said of the numbers of test images.
    struct Estimates {
        let run: String
        /// `[images, count]`.
        let values, targets: [Float]
        /// Of an image.
        let count: Int

        /// The errors of a number.
        func errors(of number: Int) -> EstimateErrors { EstimateErrors(estimates: values, targets: targets, number: number, of: count) }
    }

    /// - Throws: `.data` for a run that is damaged where `Comparison` does not look.
    init(_ row: Comparison.Row) throws {
        for (run, _) in row.measured {
            let (evaluation, description, pictures, examples) = try RunReader.read(run.summary.folder) {
                (try $0.evaluation(), try $0.wholeDescription(), try $0.errors(), try $0.reconstructions())
            }
            if errors == nil, let pictures { (errors, errorsRun) = (pictures, run.summary.name) }
            if reconstructions == nil, let examples { (reconstructions, reconstructionsRun) = (examples, run.summary.name) }
            guard let evaluation else { continue }
            if let report = ClassificationReport(evaluation, of: nil) {
                confusions.append(report.confusion.map { $0.map { Int($0) } })
                isOfPixels = report.isOfPixels
            }
            if let curve = evaluation.tables["roc_curve"]?.reals, curve.allSatisfy(\.isFinite), rocCurves.first.map({ $0.count == curve.count }) ?? true { rocCurves.append(curve) }
            let columns = description.layouts[.test]?.columns ?? []
            if let values = evaluation.tables["estimates"]?.reals, let targets = evaluation.tables["targets"]?.reals, values.count == targets.count,
                let column = columns.first(where: { $0.name == "estimates" }) {
                estimates.append(Estimates(run: run.summary.name, values: values, targets: targets, count: max(column.rowShape.reduce(1, *), 1)))
            }
            if let values = evaluation.tables["class_average_precision"]?.reals { averagePrecisions.append(values.map(Double.init)) }
            if let scores = evaluation.scores(of: run.summary.description), scores.isMeasurable, !scores.areMargins {
                reliabilities.append(scores.reliability())
                calibrationErrors.append(scores.calibrationError())
            }
            if classNames.isEmpty, let names = description.data?.classNames { classNames = names }
        }
        let classes = confusions.first?.count ?? averagePrecisions.first?.count ?? 0
        if classNames.count != classes { classNames = (0..<classes).map { "\($0)" } }
        confusions.removeAll { $0.count != classes }
        averagePrecisions.removeAll { $0.count != classes }
    }

    /// How well classes are recognized, in the measure of the task.
    enum ClassMeasure: String {
        case recall
        case iou
        case averagePrecision = "average-precision"
    }

    /// nil where the task has no classes.
    var classMeasure: ClassMeasure? {
        if isOfPixels { return .iou }
        return !confusions.isEmpty ? .recall : !averagePrecisions.isEmpty ? .averagePrecision : nil
    }

    /// The measure of a class in each run in which it has one.
    func values(of index: Int) -> [Double] {
        switch classMeasure {
        case .recall: recalls(of: index)
        case .iou: intersectionsOverUnions(of: index)
        case .averagePrecision: averagePrecisions.map { $0[index] }.filter { !$0.isNaN }
        case nil: []
        }
    }

    /// The images of all runs by class and predicted class; nil where there are none.
    var confusion: [[Int]]? {
        guard var sum = confusions.first else { return nil }
        for other in confusions.dropFirst() {
            for row in sum.indices { for column in sum.indices { sum[row][column] += other[row][column] } }
        }
        return sum
    }

    /// The predictions of all runs by their confidence.
    var reliability: [ReliabilityDiagram.Bin?] {
        (0..<ClassScores.usualBinCount).map { index in
            let bins = reliabilities.map { $0[index] }.filter { $0.count > 0 }, count = bins.reduce(0) { $0 + $1.count }
            func mean(_ value: (ReliabilityBin) -> Double) -> Double { bins.reduce(0) { $0 + value($1) * Double($1.count) } / Double(count) }
            return count == 0 ? nil : ReliabilityDiagram.Bin(confidence: mean(\.confidence), accuracy: mean(\.accuracy), count: count)
        }
    }

    /// The intersection over union of a class in each run that has pixels of it, or predicts some.
    private func intersectionsOverUnions(of index: Int) -> [Double] {
        confusions.map { confusion in
            ClassMeasures(
                imageCount: confusion[index].reduce(0, +), predictedCount: confusion.reduce(0) { $0 + $1[index] }, rightCount: confusion[index][index]).iou
        }.filter { !$0.isNaN }
    }

    /// The recall of a class in each run that has images of it.
    private func recalls(of index: Int) -> [Double] {
        confusions.compactMap { confusion in
            let total = confusion[index].reduce(0, +)
            return total == 0 ? nil : Double(confusion[index][index]) / Double(total)
        }
    }
}
